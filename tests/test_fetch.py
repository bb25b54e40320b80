"""Downloads, against a server of our own on this machine."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from maskwright import fetch as fetching
from maskwright.errors import FetchError, OutputError
from maskwright.fetch import cache_folder, fetch, name_of, read_bytes

DATA = np.random.default_rng(0).bytes(700_001)
SUM = hashlib.sha256(DATA).hexdigest()


@dataclass
class Server:
    """What it sends, how it misbehaves, and what it was asked."""

    address: str = ""
    data: bytes = DATA
    ranges: bool = True  # it can continue
    etag: str | None = '"one"'
    length: bool = True  # it says how long the file is
    cut: list[int] = field(default_factory=list)  # break off after so many bytes, one answer each
    errors: list[int] = field(default_factory=list)  # answer so, one each
    sent_to: str = "/file.bin"  # where /moved leads
    asked: list[str | None] = field(default_factory=list)  # the Range of each question


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE", 0.001)
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = self.headers["Range"]
            state.asked.append(expected)
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", state.sent_to)
                self.end_headers()
                return
            if self.path == "/none" or state.errors:
                self.send_error(state.errors.pop(0) if state.errors else 404)
                return
            same = self.headers["If-Range"] in (None, state.etag)
            start = int(expected.removeprefix("bytes=").rstrip("-")) if expected and state.ranges and same else 0
            if start and start >= len(state.data):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.data) - 1}/{len(state.data)}")
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.length:
                self.send_header("Content-Length", str(len(state.data) - start))
            self.end_headers()
            end = start + state.cut.pop(0) if state.cut else len(state.data)
            try:
                self.wfile.write(state.data[start:end])
            except OSError:  # nobody listens any longer
                self.close_connection = True

        def log_message(self, format, *args) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        state.address = f"http://127.0.0.1:{running.server_port}"
        yield state
        running.shutdown()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- when all goes well --------------------------------------------------------------------------
def test_a_file_arrives_whole(server, tmp_path):
    target = tmp_path / "new" / "file.bin"
    assert fetch(f"{server.address}/file.bin", target, SUM, size=len(DATA)) == target
    assert target.read_bytes() == DATA
    assert left(target.parent) == ["file.bin"]


def test_an_empty_file_is_a_file(server, tmp_path):
    server.data = b""
    assert fetch(f"{server.address}/file.bin", tmp_path / "a").read_bytes() == b""


def test_what_is_there_already_is_not_asked_for(server, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    fetch(f"{server.address}/file.bin", tmp_path / "a", SUM.upper())
    fetch(f"{server.address}/file.bin", tmp_path / "a")
    assert server.asked == []


def test_what_is_there_with_another_checksum_is_replaced(server, tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    fetch(f"{server.address}/file.bin", tmp_path / "a", SUM)
    assert (tmp_path / "a").read_bytes() == DATA


def test_the_first_eight_digits_of_a_checksum_are_enough(server, tmp_path):
    """torchvision's file names carry no more: maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth."""
    (tmp_path / "a").write_bytes(b"old")
    for digits in (SUM[:8], SUM[:8].upper(), SUM[:20]):
        fetch(f"{server.address}/file.bin", tmp_path / "a", digits)
    assert (tmp_path / "a").read_bytes() == DATA and len(server.asked) == 1


def test_eight_wrong_digits_are_noticed(server, tmp_path):
    with pytest.raises(FetchError) as caught:
        fetch(f"{server.address}/file.bin", tmp_path / "a", "00000000")
    assert caught.value.parts["expected"] == "sha256 00000000..." and left(tmp_path) == []


def test_with_eight_digits_a_download_is_taken_up_again(server, tmp_path):
    (tmp_path / "a.part").write_bytes(DATA[:1000])
    fetch(f"{server.address}/file.bin", tmp_path / "a", SUM[:8])
    assert server.asked == ["bytes=1000-"] and (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize("digits", ["", SUM[:7], SUM + "0", "g" * 64])
def test_what_is_no_checksum_checks_nothing_and_is_refused(digits, server, tmp_path):
    with pytest.raises(ValueError, match="8 to 64"):
        fetch(f"{server.address}/file.bin", tmp_path / "a", digits)
    assert server.asked == []


def test_a_redirect_is_followed(server, tmp_path):
    assert fetch(f"{server.address}/moved.bin", tmp_path / "a").read_bytes() == DATA


def test_a_server_that_does_not_say_how_long(server, tmp_path):
    server.length = False
    assert fetch(f"{server.address}/file.bin", tmp_path / "a").read_bytes() == DATA


def test_progress_sees_every_byte_once(server, tmp_path):
    seen = []

    def progress(items: Iterable, *, total=None, label="", unit="", limit=None) -> Iterable:
        seen.append([total, label, unit, 0])
        for item in items:
            seen[-1][3] += len(item)
            yield item

    fetch(f"{server.address}/file.bin", tmp_path / "a", progress=progress)
    assert seen == [[len(DATA), "file.bin", "B", len(DATA)]]
    server.cut = [300_000]
    fetch(f"{server.address}/file.bin", tmp_path / "b", progress=progress)
    assert seen[1:] == [[len(DATA), "file.bin", "B", 300_000], [400_001, "file.bin", "B", 400_001]]


# --- broken off ----------------------------------------------------------------------------------
def test_a_cut_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cut = [100_000, 200_000]
    assert fetch(f"{server.address}/file.bin", tmp_path / "a", SUM).read_bytes() == DATA
    assert server.asked == [None, "bytes=100000-", "bytes=300000-"]


def test_a_server_that_cannot_continue_starts_again(server, tmp_path):
    server.cut, server.ranges = [100_000], False
    assert fetch(f"{server.address}/file.bin", tmp_path / "a", SUM).read_bytes() == DATA


def test_a_file_that_changed_meanwhile_is_not_glued_together(server, tmp_path):
    server.cut = [100_000]

    def change(items, **_):
        yield from items
        if len(server.asked) == 1:
            server.data, server.etag = DATA[::-1], '"two"'

    assert fetch(f"{server.address}/file.bin", tmp_path / "a", progress=change).read_bytes() == DATA[::-1]


def test_with_neither_checksum_nor_version_a_cut_download_starts_again(server, tmp_path):
    server.cut, server.etag = [100_000], None
    assert fetch(f"{server.address}/file.bin", tmp_path / "a").read_bytes() == DATA
    assert server.asked == [None, None]


def test_silence_counts_as_cut(server, tmp_path, monkeypatch):
    """A socket that says nothing for `timeout` seconds raises TimeoutError; here it does so at the second read."""
    server.ranges, waits, opened = False, [], fetching.urlopen

    def falls_silent(asked, timeout):
        answer = opened(asked, timeout)
        waits.append(timeout)
        first, read = iter([1000]), answer.read1

        def silent(amount=-1):
            if (some := next(first, None)) is None:
                raise TimeoutError
            return read(some)

        monkeypatch.setattr(answer, "read1", silent)
        return answer

    monkeypatch.setattr(fetching, "urlopen", falls_silent)
    with pytest.raises(FetchError, match="failed 4 times") as caught:
        fetch(f"{server.address}/file.bin", tmp_path / "a", SUM)
    assert caught.value.parts["got"] == "no data for 30 seconds"
    assert waits == [30.0] * 4


def test_what_an_earlier_call_left_is_continued(server, tmp_path):
    (tmp_path / "a.part").write_bytes(DATA[:500_000])
    assert fetch(f"{server.address}/file.bin", tmp_path / "a", SUM).read_bytes() == DATA
    assert server.asked == ["bytes=500000-"]


def test_what_an_earlier_call_left_of_another_file_is_thrown_away(server, tmp_path):
    for rest in (bytes(500_000), bytes(800_000), DATA):
        (tmp_path / "a.part").write_bytes(rest)
        (tmp_path / "a").unlink(missing_ok=True)
        assert fetch(f"{server.address}/file.bin", tmp_path / "a", SUM).read_bytes() == DATA


def test_without_a_checksum_an_old_part_is_not_trusted(server, tmp_path):
    (tmp_path / "a.part").write_bytes(bytes(500_000))
    assert fetch(f"{server.address}/file.bin", tmp_path / "a").read_bytes() == DATA


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.errors = [503, 429, 500]
    assert fetch(f"{server.address}/file.bin", tmp_path / "a").read_bytes() == DATA


# --- when it cannot go well ----------------------------------------------------------------------
def test_what_came_is_kept_for_the_next_call(server, tmp_path):
    server.cut = [1000, 1000, 1000, 1000]
    with pytest.raises(FetchError) as caught:
        fetch(f"{server.address}/file.bin", tmp_path / "a", SUM)
    assert str(caught.value) == (
        f"FetchError: {server.address}/file.bin: the download failed 4 times\n"
        "  got       4,000 of 700,001 bytes were received\n"
        f'  fix       download it manually to "{tmp_path / "a"}"'
    )
    assert left(tmp_path) == ["a.part"]
    fetch(f"{server.address}/file.bin", tmp_path / "a", SUM)
    assert server.asked[-1] == "bytes=4000-"


def test_a_wrong_checksum_leaves_nothing_behind(server, tmp_path):
    with pytest.raises(FetchError, match="not the expected one") as caught:
        fetch(f"{server.address}/file.bin", tmp_path / "a", "0" * 64)
    assert caught.value.parts["got"] == f"sha256 {SUM}"
    assert left(tmp_path) == []


def test_a_wrong_size_is_refused_before_it_is_read(server, tmp_path):
    with pytest.raises(FetchError, match="cannot be downloaded"):
        fetch(f"{server.address}/file.bin", tmp_path / "a", size=10)
    server.length = False
    with pytest.raises(FetchError) as caught:
        fetch(f"{server.address}/file.bin", tmp_path / "a", size=10)
    assert caught.value.parts["got"] == "more than the expected 10 bytes"


def test_an_address_that_is_not_there_is_asked_once(server, tmp_path):
    with pytest.raises(FetchError) as caught:
        fetch(f"{server.address}/none", tmp_path / "a")
    assert caught.value.parts["got"] == "the server responds 404 Not Found"
    assert len(server.asked) == 1


def test_nobody_listens_there(tmp_path, monkeypatch):
    """Said at once: waiting would not help."""
    asked, opened = [], fetching.urlopen
    monkeypatch.setattr(fetching, "urlopen", lambda *question, **more: (asked.append(1), opened(*question, **more))[1])
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, but nobody listens
        with pytest.raises(FetchError) as caught:
            fetch(f"http://127.0.0.1:{held.getsockname()[1]}/a", tmp_path / "a")
    assert len(asked) == 1
    assert str(tmp_path / "a") in caught.value.parts["fix"]


@pytest.mark.parametrize(
    "url", ["file:///etc/hosts", "ftp://127.0.0.1/a", "a.bin", "http://", "http://[", "http://a b"]
)
def test_what_is_no_web_address_is_refused(url, tmp_path):
    with pytest.raises(FetchError):
        fetch(url, tmp_path / "a")
    assert left(tmp_path) == []


def test_a_place_where_nothing_can_be_written(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        fetch(f"{server.address}/file.bin", tmp_path / "file" / "a")


# --- in memory, and where things lie -------------------------------------------------------------
def test_bytes_are_read_up_to_a_limit(server):
    assert read_bytes(f"{server.address}/file.bin", limit=len(DATA)) == DATA
    for server.length in (True, False):
        with pytest.raises(FetchError) as caught:
            read_bytes(f"{server.address}/file.bin", limit=len(DATA) - 1)
        assert caught.value.parts["got"] == "it is larger than 0.7 MB"


def test_half_an_image_is_asked_for_again(server):
    server.cut = [1000]
    assert read_bytes(f"{server.address}/file.bin", limit=len(DATA)) == DATA


def test_the_cache_lies_where_the_user_or_the_platform_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MASKWRIGHT_CACHE")
    for platform, variable, inside in [
        ("linux", "XDG_CACHE_HOME", "maskwright"),
        ("win32", "LOCALAPPDATA", "maskwright/cache"),
    ]:
        monkeypatch.setattr(fetching.sys, "platform", platform)
        monkeypatch.setenv(variable, str(tmp_path))
        assert cache_folder() == tmp_path / inside
        monkeypatch.delenv(variable)
        assert cache_folder().is_absolute()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.org/b/r50%20v2.pth?x=1", "r50 v2.pth"),
        ("https://a.org", "download"),
        ("https://a.org/%2e%2e%2fx", "x"),
    ],
)
def test_the_name_an_address_ends_in(url, name):
    assert name_of(url) == name


# --- a cache that others can write into -----------------------------------------------------------
@pytest.mark.parametrize("checksum", [SUM, None])
@pytest.mark.parametrize("kind", ["a link", "a hard link"])
def test_what_a_link_in_the_parts_place_leads_to_is_left_alone(server, tmp_path, kind, checksum):
    (tmp_path / "victim").write_bytes(b"precious")
    try:
        if kind == "a link":
            (tmp_path / "a.part").symlink_to(tmp_path / "victim")
        else:
            (tmp_path / "a.part").hardlink_to(tmp_path / "victim")
    except OSError:
        pytest.skip("no links here")
    fetch(f"{server.address}/file.bin", tmp_path / "a", checksum)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / "a").read_bytes() == DATA and not (tmp_path / "a").is_symlink()


def test_a_link_that_leads_nowhere_is_not_followed_either(server, tmp_path):
    try:
        (tmp_path / "a.part").symlink_to(tmp_path / "elsewhere")
    except OSError:
        pytest.skip("no links here")
    fetch(f"{server.address}/file.bin", tmp_path / "a", SUM)
    assert not (tmp_path / "elsewhere").exists() and (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1:9/x.jpg", "file:///etc/hostname", "data:image/png;base64,aaaa", "gopher://127.0.0.1/x"]
)
def test_a_redirect_to_another_kind_of_address_is_not_followed(server, tmp_path, address):
    server.sent_to = address
    with pytest.raises(FetchError, match="cannot be downloaded"):
        fetch(f"{server.address}/moved.bin", tmp_path / "a")
    with pytest.raises(FetchError, match="cannot be downloaded"):
        read_bytes(f"{server.address}/moved.bin", 1000)
    assert len(server.asked) == 2 and left(tmp_path) == []


def test_a_redirect_never_leads_from_https_to_http():
    asked = urllib.request.Request("https://example.org/a")
    with pytest.raises(fetching._PermanentError, match="from https to http"):
        fetching._WebRedirectHandler().redirect_request(asked, None, 302, "", {}, "http://example.org/a")
    onward = fetching._WebRedirectHandler().redirect_request(asked, None, 302, "", {}, "https://example.net/b")
    assert onward is not None and onward.full_url == "https://example.net/b"
