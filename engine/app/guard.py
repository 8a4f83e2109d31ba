"""Who may ask: only the page itself, which knows the token, from this computer.

Any page of any site may send requests to 127.0.0.1 from the user's browser, and a name of a foreign
site may be made to lead there (DNS rebinding). So each request must bring the token of this run,
name this server as its host, and come from no other origin. What the page cannot add a token to,
the links from one result to the next, are known by a cookie that opens the results alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

RESULTS, PAGE = "/results/", "/page/"
# For everything that is sent: nothing is guessed, framed by others, or told to others.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Keys:
    """The secrets of one run of the server.

    Attributes:
        port: where it listens.
        token: of the page.
        reader: of the cookie that opens the results.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    reader: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request may call this server."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    @property
    def address(self) -> str:
        """Where the page is opened."""
        return f"http://{self.hosts[0]}/?token={self.token}"

    @property
    def cookie_name(self) -> str:
        """Cookies do not know ports: two servers need two names."""
        return f"results_{self.port}"

    @property
    def cookie(self) -> str:
        """The header that gives the browser the key to the results."""
        return f"{self.cookie_name}={self.reader}; Path={RESULTS}; HttpOnly; SameSite=Strict"

    def refuses(self, scope: Scope) -> str:
        """Return why a request is refused; an empty text when it is not."""
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self.hosts:
            return "The request names another host."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in [f"http://{host}" for host in self.hosts]:
            return "The request comes from another origin."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "The request comes from another site."
        path = scope["path"]
        if path.startswith(PAGE) and scope["method"] in ("GET", "HEAD"):
            return ""  # the page's own files hold no secret
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if _among(self.token, [*asked, headers.get("x-token", "")]):
            return ""
        cookies = cookie_parser(headers.get("cookie", ""))
        if path.startswith(RESULTS) and _among(self.reader, [cookies.get(self.cookie_name, "")]):
            return ""
        return "The token is missing or wrong; open the address that app.py has printed."


def _among(secret: str, said: Iterable[str]) -> bool:
    return any(secrets.compare_digest(secret.encode(), one.encode()) for one in said)


class Guard:
    """Refuses what `Keys.refuses` says, before anything else looks at the request."""

    def __init__(self, app: ASGIApp, keys: Keys):
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message["headers"], *(m for m in more if m[0] not in known)]
            await send(message)

        if why := self.keys.refuses(scope):
            await JSONResponse({"error": why}, 403)(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)
