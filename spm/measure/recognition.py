"""How well each class is recognised, from an evaluation's metrics.json."""

from __future__ import annotations

import json
from pathlib import Path

from spm.errors import InputError
from spm.measure.uncertainty import Recognition

METRICS = Path("evaluation") / "metrics.json"  # below the folder of the results


def recognition_of(path: Path | None, folder: Path) -> dict[str, Recognition]:
    """Return how well each class is recognised, from the metrics.json of an evaluation.

    Args:
        path: the file, or None for the one below the folder, if any.
        folder: of the results.

    Raises:
        InputError: when the named file is not there or is not that of an evaluation.
    """
    if path is None:
        path = Path(folder) / METRICS
        if not path.is_file():
            return {}
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        classes = (stored.get("mask") or stored["box"])["per_class"]
        return {
            name: Recognition(c["true_positives"], c["false_positives"], c["missed"])
            for name, c in classes.items()
        }
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file; name an evaluation's metrics.json."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is not the metrics.json of evaluate.py ({error}); evaluate again."
        ) from error
