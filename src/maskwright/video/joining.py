"""The second pass of tracking: tracks of one object are joined over gaps that the tracker could not see across.

A tracker sees only the past; over a whole video it is known where each track begins again. Two tracks are joined where
the motion of the first, carried on, and that of the second, carried back, meet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from maskwright.geometry import boxes as box_geometry
from maskwright.geometry.assignment import assign
from maskwright.video.tracks import UNTRACKED


@dataclass(frozen=True, slots=True)
class JoiningConfig:
    """What may be one object.

    gap       seconds between two tracks at most
    observed  boxes at each end of a track by which its motion is measured
    distance  how far from each other the two may be expected, in widths of the object (the root of its area), for a
              gap of no length;  more each second  by so much more
    size      how many times larger the one may be than the other
    """

    gap: float = 4.0
    observed: int = 8
    distance: float = 2.0
    more: float = 1.5
    size: float = 2.0


@dataclass(slots=True)
class _Tracklet:
    """The begin and the end of a track: (seconds, box) of the first boxes and of the last."""

    id: int
    label: str
    first: list[tuple[float, np.ndarray]]
    last: deque[tuple[float, np.ndarray]]


@dataclass(slots=True)
class Joining:
    """Collects the tracks of a video, frame after frame, and says which belong together.

    Of each track only both ends are kept.

    >>> joining = Joining()
    >>> for detections, ids, seconds in first_pass:
    ...     joining.add(ids, detections.labels, detections.boxes, seconds)
    >>> joining.joined()
    {1: 1, 2: 2, 3: 1}
    """

    config: JoiningConfig = field(default_factory=JoiningConfig)
    begun: dict[tuple[int, int], int] = field(default_factory=dict)
    """(frame, row) of a detection without identity, before the track that it begins -> that track"""
    _tracklets: dict[int, _Tracklet] = field(default_factory=dict)
    _before: list[tuple[int, str, np.ndarray]] = field(default_factory=list)
    _frames: int = 0

    def add(self, ids: Sequence[int], labels: Sequence[str], boxes: np.ndarray, seconds: float) -> None:
        """The objects of the next frame: identities (UNTRACKED for none), class names, n×4 boxes."""
        alone = []
        for row, (identity, label, box) in enumerate(zip(ids, labels, np.asarray(boxes, np.float64), strict=True)):
            if identity == UNTRACKED:
                alone.append((row, label, box))
                continue
            tracklet = self._tracklets.get(identity)
            if tracklet is None:
                tracklet = _Tracklet(identity, label, [], deque(maxlen=self.config.observed))
                self._tracklets[identity] = tracklet
                self._find_begin(tracklet, box)
            if len(tracklet.first) < self.config.observed:
                tracklet.first.append((seconds, box))
            tracklet.last.append((seconds, box))
        self._before, self._frames = alone, self._frames + 1

    def _find_begin(self, tracklet: _Tracklet, box: np.ndarray) -> None:
        """The detection in the frame before with which this track began."""
        same = [(row, other) for row, label, other in self._before if label == tracklet.label]
        if same:
            overlap = box_geometry.iou(box[None], np.array([other for _, other in same]))[0]
            if overlap.max() > 0.1:
                row = same[int(overlap.argmax())][0]
                self.begun.setdefault((self._frames - 1, row), tracklet.id)

    def joined(self) -> dict[int, int]:
        """The identity of every track: that of the first one it belongs to."""
        tracklets = list(self._tracklets.values())
        cost = np.full((len(tracklets), len(tracklets)), 2.0)
        for row, one in enumerate(tracklets):
            for column, other in enumerate(tracklets):
                cost[row, column] = _cost(one, other, self.config)
        after = {tracklets[column].id: tracklets[row].id for row, column in assign(cost, limit=1.0)}
        identities: dict[int, int] = {}
        for tracklet in tracklets:  # in the order in which they begin, so that the one before has its identity
            identities[tracklet.id] = identities.get(after.get(tracklet.id, -1), tracklet.id)
        return identities


def _cost(one: _Tracklet, other: _Tracklet, config: JoiningConfig) -> float:
    """0..1 for two tracks that may be one object, 2 for others."""
    (ended, end), (begun, begin) = one.last[-1], other.first[0]
    gap = begun - ended
    if one.label != other.label or not 0 < gap <= config.gap:
        return 2.0
    sizes = [float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0))) for box in (end, begin)]
    if max(sizes) > config.size * min(sizes):
        return 2.0
    forward = _center(end) + _velocity(list(one.last)) * gap
    back = _center(begin) - _velocity(other.first) * gap
    apart = [np.hypot(*(forward - _center(begin))), np.hypot(*(back - _center(end)))]
    allowed = (config.distance + config.more * gap) * max(sizes)
    cost = float(np.mean(apart)) / allowed
    return cost if cost < 1 else 2.0


def _center(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def _velocity(observed: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
    """Pixels a second, the straight line through the centers; 0 where there are too few."""
    if len(observed) < 3:
        return np.zeros(2)
    seconds = np.array([moment for moment, _ in observed])
    centers = np.array([_center(box) for _, box in observed])
    passed = seconds - seconds.mean()
    return passed @ (centers - centers.mean(0)) / max(float(passed @ passed), 1e-9)
