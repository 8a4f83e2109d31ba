"""The results of all images: which there are, and their files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse

from engine.app.annotations import NEW, version_of
from engine.app.answers import Refused, field_of
from engine.app.project import IMAGES, Project, existing
from spm import exports
from spm.errors import InputError
from spm.evaluation.comparison import TABLE
from spm.instruments.inputs import list_inputs
from spm.pooled.folder import INDEX
from spm.pooled.results import ENDING, name_of, read_result, tables
from spm.report.result_files import output_names
from spm.run.files import is_file, make_folder
from spm.run.manifest import stamp

# A report brings its own script, and none of its content may ask this server for anything else.
POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline'; connect-src 'none'; form-action 'none'; "
    "object-src 'none'; frame-ancestors 'self'"
)
PARTS = {
    "image": "_predicted.png", "report": "_report.html", "table": ENDING,
    "summary": "_summary.json", "statistics": "_statistics.png", "averages": "_averages.png",
}  # fmt: skip


def results(project: Project, _: Request) -> dict[str, Any]:
    """Answer with the results of each image, and those of all together."""
    folder = project.out_dir
    titles = _titles(project.images_dir)
    return {
        "files": [_result(folder, name, titles.get(name, name)) for name in _names(folder)],
        "index": _there(folder, INDEX),
        "corrections": _there(folder, TABLE),
        "folder": folder.as_posix(),
    }


def _names(folder: Path) -> list[str]:
    """Return NAME of each image's results."""
    try:
        return [name_of(path) for path in tables(folder)]
    except InputError:  # nothing was predicted yet
        return []


def _titles(images_dir: Path) -> dict[str, str]:
    """Return NAME of the results -> the image's file."""
    paths = list_inputs(images_dir) if images_dir.is_dir() else []
    return dict(zip(output_names(paths), (path.name for path in paths), strict=True))


def _result(folder: Path, name: str, title: str) -> dict[str, Any]:
    parts = {part: _there(folder, f"{name}{ending}") for part, ending in PARTS.items()}
    table = folder / f"{name}{ENDING}"
    return {"name": name, "title": title, **parts, "counts": _counts(table, repr(stamp(table)))}


@lru_cache(maxsize=4096)
def _counts(table: Path, _: str) -> dict[str, int]:
    """Return class -> molecules; {} for a damaged table, of which the pooled results tell."""
    try:
        result, _, _ = read_result(table, ())
    except InputError:
        return {}
    return {name: result.count(name) for name in result.counts}


def _there(folder: Path, name: str) -> str | None:
    return quote(name) if is_file(folder / name) else None


def export(project: Project, _: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Write the molecules of all recognised images for another program, as `spm.exports` does; the
    user's corrections count. Answer with the files."""
    files = list(_last_words(project))
    if not files:
        raise Refused("Nothing has been recognised yet; there is nothing to write.", 422)
    wanted = field_of(sent, "format", str)
    written = exports.export(files=files, formats=[wanted], out=project.out_dir)
    return {"files": [{"path": quote(path.name), "name": path.name} for path in written]}


def _last_words(project: Project) -> Iterator[Path]:
    """Yield the file of each recognised image's molecules as they are now."""
    titles = _titles(project.images_dir)
    for name in _names(project.out_dir):
        if name not in titles:  # its image was taken away
            path = project.out_dir / f"{name}_predicted.json"
            if is_file(path):
                yield path
            continue
        version = version_of(project, project.image(IMAGES, titles[name]))
        if version.revision != NEW:
            yield version.path


def result_file(project: Project, request: Request) -> FileResponse:
    """Answer with a file of the results."""
    path = existing(project.out_dir, *request.path_params["path"].split("/"))
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return FileResponse(path, headers=headers)


def open_folder(project: Project, _: Request, __: dict[str, Any]) -> dict[str, Any]:
    """Open the folder of the results in the system's own program for folders."""
    folder = make_folder(project.out_dir).resolve()
    if os.name == "nt":
        os.startfile(folder)
        return {}
    program = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.Popen(
            [program, str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError:
        raise Refused(f"There is no program here that opens folders; open {folder}.") from None
    return {}
