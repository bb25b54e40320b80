"""A video written frame by frame so that a killed process leaves a file that plays; made a plain file at the end.

While frames come they go into a part file: fragmented MP4 (or Matroska), about a fragment a second. Its packets are
copied, not encoded again, into the file that was asked for.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maskwright.errors import OutputError
from maskwright.video.encode import DELAY, Encoder
from maskwright.video.read import Frame, Video, library, named

CONTAINERS = (".mp4", ".mov", ".mkv", ".gif")  # a GIF is made of a part file in MP4
TO_DISK_AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "1000000"}  # microseconds a packet waits for the sound
OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "timecode", "duration", "rotate")
START_CODE = b"\0\0\0\1"
FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "1000000"}


class Writer:
    """A part file, opened for the frames of one video.

    silent_because  why the video's sound could not be taken over; None where it was, or there is none
    last            the last frame that was added
    An OSError says what the disk said.

    >>> with Video("party.mp4") as video:
    ...     writer = Writer(Path("splash.part.mp4"), video, (720, 1280))
    ...     for frame in video:
    ...         writer.add(drawn(frame.pixels), frame)
    ...     writer.close()
    ...     finish(Path("splash.part.mp4"), Path("splash.mp4"), video, writer.last)
    """

    def __init__(
        self, path: Path, video: Video, size: tuple[int, int], earlier: tuple[Path, int] | None = None
    ) -> None:
        """size     (height, width) of the pictures to come; an odd side gets one more row or column, as H.264 wants
        earlier  a part file to begin with, and how many of its frames, whole segments; all its sound comes along
        """
        self._av, self.video = library(), video
        self.path = Path(path)
        self.height, self.width = (side + side % 2 for side in size)
        self.silent_because: str | None = None
        self.last: Frame | None = None
        options = TO_DISK_AT_ONCE | ({} if self.path.suffix == ".mkv" else FRAGMENTED)
        try:
            self.container = self._av.open(named(self.path), "w", container_options=options)
        except (OSError, self._av.FFmpegError) as error:
            raise OutputError(
                "this video cannot be written", file=path, got=error, expected=", ".join(CONTAINERS)
            ) from error
        try:
            self.encoder = Encoder(video, (self.height, self.width))
            self.stream, self.sound = self._pictures(), self._sound()
            if earlier is not None:
                self._copy(*earlier)
        except BaseException:
            self.abandon()
            raise

    def _pictures(self) -> Any:
        stream = self.container.add_stream(self.encoder.name, rate=self.encoder.rate)
        self.encoder.configure(stream.codec_context)
        stream.time_base = self.encoder.time_base
        return stream

    def _sound(self) -> Any:
        if self.video.sound is None:
            return None
        codec = self.video.sound.codec_context.name
        if self.video.timing.slow != 1:
            self.silent_because = "the new video is slower or faster"
        elif codec not in self.container.supported_codecs:
            self.silent_because = f"{codec} does not go into {self.path.suffix}"
        else:
            return self.container.add_stream_from_template(self.video.sound)
        return None

    def _copy(self, path: Path, frames: int) -> None:
        last: list[Fraction] = []
        for packet in packets_of(path, frames):
            if packet.stream.type == "video":
                last = sorted([*last, packet.pts * packet.time_base])[-DELAY:]
                self._mux(self.stream, [_as_encoded(packet)])
            else:
                self._mux(self.sound, [packet])
        self.encoder.go_on(frames, last)

    def add(self, pixels: np.ndarray, frame: Frame) -> None:
        """pixels: H×W×3 uint8, shown at the time of `frame`."""
        more = ((0, self.height - pixels.shape[0]), (0, self.width - pixels.shape[1]), (0, 0))
        pixels = np.pad(pixels, more, "edge") if any(map(any, more)) else pixels
        self.last = frame
        self._take_sound()
        self._mux(self.stream, self.encoder.add(np.ascontiguousarray(pixels), frame))

    def close(self) -> None:
        """What the encoder still holds, the rest of the sound, and the end of the file."""
        self._take_sound()
        self._mux(self.stream, self.encoder.end())
        with self._disk_errors():
            self.container.close()

    def abandon(self) -> None:
        """Leave the file as it is, after an error."""
        with contextlib.suppress(OSError, self._av.FFmpegError):
            self.container.close()

    def _take_sound(self) -> None:
        """The sound that was read up to now."""
        for packet in self.video.take_sound():
            if self.sound is not None:
                self._mux(self.sound, [packet])

    def _mux(self, stream: Any, packets: Iterable[Any]) -> None:
        with self._disk_errors():
            for packet in packets:
                packet.stream = stream
                self.container.mux(packet)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except self._av.FFmpegError as error:
            raise OSError(error.errno, str(error)) from error


def packets_of(path: Path, frames: int | None = None) -> Iterator[Any]:
    """The whole packets of a part file in their order, times counted from the first frame; the first `frames` of the
    pictures, None: all. What a killed process wrote by half is left out."""
    av = library()
    with av.open(named(path)) as container:
        streams = [container.streams.video[0], *container.streams.audio[:1]]
        length, count = path.stat().st_size, 0
        with contextlib.suppress(av.FFmpegError):  # the file ends in the middle
            for packet in container.demux(streams):
                if packet.dts is None or packet.pos is None or packet.pos + packet.size > length:
                    continue
                if packet.stream.type == "video":
                    count += 1
                    if frames is not None and count > frames:
                        continue
                yield packet


def _as_encoded(packet: Any) -> Any:
    """A packet of a file as the encoder gave it: H.264 with start codes, where files have lengths (ISO 14496-15)."""
    if packet.stream.codec_context.name != "h264":
        return packet
    data, units, at = bytes(packet), [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        units.append(START_CODE + data[at + 4 : end])
        at = end
    encoded = library().Packet(b"".join(units))
    encoded.time_base, encoded.pts, encoded.dts, encoded.duration = (
        packet.time_base, packet.pts, packet.dts, packet.duration,
    )  # fmt: skip
    encoded.is_keyframe = packet.is_keyframe
    return encoded


class Contents(NamedTuple):
    """frames, packets of sound, (height, width)"""

    frames: int
    sound: int
    size: tuple[int, int]


def contents(part: Path) -> Contents:
    """What a part file holds; nothing where it is no video."""
    av = library()
    kinds: Counter[str] = Counter()
    size = (0, 0)
    with contextlib.suppress(OSError, av.FFmpegError, IndexError):
        with av.open(named(part)) as container:
            size = container.streams.video[0].height, container.streams.video[0].width
        kinds.update(packet.stream.type for packet in packets_of(part))
    return Contents(kinds["video"], kinds["audio"], size)


def finish(part: Path, file: Path, video: Video, last: Frame | None) -> None:
    """The packets of a part file as a plain file, with the titles of the video it was made from.

    last  the last frame, which is shown as long as it says
    An OSError says what the disk said.
    """
    av = library()
    options = {} if file.suffix == ".mkv" else {"movflags": "+faststart"}
    try:
        with av.open(named(part)) as read, av.open(named(file), "w", container_options=options) as written:
            written.metadata.update(_descriptions(video.container.metadata))
            new = {}
            for stream in [read.streams.video[0], *read.streams.audio[:1]]:
                new[stream.index] = written.add_stream_from_template(stream, opaque=True)
            if video.sound is not None:
                for stream in written.streams.audio:
                    stream.metadata.update(_descriptions(video.sound.metadata))
            for packet in packets_of(part):
                packet.stream = new[packet.stream.index]
                if last is not None and packet.stream.type == "video":
                    ends = packet.pts * packet.time_base == last.pts * video.time_base and last.duration > 0
                    packet.duration = (
                        round(last.duration * video.time_base / packet.time_base) if ends else packet.duration
                    )
                written.mux(packet)
    except av.FFmpegError as error:
        raise OSError(error.errno, str(error)) from error


def _descriptions(metadata: dict[str, str]) -> dict[str, str]:
    """Titles, languages and such; not what describes the file itself."""
    return {name: text for name, text in metadata.items() if name.lower() not in OF_THE_FILE}
