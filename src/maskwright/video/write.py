"""A video written frame by frame as H.264, with the times of the video it was made from, and its sound untouched."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import MissingExtra, OutputError
from maskwright.extras import how_to_install
from maskwright.video.read import Frame, Video, library, named

CONTAINERS = (".mp4", ".mov", ".mkv")
ENCODERS = {"libx264": {"crf": "20", "preset": "fast"}, "libopenh264": {}, "mpeg4": {"qscale": "3"}}
"""The first one that this FFmpeg has is taken; quality near what the eye tells apart."""
FINEST = 65535  # ticks a second that MPEG-4 can count


class Writer:
    """Opened for the frames of one video; use it as a context, whose end makes the file one that can be played.

    silent_because  why the video's sound could not be taken over; None where it was, or there is none
    An OSError says what the disk said.

    >>> with Video("party.mp4") as video:
    ...     with Writer(Path("splash.mp4"), video, (720, 1280)) as written:
    ...         for frame in video:
    ...             written.add(drawn(frame.pixels), frame)
    """

    def __init__(self, path: Path, video: Video, size: tuple[int, int]) -> None:
        """size  (height, width) of the pictures to come; an odd side gets one more row or column, as H.264 wants."""
        self._av, self.video = library(), video
        self.path = Path(path)
        self.height, self.width = (side + side % 2 for side in size)
        self.silent_because: str | None = None
        try:
            self.container = self._av.open(named(self.path), "w")
        except (OSError, self._av.FFmpegError) as error:
            raise OutputError(
                "this video cannot be written", file=path, got=error, expected=", ".join(CONTAINERS)
            ) from error
        try:
            self.stream, self.sound = self._pictures(), self._sound()
        except BaseException:
            self.container.close()
            raise

    def _pictures(self) -> Any:
        name = next((item for item in ENCODERS if item in self._av.codecs_available), None)
        if name is None:
            raise MissingExtra(
                "this FFmpeg cannot write videos", fix=f"{how_to_install('maskwright[video]')}, which brings one"
            )
        stream = self.container.add_stream(name, rate=self.video.rate or Fraction(25), options=ENCODERS[name])
        stream.height, stream.width, stream.pix_fmt = self.height, self.width, "yuv420p"
        fine = self.video.time_base.denominator <= FINEST or name != "mpeg4"
        stream.codec_context.time_base = self.video.time_base if fine else Fraction(1, 1000)
        return stream

    def _sound(self) -> Any:
        if self.video.sound is None:
            return None
        codec = self.video.sound.codec_context.name
        if codec not in self.container.supported_codecs:
            self.silent_because = f"{codec} does not go into {self.path.suffix}"
            return None
        return self.container.add_stream_from_template(self.video.sound)

    def add(self, pixels: np.ndarray, frame: Frame) -> None:
        """pixels: H×W×3 uint8, shown at the time of `frame`."""
        more = ((0, self.height - pixels.shape[0]), (0, self.width - pixels.shape[1]), (0, 0))
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(np.pad(pixels, more, "edge")), format="rgb24")
        picture.pts, picture.time_base, picture.duration = frame.pts, self.video.time_base, frame.duration
        self._write(picture)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """What the encoder still holds, then the end of the file; after an error the file is given up as it is."""
        try:
            if kind is None:
                self._write(None)
        finally:
            with contextlib.suppress(*([] if kind is None else [OSError, self._av.FFmpegError])):
                self.container.close()

    def _write(self, picture: Any) -> None:
        """The sound that lies before the picture, and the picture; None for the rest of both."""
        try:
            for packet in self.video.take_sound():
                if self.sound is not None:
                    packet.stream = self.sound
                    self.container.mux(packet)
            self.container.mux(self.stream.encode(picture))
        except self._av.FFmpegError as error:
            raise OSError(error.errno, str(error)) from error
