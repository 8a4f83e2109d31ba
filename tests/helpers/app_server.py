"""`python app.py` as a process of its own, asked as the page asks it."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from checkout import ROOT

PATIENCE = 240  # seconds, since other programs may have the processor
TRIANGLE = [[10.0, 10.0], [40.0, 12.0], [22.0, 38.0]]


def demo_project(folder: Path) -> Path:
    """Make a project of the shipped demo, which our simulator made."""
    for name in ("images", "aug_test_in"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".*"))
    return folder


class Server:
    """The server of a project.

    Args:
        project: its folder.
        flags: of app.py.
    """

    def __init__(self, project: Path, *flags: str):
        self.project = project
        command = [sys.executable, str(ROOT / "app.py"), "--no-browser", *flags]
        self.process = subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            encoding="utf-8",
        )  # fmt: skip
        said = self.process.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", said)
        assert found, said + self.process.stderr.read()
        self.port, self.token = int(found[1]), found[2]
        self.process.stdout.readline()  # it has said all that it says

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, how: int = signal.SIGTERM) -> str:
        """End it by a signal; return what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.communicate(timeout=PATIENCE)[1]

    def raw(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask with nothing but these headers (`_` for `-`) and the address as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ask(self, method: str, path: str, sent: Any = None, **asked: str) -> tuple[int, Any]:
        """Ask as the page does; return the status and what JSON says, or the bytes.

        Args:
            method: of HTTP.
            path: of the address, with any letters.
            sent: bytes, or what JSON can hold.
            asked: behind the question mark of the address.
        """
        body = sent if isinstance(sent, bytes) else None
        if sent is not None and body is None:
            body = json.dumps(sent).encode()
        address = quote(path) + (f"?{urlencode(asked)}" if asked else "")
        status, headers, data = self.raw(method, address, body, X_Token=self.token)
        return status, json.loads(data) if "json" in headers.get("content-type", "") else data

    def good(self, method: str, path: str, sent: Any = None, **asked: str) -> Any:
        """Return the answer to what must go well."""
        status, found = self.ask(method, path, sent, **asked)
        assert status == 200, (method, path, status, found)
        return found

    def save(self, place: str, change: Any, tries: int = 1) -> dict[str, Any]:
        """Read, change and save outlines as a page does, which begins again when another was
        first."""
        for _ in range(tries):
            read = self.good("GET", f"/api/annotation/{place}")
            sent = {"revision": read["revision"], "flags": read["flags"], "shapes": read["shapes"]}
            change(sent)
            status, answer = self.ask("PUT", f"/api/annotation/{place}", sent)
            if status == 200:
                return answer
            assert status == 409, answer
        raise AssertionError(f"{tries} times another page was first")


def drawn(name: str = "A", points: Any = None, **more: Any) -> dict[str, Any]:
    """An outline that the page has drawn."""
    return {"class_name": name, "parts": [points or TRIANGLE], "holes": [], **more}
