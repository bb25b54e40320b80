"""Cameras and streams: the newest frame is taken, the ones that came meanwhile are counted; a broken one comes back."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from maskwright.errors import ImageError, RecipeError
from maskwright.video.read import WEB, Frame, Video, library
from maskwright.video.timing import Timing

SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "udp://", "srt://")
WEB_SCHEMES = ("http://", "https://")
MJPEG = (".mjpg", ".mjpeg")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a broken stream is opened again
SILENCE = 10.0  # seconds without data after which a stream is taken for broken
TICK = Fraction(1, 1000)  # seconds, the unit of the times at which frames came
SCREEN = re.compile(r"screen(?::(\d+),(\d+),(\d+),(\d+))?")


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Something that goes on until somebody stops it.

    name    for files and messages, without a password
    file, format, options  as FFmpeg is told of it
    """

    name: str
    file: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def live_source(source: object) -> LiveSource | None:
    """A camera ("0", "1"), "screen" or "screen:X,Y,WIDTH,HEIGHT", an address of a stream (rtsp, rtmp, udp, srt), or one
    over HTTP that ends in .mjpg or .mjpeg; None for everything else, such as a file called 0.

    >>> live_source("rtsp://me:secret@door/front").name
    'rtsp://door/front'
    """
    text = str(source)
    if not isinstance(source, str) or Path(text).exists():
        return None
    if text.isdecimal():
        return _camera(int(text))
    if screen := SCREEN.fullmatch(text):
        return _screen(*(None if edge is None else int(edge) for edge in screen.groups()))
    lower = text.lower()
    parts = urlsplit(text)
    if lower.startswith(("http://", "https://")) and parts.path.lower().endswith(MJPEG):
        return LiveSource(
            _without_password(text), text, "mpjpeg", {"protocol_whitelist": WEB, "strict_mime_boundary": "1"}
        )
    if lower.startswith(SCHEMES):
        options = {"rtsp_transport": "tcp"} if lower.startswith("rtsp") else {}
        return LiveSource(_without_password(text), text, None, options)
    return None


def answering_source(address: str) -> LiveSource | None:
    """An HTTP address without an ending, such as http://10.0.0.7/video, where it answers with MJPEG; else None.

    Costs a request; its body is not read.
    """
    if not address.lower().startswith(WEB_SCHEMES) or Path(urlsplit(address).path).suffix:
        return None
    try:
        with urlopen(Request(address, headers={"User-Agent": "maskwright"}), timeout=SILENCE) as answer:
            kind = answer.headers.get_content_type()
    except (OSError, ValueError, HTTPException):
        return None
    return _mjpeg(address) if kind == "multipart/x-mixed-replace" else None


def _mjpeg(address: str) -> LiveSource:
    options = {"protocol_whitelist": WEB, "strict_mime_boundary": "1"}
    return LiveSource(_without_password(address), address, "mpjpeg", options)


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _camera(number: int) -> LiveSource:
    name = f"camera_{number}"
    if sys.platform == "darwin":
        return LiveSource(name, f"{number}:none", "avfoundation", {"framerate": "30"})
    if sys.platform == "win32":
        return LiveSource(name, str(number), "vfwcap")
    return LiveSource(name, f"/dev/video{number}", "v4l2")


def _screen(left: int | None, top: int | None, width: int | None, height: int | None) -> LiveSource:
    """The whole screen, or a part of it; on a Mac always the whole."""
    size = {} if width is None else {"video_size": f"{width}x{height}"}
    if sys.platform == "darwin":
        return LiveSource("screen", "Capture screen 0:none", "avfoundation")
    if sys.platform == "win32":
        at = {} if left is None else {"offset_x": str(left), "offset_y": str(top)}
        return LiveSource("screen", "desktop", "gdigrab", size | at)
    display = os.environ.get("DISPLAY", ":0.0")
    return LiveSource("screen", display if left is None else f"{display}+{left},{top}", "x11grab", size)


class LiveVideo(Video):
    """A `Video` whose frames come by themselves; iterating gives the newest at its true time, from 0 on.

    dropped      frames that came while an earlier one was worked on
    reconnected  how often it was opened again
    on_break     called with the reason each time it breaks

    Iterating ends at `timing.end` and after `stop`, which any thread may call.
    """

    def __init__(
        self, source: LiveSource, timing: Timing, on_break: Callable[[str], object] = lambda reason: None
    ) -> None:
        if timing != Timing(end=timing.end):
            raise RecipeError("a stream is taken as it comes", field="--from, --every, --fps, --slow",
                              expected="--to SECONDS, or nothing", got=source.name)  # fmt: skip
        self._source, self._on_break = source, on_break
        self.dropped, self.reconnected = 0, 0
        super().__init__(source.name, timing)
        self.time_base, self.expected, self.sound = TICK, None, None
        self._stopped = threading.Event()
        self._arrived = threading.Condition()
        self._newest: tuple[Any, float] | None = None
        self._reader = threading.Thread(target=self._read, name="maskwright stream", daemon=True)

    def _open(self) -> Any:
        return library().open(
            self._source.file, format=self._source.format, options=dict(self._source.options),
            timeout=(SILENCE, SILENCE), metadata_errors="replace",
        )  # fmt: skip

    def stop(self) -> None:
        """No more frames."""
        self._stopped.set()
        with self._arrived:
            self._arrived.notify()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._reader.ident is not None:
            self._reader.join(SILENCE + 1)
        if not self._reader.is_alive():
            self.container.close()

    def __iter__(self) -> Iterator[Frame]:
        self._reader.start()
        begin = before = None
        while (taken := self._take()) is not None:
            frame, moment = taken
            if begin is None:
                begin, self._size = moment, (frame.width, frame.height)
            passed = moment - begin
            if self.timing.end is not None and passed >= self.timing.end:
                break
            pts = round(passed / TICK)
            pts = pts if before is None else max(pts, before + 1)
            before = pts
            yield Frame(self._pixels(frame), pts, 0, float(pts * TICK), float(pts * TICK))
        self.stop()

    def _take(self) -> tuple[Any, float] | None:
        """The newest frame once there is one; None when it is stopped."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._newest is not None or self._stopped.is_set())
            taken, self._newest = self._newest, None
            return None if self._stopped.is_set() else taken

    def _read(self) -> None:
        """In a thread: every frame as it comes, again and again from a new connection."""
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            reason = "it ended"
            try:
                for frame in self.container.decode(video=0):
                    if self._stopped.is_set():
                        return
                    pause = FIRST_PAUSE
                    self._put(frame)
            except (OSError, self._av.FFmpegError) as error:
                reason = str(error)
            if not self._stopped.is_set():
                self._on_break(reason)
                pause = self._reopen(pause)

    def _put(self, frame: Any) -> None:
        with self._arrived:
            self.dropped += self._newest is not None
            self._newest = frame, time.monotonic()
            self._arrived.notify()

    def _reopen(self, pause: float) -> float:
        """Try until it opens; how long to wait before the next time."""
        self.container.close()
        while not self._stopped.wait(pause):
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                self.container = self._open()
                self.reconnected += 1
                break
            except (OSError, self._av.FFmpegError, ValueError, ImageError):
                continue
        return pause
