"""Images as the page shows them: opened, converted from instrument files, cut, taken in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from engine.app.answers import Answer, Refused, drain, error_answer, field_of
from engine.app.opened import Shown
from engine.app.project import SOURCES, Project, new_file
from spm import instruments
from spm.convert import write_converted
from spm.crop import Piece, cut
from spm.errors import InputError
from spm.instruments.levelling import METHODS
from spm.io.colour_maps import COLOUR_MAPS
from spm.io.images import SUFFIXES, image_size
from spm.io.pixel_size import read_scale
from spm.report.result_files import check_name
from spm.run.files import file_lock, folder_lock, temporary_path
from spm.run.manifest import digest
from spm.structures.annotation import read_annotation

MOST_UPLOADED = 2 * 1024**3  # bytes of a file; a scan of 16384 x 16384 floats has one gigabyte


def info(project: Project, request: Request) -> dict[str, Any]:
    """Answer with an image's size, its scale, and how it is and may be converted."""
    shown = Shown.of(asked_file(project, request))
    found: dict[str, Any] = {
        "channels": [], "channel": "", "levellings": list(METHODS), "colour_maps": [*COLOUR_MAPS],
        "levelling": "", "colour_map": "", "instrument": shown.source is not None,
    }  # fmt: skip
    if shown.source is None or shown.image != shown.source:
        size, scale = image_size(shown.image), read_scale(shown.image)
    if shown.source is not None:
        found |= {"channels": shown.channels()} | shown.asked({})
    if shown.source is not None and shown.image == shown.source:
        opened = shown.converted(shown.asked({}))
        size, scale = opened.image.shape[:2], opened.nm_per_pixel
        found["channel"] = opened.settings["channel"]
    return found | {"width": size[1], "height": size[0], "nm_per_pixel": scale}


def image(project: Project, request: Request) -> Response:
    """Answer with an image as PNG; of an instrument file with the settings that are asked for."""
    shown = Shown.of(asked_file(project, request))
    asked = shown.asked(request.query_params) if shown.source is not None else {}
    tag = f'"{digest(shown.key(asked))}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(shown.png(asked), media_type="image/png", headers=headers)


def sight(project: Project, request: Request) -> Response:
    """Answer with a small PNG of a large instrument file, to be seen until its image is levelled;
    with nothing (204) where that is there as soon."""
    data = Shown.of(asked_file(project, request)).sight()
    if data is None:
        return Response(status_code=204)
    return Response(data, media_type="image/png", headers={"Cache-Control": "no-store"})


def convert(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Convert an instrument file, as `spm.convert` does, so that the scripts see it as the page
    does; answer with what the image is called now."""
    shown = Shown.of(asked_file(project, request))
    if shown.source is None:
        raise InputError(
            f"{shown.image}: is an image already; only an instrument file has heights."
        )
    folder = shown.source.parent
    opened = shown.converted(shown.asked(sent))
    with folder_lock(folder):
        target = write_converted(shown.source, folder, opened, set())
    return {"folder": request.path_params["folder"], "name": target.name}


def crop(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Cut a piece out of an image, as `spm.crop` does, under the first free name."""
    path = Shown.of(asked_file(project, request)).image
    sides = {name: round(field_of(sent, name, (int, float)))
             for name in ("left", "top", "width", "height")}  # fmt: skip
    if min(sides.values()) < 0:
        raise Refused("A piece of the image has no negative sides.", 400)
    with file_lock(project.source_dir / f"{path.stem}-cut"):  # of two, one is called _2
        name = _free(project.source_dir, f"{path.stem}-cut")
        target, _ = cut(Piece.of(image=path, out=project.source_dir, name=name, **sides))
    return {"folder": SOURCES, "name": target.name}


def _free(folder: Path, stem: str) -> str:
    taken = {path.stem.casefold() for path in folder.iterdir()}
    names = (stem if number == 1 else f"{stem}_{number}" for number in range(1, len(taken) + 3))
    return next(name for name in names if name.casefold() not in taken)


async def upload(project: Project, request: Request) -> Response:
    """Take a file in, as it comes; nothing that is there is replaced."""
    try:
        called = request.path_params["folder"]
        target = new_file(project.folder(called), request.path_params["name"])
        check_name(target, target.stem)
        _refuse_if_there(target)
        _refuse_if_large(int(request.headers.get("content-length") or 0))
        temporary = temporary_path(target)
        try:
            await _receive(request, temporary)
            await run_in_threadpool(_publish, temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return Answer({"folder": called, "name": target.name})
    except ClientDisconnect:
        return Response(status_code=400)
    except Exception as error:
        await drain(request)
        return error_answer(request, error)


def _refuse_if_there(target: Path) -> None:
    if target.exists():
        raise Refused(f"{target}: is there already; rename one of the two.")


def _refuse_if_large(size: int) -> None:
    if size > MOST_UPLOADED:
        raise Refused(f"The file is larger than {MOST_UPLOADED // 1024**3} GB.", 413)


def _publish(temporary: Path, target: Path) -> None:
    """Give a file its name, unless nothing here reads it or another one got the name meanwhile."""
    _check_readable(temporary, target.name)
    with file_lock(target):
        _refuse_if_there(target)
        temporary.replace(target)


async def _receive(request: Request, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        async for part in request.stream():
            size += len(part)
            _refuse_if_large(size)
            await run_in_threadpool(file.write, part)
        file.flush()
        await run_in_threadpool(os.fsync, file.fileno())


def _check_readable(path: Path, name: str) -> None:
    """Raise InputError, in which the file has the user's name, for what nothing here reads."""
    try:
        if path.suffix.lower() == ".json":
            read_annotation(path)
        elif path.suffix.lower() in SUFFIXES:
            image_size(path)
        elif not instruments.module_name(path):
            raise InputError(
                f"{name}: no reader here knows this kind of file; {instruments.WAY_OUT}."
            )
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from None


def asked_file(project: Project, request: Request) -> Path:
    """Return the file of images/ or aug_test_in/ that a request names."""
    return project.image(request.path_params["folder"], request.path_params["name"])
