"""`simulate`: a whole image with its truth."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.io.colour_maps import COLOUR_MAPS, colour
from spm.simulate import appearance as look
from spm.simulate import recording
from spm.simulate.appearance import Appearance
from spm.simulate.distortion import Distortion
from spm.simulate.frame import Frame, make_frame
from spm.simulate.lattice import (
    Arrangement,
    gas_arrangement,
    lattice_arrangement,
    without_patches,
)
from spm.simulate.molecules import STANDARD_SIZE, Drawing
from spm.simulate.scanning import stamp, trace
from spm.simulate.systems import SYSTEMS, System
from spm.simulate.truth import truth_annotation
from spm.structures.annotation import Annotation

# Each purpose has its own random stream, so that changing one leaves the others as they were.
_PLACES, _HEIGHTS, _APPEARANCE, _SURFACE, _TIP, _NOISE, _SCRAMBLE = range(7)
_AGAIN = 1000  # the streams of a second scan begin here


@dataclass(frozen=True)
class Scan:
    """What `simulate` is asked for besides the system and its appearance.

    Attributes:
        pixels_per_molecule: width of molecule A in the image; all else scales with it.
        unstable_tip: tip changes, streaks and jumping lines all over.
        scrambled: this many molecules, wholly inside the image, are spoilt by tip noise; their
            shapes carry the flag `scrambled`.
        random_appearance: draw tip, noise, drift, contrast and colour map anew for each seed.
        drawings: molecules of the user's own by class name, besides the built-in ones.
        nm_per_pixel: written into the truth, with the lattice in nanometres.
        image_name: written into the truth.
    """

    pixels_per_molecule: float = STANDARD_SIZE
    unstable_tip: bool = False
    scrambled: int = 0
    random_appearance: bool = False
    drawings: dict[str, Drawing] | None = None
    nm_per_pixel: float | None = None
    image_name: str = "simulated.png"


_SCAN_FIELDS = {f.name for f in fields(Scan)}
_SYSTEM_FIELDS = {f.name for f in fields(System)} - {"name", "appearance"}
_APPEARANCE_FIELDS = {f.name for f in fields(Appearance)}


def simulate(
    system: str | System = "network",
    size: int | tuple[int, int] = 1024,
    seed: int = 0,
    **settings: Any,
) -> tuple[np.ndarray, Annotation]:
    """Simulate one image.

    Args:
        system: a name in `SYSTEMS`, or a System.
        size: side in pixels, or (height, width).
        seed: same seed, same image.
        **settings: any field of Scan, System or Appearance by name, for example
            `pixels_per_molecule=40`, `vacancies=0.1`, `domains=3`, `colour_map="grey"`.

    Returns:
        image: (H, W, 3) uint8 RGB.
        truth: Annotation with every molecule that shows (see `spm.simulate.truth`).  Its
            `extra["simulation"]` holds system, seed, pixels_per_molecule, class_names, and for
            crystals `lattice_vectors`: per domain [[ax, ay], [bx, by]] in image pixels, at the
            image's centre, drift included.

    Raises:
        InputError: unknown system, setting or colour map, or a size without a pixel.
    """
    scene = make_scene(system, size, seed, **settings)
    distortion = scene.frame.distortion(scene.appearance)
    return record_scan(scene, distortion, populate(scene, [distortion]))


@dataclass
class Scene:
    """What is scanned and how, before anything lies on the surface.

    Attributes:
        scan, system, frame, appearance: as asked for.
        seed: of the image.
        rngs: a random stream for each purpose.
    """

    scan: Scan
    system: System
    frame: Frame
    appearance: Appearance
    seed: int
    rngs: list[np.random.Generator]

    def again(self) -> Scene:
        """Return the scene for a further scan: what is on the surface stays, noise does not."""
        rngs = [np.random.default_rng([self.seed, _AGAIN + k]) for k in range(len(self.rngs))]
        rngs[_SURFACE] = copy.deepcopy(self.rngs[_SURFACE])
        return replace(self, rngs=rngs)


@dataclass
class Surface:
    """What lies on a surface.

    Attributes:
        arrangement: the molecules.
        adsorbates: (n, 2) float64 places (x, y) of bright blobs.
    """

    arrangement: Arrangement
    adsorbates: np.ndarray


def make_scene(
    system: str | System, size: int | tuple[int, int], seed: int, **settings: Any
) -> Scene:
    """Return what `simulate` is asked for; see there."""
    scan = Scan(**{k: settings.pop(k) for k in _SCAN_FIELDS & set(settings)})
    system = _resolved(system, settings)
    frame = make_frame(size, scan.pixels_per_molecule, system.class_names, scan.drawings)
    if seed < 0:
        raise InputError(f"the seed must be 0 or greater. Received: {seed}.")
    rngs = [np.random.default_rng([seed, purpose]) for purpose in range(7)]
    if system.cell is None:  # the same gas positions in every system would be no new test
        rngs[_PLACES] = np.random.default_rng([seed, zlib.crc32(system.name.encode())])
    ap = _recorded(system, scan, settings, rngs[_APPEARANCE])
    return Scene(scan, system, frame, ap, seed, rngs)


def populate(scene: Scene, distortions: Sequence[Distortion]) -> Surface:
    """Return what lies on the surface, as far as any of the scans reaches."""
    ap, frame, rngs = scene.appearance, scene.frame, scene.rngs
    arrangement = _arranged(scene.system, frame, distortions, rngs[_PLACES])
    adsorbates = rngs[_SURFACE].uniform(0.03, 0.97, (ap.adsorbates, 2)) * frame.shape[::-1]
    _make_room(arrangement, adsorbates, 1.7 * ap.adsorbate_radius * frame.scale)
    _vary_heights(arrangement, ap.height_spread, rngs[_HEIGHTS])
    _choose_scrambled(arrangement, frame, distortions[0], scene.scan.scrambled, rngs[_SCRAMBLE])
    return Surface(arrangement, adsorbates)


def record_scan(
    scene: Scene, distortion: Distortion, surface: Surface, *, upwards: bool = False
) -> tuple[np.ndarray, Annotation]:
    """Return the image of a scan and its truth; see `simulate`."""
    ap, frame, rngs, scan = scene.appearance, scene.frame, scene.rngs, scene.scan
    shape, scale, arrangement = frame.shape, frame.scale, surface.arrangement
    way = -1 if upwards else 1
    heights = scanned_heights(arrangement, frame, ap, distortion, rngs[_TIP])
    heights += recording.slow_background(shape, ap.background, rngs[_SURFACE])
    recording.add_adsorbates(
        heights, distortion.to_image(surface.adsorbates), ap.adsorbate_radius * scale,
        rngs[_SURFACE],
    )  # fmt: skip
    for placement in arrangement.placements:
        if placement.scrambled:
            centre = distortion.to_image(np.array([[placement.x, placement.y]]))[0]
            radius = 1.05 * frame.drawings[placement.class_name].radius * scale
            recording.scramble(heights, centre, radius, rngs[_SCRAMBLE])
    # The electronics write line after line in the order of time.
    in_time = np.ascontiguousarray(heights[::way])
    recorded = recording.record(in_time, ap, scale, rngs[_NOISE])
    image = colour(np.ascontiguousarray(recorded[::way]), ap.colour_map)

    facts = {
        "system": scene.system.name,
        "seed": scene.seed,
        "pixels_per_molecule": scan.pixels_per_molecule,
        "class_names": scene.system.class_names,
        "colour_map": ap.colour_map,
        **_lattice_facts(arrangement, distortion, shape, scan.nm_per_pixel),
    }
    truth = truth_annotation(
        arrangement, frame, distortion, image_name=scan.image_name, facts=facts
    )
    return image, truth


def changed_appearance(ap: Appearance, overrides: dict) -> Appearance:
    """Return `ap` with those overrides that are its fields; checks the colour map."""
    ap = replace(ap, **{k: v for k, v in overrides.items() if k in _APPEARANCE_FIELDS})
    if ap.colour_map not in COLOUR_MAPS:
        raise InputError(
            f"colour map {ap.colour_map!r} is unknown; choose from {', '.join(COLOUR_MAPS)}."
        )
    return ap


def check_overrides(overrides: dict, known: set[str]) -> None:
    """Raise an InputError that lists the known names if an override is none of them."""
    unknown = sorted(set(overrides) - known)
    if unknown:
        names = ", ".join(sorted(known))
        raise InputError(f"the simulator knows no {', '.join(unknown)}; it knows {names}.")


def _resolved(system: str | System, overrides: dict) -> System:
    if isinstance(system, str):
        if system not in SYSTEMS:
            raise InputError(f"system {system!r} is unknown; choose from {', '.join(SYSTEMS)}.")
        system = SYSTEMS[system]
    check_overrides(overrides, _SCAN_FIELDS | _SYSTEM_FIELDS | _APPEARANCE_FIELDS)
    return replace(system, **{k: v for k, v in overrides.items() if k in _SYSTEM_FIELDS})


def _recorded(system: System, scan: Scan, overrides: dict, rng: np.random.Generator) -> Appearance:
    """Return the appearance: the system's, varied if wished, then what the caller asked for."""
    ap = system.appearance
    if scan.random_appearance:
        contrast = {name: ap.class_heights.get(name, 1.0) for name in system.class_names}
        ap = look.varied(replace(ap, class_heights=contrast), rng)
    if scan.unstable_tip:
        ap = replace(ap, **{k: max(v, getattr(ap, k)) for k, v in look.UNSTABLE_TIP.items()})
    return changed_appearance(ap, overrides)


def _displacement(distortion: Distortion, shape, pad: float) -> float:
    """Return the largest shift in the image grown by `pad`, pixels."""
    ends = [np.array([-pad, 0.0, side / 2, side, side + pad]) for side in shape]
    points = np.stack(np.meshgrid(ends[1], ends[0]), axis=-1).reshape(-1, 2)
    return float(np.abs(distortion.to_surface(points) - points).max())


def _arranged(
    system: System, frame: Frame, distortions: Sequence[Distortion], rng: np.random.Generator
) -> Arrangement:
    shape, scale = frame.shape, frame.scale
    farthest = max(_displacement(each, shape, 50 * scale) for each in distortions)
    reach = farthest / scale  # drawing pixels
    if system.cell is not None:
        arrangement = lattice_arrangement(system, frame, rng, max(90.0, reach + 50.0))
    elif system.shares:
        arrangement = gas_arrangement(system, frame, rng, max(40.0, reach + 40.0))
    else:
        arrangement = Arrangement([])
    side = sum(shape) / 2 / scale
    arrangement.placements = without_patches(
        arrangement.placements, shape, rng,
        patches=round(system.patches * side / 1000), radius=system.patch_radius * scale,
        at_border=system.patches_at_border,
    )  # fmt: skip
    return arrangement


def _make_room(arrangement: Arrangement, adsorbates: np.ndarray, radius: float) -> None:
    """Drop the molecules under bright adsorbates: nobody could see or outline them."""
    arrangement.placements = [
        p
        for p in arrangement.placements
        if all((p.x - x) ** 2 + (p.y - y) ** 2 > radius**2 for x, y in adsorbates)
    ]


def _vary_heights(arrangement: Arrangement, spread: float, rng) -> None:
    factors = rng.normal(1.0, spread, len(arrangement.placements))
    arrangement.placements = [
        replace(p, height=float(f)) for p, f in zip(arrangement.placements, factors, strict=True)
    ]


def scanned_heights(
    arrangement: Arrangement,
    frame: Frame,
    ap: Appearance,
    distortion: Distortion,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the (H, W) float32 heights that the tip reports over the molecules."""
    shape, scale = frame.shape, frame.scale
    pad = int(np.ceil(4 * max(ap.blur, ap.skirt) * scale)) + 2
    margin = pad + int(np.ceil(_displacement(distortion, shape, pad))) + 2
    surface = stamp(arrangement.placements, frame, margin, ap.class_heights)
    return trace(distortion.apply(surface, shape, margin, pad), ap, scale, pad, rng)


def _choose_scrambled(
    arrangement: Arrangement,
    frame: Frame,
    distortion: Distortion,
    count: int,
    rng: np.random.Generator,
) -> None:
    """Mark `count` molecules that lie wholly inside the image, in place."""
    if not count:
        return
    height, width = frame.shape
    whole = []
    for index, p in enumerate(arrangement.placements):
        x, y = distortion.to_image(np.array([[p.x, p.y]]))[0]
        reach = frame.drawings[p.class_name].radius * frame.scale
        if reach <= x <= width - reach and reach <= y <= height - reach:
            whole.append(index)
    if len(whole) < count:
        raise InputError(
            f"only {len(whole)} molecules are wholly inside; {count} cannot be spoilt."
        )
    for index in rng.choice(whole, count, replace=False):
        arrangement.placements[index] = replace(arrangement.placements[index], scrambled=True)


def _lattice_facts(arrangement, distortion, shape, nm_per_pixel) -> dict:
    """Lattice vectors as they appear at the image's centre, image pixels and nanometres."""
    facts: dict = {}
    centre = distortion.to_surface(np.array([[shape[1] / 2, shape[0] / 2]]))[0]
    if arrangement.vectors:
        drawn = []
        for vectors in arrangement.vectors:
            # Central differences: the drift is linear there, the creep has died away.
            ends = distortion.to_image(np.concatenate([centre + vectors / 2, centre - vectors / 2]))
            drawn.append(ends[:2] - ends[2:])
        facts["lattice_vectors"] = np.round(drawn, 3).tolist()
    if nm_per_pixel is not None:
        facts["nm_per_pixel"] = nm_per_pixel
        if arrangement.vectors:
            facts["lattice_vectors_nm"] = np.round(np.array(drawn) * nm_per_pixel, 4).tolist()
    return facts
