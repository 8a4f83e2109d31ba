"""What was made once and may be asked for again, as long as there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Things by a key that says all they were made from; the longest unused go first.

    Args:
        most: bytes in all.
        size_of: bytes of a thing.
    """

    def __init__(self, most: int, size_of: Callable[[T], int]):
        self._most, self._size_of = most, size_of
        self._found: OrderedDict[str, T] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return what belongs to a key; it is made when it is not there, once for all who ask at
        the same time."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._found:
                    self._found.move_to_end(key)
                    return self._found[key]
            try:
                made = make()
                self._keep(key, made)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made

    def __contains__(self, key: str) -> bool:
        """Return whether it is there, or made now."""
        with self._lock:
            return key in self._found or key in self._making

    def _keep(self, key: str, made: T) -> None:
        with self._lock:
            self._found[key] = made
            size = sum(map(self._size_of, self._found.values()))
            while size > self._most and len(self._found) > 1:
                size -= self._size_of(self._found.popitem(last=False)[1])
