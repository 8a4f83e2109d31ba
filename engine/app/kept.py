"""What was made once and may be asked for again, as long as there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from spm.run.manifest import digest


class Kept:
    """Bytes by a key that says all they were made from; the longest unused go first.

    Args:
        most: bytes in all.
    """

    def __init__(self, most: int):
        self._most, self._size = most, 0
        self._found: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def digest(key: str) -> str:
        """Return a key as a short name."""
        return digest(key)

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return what belongs to a key; it is made when it is not there.

        Two that ask at the same time may both make it; neither waits for other keys.
        """
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        data = make()
        with self._lock:
            self._size += len(data) - len(self._found.pop(key, b""))
            self._found[key] = data
            while self._size > self._most and len(self._found) > 1:
                self._size -= len(self._found.popitem(last=False)[1])
        return data
