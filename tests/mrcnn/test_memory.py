"""The C library is asked to keep memory where that is possible, and nothing else happens."""

import platform

from mrcnn import memory


def test_a_started_process_is_asked_the_same():
    assert memory.returning_environment() == {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "2097152",
        "MALLOC_TRIM_THRESHOLD_": "8388608",
    }


def test_glibc_agrees_and_others_are_left_alone(monkeypatch):
    for change in (memory.return_freed_memory, memory.keep_freed_memory):
        assert change() == (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    assert not memory.keep_freed_memory() and not memory.return_freed_memory()
