"""The server: its addresses, and its life."""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import signal
import socket
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from engine.app import annotations, check, images, proposals, results
from engine.app.answers import answering, error_answer
from engine.app.guard import Guard, Keys
from engine.app.jobs import Jobs
from engine.app.project import NotFound, Project, existing
from engine.app.state import state
from spm.errors import InputError
from spm.run.files import folder_lock

HOST = "127.0.0.1"  # nobody else's computer
PORT = 8642  # where it is free, so that the browser knows the page again
PAGE = Path(__file__).with_name("page")
# Windows takes the types from its registry, where any program may have put others.
TYPES = {
    ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
    ".png": "image/png", ".json": "application/json",
}  # fmt: skip


def application(project: Project, keys: Keys) -> Guard:
    """Return the whole application.

    Args:
        project: the folders, and what the scripts do.
        keys: who may ask.
    """
    jobs = Jobs(project, project.scripts.settings_of)
    at_image = "/{folder}/{name}"

    def index(_: Request) -> Response:
        headers = {"Cache-Control": "no-store", "Set-Cookie": keys.cookie}
        return _page_file("index.html", headers)

    def page(request: Request) -> Response:
        return _page_file(request.path_params["name"], {"Cache-Control": "no-cache"})

    routes = [
        _get("/", index),
        _get("/page/{name}", page),
        _get("/api/state", state, project, jobs),
        _get(f"/api/info{at_image}", images.info, project),
        _get(f"/api/image{at_image}", images.image, project),
        _get(f"/api/sight{at_image}", images.sight, project),
        _post(f"/api/convert{at_image}", images.convert, project),
        _post(f"/api/crop{at_image}", images.crop, project),
        Route(f"/api/upload{at_image}", _upload(project), methods=["POST"]),
        _get(f"/api/annotation{at_image}", annotations.read, project),
        Route(f"/api/annotation{at_image}", answering(annotations.save, project), methods=["PUT"]),
        _post(f"/api/propose{at_image}", proposals.propose, project),
        _post(f"/api/alike{at_image}", proposals.alike, project),
        _post("/api/check", check.check, project),
        _get("/api/job", jobs.get),
        _post("/api/job", jobs.start),
        _post("/api/job/stop", jobs.stop),
        _get("/api/results", results.results, project),
        _post("/api/export", results.export, project),
        _get("/results/{path:path}", results.result_file, project),
        _post("/api/open_folder", results.open_folder, project),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _error, 405: _error})
    return Guard(app, keys)


def _get(path: str, function: Any, *given: Any) -> Route:
    return Route(path, answering(function, *given), methods=["GET"])


def _post(path: str, function: Any, *given: Any) -> Route:
    return Route(path, answering(function, *given), methods=["POST"])


def _upload(project: Project):
    async def upload(request: Request) -> Response:
        return await images.upload(project, request)

    return upload


def _error(request: Request, error: Exception) -> Response:
    return error_answer(request, error)


def _page_file(name: str, headers: dict[str, str]) -> Response:
    try:
        path = existing(PAGE, name)
    except NotFound:
        raise NotFound(f"The page has no file {name!r}.") from None
    media_type = TYPES.get(path.suffix.lower(), "application/octet-stream")
    return FileResponse(path, media_type=media_type, headers=headers)


def listen(port: int | None) -> socket.socket:
    """Return a socket at the port; None takes `PORT`, or a free one where that is taken.

    Raises:
        InputError: when the port that was asked for is taken.
    """
    taken = (errno.EADDRINUSE, errno.EACCES)
    for number in [PORT, 0] if port is None else [port]:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would let two listen
            found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # a server that has just ended leaves the port busy for a minute
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, number))
            found.listen()  # two that start at once can both bind; only one can listen
            return found
        except OSError as error:
            found.close()
            if error.errno not in taken:
                raise
    raise InputError(f"port {port}: is taken by another program; choose another with --port.")


def serve(project: Project, port: int | None, browser: bool) -> None:
    """Serve the page until Ctrl-C.

    Args:
        project: the folders.
        port: see `listen`.
        browser: whether to open the page in the browser.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    _prepare(project)
    listening = listen(port)
    keys = Keys(listening.getsockname()[1])
    # A background shell hands down that Ctrl-C is ignored; uvicorn restores what it found.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server = uvicorn.Server(
        uvicorn.Config(
            application(project, keys), log_level="warning", access_log=False, lifespan="off",
            server_header=False, ws="none", timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    # Who ends it in the middle of a request need not read what became of that.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    threading.Thread(target=_announce, args=(server, keys, browser), daemon=True).start()
    server.run([listening])


def _prepare(project: Project) -> None:
    """Make the folders, and take away what killed writers left in them."""
    for folder in (project.images_dir, project.source_dir, project.out_dir, project.log_dir):
        with contextlib.suppress(InputError), folder_lock(folder):
            pass  # a run that works in a folder now does it itself


def _announce(server: uvicorn.Server, keys: Keys, browser: bool) -> None:
    while not server.started:
        time.sleep(0.02)
    print(f"{keys.address}\n  open it in a browser; Ctrl-C here ends it", flush=True)
    if browser:
        webbrowser.open(keys.address)
    # For the first microscope file: its levelling need not wait for scipy then.
    importlib.import_module("spm.instruments.line_offsets")
