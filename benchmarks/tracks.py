"""Our tracker against `trackers`' ByteTrack on the same detections of rendered videos with exact ground truth.

    python benchmarks/tracks.py                     10 videos of 300 frames
    python benchmarks/tracks.py --json --videos 3

Detections are the visible parts of the objects, moved at random, missing or unsure where little of the object is in
sight, with false ones among them. Where `trackers` is not installed its column is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from track_metrics import Frame, metrics

from maskwright.synth.moving import render_moving
from maskwright.types import Instances, RleMasks
from maskwright.video.joining import Joining
from maskwright.video.tracks import UNTRACKED, Tracker

RATE = 25.0
Detected = tuple[Instances, float]  # with masks, the time


def detections(truth: Sequence[tuple[np.ndarray, Instances, float]], seed: int) -> Iterator[Detected]:
    """What a detector might see of these frames (identities, objects, seconds)."""
    rng = np.random.default_rng(seed)
    largest: dict[int, int] = {}
    for ids, objects, _ in truth:
        for identity, area in zip(ids.tolist(), _areas(objects), strict=True):
            largest[identity] = max(largest.get(identity, 0), area)
    for ids, objects, seconds in truth:
        assert objects.masks is not None
        size, kept, scores, masks = objects.masks.size, [], [], []
        for row, (identity, area) in enumerate(zip(ids.tolist(), _areas(objects), strict=True)):
            visible = area / largest[identity]
            score = float(np.clip(rng.normal(0.25 + 0.65 * visible, 0.12), 0.02, 0.99))
            if rng.random() < 0.03 + 0.5 * (1 - visible) ** 2 or score < 0.1:
                continue
            dx, dy = np.rint(rng.normal(0, 1.2, 2)).astype(int).tolist()
            mask = _shifted(objects.masks[row], dx, dy)
            if mask.area[0]:
                kept.append(row)
                scores.append(score)
                masks.append(mask)
        for _ in range(int(rng.poisson(0.15))):
            left, top = rng.uniform(0, size[1] - 30), rng.uniform(0, size[0] - 30)
            masks.append(RleMasks.from_boxes(np.array([[left, top, left + 25, top + 25]]), size))
            scores.append(float(rng.uniform(0.1, 0.75)))
        joined = RleMasks.join(masks) if masks else RleMasks.empty(size)
        classes = np.zeros(len(joined), np.int64)
        yield Instances(joined.boxes, classes, np.array(scores, np.float32), joined, objects.names), seconds


def _areas(objects: Instances) -> list[int]:
    assert objects.masks is not None
    return objects.masks.area.tolist()


def _shifted(mask: RleMasks, dx: int, dy: int) -> RleMasks:
    height, width = mask.size
    inside = (max(0, -dx), max(0, -dy), width - max(0, dx), height - max(0, dy))
    return mask.crop(inside).place((max(0, dx), max(0, dy)), mask.size)


def ours(frames: Sequence[Detected], masks: bool, joined: bool = False) -> list[Frame]:
    tracker, tracks, joining, every = Tracker(interval=1 / RATE), [], Joining(), []
    for objects, seconds in frames:
        given = objects if masks else Instances(objects.boxes, objects.classes, objects.scores, None, objects.names)
        ids = tracker.update(given, seconds)
        joining.add(ids.tolist(), objects.labels, objects.boxes, seconds)
        every.append(ids)
    identities = joining.joined()
    for number, (ids, (objects, _)) in enumerate(zip(every, frames, strict=True)):
        if joined:
            begun = [joining.begun.get((number, row), identity) for row, identity in enumerate(ids.tolist())]
            ids = np.array([identities.get(identity, UNTRACKED) for identity in begun], np.int64)
        tracks.append((ids[ids != UNTRACKED], objects.boxes[ids != UNTRACKED]))
    return tracks


def theirs(frames: Sequence[Detected]) -> list[Frame] | None:
    try:
        import supervision
        from trackers import ByteTrackTracker
    except ImportError:
        return None
    tracker, tracks = ByteTrackTracker(frame_rate=RATE), []
    for objects, _ in frames:
        found = tracker.update(
            supervision.Detections(xyxy=objects.boxes, confidence=objects.scores, class_id=objects.classes)
        )
        ids = np.full(len(found), -1) if found.tracker_id is None else found.tracker_id
        tracks.append((ids[ids >= 0], found.xyxy[ids >= 0]))
    return tracks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    told: dict[str, list[dict[str, float]]] = {}
    for seed in range(arguments.videos):
        rendered = render_moving(seed, arguments.frames, (180, 320), objects=8, rate=RATE)
        truth = [(frame.ids, frame.instances, frame.seconds) for frame in rendered]
        frames = list(detections(truth, seed))
        real: list[Any] = [(ids, objects.boxes) for ids, objects, _ in truth]
        for name, tracks in (
            ("masks", ours(frames, True)), ("boxes", ours(frames, False)),
            ("two_pass", ours(frames, True, joined=True)), ("trackers", theirs(frames)),
        ):  # fmt: skip
            if tracks is not None:
                told.setdefault(name, []).append(metrics(real, tracks))
    means = {
        name: {metric: round(float(np.mean([one[metric] for one in several])), 4) for metric in several[0]}
        for name, several in told.items()
    }
    if arguments.json:
        print(json.dumps({"videos": arguments.videos, "frames": arguments.frames, **means}, indent=1))
        return
    for name, values in means.items():
        print(f"{name:10}" + "".join(f"{metric:>8} {value:.4f}" for metric, value in values.items()))


if __name__ == "__main__":
    main()
