"""Which frames of a video are taken, and when they are shown in the new one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from maskwright.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The default takes every frame at its time.

    start, end  seconds of the source: frames from `start` on, up to but not including `end`; None: to its end
    every       of these every second (2), every third (3), ...; they keep their times
    fps         frames a second at a constant rate: source frames are left out or repeated; None: the source's times
    slow        how many times longer the new video is; it has no sound then
    """

    start: float = 0.0
    end: float | None = None
    every: int = 1
    fps: Fraction | None = None
    slow: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        for field, value, valid, expected in (
            ("--from", self.start, self.start >= 0, "0 seconds or more"),
            ("--to", self.end, self.end is None or self.end > self.start, f"more than {self.start:g} seconds"),
            ("--every", self.every, self.every >= 1 and self.every == int(self.every), "a whole number, 1 or more"),
            ("--fps", self.fps, self.fps is None or 0 < self.fps <= 1000, "0 to 1000 frames a second"),
            ("--slow", self.slow, 0 < self.slow <= 1000, "more than 0, such as 4x"),
        ):
            if not valid:
                raise RecipeError("no frame could be shown at such times", field=field, expected=expected, got=value)
        object.__setattr__(self, "every", int(self.every))

    @property
    def plain(self) -> bool:
        return self == AS_RECORDED

    def time_base(self, source: Fraction) -> Fraction:
        """Seconds a unit of the new video's times, where the source's are `source`."""
        return (source if self.fps is None else 1 / self.fps) * self.slow

    def rate(self, source: Fraction | None) -> Fraction | None:
        """Frames a second of the new video, on average."""
        if self.fps is not None:
            return self.fps / self.slow
        return None if source is None else source / self.every / self.slow

    def expected(self, frames: int | None, rate: Fraction | None) -> int | None:
        """About how many frames there will be, of `frames` in the source."""
        if frames is None or not rate:
            return frames
        seconds = frames / float(rate)
        seconds = max(0.0, (seconds if self.end is None else min(self.end, seconds)) - self.start)
        frames = round(seconds * float(self.fps)) if self.fps is not None else round(seconds * float(rate))
        return max(1, -(-frames // self.every))

    def retimed(
        self, frames: Iterable[tuple[Any, int, int]], time_base: Fraction
    ) -> Iterator[tuple[Any, int, int, int]]:
        """(frame, pts, duration) of the source as (frame, new pts, new duration, source pts).

        The first frame is at 0, in the source too; new times are in units of `self.time_base(time_base)`.
        """
        first = None
        chosen = 0
        for frame, pts, duration in _until(frames, self.end, time_base):
            if pts * time_base < Fraction(self.start).limit_denominator(1_000_000):
                continue
            first = pts if first is None else first
            if chosen % self.every == 0:
                yield frame, pts - first, duration, pts
            chosen += 1

    def clocked(
        self, frames: Iterable[tuple[Any, int, int, int]], time_base: Fraction
    ) -> Iterator[tuple[Any, int, int, int]]:
        """The same at a constant rate: at each tick the frame that is on show then."""
        assert self.fps is not None
        tick, shown = 0, None
        for frame, pts, duration, source in frames:
            while shown is not None and Fraction(tick) / self.fps < pts * time_base:
                yield shown[0], tick, 1, shown[3]
                tick += 1
            shown = (frame, pts, duration, source)
        while shown is not None and Fraction(tick) / self.fps < (shown[1] + max(shown[2], 1)) * time_base:
            yield shown[0], tick, 1, shown[3]
            tick += 1


def _until(
    frames: Iterable[tuple[Any, int, int]], end: float | None, time_base: Fraction
) -> Iterator[tuple[Any, int, int]]:
    for frame, pts, duration in frames:
        if end is not None and pts * time_base >= Fraction(end).limit_denominator(1_000_000):
            return
        yield frame, pts, duration


AS_RECORDED = Timing()
