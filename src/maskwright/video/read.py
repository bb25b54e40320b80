"""A video, frame by frame: upright pixels, each with its time, and the packets of sound that lie between."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import files
from maskwright.errors import ImageError, MissingExtra
from maskwright.extras import how_to_install

WEB = "http,https,httpproxy,tcp,tls,crypto"
"""What FFmpeg may open for a video on the web."""

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ts")
"""By these a video is known, upper or lower case."""


def is_video(source: object) -> bool:
    """Named like a video, and no folder: a path, a pattern, or an address that ends in one."""
    return isinstance(source, (str, Path)) and str(source).lower().endswith(ENDINGS) and not Path(str(source)).is_dir()


def library() -> Any:
    """PyAV, which brings FFmpeg; MissingExtra where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtra("videos need PyAV", fix=how_to_install("maskwright[video]")) from error
    return av


def named(path: Path) -> str:
    """A file as FFmpeg must be told of it: it would take 12:30.mp4 for an address."""
    return f"file:{path}"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """pixels  H×W×3 uint8 RGB, turned as the video says it is shown; all frames of a video have one size
    pts, duration  in units of the video's time base, the first frame at 0; seconds  the same as a number
    """

    pixels: np.ndarray
    pts: int
    duration: int
    seconds: float


class Video:
    """An opened video; use it as a context, and iterate once.

    path         of the file
    time_base    seconds a unit of `Frame.pts`
    rate         frames a second, on average
    expected     how many frames there will be, as the file says or by its length; None where neither is known
    sound        its stream of sound, None where it is silent
    damaged      packets so far that could not be decoded: their frames are missing
    broken_off   after the last frame: what was wrong with the rest, where the file ends in the middle

    >>> with Video("party.mp4") as video:
    ...     for frame in video:
    ...         print(frame.seconds, frame.pixels.shape)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damaged, self.broken_off = 0, None
        self._av = library()
        address = str(path).lower().startswith(("http://", "https://"))
        try:
            if not address:
                files.open_file(self.path).close()
            self.container = self._av.open(
                str(path) if address else named(self.path),
                options={"protocol_whitelist": WEB if address else "file"},  # a playlist cannot reach further
                metadata_errors="replace",  # titles and such, in whatever letters
            )
        except (OSError, self._av.FFmpegError, ValueError) as error:
            raise ImageError("this video cannot be opened", file=path, got=error) from error
        pictures = [item for item in self.container.streams.video if item.codec_context is not None]
        if not pictures:
            self.container.close()
            raise ImageError(
                "there are no pictures in this file", file=path, expected="a video", got="sound or data only"
            )
        self.stream = pictures[0]
        self.stream.thread_type = "AUTO"
        self.sound = next((item for item in self.container.streams.audio if item.codec_context is not None), None)
        self.time_base: Fraction = self.stream.time_base
        self.rate: Fraction | None = self.stream.average_rate or self.stream.guessed_rate
        self.expected: int | None = self.stream.frames or self._by_length()
        self._packets: deque[Any] = deque()  # filled by the thread that reads, emptied by the one that writes
        self._first: int | None = None  # pts of the first frame, from which all times count
        self._size = (0, 0)

    def _by_length(self) -> int | None:
        length = self.container.duration  # in microseconds
        return round(length / 1e6 * self.rate) if length and self.rate else None

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def take_sound(self) -> Iterator[Any]:
        """The packets of sound read since the last call, their times counted as those of the frames.

        May be called from another thread than the one that iterates, once there has been a frame.
        """
        while self._packets:
            packet = self._packets.popleft()
            shift = round((self._first or 0) * self.time_base / packet.time_base)
            packet.dts -= shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            yield packet

    def __iter__(self) -> Iterator[Frame]:
        """Every frame in the order in which it is shown. A file that ends in the middle gives what it has."""
        streams = [self.stream] + ([self.sound] if self.sound is not None else [])
        before = -1
        try:
            for packet in self.container.demux(streams):
                if packet.stream is self.stream:
                    for frame in self._decoded(packet):
                        upright = self._frame(frame, before)
                        before = upright.pts
                        yield upright
                elif packet.dts is not None:  # the last, empty one only says that the end is reached
                    self._packets.append(packet)
        except self._av.FFmpegError as error:
            self.broken_off = str(error)
        if before < 0:
            raise ImageError("there is no frame in this video", file=self.path, got=self.broken_off or "0 frames")

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return packet.decode()
        except self._av.error.InvalidDataError:
            self.damaged += 1
            return []

    def _frame(self, frame: Any, before: int) -> Frame:
        if self._first is None:
            self._first, self._size = frame.pts or 0, (frame.width, frame.height)
        pts = before + 1 if frame.pts is None else max(frame.pts - self._first, before + 1)
        width, height = self._size  # of the first: a stream may change it
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        with contextlib.suppress(AttributeError):  # older versions of PyAV do not tell
            pixels = np.rot90(pixels, round(frame.rotation / 90) % 4)
        return Frame(np.ascontiguousarray(pixels), pts, frame.duration or 0, float(pts * self.time_base))
