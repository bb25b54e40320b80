"""A video, frame by frame: upright pixels, each with its time, and the packets of sound that lie between."""

from __future__ import annotations

import contextlib
import re
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

ENDINGS = (
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".m1v", ".m2ts", ".m2v",
    ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv",
    ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip
"""By these a video is known, upper or lower case, where its first bytes do not say what it is."""

_IMAGES = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II\*\x00|MM\x00\*|RIFF.{4}WEBP", re.DOTALL)
_VIDEOS = re.compile(
    rb"RIFF.{4}AVI |\x1aE\xdf\xa3|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01|\x00\x00\x01[\xb3\xba]|YUV4MPEG2|\.RMF|"
    rb"\x06\x0e\x2b\x34|G.{187}G|.{4}G.{191}G|.{4}(?:moov|mdat|wide|ftyp(?!avi|hei|hev|mif|msf|jp|crx))",
    re.DOTALL,
)  # AVI, Matroska and WebM, ASF, FLV, MPEG, YUV4MPEG, RealMedia, MXF, MPEG transport streams, QuickTime and MP4


def is_video(source: object) -> bool:
    """A video, by the first bytes of a file, else by its name: a path, a pattern, or an address that ends like one."""
    if not isinstance(source, (str, Path)) or Path(str(source)).is_dir():
        return False
    head = _head(str(source))
    if _IMAGES.match(head):
        return False
    return _VIDEOS.match(head) is not None or str(source).lower().endswith(ENDINGS)


def _head(path: str) -> bytes:
    """The first bytes of a file; b"" where there is none to be read."""
    try:
        with files.open_file(path) as stream:
            return stream.read(512)
    except (OSError, ValueError):
        return b""


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
