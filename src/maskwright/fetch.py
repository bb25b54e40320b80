"""Downloads with progress, checksum and resume, and errors that say what to do without a network.

Data are written to "<name>.part" beside the target, which is moved there when it is complete and its checksum correct.
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
"""Seconds before the second attempt; each further pause is twice as long."""
TIMEOUT = 30.0
"""Seconds without data after which a connection counts as lost."""
CHUNK = 1 << 18

Result = TypeVar("Result")


def cache_folder() -> Path:
    """The folder for downloads: MASKWRIGHT_CACHE, or the platform's cache folder. It is not created here."""
    if chosen := os.environ.get("MASKWRIGHT_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "maskwright" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "maskwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maskwright"


def name_of(url: str) -> str:
    """The file name at the end of a URL.

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
    """Download `url` to the file `target`, unless it exists (with that checksum, if one is given).

    sha256   64 hexadecimal digits, or the first of them (at least 8, as in torchvision's file names); with it an
             unfinished download is resumed
    size     expected size in bytes; a file of another size is rejected
    offline  advice for the error message without a network

    FetchError if the download fails or the checksum is wrong, OutputError if the file cannot be written.

    >>> fetch("https://example.org/r50.safetensors", cache_folder() / "r50.safetensors", sha256="9c1e...")
    """
    if sha256 is not None:
        sha256 = sha256.lower()
        if not re.fullmatch(r"[0-9a-f]{8,64}", sha256):  # with fewer digits nearly any file would pass
            raise ValueError(f"sha256 must be 8 to 64 hexadecimal digits, got {sha256!r}")
    target = Path(target)
    if target.is_file() and (sha256 is None or _sha256(target).startswith(sha256)):
        return target
    part = target.with_name(target.name + ".part")
    with writing(target) as temporary:  # explains disk errors; an unfinished download stays in `part`
        _remove_link(part)
        if sha256 is None:  # nothing could verify that an old part is of the same file
            part.unlink(missing_ok=True)
        download = _Download(url, part, size, progress or silent, checked=sha256 is not None)
        fix = f'download it manually to "{target}"' + (f"; or: {offline}" if offline else "")
        resumed = part.exists()
        _retry(download.resume, url, fix)
        if sha256 is not None and resumed and not _sha256(part).startswith(sha256):  # the old part was of another file
            part.unlink()
            _retry(download.resume, url, fix)
        if sha256 is not None and not (got := _sha256(part)).startswith(sha256):
            part.unlink()
            expected = f"sha256 {sha256}{'...' if len(sha256) < 64 else ''}"
            got = f"sha256 {got}"
            raise FetchError(
                "the downloaded file is not the expected one", file=url, expected=expected, got=got, fix=fix
            )
        part.replace(temporary)
    return target


def _remove_link(part: Path) -> None:
    """Remove `part` if it is a link: in a shared folder somebody could have put one there, and its target would be
    overwritten."""
    with contextlib.suppress(FileNotFoundError):
        status = part.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            part.unlink()


def read_bytes(url: str, limit: int) -> bytes:
    """Download at most `limit` bytes into memory, for single images; FetchError if there are more or it fails."""

    def read() -> bytes:
        data = bytearray()
        with _open(url) as response:
            expected = response.length
            for chunk in _chunks(response):
                data += chunk
                if len(data) > limit:
                    raise _PermanentError(f"it is larger than {limit / 1e6:g} MB")
        if expected is not None and len(data) < expected:
            raise _TemporaryError(f"{len(data):,} of {expected:,} bytes were received")
        return bytes(data)

    return _retry(read, url, "check the address; or download it manually and name the file")


# --- inside -------------------------------------------------------------------------------------
class _TemporaryError(Exception):
    """A temporary failure: worth another attempt."""


class _RangeError(_TemporaryError):
    """HTTP 416: the server has no bytes from that position on."""


class _PermanentError(Exception):
    """A permanent failure."""


def _retry(work: Callable[[], Result], url: str, fix: str) -> Result:
    """Call `work`, and again up to TRIES times when the connection is lost."""
    reason: Exception | None = None
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return work()
        except _TemporaryError as lost:
            reason = lost
        except _PermanentError as refused:
            raise FetchError("this cannot be downloaded", file=url, got=refused, fix=fix) from refused
    raise FetchError(f"the download failed {TRIES} times", file=url, got=reason, fix=fix) from reason


@dataclass
class _Download:
    """The download of one file; `resume` continues at the end of the part file."""

    url: str
    part: Path
    size: int | None
    progress: Progress
    checked: bool  # the result is verified with a checksum
    version: str | None = None  # the server's identifier of this version of the file (ETag or date)

    def resume(self) -> None:
        received = self.part.stat().st_size if self.part.exists() and (self.checked or self.version) else 0
        headers = {"Range": f"bytes={received}-"} if received else {}
        if received and self.version:  # continue only if the file is unchanged, else send it from the start
            headers["If-Range"] = self.version
        try:
            with _open(self.url, headers) as response:
                self._receive(response, received)
        except _RangeError:
            self.part.unlink(missing_ok=True)
            raise

    def _receive(self, response: http.client.HTTPResponse, received: int) -> None:
        if response.status != 206 or not (response.headers["Content-Range"] or "").startswith(f"bytes {received}-"):
            received = 0  # the server sends the file from its start
        total = self.size if response.length is None else received + response.length
        if self.size is not None and total != self.size:
            raise _PermanentError(f"{total:,} bytes instead of {self.size:,}")
        tag = response.headers["ETag"]
        self.version = tag if tag and not tag.startswith("W/") else response.headers["Last-Modified"]
        remaining = None if total is None else total - received
        with open(self.part, "ab" if received else "wb", opener=_no_link) as file:
            for chunk in self.progress(_chunks(response), total=remaining, label=name_of(self.url), unit="B"):
                file.write(chunk)
                received += len(chunk)
                if total is not None and received > total:
                    raise _PermanentError(f"more than the expected {total:,} bytes")
        if total is not None and received < total:
            raise _TemporaryError(f"{received:,} of {total:,} bytes were received")


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Convert all network errors to _TemporaryError or _PermanentError."""
    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code == 416:
            raise _RangeError("the server has fewer bytes than were already downloaded") from error
        kind = _TemporaryError if error.code in (408, 425, 429, 500, 502, 503, 504) else _PermanentError
        raise kind(f"the server responds {error.code} {error.reason}") from error
    except URLError as error:
        # str: the address has no host
        permanent = (str, socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError)
        if isinstance(error.reason, socket.gaierror):
            raise _PermanentError("the server was not found; is there a network connection?") from error
        raise (_PermanentError if isinstance(error.reason, permanent) else _TemporaryError)(
            str(error.reason)
        ) from error
    except TimeoutError as error:
        raise _TemporaryError(f"no data for {TIMEOUT:g} seconds") from error
    except (http.client.InvalidURL, ValueError) as error:
        raise _PermanentError(f"this is not a valid URL: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _TemporaryError(str(error) or type(error).__name__) from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


class _WebRedirectHandler(HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https to http."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        before, after = (urlsplit(url).scheme.lower() for url in (req.full_url, newurl))
        if after not in ("http", "https") or (before, after) == ("https", "http"):
            raise _PermanentError(f"the server redirects from {before} to {after}: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def urlopen(request: Request, timeout: float) -> http.client.HTTPResponse:
    return build_opener(_WebRedirectHandler).open(request, timeout=timeout)


def _open(url: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    if not url.lower().startswith(("http://", "https://")):
        raise _PermanentError("only http and https addresses can be downloaded")
    address = quote(url, safe="%/:=&?~#+!$,;'@()*[]")  # people type blanks and accented letters
    with _network():
        request = {"User-Agent": "maskwright", "Accept-Encoding": "identity", **(headers or {})}
        return urlopen(Request(address, headers=request), timeout=TIMEOUT)


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        with _network():
            chunk = response.read1(CHUNK)
        if not chunk:
            return
        yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
