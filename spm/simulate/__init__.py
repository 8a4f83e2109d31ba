"""Simulated constant-current STM images of self-assembled molecules, with their exact truth.

    from spm.simulate import simulate
    image, truth = simulate("network", size=1024, seed=0)

`simulate` makes an image and its labelme annotation, `simulate_pair` two scans of one place with
drift, `molecule_crops` single molecules.  The same arguments give the same image, whatever the
number of processes.
"""

# ruff: noqa: F401 -- the simulator's names, for those who use it

from spm.simulate.appearance import Appearance
from spm.simulate.image import simulate
from spm.simulate.invented import invented_drawing, invented_drawings, invented_system
from spm.simulate.molecules import (
    Drawing,
    Lobe,
    Plate,
    builtin_drawings,
    drawing_from_crop,
    drawing_from_mask,
    drawing_from_outline,
    drawings_from_annotation,
)
from spm.simulate.near_identical import near_identical_drawings, near_identical_system
from spm.simulate.pair import simulate_pair
from spm.simulate.single import molecule_crops
from spm.simulate.systems import SYSTEMS, Cell, Site, System
