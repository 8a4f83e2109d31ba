"""Counts in words."""

from spm.run.words import counted


def test_counts():
    assert [counted(k, "image") for k in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert counted(1, "copy", "copies") == "1 copy" and counted(3, "copy", "copies") == "3 copies"
