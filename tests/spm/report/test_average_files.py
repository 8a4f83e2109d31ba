"""The files of the averages, of a simulated image and of its prediction opened again."""

import numpy as np
import pytest
import tifffile

from spm import average
from spm.errors import InputError
from spm.io.pixel_size import write_scaled_png
from spm.measure.statistics import measure
from spm.report.average_files import averages_of, save_averages
from spm.simulate import simulate
from spm.structures.annotation import write_annotation
from spm.structures.molecule import (
    annotation_to_molecules,
    molecules_to_annotation,
    set_orientations,
)

NM = 0.08


@pytest.fixture(scope="module")
def scene():
    image, truth = simulate("B", 420, 3, domains=1, pixels_per_molecule=40, patches=0)
    return image, set_orientations(annotation_to_molecules(truth.classified(["020a"])))


def test_prediction_opened_again(scene, tmp_path, capsys):
    image, molecules = scene
    images, results = tmp_path / "images", tmp_path / "results"
    images.mkdir()
    results.mkdir()
    write_scaled_png(images / "a [1].png", image, NM)
    annotation = molecules_to_annotation(molecules, 420, 420, "../images/a [1].png", NM)
    write_annotation(results / "a [1]_predicted.json", annotation)
    stale = [results / name for name in ("a [1]_cell_3.tif", "a [1]_mean_old.tif")]
    other = results / "a [1]b_cell_3.tif"
    for path in (*stale, other):
        path.touch()
    assert average.main(files=[results / "a [1]_predicted.json"], images=images) == 0
    assert "a [1]_averages.png" in capsys.readouterr().out
    assert not any(path.exists() for path in stale) and other.exists()
    with np.load(results / "a [1]_averages.npz") as stored:
        assert stored["value_unit"] == "grey levels" and stored["nm_per_pixel"] == NM
        assert stored["cell_1_count"] > 20 and stored["cell_1_sites"].shape == (1, 2)
        mean = stored["cell_1_mean"]
        area = abs(np.linalg.det(stored["cell_1_vectors_px"]))
        assert mean.size == pytest.approx(area, rel=0.25), "about a pixel a pixel"
        assert stored["molecule_020a_symmetry"] == 3
        assert stored["molecule_020a_likeness_3"] > 0.97
        molecule = stored["molecule_020a_mean"]
    with tifffile.TiffFile(results / "a [1]_mean_020a.tif") as file:
        layers = file.asarray()
        assert layers.dtype == np.float32 and layers.shape == (2, *molecule.shape)
        assert layers[0] == pytest.approx(molecule, rel=1e-5)
        assert file.imagej_metadata["unit"] == "nm"
        pixels, of = file.pages[0].tags["XResolution"].value
        assert of / pixels == pytest.approx(NM, rel=1e-4)
    assert (results / "a [1]_cell_1.tif").is_file()


def test_heights_are_averaged_where_they_are_known(scene, tmp_path):
    image, molecules = scene
    heights = image.mean(axis=2) / 400
    found = measure(molecules, 420, 420, NM, heights_nm=heights)
    assert save_averages(tmp_path / "a", averages_of(found, image, heights)) is not None
    with np.load(tmp_path / "a_averages.npz") as stored:
        assert stored["value_unit"] == "nm" and 0.1 < stored["molecule_020a_mean"].max() < 0.64


def test_nothing_repeats(tmp_path):
    found = measure([], 50, 50)
    averages = averages_of(found, np.zeros((50, 50, 3), np.uint8), None)
    assert averages is None and save_averages(tmp_path / "a", averages) is None
    assert not list(tmp_path.iterdir())


def test_an_image_of_another_size_is_refused(scene, tmp_path):
    image, molecules = scene
    annotation = molecules_to_annotation(molecules, 420, 420, "b.png")
    write_annotation(tmp_path / "b_predicted.json", annotation)
    with pytest.raises(InputError, match="not beside it"):
        average.main(files=[tmp_path / "b_predicted.json"], images=tmp_path / "none")
    write_scaled_png(tmp_path / "b.png", image[:-3], None)
    with pytest.raises(InputError, match="420 x 420 pixels.*420 x 417"):
        average.main(files=[tmp_path / "b_predicted.json"], images=tmp_path)
