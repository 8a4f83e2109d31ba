"""Measure one case of load, with the peak memory of its whole process tree.

    python benchmarks/load.py data_steps aug_times=1 own=140
    python benchmarks/load.py big_image side=16384 weights=FILE
    python benchmarks/load.py many_predictions count=1000
    python benchmarks/load.py crowded molecules=5000

Figures and commands: docs/reliability.md. Everything is written to a temporary folder (TMPDIR) and
deleted at the end. Without `weights` the light network is used with weights that have learned
nothing.
"""

from __future__ import annotations

import json
import sys

from run import case


def main() -> None:
    if sys.argv[1:] in ([], ["--help"]):
        print(__doc__)
        return
    arguments = dict(text.split("=", 1) for text in sys.argv[2:])
    result, peak = case(sys.argv[1], **arguments)
    for row in result if isinstance(result, list) else [result]:
        print(json.dumps(row))
    print(f"peak memory of the process tree: {peak:.0f} MB")


if __name__ == "__main__":
    main()
