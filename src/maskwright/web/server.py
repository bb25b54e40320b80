"""Runs an app: the socket, uvicorn with its limits, the end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskwright.errors import OutputError
from maskwright.web.limits import Limits

MAX_HEADERS = 65_536  # bytes of a request's line and headers
GRACE = 30  # seconds for the requests under way once the server is told to stop


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, which refuses connections until `run`; port 0 takes a free one.

    OutputError where the port is taken, or the address not ours.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise OutputError("there is no such address", field="--host", expected="127.0.0.1, 0.0.0.0 or a name of this "
                          "machine", got=host) from error  # fmt: skip
    sock = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":  # where two programs may have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", None)):
            raise OutputError("another program has this port", field="--port", expected="a free port", got=port,
                              fix="--port 0 takes a free one") from error  # fmt: skip
        raise OutputError("cannot listen here", field="--host, --port", got=f"{host} port {port} ({error.strerror})",
                          fix="ports below 1024 belong to the system") from error  # fmt: skip
    return sock


def address_of(sock: socket.socket, host: str) -> str:
    """The address of the page, as a browser on this machine opens it."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{sock.getsockname()[1]}"


class _TimedProtocol(H11Protocol):
    """Closes connections whose next request does not come, or comes too slowly; uvicorn waits for ever."""

    seconds = Limits().send_seconds
    _awaited: Any = None  # the response after which the next request was awaited at the last look

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._look = self.loop.call_later(self.seconds, self._look_again)

    def _look_again(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()  # a client that takes no more would keep it open
            return
        if self.cycle is None or self.cycle.response_complete:
            if self._awaited is (self.cycle or self):
                self.transport.abort()
                return
            self._awaited = self.cycle or self
        self._look = self.loop.call_later(self.seconds, self._look_again)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Stops at a signal, once; a second stops at once."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.stopped_by: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stopped_by = sig
        self.force_exit = self.should_exit
        self.should_exit = True


def server_of(app: ASGIApp, limits: Limits, ready: Callable[[], None]) -> uvicorn.Server:
    """A server that is not running yet; `ready` is called when the first request would be answered."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)  # what fails is logged by the app
    protocol = type("TimedProtocol", (_TimedProtocol,), {"seconds": limits.send_seconds})
    config = uvicorn.Config(
        app, http=protocol, ws="none", loop="asyncio", lifespan="on", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, limit_concurrency=limits.connections, timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE, h11_max_incomplete_event_size=MAX_HEADERS,
    )  # fmt: skip
    return _Server(config, ready)


def run(app: ASGIApp, sock: socket.socket, limits: Limits, ready: Callable[[], None]) -> None:
    """Until Ctrl-C or SIGTERM: then nothing new is accepted, requests under way are answered, and it returns."""
    server_of(app, limits, ready).run([sock])
