"""Objects that cross a line or are in a zone, counted by their identities: each once for every time it does so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwright.errors import RecipeError
from maskwright.video.tracks import UNTRACKED

Point = tuple[float, float]  # x, y in image pixels
FORGOTTEN = 2.0  # seconds after which a position is dropped; by then the identity is not given again


@dataclass(frozen=True, slots=True)
class CountLine:
    """From one point to another; left and right are those of somebody who goes from the first to the second."""

    begin: Point
    end: Point

    def __post_init__(self) -> None:
        if self.begin == self.end:
            raise RecipeError("a line needs two points", field="--count-line", got=self.begin)

    def crossed(self, before: Point, now: Point) -> str | None:
        """ "left_to_right" or "right_to_left" where the way from `before` to `now` crosses it, else None."""
        sides = _side(self.begin, self.end, before) > 0, _side(self.begin, self.end, now) > 0
        ends = _side(before, now, self.begin) > 0, _side(before, now, self.end) > 0
        if sides[0] == sides[1] or ends[0] == ends[1]:
            return None
        return "left_to_right" if sides[1] else "right_to_left"


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon of three or more points."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if len(self.points) < 3:
            raise RecipeError("a zone needs three points or more", field="--zone", expected="x1,y1,x2,y2,x3,y3,...",
                              got=f"{len(self.points)} points")  # fmt: skip

    def holds(self, point: Point) -> bool:
        """By the even-odd rule."""
        inside = False
        x, y = point
        for (x1, y1), (x2, y2) in zip(self.points, (*self.points[1:], self.points[0]), strict=True):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
        return inside


class Counting:
    """The counts of lines and zones, frame after frame. An object is where the center of its box is.

    >>> counting = Counting(lines=[CountLine((0, 50), (100, 50))])
    >>> counting.update([1], ["car"], np.array([[10, 30, 20, 40]]), seconds=0.0)
    >>> counting.update([1], ["car"], np.array([[10, 60, 20, 70]]), seconds=0.1)
    >>> counting.facts()["count_lines"]
    [{'left_to_right': {'car': 1}, 'right_to_left': {}}]
    """

    def __init__(self, lines: Sequence[CountLine] = (), zones: Sequence[Zone] = ()) -> None:
        self.lines, self.zones = tuple(lines), tuple(zones)
        self._crossed = [{"left_to_right": Counter(), "right_to_left": Counter()} for _ in self.lines]
        self._inside: list[Counter[str]] = [Counter() for _ in self.zones]
        self._entered: list[Counter[str]] = [Counter() for _ in self.zones]
        self._before: dict[int, tuple[float, float, float]] = {}  # identity -> x, y, seconds

    def update(self, ids: Sequence[int], labels: Sequence[str], boxes: np.ndarray, seconds: float) -> None:
        """The objects of the next frame: identities, class names, n×4 boxes."""
        for inside in self._inside:
            inside.clear()
        for identity, label, box in zip(ids, labels, np.asarray(boxes, np.float64).tolist(), strict=True):
            if identity == UNTRACKED:
                continue
            now = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            before = self._before.get(identity)
            for line, crossed in zip(self.lines, self._crossed, strict=True):
                if before is not None and (way := line.crossed(before[:2], now)):
                    crossed[way][label] += 1
            for zone, inside, entered in zip(self.zones, self._inside, self._entered, strict=True):
                if zone.holds(now):
                    inside[label] += 1
                    entered[label] += before is None or not zone.holds(before[:2])
            self._before[identity] = (*now, seconds)
        self._before = {key: value for key, value in self._before.items() if seconds - value[2] <= FORGOTTEN}

    def facts(self) -> dict[str, Any]:
        """Up to now, as JSON has it; what was not asked for is not in it."""
        lines = [{way: dict(counts) for way, counts in crossed.items()} for crossed in self._crossed]
        zones = [{"inside": dict(inside), "entered": dict(entered)}
                 for inside, entered in zip(self._inside, self._entered, strict=True)]  # fmt: skip
        return ({"count_lines": lines} if lines else {}) | ({"zones": zones} if zones else {})

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        before = [[identity, *position] for identity, position in self._before.items()]
        return {"count_lines": [], "zones": [], **self.facts(), "before": before}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another counting of the same lines and zones was."""
        self._crossed = [{way: Counter(counts) for way, counts in line.items()} for line in state["count_lines"]]
        self._inside = [Counter(zone["inside"]) for zone in state["zones"]]
        self._entered = [Counter(zone["entered"]) for zone in state["zones"]]
        self._before = {int(identity): (x, y, seconds) for identity, x, y, seconds in state["before"]}


def _side(begin: Point, end: Point, point: Point) -> float:
    """Above 0 right of the way from `begin` to `end`, where y points down."""
    return (end[0] - begin[0]) * (point[1] - begin[1]) - (end[1] - begin[1]) * (point[0] - begin[0])
