"""Progress on terminals of any width, real ones (a pseudo-terminal), and where there is none."""

import os
import subprocess
import sys

import pytest
from checkout import ROOT

from spm.run import progress as module

pty = pytest.importorskip("pty")
CODE = (
    "import sys, time; sys.path.insert(0, {root!r})\n"
    "from spm.run.progress import progress\n"
    "with progress(300, 'L2/L3 of a long name 很长的名字', 'image') as bar:\n"
    "    for _ in range(300):\n"
    "        bar.update(1); time.sleep(0.002)\n"
)


def seen_on_terminal(columns, monkeypatch):
    """What a program writes to a pseudo-terminal of so many columns (0: it does not tell)."""
    import fcntl
    import struct
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # With env: readline, which pytest loads, puts COLUMNS behind the back of os.environ.
    child = subprocess.Popen(
        [sys.executable, "-c", CODE.format(root=str(ROOT))],
        stdin=theirs, stdout=theirs, stderr=theirs, env=dict(os.environ),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        said += part
    os.close(terminal)
    assert child.wait() == 0, said
    return said.decode()


@pytest.mark.parametrize("columns", [10, 20, 45, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns, monkeypatch):
    shown = seen_on_terminal(columns, monkeypatch)
    wide = sum(shown.count(letter) for letter in "很长的名字")  # two columns each
    lines = shown.replace("\n", "\r").split("\r")
    assert max(len(line) for line in lines) + (1 if wide else 0) * 5 <= columns
    assert "300/300" in shown and shown.count("\n") == 1
    assert ("%|" in shown) == (columns >= module.NARROW)


def test_a_terminal_that_does_not_tell_its_width_gets_no_bar(monkeypatch):
    assert seen_on_terminal(0, monkeypatch) == ""


def test_lines_where_there_is_no_terminal(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with module.progress(100, "masks", "image") as bar:
        for _ in range(100):
            clock[0] += 1
            bar.update()
    said = capsys.readouterr().err.splitlines()
    assert said == [f"masks: {k} of 100 images" for k in (30, 60, 90)] and bar.n == 100
    with module.progress(100, "masks", "image") as bar:
        bar.update(100)
    assert capsys.readouterr().err == ""
