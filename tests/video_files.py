"""Small videos for tests, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from maskwright.video.read import Video

av = pytest.importorskip("av", reason="videos need PyAV")

EVEN = tuple(range(0, 40 * 12, 40))


def write_video(
    path: Path,
    times: Iterable[int] = EVEN,
    size: tuple[int, int] = (96, 128),
    sound: int = 0,
    codec: str = "mpeg4",
    format: str = "yuv420p",
) -> Path:
    """A video in which a light square wanders over a dark ground, with so many packets of sound (AAC); times in ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"qscale": "2"} if codec == "mpeg4" else {})
        stream.height, stream.width, stream.pix_fmt = *size, format
        stream.codec_context.time_base = Fraction(1, 1000)
        if sound:
            hum = container.add_stream("aac", rate=48000)
            for number in range(sound):
                tone = np.sin(np.arange(1024) / 20 + number).astype(np.float32)[None]
                heard = av.AudioFrame.from_ndarray(np.tile(tone, (2, 1)), format="fltp", layout="stereo")
                heard.sample_rate, heard.pts = 48000, number * 1024
                container.mux(hum.encode(heard))
            container.mux(hum.encode(None))
        for number, moment in enumerate(times):
            pixels = np.full((*size, 3), 40, np.uint8)
            left = 5 * number % max(size[1] - 30, 1)
            pixels[20:50, left : left + 30] = 220
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def times(path: Path) -> list[float]:
    """When each frame is shown, in seconds."""
    with Video(path) as opened:
        return [round(frame.seconds, 3) for frame in opened]


def packets(path: Path, kind: str) -> list[tuple[int | None, bytes]]:
    """Time and bytes of each packet of a stream, "video" or "audio"."""
    with av.open(str(path)) as container:
        streams = getattr(container.streams, kind)
        return [(packet.pts, bytes(packet)) for packet in container.demux(streams[0]) if packet.dts is not None]
