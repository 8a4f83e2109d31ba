"""The named systems: which molecules, how they lie, and how they are recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from spm.simulate.appearance import Appearance


@dataclass(frozen=True)
class Site:
    """A molecule in a cell: fractions of the lattice vectors, and its angle to vector a's frame."""

    class_name: str
    along_a: float
    along_b: float
    angle: float


@dataclass(frozen=True)
class Cell:
    """A repeat unit: lattice vectors (x, y) in drawing pixels and the molecules inside."""

    a: tuple[float, float]
    b: tuple[float, float]
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class System:
    """Everything `simulate` needs besides size and seed.

    Lengths are drawing pixels (`spm.simulate.molecules.STANDARD_SIZE`).  With a `cell` the
    molecules form a crystal, without one a random gas of `shares`.
    """

    name: str
    shares: dict[str, float] = field(default_factory=dict)  # class -> frequency in the gas
    cell: Cell | None = None
    angle: float | None = None  # of the (first) lattice, degrees; None draws one
    domains: int = 1  # crystal domains
    vacancies: float = 0.0  # share of missing molecules
    patches: float = 0.0  # bare patches per 1000 drawing pixels of the image's side
    patch_radius: float = 110.0  # mean radius of a bare patch
    patches_at_border: bool = True
    coverage: float = 0.3  # share of the area covered in a gas, up to about 0.45
    count: int | None = None  # molecules in the image, for a gas; overrides coverage
    jitter: float = 0.7  # standard deviation of positions in a crystal
    swing: float = 1.5  # standard deviation of angles in a crystal, degrees
    appearance: Appearance = field(default_factory=Appearance)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, sorted."""
        in_cell = {site.class_name for site in self.cell.sites} if self.cell else set()
        return sorted(in_cell | (set() if self.cell else set(self.shares)))


# Four triangles, pairwise edge to edge, and eight three-lobed molecules in chains between rows of
# lens-shaped pores: the kind of two-component network that the paper's images show.
NETWORK_CELL = Cell(
    a=(139.0, 108.0),
    b=(-194.0, 211.0),
    sites=(
        Site("003a", 0.675, 0.460, 11.0),
        Site("003a", 0.800, 0.285, 70.0),
        Site("003a", 0.478, 0.782, 71.0),
        Site("003a", 0.595, 0.960, 10.5),
        Site("020a", 0.507, 0.202, 94.0),
        Site("020a", 0.004, 0.544, 31.0),
        Site("020a", 0.804, 0.688, 47.0),
        Site("020a", 0.170, 0.695, 92.0),
        Site("020a", 0.371, 0.550, 110.0),
        Site("020a", 0.286, 0.046, 111.0),
        Site("020a", 0.914, 0.047, 31.0),
        Site("020a", 0.130, 0.194, 47.0),
    ),
)

# Triangles pointing both ways, edge to edge; six corners meet round a small hole.
TRIANGLE_CELL = Cell(
    a=(86.0, 0.0),
    b=(43.0, 74.5),
    sites=(Site("003a", 0.0, 0.0, 90.0), Site("003a", 1 / 3, 1 / 3, 30.0)),
)

# Three-lobed molecules, arms in the notches of their neighbours.
THREE_LOBED_CELL = Cell(a=(58.0, 0.0), b=(29.0, 50.0), sites=(Site("020a", 0.0, 0.0, 14.0),))

# Herringbone of two biphenyls.
BIPHENYL_CELL = Cell(
    a=(78.0, 0.0),
    b=(0.0, 54.0),
    sites=(Site("biphenyl", 0.0, 0.0, 32.0), Site("biphenyl", 0.5, 0.5, -32.0)),
)

_EVEN = {"003a": 0.94, "020a": 1.0}  # similar brightness: the shape has to tell the classes apart
_GAS = Appearance(class_heights=_EVEN, drift=(0.02, -0.015), background=0.12)
_CRYSTAL = Appearance(class_heights=_EVEN, drift=(0.02, 0.01), creep=(0.0, 0.006), background=0.1)

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System(
            "network",
            cell=NETWORK_CELL,
            angle=0.0,
            vacancies=0.015,
            patches=5,
            appearance=Appearance(
                class_heights=_EVEN, drift=(0.015, 0.01), creep=(0.0, 0.006), adsorbates=1
            ),
        ),
        System("A+B", shares={"003a": 1.0, "020a": 1.0}, appearance=_GAS),
        System("A", cell=TRIANGLE_CELL, domains=3, vacancies=0.04, patches=3, appearance=_CRYSTAL),
        System(
            "B", cell=THREE_LOBED_CELL, domains=3, vacancies=0.04, patches=3, appearance=_CRYSTAL
        ),
        System("A+C", shares={"003a": 1.0, "rod": 1.0}, appearance=_GAS),
        System(
            "A+B+dichlorobiphenyl",
            shares={"003a": 1.0, "020a": 1.0, "dichlorobiphenyl": 1.0},
            appearance=_GAS,
        ),
        System(
            "biphenyl",
            cell=BIPHENYL_CELL,
            domains=2,
            vacancies=0.03,
            patches=2,
            appearance=_CRYSTAL,
        ),
    )
}
