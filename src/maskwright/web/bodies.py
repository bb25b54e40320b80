"""Bodies of requests, in memory or on disk, within limits of size and time; the files of a form."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request

from maskwright.web.refusal import CLOSE, Refusal

MAX_JSON = 8_000_000  # bytes of an object in JSON: the objects of an image


async def read(request: Request, max_bytes: int, seconds: float) -> bytes:
    """The body; Refusal where it is empty, too large or too slow."""
    body = b"".join([chunk async for chunk in _chunks(request, max_bytes, seconds)])
    if not body:
        raise Refusal(400, "the body is empty", fix="send the file itself: curl --data-binary @image.jpg URL")
    return body


async def read_object(request: Request) -> dict[str, Any]:
    """The body as an object of JSON; Refusal where it is none."""
    try:
        body = json.loads(await read(request, MAX_JSON, 30))
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refusal(422, "the body is not an object")
    return body


async def save(request: Request, path: Path, max_bytes: int, seconds: float) -> None:
    """The body in a file, never as a whole in memory."""
    with path.open("wb") as stream:
        async for chunk in _chunks(request, max_bytes, seconds):
            await asyncio.to_thread(stream.write, chunk)
    if not path.stat().st_size:
        raise Refusal(400, "the body is empty", fix="send the file itself: curl --data-binary @video.mp4 URL")


async def _chunks(request: Request, max_bytes: int, seconds: float) -> AsyncIterator[bytes]:
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise _too_large(max_bytes, int(stated))
    received, clock = 0, asyncio.get_running_loop().time
    latest, stream = clock() + seconds, request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), latest - clock())
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refusal(408, "the upload takes too long", CLOSE, expected=f"within {seconds:g} seconds") from None
        except ClientDisconnect:
            raise Refusal(400, "the upload was broken off", CLOSE) from None
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes, received)
        yield chunk


def _too_large(max_bytes: int, got: int) -> Refusal:
    return Refusal(413, "the body is too large", CLOSE, expected=f"at most {max_bytes:,} bytes", got=f"{got:,} or more")


def form_files(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """(name, content) of each file of a multipart/form-data body, as `curl -F file=@a.jpg` and browsers send it.

    The names are only repeated to the client: no file is opened or written by them.

    >>> form_files(b'--x\\r\\nContent-Disposition: form-data; name="f"; filename="a.jpg"\\r\\n\\r\\nJPEG\\r\\n--x--',
    ...            "multipart/form-data; boundary=x")
    [('a.jpg', b'JPEG')]
    """
    stated = re.search(r'boundary=(?:"([^"]+)"|([^\s;]+))', content_type)
    if not content_type.lower().startswith("multipart/form-data") or stated is None:
        raise Refusal(415, "the images are sent as a form", expected="multipart/form-data", got=content_type[:100],
                      fix="curl -F file=@a.jpg -F file=@b.jpg URL")  # fmt: skip
    boundary = b"\r\n--" + (stated[1] or stated[2]).encode("latin-1")
    files = []
    for part in (b"\r\n" + body).split(boundary)[1:]:
        if part.startswith(b"--"):
            return files
        head, separator, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'filename="((?:[^"\\]|\\.)*)"', head)
        if separator and name is not None:
            files.append((unquote(name[1].decode("utf-8", "replace")), content))
    raise Refusal(400, "the form is incomplete", expected="a last boundary", got="the end of the body")
