"""The C library is asked to keep memory where that is possible, and nothing else happens."""

import platform

from mrcnn import memory


def test_glibc_agrees_and_others_are_left_alone(monkeypatch):
    assert memory.keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    assert memory.keep_freed_memory() is False
