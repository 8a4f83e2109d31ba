"""Counts in words: 1 image, 2 images."""

from __future__ import annotations


def counted(count: int, thing: str, things: str = "") -> str:
    """Return a number with its thing, in the singular for one.

    Args:
        count: how many.
        thing: what, for one of them.
        things: for several. Defaults to `thing` with an s.
    """
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"
