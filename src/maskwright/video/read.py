"""A video, frame by frame: upright pixels, each with its time, and the packets of sound that lie between."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np

from maskwright import files
from maskwright.errors import ImageError, MissingExtra, RecipeError
from maskwright.extras import how_to_install
from maskwright.video.frame_files import OPTIONS, playlist
from maskwright.video.timing import AS_RECORDED, Timing

WEB = "http,https,httpproxy,tcp,tls,crypto"
"""What FFmpeg may open for a video on the web."""

ENDINGS = (
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".h265", ".hevc", ".m1v", ".m2ts",
    ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm",
    ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip
"""By these a video is known, upper or lower case, where its first bytes do not say what it is."""

_IMAGES = re.compile(rb"\xff\xd8\xff|\x89PNG|BM|II\*\x00|MM\x00\*|RIFF.{4}WEBP", re.DOTALL)
_VIDEOS = re.compile(
    rb"RIFF.{4}AVI |GIF8|\x1aE\xdf\xa3|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01|\x00\x00\x01[\xb3\xba]|YUV4MPEG2|\.RMF|"
    rb"\x06\x0e\x2b\x34|G.{187}G|.{4}G.{191}G|.{4}(?:moov|mdat|wide|ftyp(?!avi|hei|hev|mif|msf|jp|crx))",
    re.DOTALL,
)  # AVI, GIF, Matroska and WebM, ASF, FLV, MPEG, YUV4MPEG, RealMedia, MXF, MPEG transport streams, QuickTime and MP4


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
    pts, duration   in units of the video's time base, the first frame at 0; seconds  the same as a number
    source_seconds  when it is shown in the file that was read, whose first frame is at 0
    """

    pixels: np.ndarray
    pts: int
    duration: int
    seconds: float
    source_seconds: float


class Video:
    """An opened video; use it as a context, and iterate once.

    path         of the file, or of a folder of frames (video.frame_files), `timing.fps` or 25 of them a second
    timing       which frames are taken, and when they are shown; time_base, rate and expected follow it
    time_base    seconds a unit of `Frame.pts`
    rate         frames a second, on average
    expected     how many frames there will be, as the file says or by its length; None where neither is known
    sound        its stream of sound, None where it is silent
    bits         of each color; 8 for most, more for HDR
    damaged      packets so far that could not be decoded: their frames are missing
    resized      frames so far that had another size than the first, and were fitted to it
    broken_off   after the last frame: what was wrong with the rest, where the file ends in the middle

    >>> with Video("party.mp4") as video:
    ...     for frame in video:
    ...         print(frame.seconds, frame.pixels.shape)
    """

    def __init__(self, path: str | Path, timing: Timing = AS_RECORDED) -> None:
        self.path, self.timing, self._named = Path(path), timing, str(path)
        self.damaged, self.resized, self.broken_off = 0, 0, None
        self._av = library()
        try:
            self.container = self._open()
        except (OSError, self._av.FFmpegError, ValueError) as error:
            raise ImageError("this video cannot be opened", file=path, got=error) from error
        pictures = [item for item in self.container.streams.video if item.codec_context is not None]
        if not pictures:
            unknown = len(self.container.streams.video)
            self.container.close()
            if unknown:
                raise ImageError("the codec of this video is not known here", file=path, fix="convert it to H.264")
            raise ImageError(
                "there are no pictures in this file", file=path, expected="a video", got="sound or data only"
            )
        self.stream = pictures[0]
        self.stream.thread_type = "AUTO"
        self.sound = next((item for item in self.container.streams.audio if item.codec_context is not None), None)
        rate: Fraction | None = self.stream.average_rate or self.stream.guessed_rate
        self.time_base: Fraction = timing.time_base(self.stream.time_base)
        self.rate = timing.rate(rate)
        self.expected = timing.expected(self.stream.frames or self._by_length(rate), rate)
        components = getattr(self.stream.codec_context.format, "components", ())  # none for an unknown format
        self.bits: int = max((component.bits for component in components), default=8)
        self._packets: deque[Any] = deque()  # filled by the thread that reads, emptied by the one that writes
        self._first: int | None = None  # pts of the first frame, from which all times count
        self._size = (0, 0)
        self._skip, self._skip_sound = 0, 0
        self.quarter_turned = False  # height and width of the pixels are exchanged

    def _open(self) -> Any:
        if self.path.is_dir():
            frames = playlist(self.path, self.timing.fps or Fraction(25))
            return self._av.open(frames, format="concat", options=OPTIONS)
        address = self._named.lower().startswith(("http://", "https://"))
        if not address:
            files.open_file(self.path).close()
        return self._av.open(
            self._named if address else named(self.path),
            options={"protocol_whitelist": WEB if address else "file"},  # a playlist cannot reach further
            metadata_errors="replace",  # titles and such, in whatever letters
        )

    def _by_length(self, rate: Fraction | None) -> int | None:
        length = self.container.duration  # in microseconds
        return round(length / 1e6 * rate) if length and rate else None

    def skip(self, frames: int, sound: int) -> None:
        """Pass over so many frames, and packets of sound, before the first that iterating gives."""
        self._skip, self._skip_sound = frames, sound

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def take_sound(self) -> Iterator[Any]:
        """The packets of sound read since the last call, their times counted as those of the frames.

        May be called from another thread than the one that iterates, once there has been a frame.
        """
        while self._packets:
            packet = self._packets.popleft()
            begin = (self._first or 0) * self.stream.time_base
            seconds = (packet.dts if packet.pts is None else packet.pts) * packet.time_base - begin
            start, end = self.timing.start, self.timing.end
            if (start and seconds < start) or (end is not None and seconds >= end):
                continue
            if self._skip_sound:
                self._skip_sound -= 1
                continue
            shift = round((begin + Fraction(start).limit_denominator(1_000_000)) / packet.time_base)
            packet.dts -= shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            yield packet

    def __iter__(self) -> Iterator[Frame]:
        """Every frame in the order in which it is shown. A file that ends in the middle gives what it has."""
        source = self.stream.time_base
        chosen = self.timing.retimed(self._frames(), source)
        chosen = self.timing.clocked(chosen, source) if self.timing.fps is not None else chosen
        number = -1
        for number, (frame, pts, duration, source_pts) in enumerate(chosen):
            if number >= self._skip:
                pixels, seconds = self._pixels(frame), float(pts * self.time_base)
                yield Frame(pixels, pts, duration, seconds, float(source_pts * source))
        if number < 0:
            raise RecipeError("there is no frame of the video at these times", file=self.path,
                              got=f"--from {self.timing.start:g}", fix="begin earlier")  # fmt: skip

    def _frames(self) -> Iterator[tuple[Any, int, int]]:
        """Each decoded frame with its time, from 0 on and always rising, and its duration."""
        streams = [self.stream] + ([self.sound] if self.sound is not None else [])
        before = -1
        try:
            for packet in self.container.demux(streams):
                if packet.stream is self.stream:
                    for frame in self._decoded(packet):
                        if self._first is None:
                            self._first, self._size = frame.pts or 0, (frame.width, frame.height)
                        before = before + 1 if frame.pts is None else max(frame.pts - self._first, before + 1)
                        yield frame, before, frame.duration or 0
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

    def _pixels(self, frame: Any) -> np.ndarray:
        width, height = self._size  # of the first: a stream may change it
        self.resized += (frame.width, frame.height) != self._size
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        with contextlib.suppress(AttributeError):  # older versions of PyAV do not tell
            turns = round(frame.rotation / 90) % 4
            self.quarter_turned = turns % 2 == 1
            pixels = np.rot90(pixels, turns)
        return np.ascontiguousarray(pixels)
