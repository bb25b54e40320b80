"""Identities of objects over the frames of a video: ByteTrack (Zhang et al., ECCV 2022), by masks where there are any.

Detections of high score are matched to tracks first, those of low score then to the tracks that found none: an object
that is covered for a moment is still detected, only less surely. Unlike there, also to tracks that were out of sight:
an object comes out from behind another part by part. Where tracks and detections have masks, overlap is also that of
the masks, each track's moved to where its motion puts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskwright.geometry import boxes
from maskwright.geometry.assignment import assign
from maskwright.types import Instances, RleMasks
from maskwright.video.motion import BoxMotion

UNTRACKED = -1


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """How detections and tracks are paired.

    Scores and memory are ByteTrack's, the least overlaps those of `trackers`: an object that is being hidden shrinks.

    high    score from which a detection is matched first, and may begin a track if it is 0.1 above
    low     detections below are never matched
    memory  seconds that an object may be out of sight and keep its identity
    iou_high, iou_low, iou_new  the least overlap of a pair: first matching, low scores, tracks seen once only
    """

    high: float = 0.5
    low: float = 0.1
    memory: float = 1.0
    iou_high: float = 0.1
    iou_low: float = 0.1
    iou_new: float = 0.1


@dataclass(slots=True)
class _Track:
    id: int
    label: str
    motion: BoxMotion
    mask: RleMasks | None
    drawn_at: np.ndarray  # the box at the time of `mask`
    last_seen: float
    confirmed: bool = False
    seen: bool = True


@dataclass(slots=True)
class Tracker:
    """Give every detection of one frame after another an identity.

    interval  nominal seconds between frames, 1 / frame rate

    >>> tracker = Tracker(interval=1 / 25)
    >>> tracker.update(detections, seconds=0.04).tolist()
    [1, 2, -1]
    """

    interval: float = 1 / 30
    config: TrackerConfig = field(default_factory=TrackerConfig)
    _tracks: list[_Track] = field(default_factory=list)
    _next: int = 1
    _now: float | None = None

    def update(self, detections: Instances, seconds: float, sure: np.ndarray | None = None) -> np.ndarray:
        """n int64: the identity of each detection, from 1 on; -1 for one that belongs to no track.

        An object that is seen for the first time has an identity from the next frame on in which it is seen again,
        but in the first frame of all: what is detected in a single frame is mostly no object.

        detections  of one frame, with scores; classes are compared by name, so an identity keeps its class
        seconds     the time of the frame, never less than that of the frame before
        sure        n bool: which have a high score, by thresholds of their own; None: by `config.high`
        """
        first = self._now is None
        passed = 0.0 if self._now is None else max(0.0, seconds - self._now)
        self._now = seconds
        self._tracks = [track for track in self._tracks if seconds - track.last_seen <= self.config.memory + 1e-9]
        for track in self._tracks:
            track.motion.advance(passed / self.interval, track.seen)
        scores = np.ones(len(detections)) if detections.scores is None else detections.scores
        ids = np.full(len(detections), UNTRACKED, np.int64)
        begins = scores >= min(self.config.high + 0.1, 1.0) if sure is None else sure
        sure = scores >= self.config.high if sure is None else sure
        high, low = np.flatnonzero(sure), np.flatnonzero(~sure & (scores >= self.config.low))
        confirmed = [track for track in self._tracks if track.confirmed]

        waiting, high = self._match(confirmed, high, self.config.iou_high, detections, ids, seconds)
        waiting, _ = self._match(waiting, low, self.config.iou_low, detections, ids, seconds)
        once = [track for track in self._tracks if not track.confirmed]
        forgotten, high = self._match(once, high, self.config.iou_new, detections, ids, seconds)

        for track in waiting:
            track.seen = False
        self._tracks = [track for track in self._tracks if track not in forgotten]
        for row in high.tolist():
            if begins[row]:
                ids[row] = self._begin(detections[row], seconds, confirmed=first)
        return ids

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as JSON has it; numbers are exact."""
        return {"next": self._next, "now": self._now, "tracks": [_track_state(track) for track in self._tracks]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as the tracker that gave this state would have."""
        self._next, self._now = state["next"], state["now"]
        self._tracks = [_restored(track) for track in state["tracks"]]

    def _match(
        self, tracks: list[_Track], rows: np.ndarray, least: float, detections: Instances, ids: np.ndarray, now: float
    ) -> tuple[list[_Track], np.ndarray]:
        """Pair tracks with these rows of the detections, write the ids; the tracks and the rows that are left."""
        cost = 1.0 - _overlap(tracks, detections[rows])
        pairs = assign(cost, limit=1.0 - least)
        for number, column in pairs:
            track, row = tracks[number], int(rows[column])
            if not track.confirmed:
                track.id = self._new_id()
            _seen(track, detections[row], now)
            ids[row] = track.id
        paired, used = {number for number, _ in pairs}, [column for _, column in pairs]
        left = [track for number, track in enumerate(tracks) if number not in paired]
        return left, np.delete(rows, used)

    def _begin(self, detection: Instances, now: float, confirmed: bool) -> int:
        identity = self._new_id() if confirmed else UNTRACKED
        track = _Track(
            identity, detection.labels[0], BoxMotion(detection.boxes[0]), detection.masks, detection.boxes[0], now,
            confirmed,
        )  # fmt: skip
        self._tracks.append(track)
        return identity

    def _new_id(self) -> int:
        self._next += 1
        return self._next - 1


def _seen(track: _Track, detection: Instances, now: float) -> None:
    track.motion.correct(detection.boxes[0])
    track.mask, track.drawn_at = detection.masks, detection.boxes[0]
    track.last_seen, track.seen, track.confirmed = now, True, True


def _track_state(track: _Track) -> dict[str, Any]:
    mask = None if track.mask is None else {"size": list(track.mask.size), "counts": track.mask.counts.tolist()}
    return {
        "id": track.id, "label": track.label, "mask": mask, "drawn_at": track.drawn_at.tolist(),
        "motion": track.motion.state.tolist(), "covariance": track.motion.covariance.tolist(),
        "last_seen": track.last_seen, "confirmed": track.confirmed, "seen": track.seen,
    }  # fmt: skip


def _restored(state: Mapping[str, Any]) -> _Track:
    drawn_at = np.array(state["drawn_at"], np.float32)
    motion = BoxMotion(drawn_at)
    motion.state, motion.covariance = np.array(state["motion"]), np.array(state["covariance"])
    mask = None
    if state["mask"] is not None:
        counts = np.array(state["mask"]["counts"], np.int64)
        mask = RleMasks(tuple(state["mask"]["size"]), counts, np.array([0, len(counts)]))
    return _Track(
        state["id"], state["label"], motion, mask, drawn_at, state["last_seen"], state["confirmed"], state["seen"]
    )


def _overlap(tracks: list[_Track], detections: Instances) -> np.ndarray:
    """len(tracks) × len(detections): IoU of each track where it should be now; 0 between classes.

    With masks the mean of the IoU of boxes and of masks: masks tell apart what one box holds, but shrink more while an
    object is being hidden.
    """
    if not tracks or not len(detections):
        return np.zeros((len(tracks), len(detections)))
    expected = np.array([track.motion.box for track in tracks])
    overlap = boxes.iou(expected, detections.boxes).astype(np.float64)
    masks = detections.masks
    for row, track in enumerate(tracks):
        near = np.flatnonzero(overlap[row] > 0)
        if masks is not None and track.mask is not None and len(near):
            overlap[row, near] = (overlap[row, near] + _moved(track, expected[row]).iou(masks[near])[0]) / 2
    same = np.array([track.label for track in tracks], object)[:, None] == np.array(detections.labels, object)[None]
    return np.where(same, overlap, 0.0)


def _moved(track: _Track, expected: np.ndarray) -> RleMasks:
    """The track's last mask, shifted by whole pixels to where its box is expected; cut at the border of the image."""
    assert track.mask is not None
    height, width = track.mask.size
    center = (expected[:2] + expected[2:]) / 2 - (track.drawn_at[:2] + track.drawn_at[2:]) / 2
    dx, dy = np.round(center).astype(int).tolist()
    if abs(dx) >= width or abs(dy) >= height:
        return RleMasks.from_boxes(np.zeros((1, 4)), (height, width))  # out of sight
    inside = (max(0, -dx), max(0, -dy), width - max(0, dx), height - max(0, dy))
    return track.mask.crop(inside).place((max(0, dx), max(0, dy)), (height, width))
