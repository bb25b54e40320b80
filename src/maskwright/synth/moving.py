"""Moving scenes with exact ground truth: balloons drift, cross before each other and behind poles, leave, return."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from maskwright.synth.backdrops import paint_backdrop
from maskwright.synth.balloons import NAMES, develop
from maskwright.synth.canvas import Canvas, rectangle
from maskwright.synth.inflated import Balloon, paint_balloon
from maskwright.synth.party import Party
from maskwright.types import Instances


@dataclass(frozen=True, slots=True, eq=False)
class MovingFrame:
    """One frame.

    image      H×W×3 uint8 RGB
    instances  the visible part of every object, no scores
    ids        n int64, the identity of each object: the same in all frames, also after it was hidden or away
    seconds    its time, the first frame at 0
    """

    image: np.ndarray
    instances: Instances
    ids: np.ndarray
    seconds: float


@dataclass(frozen=True, slots=True)
class _Path:
    """Back and forth between two points that may lie outside of the image, with a sway across."""

    begin: np.ndarray  # x, y
    way: np.ndarray
    period: float  # seconds there and back
    phase: float  # 0..1
    sway: float  # pixels
    beat: float  # seconds

    def at(self, seconds: float) -> np.ndarray:
        turn = (seconds / self.period + self.phase) % 1
        fraction = 0.5 - 0.5 * np.cos(2 * np.pi * turn)
        across = np.array([-self.way[1], self.way[0]]) / max(float(np.hypot(*self.way)), 1.0)
        return self.begin + fraction * self.way + across * self.sway * np.sin(2 * np.pi * seconds / self.beat)


def render_moving(
    seed: int,
    frames: int,
    size: tuple[int, int] = (240, 320),
    *,
    objects: int = 6,
    poles: int = 2,
    rate: float = 25.0,
) -> Iterator[MovingFrame]:
    """The frames of a video with balloons; the same arguments give the same frames.

    size     (height, width) in pixels
    objects  balloons; how many are in sight varies
    poles    upright bars before everything, behind which balloons vanish
    rate     frames a second

    >>> frame = next(render_moving(seed=3, frames=1))
    >>> frame.image.shape, frame.ids.tolist()[:3]
    ((240, 320, 3), [1, 2, 3])
    """
    surroundings, things, camera = np.random.SeedSequence([seed, *size, objects, poles]).spawn(3)
    rng = np.random.default_rng(things)
    canvas = Canvas(size, np.random.default_rng(surroundings))
    backdrop = paint_backdrop(canvas, np.random.default_rng(surroundings), [])
    behind = canvas.light.copy()
    balloons = [_balloon(rng, size) for _ in range(objects)]
    paths = [_path(rng, size) for _ in range(objects)]
    bars = [(float(rng.uniform(0.1, 0.9) * size[1]), float(rng.uniform(0.02, 0.06) * size[1])) for _ in range(poles)]
    for number in range(frames):
        seconds = number / rate
        canvas.light[:], canvas.owner[:] = behind, -1
        for row, (balloon, path) in enumerate(zip(balloons, paths, strict=True)):
            x, y = path.at(seconds).tolist()
            paint_balloon(canvas, replace(balloon, x=x, y=y), backdrop.light, row)
        for x, width in bars:
            window = canvas.window(x - width, 0, x + width, size[0])
            if window is not None:
                cover = rectangle(window, x - width / 2, -5, x + width / 2, size[0] + 5)
                canvas.paint(window, cover, np.array([0.08, 0.08, 0.09], np.float32))
        instances, rows = _seen(canvas)
        image = develop(canvas.light.copy(), np.random.default_rng(camera))
        yield MovingFrame(image, instances, rows + 1, seconds)


def _seen(canvas: Canvas) -> tuple[Instances, np.ndarray]:
    """The objects in sight, and which they are: on a canvas where each is of a class of its own."""
    count = int(canvas.owner.max()) + 1
    seen = canvas.instances(list(range(count)), tuple(map(str, range(count))))
    return replace(seen, classes=np.zeros(len(seen), np.int64), names=NAMES), seen.classes


def _balloon(rng: np.random.Generator, size: tuple[int, int]) -> Balloon:
    return Party.sample(rng).balloon(
        rng, 0.0, 0.0, float(rng.uniform(0.05, 0.12) * min(size)), float(rng.normal(0, 0.2))
    )


def _path(rng: np.random.Generator, size: tuple[int, int]) -> _Path:
    height, width = size
    begin = np.array([rng.uniform(-0.3, 0.4) * width, rng.uniform(0.1, 0.9) * height])
    end = np.array([rng.uniform(0.6, 1.3) * width, rng.uniform(0.1, 0.9) * height])
    return _Path(
        begin, end - begin, float(rng.uniform(6, 14)), float(rng.random()), float(rng.uniform(0, 0.06) * height),
        float(rng.uniform(1, 3)),
    )  # fmt: skip
