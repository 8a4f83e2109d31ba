"""Images as the page shows them: opened, converted from instrument files, cut, taken in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from engine.app.answers import Refused, drain, error_answer, field_of
from engine.app.kept import Kept
from engine.app.project import SOURCES, NotFound, Project, existing, new_file
from spm import instruments
from spm.convert import write_converted
from spm.crop import Piece, cut
from spm.errors import InputError
from spm.instruments import heights
from spm.instruments.heights import Opened
from spm.instruments.inputs import image_path, open_image, settings_of
from spm.instruments.levelling import METHODS
from spm.io.colour_maps import COLOUR_MAPS
from spm.io.images import SUFFIXES, encode_png, image_size, is_plain_png, read_bytes
from spm.io.pixel_size import read_scale
from spm.report.result_files import check_name
from spm.run.files import file_lock, folder_lock, temporary_path
from spm.run.manifest import stamp
from spm.structures.annotation import read_annotation

MOST_UPLOADED = 2 * 1024**3  # bytes of a file; a scan of 16384 x 16384 floats has one gigabyte
KEPT_BYTES = 256 * 1024**2  # of images as they are shown
ASKED = ("channel", "levelling", "colour_map")
DEFAULTS = {"levelling": heights.LEVELLING, "colour_map": heights.COLOUR_MAP}


@dataclass(frozen=True)
class Shown:
    """A file of images/ or aug_test_in/ as it is shown.

    Attributes:
        image: what is opened: the file, or the PNG that was made of it.
        source: the instrument file that the image is or was made from, None for an image.
        settings: with which it was converted; {} for none.
    """

    image: Path
    source: Path | None
    settings: dict[str, Any]

    @classmethod
    def of(cls, path: Path) -> Shown:
        """Return how a file is shown."""
        if instruments.module_name(path):
            made = image_path(path, path.parent)
            settings = settings_of(made)
            fits = settings.get("source") == path.name
            return cls(made, path, settings) if fits else cls(path, path, {})
        settings = settings_of(path)
        try:
            source = existing(path.parent, str(settings.get("source", "")))
        except NotFound:
            return cls(path, None, {})
        return cls(path, source, settings)

    def asked(self, values: Any) -> dict[str, str]:
        """Return the settings of a conversion: those asked for, the file's own for the others.

        Raises:
            InputError: for a levelling or colour map that there is not.
        """
        found = {name: str(self.settings.get(name, DEFAULTS.get(name, ""))) for name in ASKED}
        found |= {name: str(values[name]) for name in ASKED if values.get(name)}
        for name, known in (("levelling", METHODS), ("colour_map", COLOUR_MAPS)):
            if found[name] not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}.")
        return found

    def direction(self, channel: str) -> dict[str, str]:
        """Return the direction of the scan as it was converted, for the same channel."""
        same = self.settings.get("channel") == channel
        return {"direction": str(self.settings.get("direction", ""))} if same else {}


def info(project: Project, request: Request) -> dict[str, Any]:
    """Answer with an image's size, its scale, and how it is and may be converted."""
    shown = Shown.of(_asked_file(project, request))
    found: dict[str, Any] = {
        "channels": [], "channel": "", "levellings": list(METHODS), "colour_maps": [*COLOUR_MAPS],
        "levelling": "", "colour_map": "", "instrument": shown.source is not None,
    }  # fmt: skip
    if shown.source is not None:
        found |= {"channels": _channels(shown.source)} | shown.asked({})
        opened = _converted(shown, shown.asked({}))
        height, width = opened.image.shape[:2]
        scale = opened.nm_per_pixel
        found["channel"] = opened.settings.get("channel", found["channel"])
    else:
        height, width = image_size(shown.image)
        scale = read_scale(shown.image)
    return found | {"width": width, "height": height, "nm_per_pixel": scale}


def image(project: Project, kept: Kept, request: Request) -> Response:
    """Answer with an image as PNG; of an instrument file with the settings that are asked for."""
    shown = Shown.of(_asked_file(project, request))
    asked = shown.asked(request.query_params) if shown.source is not None else {}
    key = repr([stamp(shown.image), str(shown.image), asked])
    tag = f'"{kept.digest(key)}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    data = kept.get(key, lambda: _png(shown, asked))
    return Response(data, media_type="image/png", headers=headers)


def _png(shown: Shown, asked: dict[str, str]) -> bytes:
    if not asked:
        data = read_bytes(shown.image)
        if is_plain_png(data):  # the browser shows its very pixels
            return data
        return encode_png(open_image(shown.image).image)
    return encode_png(_converted(shown, asked).image)


def _converted(shown: Shown, asked: dict[str, str]) -> Opened:
    """Return an instrument file's image; the PNG that was made of it where that is the same."""
    same = all(shown.settings.get(name) == value for name, value in asked.items())
    if same and shown.image != shown.source:
        return open_image(shown.image)
    more = {name: shown.settings[name] for name in ("low", "high") if name in shown.settings}
    return open_image(shown.source, **asked, **more, **shown.direction(asked["channel"]))


def _channels(path: Path) -> list[str]:
    return list(_channels_of(path, repr(stamp(path))))


@lru_cache(maxsize=64)
def _channels_of(path: Path, _: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(channel.name for channel in instruments.read_channels(path)))


def convert(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Convert an instrument file, as `spm.convert` does, so that the scripts see it as the page
    does; answer with what the image is called now."""
    shown = Shown.of(_asked_file(project, request))
    if shown.source is None:
        raise InputError(
            f"{shown.image}: is an image already; only an instrument file has heights."
        )
    folder = shown.source.parent
    opened = _converted(Shown(shown.source, shown.source, shown.settings), shown.asked(sent))
    with folder_lock(folder):
        target = write_converted(shown.source, folder, opened, set())
    return {"folder": request.path_params["folder"], "name": target.name}


def crop(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Cut a piece out of an image, as `spm.crop` does, under the first free name."""
    path = Shown.of(_asked_file(project, request)).image
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
        temporary = temporary_path(target)
        try:
            await _receive(request, temporary)
            await run_in_threadpool(_publish, temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return JSONResponse({"folder": called, "name": target.name})
    except ClientDisconnect:
        return Response(status_code=400)
    except Exception as error:
        await drain(request)
        return error_answer(request, error)


def _refuse_if_there(target: Path) -> None:
    if target.exists():
        raise Refused(f"{target}: is there already; rename one of the two.")


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
            if size > MOST_UPLOADED:
                raise Refused(f"The file is larger than {MOST_UPLOADED // 1024**3} GB.", 413)
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


def _asked_file(project: Project, request: Request) -> Path:
    return project.image(request.path_params["folder"], request.path_params["name"])
