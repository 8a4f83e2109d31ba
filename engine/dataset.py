"""Annotated images as the detector's training takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Images_Augmentation.online_aug import COLOUR_CHANGES, Scene, ViewSettings, draw_view
from mrcnn import utils
from mrcnn.config import Config
from spm.dataset.annotated_images import Source, classify
from spm.structures.classes import Classes


class MoleculeDataset(utils.Dataset):
    """Annotated images as the detector takes them.

    `load_shapes` fills it. `load_image` and `load_mask` give whole images; `load_sample` draws a
    random view of the network's size, and is what training uses.
    """

    def load_shapes(
        self, sources: list[Source], classes: Sequence[str], views: ViewSettings
    ) -> None:
        """Adds classes and images.

        Args:
            sources: see `spm.dataset.annotated_images`.
            classes: the known ones, by which the sources are named if they are not yet.
            views: how they are drawn.
        """
        self.views = views
        self._scenes = {}
        for number, name in enumerate(classes, 1):
            self.add_class("shapes", number, name)
        classify(sources, classes)
        for source in sources:
            self.add_image("shapes", image_id=source.name, path=str(source.path), source_of=source)
        self.prepare()

    def load_image(self, image_id) -> np.ndarray:
        """The whole image (H, W, 3) uint8 RGB."""
        return self.image_info[image_id]["source_of"].read_image()

    def load_mask(self, image_id) -> tuple[np.ndarray, np.ndarray]:
        """Masks (H, W, N) bool and class ids (N,) int32 of the whole image."""
        source = self.image_info[image_id]["source_of"]
        return source.read_masks().astype(bool), self._class_ids(source)

    def load_sample(self, image_id, rng: np.random.Generator):
        """A random view: image (S, S, 3) uint8, class ids (N,), masks (S, S, N) bool, and boxes
        (K, 4) of regions that are neither target nor background."""
        view = draw_view(self._scene(image_id), self.views, rng)
        return view.image, view.class_ids, view.masks, view.ignored

    def _scene(self, image_id) -> Scene:
        """What views are drawn from. The user's own images are few and stay in memory."""
        if image_id in self._scenes:
            return self._scenes[image_id]
        source = self.image_info[image_id]["source_of"]
        stored = source.masks_are_stored
        scene = Scene(
            source.read_image(),
            None if stored else source.read_outlines(),
            self._class_ids(source),
            source.valid,
            source.partial,
            source.read_cropped_masks() if stored else None,
            source.unclear,
        )
        if not stored:
            self._scenes[image_id] = scene
        return scene

    def _class_ids(self, source: Source) -> np.ndarray:
        return source.class_ids + 1  # 0 is the background

    def image_reference(self, image_id) -> str:
        """Path of the image."""
        return self.image_info[image_id]["path"]


def make_dataset(sources: list[Source], classes: Classes, config: Config) -> MoleculeDataset:
    """Returns a dataset whose views are what a config asks for."""
    dataset = MoleculeDataset()
    dataset.load_shapes(sources, classes, view_settings(config))
    return dataset


def view_settings(config: Config) -> ViewSettings:
    """Returns how views are drawn for a config."""
    side = int(config.IMAGE_SHAPE[0])
    colours = {} if config.VIEW_COLOURS else dict.fromkeys(COLOUR_CHANGES, 0.0)
    return ViewSettings(
        size=side, scale=config.SCALE, cell=max(side // 16, 4), flip=config.MIRROR, **colours
    )
