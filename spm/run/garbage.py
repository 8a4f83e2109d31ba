"""How often Python looks for objects that hold one another and nothing else does.

Drawing makes and drops objects by the hundred thousand while those of all imported modules stay: at
Python's own thresholds a fifteenth of a prediction's time goes into looking through them.
"""

import gc

# Of new objects, and of lookings through younger ones before older ones are (Python: 700 to 2000,
# 10, 10). A figure that was dropped, with its pixels, goes within a few figures.
THRESHOLDS = 20_000, 10, 10


def collect_rarely() -> None:
    """Look for garbage less often, for the rest of this process."""
    gc.set_threshold(*THRESHOLDS)


def spare_the_last_search() -> None:
    """Let Python end without looking through all that lives: call last."""
    gc.freeze()
