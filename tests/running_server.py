"""An app behind a real socket, in a thread; requests as programs send them."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as PilImage
from starlette.types import ASGIApp

from maskwright.web import server
from maskwright.web.limits import Limits


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=_written(headers))

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self.ask("POST", path, body, _written(headers))

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection, for requests that no library would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            yield connection

    def raw(self, request: bytes) -> bytes:
        """What comes back until the server closes the connection."""
        with self.connected() as connection:
            connection.sendall(request)
            return received(connection)


def received(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def _written(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextlib.contextmanager
def running(app: ASGIApp, limits: Limits | None = None) -> Iterator[Running]:
    """Until the block ends: then the server shuts down as at Ctrl-C, and everything under way is answered."""
    ready = threading.Event()
    with server.listen("127.0.0.1", 0) as sock:
        made = server.server_of(app, limits or Limits(), ready.set)
        thread = threading.Thread(target=made.run, args=([sock],))
        thread.start()
        try:
            assert ready.wait(30)
            yield Running(sock.getsockname()[1])
        finally:
            made.should_exit = True
            thread.join()


def picture(width: int = 128, height: int = 96, format: str = "PNG") -> bytes:
    """An image file of smooth colors."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2).astype(np.uint8)
    written = io.BytesIO()
    PilImage.fromarray(pixels).save(written, format)
    return written.getvalue()
