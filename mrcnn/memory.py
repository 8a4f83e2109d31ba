"""Keeps the memory of one training step for the next.

A step on the processor asks for hundreds of megabytes and gives them back. The C library of Linux
returns large blocks to the system each time, which then clears every page anew: up to a third of
the step. The other systems' allocators are left alone.
"""

import ctypes
import platform

# Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MEGABYTE = 1 << 20


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for later use.

    Returns:
        True when it agreed, False where it is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(
        mallopt(parameter, value) == 1
        for parameter, value in (
            (_MMAP_THRESHOLD, 32 * _MEGABYTE),  # the largest that glibc accepts
            (_TRIM_THRESHOLD, 2047 * _MEGABYTE),
            (_TOP_PAD, 64 * _MEGABYTE),
        )
    )
