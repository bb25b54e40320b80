"""A video as a GIF: each frame with a palette of its own, shown to the hundredth of a second."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from maskwright.video.read import library, named

TICK = Fraction(1, 100)  # seconds, the unit of a GIF's times


def write_gif(video: Path, file: Path) -> None:
    """The frames of a video file at their times; an OSError says what the disk said."""
    av = library()
    try:
        with av.open(named(video)) as read, av.open(named(file), "w", format="gif") as written:
            source = read.streams.video[0]
            made = written.add_stream("gif", rate=source.average_rate or 25)
            made.width, made.height, made.pix_fmt = source.width, source.height, "pal8"
            made.codec_context.time_base = TICK
            ticks = -1
            for frame in _reduced(read, source):
                ticks = max(round(frame.pts * frame.time_base / TICK), ticks + 1)
                frame.pts, frame.time_base = ticks, TICK
                written.mux(made.encode(frame))
            written.mux(made.encode(None))
    except av.FFmpegError as error:
        raise OSError(error.errno, str(error)) from error


def _reduced(container: Any, source: Any) -> Iterator[Any]:
    """Each frame with 256 colors."""
    graph = _palettes(source)
    for frame in container.decode(source):
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _palettes(source: Any) -> Any:
    """The filters that choose 256 colors for each frame, and reduce it to them."""
    graph = library().filter.Graph()
    given = graph.add_buffer(template=source)
    both, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    reduce, end = graph.add("paletteuse", "new=1"), graph.add("buffersink")
    given.link_to(both)
    both.link_to(palette, 0, 0)
    both.link_to(reduce, 1, 0)
    palette.link_to(reduce, 0, 1)
    reduce.link_to(end)
    graph.configure()
    return graph


def _pulled(graph: Any) -> Iterator[Any]:
    """The frames that are ready."""
    errors = library().error
    while True:
        try:
            yield graph.pull()
        except (errors.BlockingIOError, errors.EOFError):
            return
