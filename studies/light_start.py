"""Makes the weights that a training without a graphics card starts from.

    python studies/light_start.py

Images of invented molecules are simulated, the light network is trained on them from nothing, then
as long again with more molecules among the regions that it must name, and its weights are written
to engine/pretrained/light_start.h5, kernels as float16. What is there already is not made again: a
command that was stopped goes on where it was. Another version of TensorFlow or another processor
rounds otherwise, so that the weights differ in their last digits and then more; docs/recipe.md says
what this start is worth.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.initial_weights import SHIPPED
from spm.run import command_line
from spm.run.files import make_folder
from spm.run.setting_kinds import Count, Seed
from spm.run.settings import Settings, takes
from train_test import LightConfig, ShapesConfig, SmallConfig, Training


class LightStart(Settings):
    """On what and how long is trained."""

    classes: Count = 64
    """Invented molecules; each image shows up to four of them."""
    images: Count = 480
    """Images."""
    size: Count = 320
    """Their side, pixels."""
    epochs: Count = 100
    """Epochs of each of the two trainings, 50 steps each."""
    seed: Seed = 1000
    """Of the molecules and of the first image."""
    work_dir: Path = Path("studies/results/light_start")
    """Folder of the images and of the trainings."""
    out: Path = SHIPPED
    """Weights file to write."""


class Naming(LightConfig):
    """The second training: 64 names are learned slowly, and from molecules alone."""

    ROI_POSITIVE_RATIO = 0.5
    RETRAIN_RATE = 1.0


@takes(LightStart)
def main(settings: LightStart) -> int:
    """Simulate, train twice, write."""
    from engine.recipes import Recipes
    from engine.train import train
    from mrcnn.weights import write_start

    images = _images(settings)
    weights = "none"
    for recipe in (LightConfig, Naming):
        training = Training.of(
            init_with=str(weights), recipe="cpu", augment="online", source_dir=images,
            log_dir=settings.work_dir / recipe.__name__, validation_share=0,
            epochs=settings.epochs,
        )  # fmt: skip
        weights = train(training, Recipes(paper=ShapesConfig, light=recipe, small=SmallConfig))
    make_folder(settings.out.parent)
    write_start(weights, settings.out, "molecule")
    print(f"{settings.out}: {settings.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _images(settings: LightStart) -> Path:
    from spm.simulate.__main__ import main as simulate

    folder = settings.work_dir / "images"
    if len(list(folder.glob("*.json"))) < settings.images:
        simulate(
            invented=settings.classes, count=settings.images, size=settings.size,
            random_appearance=True, seed=settings.seed, out=folder,
        )  # fmt: skip
    return folder


if __name__ == "__main__":
    command_line.run(main)
