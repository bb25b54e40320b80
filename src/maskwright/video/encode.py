"""Pictures become packets: H.264 that begins anew at every segment, so that a later run can go on at any of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install
from maskwright.video.read import Frame, Video, library

SEGMENT = 240  # frames; a multiple of the batch, so that a run that goes on makes the same batches
DELAY = 2  # frames by which a packet may come before its turn: B-frames that refer to B-frames (x264's b-pyramid)
FINEST = 65535  # ticks a second that MPEG-4 can count
ENCODERS = {"libx264": {"crf": "19", "preset": "veryfast"}, "libopenh264": {}, "mpeg4": {"qscale": "3"}}
"""The first one that this FFmpeg has is taken; quality near what the eye tells apart."""
FULL_RANGE = 2  # FFmpeg's number for levels 0..255 in place of 16..235
SPACES = (1, 4, 5, 6, 7)  # FFmpeg's numbers of the color spaces that swscale can make of RGB
RGB, UNSPECIFIED = 0, 2  # FFmpeg's numbers of color spaces
HEADER_APART = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: what all packets need is in the file's header


class Encoder:
    """The packets of one video, with its times and colors.

    Every SEGMENT frames, counted from the first frame of the video, the encoder begins anew: what follows depends on
    nothing before. Decoding times are counted over all segments, for those of encoders may step back where they meet.
    """

    def __init__(self, video: Video, size: tuple[int, int]) -> None:
        """size  (height, width), both even"""
        self._av, self._video, self._size = library(), video, size
        self.name = next((item for item in ENCODERS if item in self._av.codecs_available), "")
        if not self.name:
            raise MissingExtra(
                "this FFmpeg cannot write videos", fix=f"{how_to_install('maskwright[video]')}, which brings one"
            )
        fine = video.time_base.denominator <= FINEST or self.name != "mpeg4"
        self.time_base = video.time_base if fine else Fraction(1, 1000)
        self.rate = video.rate or Fraction(25)
        self._tick = max(1, round(1 / self.rate / self.time_base))
        self._context: Any = None
        self._frames = 0
        self._due: deque[int] = deque()  # decoding times of the packets to come

    def go_on(self, frames: int, last: list[Fraction]) -> None:
        """Begin after so many frames, whole segments; last  seconds of the last DELAY of them"""
        self._frames = frames
        self._due.extend(round(seconds / self.time_base) for seconds in last)

    def configure(self, context: Any) -> None:
        """The same settings for every segment, and for the stream whose header they share."""
        source = self._video.stream.codec_context
        context.height, context.width = self._size
        context.pix_fmt, context.time_base, context.framerate = "yuv420p", self.time_base, self.rate
        context.options = dict(ENCODERS[self.name])
        if (shape := source.sample_aspect_ratio) and shape != 1:  # pixels that are no squares
            context.sample_aspect_ratio = 1 / shape if self._video.quarter_turned else shape
        context.color_range, context.colorspace = source.color_range, _space(source.colorspace)
        context.color_primaries, context.color_trc = source.color_primaries, source.color_trc

    def add(self, pixels: np.ndarray, frame: Frame) -> Iterator[Any]:
        """The packets that are ready; pixels: H×W×3 uint8 of the encoder's size, shown at the time of `frame`."""
        if self._frames % SEGMENT == 0:
            self._begin(frame)
        picture = self._picture(pixels)
        picture.pts, picture.time_base, picture.duration = frame.pts, self._video.time_base, frame.duration
        self._due.append(round(frame.pts * self._video.time_base / self.time_base))
        self._frames += 1
        yield from self._timed(self._context.encode(picture))
        if self._frames % SEGMENT == 0:
            yield from self.end()

    def end(self) -> Iterator[Any]:
        """What the encoder still holds."""
        if self._context is not None:
            yield from self._timed(self._context.encode(None))
            self._context = None

    def _begin(self, frame: Frame) -> None:
        context = self._av.CodecContext.create(self.name, "w")
        self.configure(context)
        context.flags |= HEADER_APART
        context.open()
        self._context = context
        if not self._due:
            first = round(frame.pts * self._video.time_base / self.time_base)
            self._due.extend(first - self._tick * ahead for ahead in range(DELAY, 0, -1))

    def _picture(self, pixels: np.ndarray) -> Any:
        source = self._video.stream.codec_context
        picture = self._av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=source.colorspace if source.colorspace in SPACES else None,
            dst_color_range=source.color_range if source.color_range == FULL_RANGE else None,
        )
        picture.colorspace, picture.color_range = _space(source.colorspace), source.color_range
        return picture

    def _timed(self, packets: list[Any]) -> Iterator[Any]:
        for packet in packets:
            packet.time_base = self.time_base
            packet.dts = self._due.popleft()
            # A fragment that ends here takes it for the time of the next packet, whatever that says itself.
            packet.duration = self._due[0] - packet.dts
            yield packet


def _space(colorspace: int) -> int:
    """The color space of the new video; that of RGB (of PNG frames, of screen recordings) does not go into YUV."""
    return UNSPECIFIED if colorspace == RGB else colorspace
