"""How often Python looks for objects that hold one another and nothing else does.

Drawing makes and drops objects by the hundred thousand while those of all imported modules stay: at
Python's own thresholds a fifteenth of a prediction's time goes into looking through them.
"""

import gc

# Of new objects, and of lookings through younger ones before older ones are (Python: 700 to 2000,
# 10, 10).
RARELY = 20_000, 10, 10


def collect_rarely() -> None:
    """Look for garbage less often, for the rest of this process."""
    gc.set_threshold(*RARELY)


def leave_alone_what_lives() -> None:
    """Look no more through what lives now: after the imports of a process that then makes much, or
    at the end of one that would look through all once more."""
    gc.freeze()
