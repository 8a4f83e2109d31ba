"""What is reported of each domain: its lattice with errors, its molecules, its hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from spm.measure.domains import Domain, Order
from spm.measure.handedness import Directions, directions, hands
from spm.structures.molecule import Molecule


def domain_summaries(
    order: Order, molecules: Sequence[Molecule], factor: float, unit: str
) -> list[dict[str, Any]]:
    """Return a dict for each domain, largest first, with standard errors.

    Args:
        order: of `spm.measure.domains.analyse`.
        molecules: those that were analysed.
        factor: units of length a pixel.
        unit: of lengths.
    """
    seen = [_directions(domain, molecules) for domain in order.domains]
    summaries = []
    for number, (domain, look, hand) in enumerate(
        zip(order.domains, seen, hands(seen), strict=True)
    ):
        members = [molecules[i] for i in domain.members]
        summaries.append(
            {
                "domain": number + 1,
                "molecules": len(members),
                "classes": dict(sorted(Counter(m.class_name for m in members).items())),
                "hand": hand,
                "directions": look.stored(),
                **_lattice_summary(domain, factor, unit),
                "vacancies": sum(v.domain == number for v in order.vacancies),
            }
        )
    return summaries


def _directions(domain: Domain, molecules: Sequence[Molecule]) -> Directions:
    members = [molecules[i] for i in domain.members]
    return directions(
        domain.lattice.vectors,
        [m.class_name for m in members],
        [m.orientation for m in members],
        [m.symmetry for m in members],
    )


def _lattice_summary(domain: Domain, factor: float, unit: str) -> dict[str, Any]:
    lattice = domain.lattice
    (a, a_error), (b, b_error) = lattice.lengths

    def entry(value: float, error: float, of: str) -> dict[str, Any]:
        return {"value": value, "error": error, "unit": of}

    return {
        "a": entry(a * factor, a_error * factor, unit),
        "b": entry(b * factor, b_error * factor, unit),
        "angle": entry(*lattice.angle, "deg"),
        "direction_of_a": entry(*lattice.direction, "deg"),
        "cell_area": entry(*(v * factor**2 for v in lattice.area), f"{unit}^2"),
        "molecules_per_cell": {
            name: {"value": value, "error": error}
            for name, (value, error) in lattice.per_cell.items()
        },
        "scatter": {"value": lattice.residual * factor, "unit": unit},
        "vectors_px": lattice.vectors.round(4).tolist(),
        "covariance_px2": lattice.covariance.tolist(),
    }
