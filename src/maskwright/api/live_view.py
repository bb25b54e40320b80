"""Frames shown while they come: in a window where OpenCV has one, else on a page of this machine."""

from __future__ import annotations

import importlib
import io
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import numpy as np
from PIL import Image

from maskwright.issues import Kind, Log

VIEW_WINDOW = Kind("view_window", "info", "shown in a window; q stops")
VIEW_PAGE = Kind("view_page", "info", "shown at {address}")

View = Callable[[np.ndarray], object]
BOUNDARY = "maskwright-frame"
PAGE = b"""<!doctype html><meta charset="utf-8"><title>maskwright</title>
<meta name="viewport" content="width=device-width">
<style>body{margin:0;background:#111;color:#eee;font:16px sans-serif;text-align:center}
img{max-width:100%;max-height:calc(100vh - 4rem)}button{margin:.8rem;font:inherit;padding:.3rem 1.2rem}</style>
<img src="stream" alt="the newest frame"><form method="post" action="stop"><button>Stop</button></form>
"""


@contextmanager
def live_view(stop: Callable[[], object], log: Log) -> Iterator[View]:
    """A function that shows pixels (H x W x 3 uint8), for the block; `stop` is called when the user wants an end."""
    window = _window()
    if window is not None:
        log(VIEW_WINDOW())
        try:
            yield lambda pixels: _show_in(window, pixels, stop)
        finally:
            window.destroyAllWindows()
        return
    server = _PageServer(stop)
    threading.Thread(target=server.serve_forever, args=(0.1,), name="maskwright page", daemon=True).start()
    log(VIEW_PAGE(address=server.address))
    try:
        yield server.show
    finally:
        server.end()


def _window() -> Any:
    """OpenCV where it can open a window; None where it is absent or came without that."""
    try:
        cv2 = importlib.import_module("cv2")
        cv2.namedWindow("maskwright", cv2.WINDOW_NORMAL)
    except Exception:  # cv2.error of a build without windows, or without a display
        return None
    return cv2


def _show_in(cv2: Any, pixels: np.ndarray, stop: Callable[[], object]) -> None:
    cv2.imshow("maskwright", np.ascontiguousarray(pixels[..., ::-1]))
    if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
        stop()


class _PageServer(ThreadingHTTPServer):
    """Serves the newest frame to this machine only, under an address that nobody can guess."""

    daemon_threads = True

    def __init__(self, stop: Callable[[], object]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secret, self.stop = secrets.token_urlsafe(12), stop
        self.arrived, self.jpeg, self.number, self.ended = threading.Condition(), b"", 0, False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.secret}/"

    def show(self, pixels: np.ndarray) -> None:
        written = io.BytesIO()
        Image.fromarray(pixels).save(written, "JPEG", quality=80)
        with self.arrived:
            self.jpeg, self.number = written.getvalue(), self.number + 1
            self.arrived.notify_all()

    def end(self) -> None:
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    @property
    def _view(self) -> _PageServer:
        return cast(_PageServer, self.server)

    def do_GET(self) -> None:
        if self.path == f"/{self._view.secret}/":
            self._answer("text/html; charset=utf-8", PAGE)
        elif self.path == f"/{self._view.secret}/stream":
            self._stream()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        if self.path != f"/{self._view.secret}/stop":
            self.send_error(404)
            return
        self._answer("text/plain; charset=utf-8", b"Stopped.\n")
        self._view.stop()

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        server, sent = self._view, 0
        while True:
            with server.arrived:
                while not (server.ended or server.number > sent):
                    server.arrived.wait()
                if server.ended:
                    return
                jpeg, sent = server.jpeg, server.number
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:  # the reader went away
                return

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""
