"""Downloads: with progress, a checksum, taken up again where they broke off, and a way out for who is offline.

What has arrived lies in "<name>.part" beside the target and is moved there when it is whole and has the right sum.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import ssl
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from maskwright.errors import FetchError
from maskwright.files import writing
from maskwright.progress import Progress, silent

TRIES = 4
PAUSE = 1.0
"""Seconds before the second try; each further pause is twice as long."""
TIMEOUT = 30.0
"""Seconds without a single byte after which a connection counts as lost."""
CHUNK = 1 << 18

Result = TypeVar("Result")


def cache_folder() -> Path:
    """Where downloads are kept: MASKWRIGHT_CACHE, or the platform's own place for such files. Not created here."""
    if chosen := os.environ.get("MASKWRIGHT_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "maskwright" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "maskwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maskwright"


def name_of(url: str) -> str:
    """The file name an address ends in.

    >>> name_of("https://example.org/a/r50%20v2.pth?download=1")
    'r50 v2.pth'
    """
    return unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2] or "download"


def fetch(
    url: str,
    target: Path | str,
    sha256: str | None = None,
    progress: Progress | None = None,
    size: int | None = None,
    offline: str = "",
) -> Path:
    """Download `url` to the file `target`, unless it lies there already (with that checksum, where one is given).

    sha256   its 64 hexadecimal digits, or the first of them (at least 8: what stands in torchvision's file names);
             with it, a download that an earlier call left unfinished is taken up again
    size     bytes, where known beforehand; a file of another size is refused
    offline  what one can do without a network, for the message

    >>> fetch("https://example.org/r50.safetensors", cache_folder() / "r50.safetensors", sha256="9c1e...")
    """
    if sha256 is not None:
        sha256 = sha256.lower()
        if not re.fullmatch(r"[0-9a-f]{8,64}", sha256):  # fewer would let nearly anything pass
            raise ValueError(f"sha256 wants 8 to 64 hexadecimal digits, got {sha256!r}")
    target = Path(target)
    if target.is_file() and (sha256 is None or _sum(target).startswith(sha256)):
        return target
    part = target.with_name(target.name + ".part")
    with writing(target) as temporary:  # it says disk errors in words; what broke off stays in `part`
        _own(part)
        if sha256 is None:  # nothing would show whether an old part is of this very file
            part.unlink(missing_ok=True)
        download = _Download(url, part, size, progress or silent, checked=sha256 is not None)
        fix = f'put the file by hand at "{target}"' + (f"; or: {offline}" if offline else "")
        resumed = part.exists()
        _insist(download.go_on, url, fix)
        if sha256 is not None and resumed and not _sum(part).startswith(sha256):  # the old part was of another file
            part.unlink()
            _insist(download.go_on, url, fix)
        if sha256 is not None and not (got := _sum(part)).startswith(sha256):
            part.unlink()
            expected = f"sha256 {sha256}{'...' if len(sha256) < 64 else ''}"
            got = f"sha256 {got}"
            raise FetchError(
                "what came is not the file that was expected", file=url, expected=expected, got=got, fix=fix
            )
        part.replace(temporary)
    return target


def _own(part: Path) -> None:
    """Take away what bears the part's name and is not a file of its own: in a shared folder anybody may have put a
    link there, and what it leads to would be written over."""
    with contextlib.suppress(FileNotFoundError):
        found = part.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            part.unlink()


def read_bytes(url: str, limit: int) -> bytes:
    """The bytes at an address, at most `limit` of them: for single images, which are kept in memory only."""

    def read() -> bytes:
        data = bytearray()
        with _open(url) as answer:
            expected = answer.length
            for chunk in _chunks(answer):
                data += chunk
                if len(data) > limit:
                    raise _Refused(f"it is longer than {limit / 1e6:g} MB")
        if expected is not None and len(data) < expected:
            raise _Lost(f"{len(data):,} of {expected:,} bytes came")
        return bytes(data)

    return _insist(read, url, "check the address; or download it by hand and name the file")


# --- how it is done -----------------------------------------------------------------------------
class _Lost(Exception):
    """It failed, and may go better next time."""


class _NoSuchRange(_Lost):
    """The server's 416: it has no bytes from there on."""


class _Refused(Exception):
    """It failed, and will fail again."""


def _insist(work: Callable[[], Result], url: str, fix: str) -> Result:
    """Do it; when the connection is lost, a few times more."""
    reason: Exception | None = None
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return work()
        except _Lost as lost:
            reason = lost
        except _Refused as refused:
            raise FetchError("this cannot be downloaded", file=url, got=refused, fix=fix) from refused
    raise FetchError(f"the download failed {TRIES} times", file=url, got=reason, fix=fix) from reason


@dataclass
class _Download:
    """One file on its way; `go_on` continues where the part file ends."""

    url: str
    part: Path
    size: int | None
    progress: Progress
    checked: bool  # a checksum will tell whether what was put together is right
    version: str | None = None  # what the server calls this version of the file (ETag or date)

    def go_on(self) -> None:
        have = self.part.stat().st_size if self.part.exists() and (self.checked or self.version) else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self.version:  # continue only if it is still the same file, else send it from the start
            headers["If-Range"] = self.version
        try:
            with _open(self.url, headers) as answer:
                self._receive(answer, have)
        except _NoSuchRange:
            self.part.unlink(missing_ok=True)
            raise

    def _receive(self, answer: http.client.HTTPResponse, have: int) -> None:
        if answer.status != 206 or not (answer.headers["Content-Range"] or "").startswith(f"bytes {have}-"):
            have = 0  # the server sends the file from its start
        total = self.size if answer.length is None else have + answer.length
        if self.size is not None and total != self.size:
            raise _Refused(f"{total:,} bytes, where {self.size:,} were expected")
        tag = answer.headers["ETag"]
        self.version = tag if tag and not tag.startswith("W/") else answer.headers["Last-Modified"]
        coming = None if total is None else total - have
        with open(self.part, "ab" if have else "wb", opener=_no_link) as file:
            for chunk in self.progress(_chunks(answer), total=coming, label=name_of(self.url), unit="B"):
                file.write(chunk)
                have += len(chunk)
                if total is not None and have > total:
                    raise _Refused(f"more than the {total:,} bytes that were expected")
        if total is not None and have < total:
            raise _Lost(f"{have:,} of {total:,} bytes came")


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Whatever a network does -> _Lost or _Refused."""
    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code == 416:
            raise _NoSuchRange("the server has fewer bytes than are here already") from error
        kind = _Lost if error.code in (408, 425, 429, 500, 502, 503, 504) else _Refused
        raise kind(f"the server answers {error.code} {error.reason}") from error
    except URLError as error:
        hopeless = (
            str,
            socket.gaierror,
            ConnectionRefusedError,
            ssl.SSLCertVerificationError,
        )  # str: not a host at all
        if isinstance(error.reason, socket.gaierror):
            raise _Refused("the server was not found; is there a network?") from error
        raise (_Refused if isinstance(error.reason, hopeless) else _Lost)(str(error.reason)) from error
    except TimeoutError as error:
        raise _Lost(f"nothing came for {TIMEOUT:g} seconds") from error
    except (http.client.InvalidURL, ValueError) as error:
        raise _Refused(f"this is no address: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Lost(str(error) or type(error).__name__) from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


class _OnTheWeb(HTTPRedirectHandler):
    """Follows a server to other http and https addresses only, and never from https to what anybody can read."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        before, after = (urlsplit(url).scheme.lower() for url in (req.full_url, newurl))
        if after not in ("http", "https") or (before, after) == ("https", "http"):
            raise _Refused(f"the server sends on from {before} to {after}: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def urlopen(asked: Request, timeout: float) -> http.client.HTTPResponse:
    return build_opener(_OnTheWeb).open(asked, timeout=timeout)


def _open(url: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    if not url.lower().startswith(("http://", "https://")):
        raise _Refused("only http and https addresses can be downloaded")
    address = quote(url, safe="%/:=&?~#+!$,;'@()*[]")  # people type blanks and umlauts
    with _network():
        asked = {"User-Agent": "maskwright", "Accept-Encoding": "identity", **(headers or {})}
        return urlopen(Request(address, headers=asked), timeout=TIMEOUT)


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        with _network():
            chunk = answer.read1(CHUNK)
        if not chunk:
            return
        yield chunk


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
