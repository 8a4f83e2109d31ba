"""The techniques on grey levels and colours against imgaug, from which the paper took them."""

import numpy as np
import pytest
from annotated import textured

from Images_Augmentation import photometric

iaa = pytest.importorskip("imgaug.augmenters")
parameters = pytest.importorskip("imgaug.parameters")
random = pytest.importorskip("imgaug.random")

IMAGE = textured(90, 120)


class Chosen(parameters.StochasticParameter):
    """Gives these values when imgaug draws."""

    def __init__(self, values):
        super().__init__()
        self.values = np.asarray(values, float)

    def _draw_samples(self, size, random_state):
        return np.resize(self.values, size)


def levels_apart(one, two):
    """The largest difference of grey levels."""
    return np.abs(one.astype(int) - two).max()


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 1.7, 2.9])
def test_gaussian_blur(sigma):
    theirs = iaa.GaussianBlur(sigma)(image=IMAGE)
    assert np.array_equal(photometric.gaussian_blur(IMAGE, sigma), theirs)


@pytest.mark.parametrize("alpha", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("amount", [0.75, 1.0, 1.5])
def test_sharpen_and_emboss(alpha, amount):
    pairs = [
        (photometric.sharpening(amount), iaa.Sharpen(alpha, amount)),
        (photometric.embossing(amount), iaa.Emboss(alpha, amount)),
    ]
    for kernel, augmenter in pairs:
        ours = photometric.filtered(IMAGE, kernel, alpha)
        assert levels_apart(ours, augmenter(image=IMAGE)) <= 1


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.7])
def test_edges(alpha):
    ours = photometric.filtered(IMAGE, photometric.LAPLACE, alpha)
    assert levels_apart(ours, iaa.EdgeDetect(alpha)(image=IMAGE)) <= 1
    for degrees in (0, 45, 90, 137, 270):
        ours = photometric.filtered(IMAGE, photometric.edges_from(degrees), alpha)
        theirs = iaa.DirectedEdgeDetect(alpha, (degrees + 0.5) / 360)(image=IMAGE)
        assert levels_apart(ours, theirs) <= 1


@pytest.mark.parametrize("factors", [[0.5] * 3, [1.5] * 3, [0.8, 1.0, 1.3], [2.0, 0.5, 1.7]])
def test_multiply_and_contrast(factors):
    given = np.array(factors)
    theirs = iaa.Multiply(Chosen(factors), per_channel=True)(image=IMAGE)
    assert levels_apart(photometric.scaled(IMAGE, given, 0), theirs) <= 1  # one of them rounds
    theirs = iaa.LinearContrast(Chosen(factors), per_channel=True)(image=IMAGE)
    assert np.array_equal(photometric.scaled(IMAGE, given, 127), theirs)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_grayscale(alpha):
    coloured = IMAGE.copy()
    coloured[:, :, 0] //= 2
    theirs = iaa.Grayscale(alpha)(image=coloured)
    assert levels_apart(photometric.greyed(coloured, alpha), theirs) <= 2


def test_invert(rng):
    assert np.array_equal(photometric.invert(IMAGE, rng), iaa.Invert(1.0)(image=IMAGE))


@pytest.mark.parametrize("shape", [(90, 120), (128, 128), (200, 150)])
@pytest.mark.parametrize("count", [20, 100])
def test_superpixels(shape, count):
    image = textured(*shape)
    for chosen in (np.arange(count) % 3 == 0, np.ones(count, bool), np.zeros(count, bool)):
        augmenter = iaa.Superpixels(Chosen(chosen), count)
        ours = photometric.filled_segments(image, count, chosen)
        assert levels_apart(ours, augmenter(image=image)) <= 1


def changes(function, seeds=2000):
    """Mean and spread of the change of a flat image, over seeds."""
    flat = np.full((8, 8, 3), 100, np.uint8)
    results = [function(flat, seed).astype(float) - 100 for seed in range(seeds)]
    means = [result.mean() for result in results]
    apart = np.mean([np.ptp(result.mean(axis=(0, 1))) > 0.01 for result in results])
    return np.mean(means), np.std(means), np.mean([r.std() for r in results]), apart


@pytest.mark.parametrize(
    ("name", "augmenter"),
    [
        ("gaussian_noise", iaa.AdditiveGaussianNoise(scale=(0, 0.05 * 255), per_channel=0.5)),
        ("add", iaa.Add((-10, 10), per_channel=0.5)),
        ("multiply", iaa.Multiply((0.5, 1.5), per_channel=0.5)),
        ("contrast", iaa.LinearContrast((0.5, 2.0), per_channel=0.5)),
    ],
)
def test_what_is_drawn_is_distributed_alike(name, augmenter):
    """Mean, spread between images and within one, and how often channels get their own values."""
    technique = getattr(photometric, name)

    def theirs(image, seed):
        augmenter.seed_(seed)
        return augmenter(image=image)

    ours = changes(lambda image, seed: technique(image, np.random.default_rng(seed)))
    for one, two, margin in zip(ours, changes(theirs), (2, 2, 1, 0.06), strict=True):
        assert abs(one - two) < margin, (ours, changes(theirs))
