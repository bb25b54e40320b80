"""What other sites, other machines and clients without the token may not do with a server."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from running_server import Running, picture, running
from tiny_runs import Seer

from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.web import server
from maskwright.web.access import Access, is_loopback
from maskwright.web.label_studio import ImagesFrom
from maskwright.web.limits import Limits
from maskwright.web.serving import serving

TOKEN = "correct-horse-battery-staple"
MARKUP = '<img src=x onerror="alert(1)">'


def app(access: Access, log: Issues | None = None, names: tuple[str, ...] = ("balloon",)):
    return serving({"model": Detector(Seer(names))}, access, log or Issues(), Limits(), ImagesFrom())


@pytest.fixture(scope="module")
def local() -> Iterator[Running]:
    """On this machine alone, without a token."""
    with running(app(Access())) as found:
        yield found


@pytest.fixture(scope="module")
def public() -> Iterator[Running]:
    """As if other machines could reach it: with a token."""
    with running(app(Access("0.0.0.0", TOKEN, ("inspector.example.org",)))) as found:
        yield found


# --- pages of others in the same browser ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},  # another program on this machine
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},  # a form that sends itself
    ],
)
def test_a_page_of_another_site_can_ask_nothing(headers, local):
    assert local.post("/predict", picture(), **headers).status == 403


def test_our_own_page_and_programs_can(local):
    own = {"Origin": f"http://127.0.0.1:{local.port}", "Sec_Fetch_Site": "same-origin"}
    assert local.post("/predict", picture(), **own).status == 200
    assert local.post("/predict", picture()).status == 200


def test_another_site_may_link_here_but_read_nothing(local):
    linked = local.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert linked.status == 200
    assert not any(name.startswith("access-control") for name in linked.headers)
    assert "frame-ancestors 'none'" in linked.headers["content-security-policy"]
    assert linked.headers["cross-origin-resource-policy"] == "same-origin"


def test_an_unfriendly_preflight_is_refused(local):
    asked = local.ask("OPTIONS", "/predict", None, {"Origin": "https://evil.example",
                                                    "Access-Control-Request-Method": "POST"})  # fmt: skip
    assert asked.status == 403 and not any(name.startswith("access-control") for name in asked.headers)


@pytest.mark.parametrize("origin", ["https://evil.example", None])
def test_there_are_no_websockets(origin, local):
    head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
    head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    head += f"Origin: {origin}\r\n" if origin else ""
    status = local.raw((head + "\r\n").encode()).split(b" ", 2)[1]
    assert status == (b"200" if origin is None else b"403")


# --- names that were made to point here -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80@localhost", "192.0.2.7", ""],
)
def test_an_unknown_host_is_refused(host, local):
    assert local.get("/models", Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "127.0.0.1:9000", "[::1]:9000"])
def test_this_machine_by_any_of_its_names_is_known(host, local):
    assert local.get("/models", Host=host).status == 200


def test_two_hosts_or_none_are_refused(local):
    assert local.raw(b"GET /models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").startswith(b"HTTP/1.1 4")
    assert local.raw(b"GET /models HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")


def test_a_public_server_is_known_by_numbers_and_by_the_names_it_was_given(public):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for host, status in (("192.0.2.7:8000", 200), ("inspector.example.org", 200), ("evil.example", 421)):
        assert public.get("/models", Host=host, **headers).status == status


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("192.168.1.2", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_only_this_machine_is_loopback(host, expected):
    assert is_loopback(host) is expected


# --- the token --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}",
     f"Basic {TOKEN}", TOKEN, "Bearer \xff"],
)  # fmt: skip
def test_without_the_very_token_nothing_is_answered(given, public):
    headers = {} if given is None else {"Authorization": given}
    for path in ("/", "/models", "/metrics", "/docs", "/openapi.json", "/videos", "/assets/serve.js"):
        assert public.get(path, **headers).status == 401
    assert public.post("/predict", picture(), **headers).status == 401


def test_health_alone_needs_none(public):
    assert public.get("/health").status == 200


def test_with_the_token_everything_is_answered(public):
    for scheme in ("Bearer", "Token"):  # Label Studio's word
        assert public.get("/models", Authorization=f"{scheme} {TOKEN}").status == 200


def test_a_browser_keeps_the_token_as_a_cookie_that_no_script_reads(public):
    opened = public.get(f"/?token={TOKEN}")
    assert (opened.status, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    assert public.get("/models", Cookie=cookie.split(";")[0]).status == 200
    assert public.get("/models", Cookie=cookie.split(";")[0] + "x").status == 401


def test_the_address_with_a_token_leads_nowhere_else(public):
    opened = public.get(f"//evil.example/?token={TOKEN}")
    assert opened.headers.get("location", "/").startswith("/") and not opened.headers["location"].startswith("//")


def test_a_wrong_token_in_the_address_opens_nothing(public):
    answer = public.get("/?token=wrong")
    assert answer.status == 401 and "set-cookie" not in answer.headers


# --- files of the server ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    ["/assets/../access.py", "/assets/..%2faccess.py", "/assets/%2e%2e/access.py", "/assets//etc/passwd",
     "/assets/%2fetc%2fpasswd", "/assets/..%5caccess.py", "/../../etc/passwd", "/assets/serve.js%00.html",
     "/assets/", "/videos/../../etc/passwd/video", "/videos/..%2f..%2fetc/video"],
)  # fmt: skip
def test_no_path_leads_to_a_file_of_the_server(path, local):
    answer = local.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] in (b"404", b"400", b"405")
    assert b"root:" not in answer and b"import" not in answer


def test_a_link_among_the_assets_is_no_asset(monkeypatch, tmp_path):
    """The names are those of the package's own files, whatever is put beside them later."""
    from maskwright.web.assets import KINDS, _assets

    folder = Path(server.__file__).parent / "assets"
    assert set(_assets()) == {path.name for path in folder.iterdir() if path.suffix in KINDS}
    assert not any(path.is_symlink() for path in folder.iterdir())


@pytest.mark.parametrize("address", ["file:///etc/passwd", "/etc/passwd", "http://169.254.169.254/latest/meta-data"])
def test_an_address_in_the_body_is_never_opened(address, local):
    assert local.post("/predict", address.encode()).status == 422


# --- markup -----------------------------------------------------------------------------------------------------------
def test_markup_in_class_and_file_names_stays_text():
    with running(app(Access(), names=(MARKUP,))) as found:
        answer = found.post("/predict", picture())
        assert answer.json["detections"][0]["class"] == MARKUP
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert MARKUP.encode() not in found.get("/").body
        wrong = found.post(f"/predict?classes={'%3Cscript%3E'}", picture())
        assert wrong.headers["content-type"] == "application/json"


def test_the_pages_put_text_into_the_document_and_never_markup():
    folder = Path(server.__file__).parent / "assets"
    scripts = [path.read_text("utf-8") for path in folder.glob("*.js")]
    assert scripts
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert not any(forbidden in script for script in scripts), forbidden


# --- anything at all --------------------------------------------------------------------------------------------------
def test_random_requests_are_never_answered_500():
    """Every route, with parameters and bodies that nobody planned."""
    log = Issues()
    choose = random.Random(0)
    values = ["", "0.5", "-1", "nan", "1e999", "model", "balloon", "json", "\x00", "ä", "a" * 3000, "../..", "true"]
    names = ["model", "threshold", "classes", "format", "track", "token", "x"]
    paths = ["/predict", "/batch", "/videos", "/videos/x", "/videos/x/video", "/models", "/health", "/metrics", "/",
             "/assets/serve.js", "/label-studio/health", "/label-studio/setup", "/label-studio/predict"]  # fmt: skip
    kinds = ["application/json", "multipart/form-data; boundary=x", "image/png", "text/plain", ""]
    from urllib.parse import urlencode

    with running(app(Access(), log)) as found:
        for _ in range(400):
            query = urlencode([(choose.choice(names), choose.choice(values)) for _ in range(choose.randrange(3))])
            body = choose.choice([b"", b"{}", b"[]", b"--x\r\n\r\n--x--", picture()[: choose.randrange(400)],
                                  json.dumps({"tasks": [{"data": 1}, 2], "label_config": "<View/>"}).encode(),
                                  b"[" * 5000, choose.randbytes(50)])  # fmt: skip
            method = choose.choice(["GET", "POST", "DELETE", "PUT", "HEAD", "PATCH"])
            answer = found.ask(method, f"{choose.choice(paths)}?{query}", body, {"Content-Type": choose.choice(kinds)})
            assert answer.status != 500, (method, query, body[:100], answer.body)
    assert [issue for issue in log if issue.code == "request_failed"] == []


@pytest.mark.slow
def test_memory_stays_the_same_over_many_requests():
    """The first thousand fill what is kept; five thousand more add nothing."""
    psutil = Path("/proc/self/statm")
    if not psutil.exists():
        pytest.skip("this system has no /proc")

    def megabytes() -> float:
        return int(psutil.read_text().split()[1]) * 4096 / 1e6

    image = picture(32, 24)
    with running(app(Access())) as found:
        for number in range(6000):
            if number == 1000:
                before = megabytes()
            assert found.post("/predict", image).status == 200
        time.sleep(0.1)
        assert megabytes() - before < 20
