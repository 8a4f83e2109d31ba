"""From a function of ours to an answer: bodies of bounded size, errors as one sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from engine.app.project import NotFound
from spm.errors import InputError

LOG = logging.getLogger("app")
MOST_BYTES = 64 * 1024**2  # of a JSON body; that of 10,000 outlines has about ten megabytes
MOST = 1e12  # that a number may be
MOST_DRAINED = 4 * 1024**3  # of what is read and thrown away
UNEXPECTED = "Something went wrong; the window in which app.py was started says what."


class Refused(InputError):
    """A request that cannot be done now, or as it was asked.

    Attributes:
        status: of the answer.
        more: further keys of the answer.
    """

    def __init__(self, message: str, status: int = 409, **more: Any):
        super().__init__(message)
        self.status, self.more = status, more


class Answer(JSONResponse):
    """JSON in UTF-8, whatever letters are in it (a file's name need not be UTF-8)."""

    def render(self, content: Any) -> bytes:
        """Return the body; NaN and infinity are errors."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def answering(function: Callable[..., Any], *given: Any) -> Callable[[Request], Any]:
    """Return an endpoint of a function that works in a thread, so that the server can go on.

    Args:
        function: called with what is given, the request, and for POST and PUT the JSON object sent.
            It returns a Response, or what JSON can hold.
        given: its first arguments.
    """

    async def endpoint(request: Request) -> Response:
        try:
            sent = [await read_json(request)] if request.method in ("POST", "PUT") else []
            found = await run_in_threadpool(function, *given, request, *sent)
            return found if isinstance(found, Response) else Answer(found)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return error_answer(request, error)

    return endpoint


def error_answer(request: Request, error: Exception) -> Response:
    """Return what the page is told of an error: a sentence, and never a traceback."""
    if isinstance(error, Refused):
        return Answer({"error": str(error), **error.more}, error.status)
    if isinstance(error, InputError):
        return Answer({"error": str(error)}, 404 if isinstance(error, NotFound) else 422)
    if isinstance(error, HTTPException):
        return Answer({"error": error.detail}, error.status_code)
    said = " ".join(str(error).split())[:500]
    LOG.error("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, said)
    return Answer({"error": UNEXPECTED}, 500)


async def read_json(request: Request, most: int = MOST_BYTES) -> dict[str, Any]:
    """Return the JSON object of a request; {} for an empty body.

    Raises:
        Refused: when it is too large or no object.
    """
    data, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= most:  # the rest is read all the same: who still sends hears no answer
            data += part
        elif size > MOST_DRAINED:
            break
    if size > most:
        raise Refused(f"The request is larger than {most // 1024**2} MB.", 413)
    try:
        sent = json.loads(data, parse_constant=_no_number) if data else {}
    except (ValueError, RecursionError):
        raise Refused("The request is no JSON.", 400) from None
    if not isinstance(sent, dict):
        raise Refused("The request is no JSON object.", 400)
    return sent


def _no_number(text: str) -> None:
    """Refuse NaN and infinity, which JSON does not have."""
    raise ValueError(text)


async def drain(request: Request) -> None:
    """Read what is still being sent: a browser that sends hears no answer."""
    size = 0
    with suppress(ClientDisconnect, RuntimeError):  # gone, or all was read
        async for part in request.stream():
            size += len(part)
            if size > MOST_DRAINED:
                return


def field_of(sent: dict[str, Any], name: str, kind: type | tuple[type, ...], default: Any = None):
    """Return a field of what was sent.

    Args:
        sent: the JSON object.
        name: of the field.
        kind: what it must be.
        default: for one that is missing; None: it must not be.

    Raises:
        Refused: when it is missing or of another kind.
    """
    value = sent.get(name, default)
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits or (isinstance(value, int | float) and not abs(value) < MOST):
        raise Refused(f"The request has no proper {name!r}.", 400)
    return value
