"""One script as a process of its own: it outlives the page and the server.

    python engine/app/job_process.py LOGS SCRIPT [ARGUMENT ...]

While it runs it holds a lock, by which every server sees that it is alive; when it dies, however it
dies, the system lets the lock go. Another file that appears is its Ctrl-C, on every system: there
is no console that both share. At the end the script's exit status is written down.
"""

from __future__ import annotations

import _thread
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from engine.app.job_files import STATUS, STOP, locked
from spm.run.files import write_json

SECONDS = 0.2  # between two looks for the file that stops
AGAIN = 10.0  # seconds until a script that was stopped and still runs is stopped again


def run(log_dir: Path, script: Path, arguments: list[str]) -> int:
    """Run a script as if it were started alone, and write its exit status down.

    Args:
        log_dir: where the files of `engine.app.job_files` lie.
        script: the script's file.
        arguments: of its command line.
    """
    with locked(log_dir):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
        threading.Thread(target=_wait_for_stop, args=(log_dir / STOP,), daemon=True).start()
        status = 1
        try:
            status = _run_script(script, arguments)
        finally:
            write_json(log_dir / STATUS, {"status": status, "ended": time.time()})
    return status


def _run_script(script: Path, arguments: list[str]) -> int:
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(script.parent)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except KeyboardInterrupt:  # before the script could see to it itself
        return 130
    return 0


def _wait_for_stop(stop: Path) -> None:
    while not stop.exists():
        time.sleep(SECONDS)
    while True:  # one alone can be lost, as while worker processes start; ends with the process
        if os.name == "nt":
            _thread.interrupt_main()
        else:  # the workers too, as Ctrl-C in a terminal
            os.killpg(os.getpgrp(), signal.SIGINT)
        time.sleep(AGAIN)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
