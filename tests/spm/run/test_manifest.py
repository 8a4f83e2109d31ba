"""What a step has finished."""

from __future__ import annotations

from spm.run.manifest import Manifest


def test_the_file_of_an_older_version_is_taken_over(tmp_path):
    """It was called a ledger until November 2026; what it lists need not be made again."""
    (tmp_path / "a.png").write_bytes(b"a")
    manifest = Manifest(tmp_path, "step")
    manifest.add("a", "digest", ["a.png"])
    manifest.path.rename(tmp_path / ".ledger_step.jsonl")
    assert Manifest(tmp_path, "step").done("a", "digest")
    assert not (tmp_path / ".ledger_step.jsonl").exists()


def test_a_newer_file_is_not_replaced_by_an_older_one(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    older, newer = tmp_path / ".ledger_step.jsonl", tmp_path / ".manifest_step.jsonl"
    older.write_text("{}\n")
    newer.write_text('{"name": "b", "digest": "d", "files": {}}\n')
    assert list(Manifest(tmp_path, "step").items) == ["b"]
