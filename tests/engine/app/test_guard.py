"""Who is refused: no token, another host or origin, names that lead outside, bodies without end."""

import asyncio
import json
import logging
import socket

import pytest
from app_server import Server, demo_project

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.requests import Request

from engine.app.answers import answering
from engine.app.guard import Keys
from engine.app.server import listen


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(demo_project(tmp_path_factory.mktemp("project"))) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/image/images/00.png", "/results/a.png"])
@pytest.mark.parametrize("token", [None, "", "x", "x" * 43])
def test_nothing_without_the_token(server, path, token):
    given = {} if token is None else {"X_Token": token}
    status, headers, body = server.raw("GET", path, **given)
    assert status == 403 and "token" in json.loads(body)["error"]
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_not_even_with_it_from_elsewhere(server, headers):
    headers = {k: v.format(port=server.port) for k, v in headers.items()}
    for path in ("/api/state", "/page/index.html"):
        status, _, body = server.raw("GET", path, X_Token=server.token, **headers)
        assert status == 403 and json.loads(body)["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_page_itself_is_heard(server, host):
    own = f"{host}:{server.port}"
    headers = {"Host": own, "Origin": f"http://{own}", "Sec_Fetch_Site": "same-origin"}
    assert server.raw("GET", "/api/state", X_Token=server.token, **headers)[0] == 200
    status, _, body = server.raw("GET", f"/api/image/images/00.png?token={server.token}")
    assert status == 200 and body.startswith(b"\x89PNG")


def test_the_cookie_opens_the_results_alone(server):
    results = server.project / "img_cache"
    (results / "00_report.html").write_text("<p>1", encoding="utf-8")
    cookie = Keys(server.port).cookie_name
    _, headers, _ = server.raw("GET", f"/?token={server.token}")
    given = headers["set-cookie"]
    assert given.startswith(f"{cookie}=") and server.token not in given
    assert {"HttpOnly", "SameSite=Strict", "Path=/results/"} <= set(given.split("; "))
    pair = given.partition(";")[0]
    status, headers, body = server.raw("GET", "/results/00_report.html", Cookie=pair)
    assert (status, body) == (200, b"<p>1")
    assert "connect-src 'none'" in headers["content-security-policy"]
    assert server.raw("GET", "/api/state", Cookie=pair)[0] == 403
    assert server.raw("GET", "/results/00_report.html", Cookie=f"{cookie}=x")[0] == 403


OUTSIDE = ["..", "../app.py", "..%2Fsecret.txt", "%2Fetc%2Fpasswd", "..\\secret.txt", ".hidden",
           "C:secret.txt", "secret.txt%00.png", "%2e%2e", "a%2F..%2F..%2Fsecret.txt"]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_outside(server, name):
    for path in (server.project / "secret.txt", server.project / "images" / ".hidden"):
        path.write_text("secret", encoding="utf-8")
    body = b'{"revision": "new", "shapes": []}'
    for method, path in (
        ("GET", f"/api/image/images/{name}"), ("GET", f"/api/annotation/images/{name}"),
        ("PUT", f"/api/annotation/images/{name}"), ("GET", f"/results/{name}"),
        ("POST", f"/api/upload/images/{name}"), ("GET", f"/page/{name}"),
        ("GET", f"/api/image/{name}/00.png"),
    ):  # fmt: skip
        sent = None if method == "GET" else body
        status, _, answer = server.raw(method, path, sent, X_Token=server.token)
        assert status in (404, 405) and b"secret" not in answer.replace(b"secret.txt", b""), path
    assert (server.project / "secret.txt").read_text(encoding="utf-8") == "secret"


def test_links_that_lead_outside(server):
    (server.project / "secret.png").write_bytes((server.project / "images/00.png").read_bytes())
    link = server.project / "images" / "link.png"
    try:
        link.symlink_to(server.project / "secret.png")
    except OSError:
        pytest.skip("no links here")
    try:
        for call in ("image", "info", "annotation"):
            status, answer = server.ask("GET", f"/api/{call}/images/link.png")
            assert status == 404 and "link" in answer["error"]
    finally:
        link.unlink()


def test_bodies_without_sense_or_end(server):
    place = "/api/annotation/images/00.png"
    for body in (b'{"x": NaN}', b'{"x": 1e999, "y": 2}', b'{"x": 1%s, "y": 2}' % (b"0" * 400)):
        assert server.ask("POST", "/api/propose/images/00.png", body)[0] == 400
    for body, status in ((b"{", 400), (b"[1]", 400), (b"[" * 100_000, 400), (b"", 400)):
        assert server.ask("PUT", place, body)[0] == status
    status, answer = server.ask("PUT", place, b'"' + b"x" * 65 * 1024**2 + b'"')
    assert status == 413 and "64 MB" in answer["error"]
    assert server.ask("DELETE", place)[0] == 405 and server.ask("GET", "/api/nothing")[0] == 404


def test_an_unexpected_error_is_a_sentence_there_and_a_line_here(caplog):
    def broken(_):
        return 1 / 0

    scope = {"type": "http", "method": "GET", "path": "/api/state", "headers": [],
             "query_string": b"", "server": ("127.0.0.1", 1), "scheme": "http"}  # fmt: skip
    with caplog.at_level(logging.ERROR):
        answer = asyncio.run(answering(broken)(Request(scope)))
    assert answer.status_code == 500 and b"Traceback" not in answer.body
    assert b"division" not in answer.body and json.loads(answer.body)["error"]
    assert caplog.messages == ["GET /api/state: ZeroDivisionError: division by zero"]


def test_it_listens_on_this_computer_alone_and_on_a_port_of_its_own(server):
    from spm.errors import InputError

    with listen(None) as first:
        assert first.getsockname()[0] == "127.0.0.1"
        first.listen()
        with pytest.raises(InputError, match="--port"):
            listen(first.getsockname()[1])
    name = socket.gethostname()
    others = {info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)}
    for address in others - {a for a in others if a.startswith("127.")}:
        with pytest.raises(OSError):
            socket.create_connection((address, server.port), timeout=5)
