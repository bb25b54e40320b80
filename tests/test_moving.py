"""Moving scenes: the same objects in all frames, with exact masks; and the metrics of tracks."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from maskwright.synth.moving import render_moving

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from track_metrics import metrics

SIZE = (72, 128)


def test_the_same_arguments_give_the_same_frames():
    first, second = ([*render_moving(3, 3, SIZE)] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.image, other.image) and one.ids.tolist() == other.ids.tolist()
        assert np.array_equal(one.instances.boxes, other.instances.boxes)
    assert [frame.seconds for frame in first] == [0, 1 / 25, 2 / 25]


def test_objects_move_a_little_from_frame_to_frame_and_keep_their_identities():
    frames = list(render_moving(1, 40, SIZE, objects=5, poles=1))
    moved = 0.0
    for before, after in itertools.pairwise(frames):
        assert len(set(after.ids.tolist())) == len(after.ids) == len(after.instances)
        for identity in set(before.ids.tolist()) & set(after.ids.tolist()):
            boxes = [f.instances.boxes[f.ids.tolist().index(identity)] for f in (before, after)]
            moved = max(moved, float(np.abs(boxes[0] - boxes[1]).min()))
    assert 0 < moved < 12 and {identity for frame in frames for identity in frame.ids.tolist()} <= set(range(1, 6))


def test_masks_are_what_is_in_sight():
    (frame,) = render_moving(2, 1, SIZE, objects=8, poles=3)
    assert frame.instances.masks is not None
    assert frame.instances.masks.dense().sum(0).max() <= 1


def test_without_objects_and_without_frames_there_is_nothing():
    (frame,) = render_moving(2, 1, SIZE, objects=0, poles=0)
    assert len(frame.instances) == len(frame.ids) == 0 and list(render_moving(2, 0, SIZE)) == []


def box(x: float) -> np.ndarray:
    return np.array([[x, 0, x + 10, 10]])


def test_perfect_tracks_have_perfect_metrics():
    frames = [(np.array([1]), box(n)) for n in range(10)]
    assert all(abs(value - 1) < 1e-9 for value in metrics(frames, frames).values())


def test_a_switch_of_identity_costs_what_the_definitions_say():
    """One object in ten frames, followed as 1 for five and as 2 for five."""
    truth = [(np.array([1]), box(n)) for n in range(10)]
    tracks = [(np.array([1 + (n >= 5)]), box(n)) for n in range(10)]
    told = metrics(truth, tracks)
    assert abs(told["mota"] - 0.9) < 1e-9  # one switch
    assert abs(told["idf1"] - 0.5) < 1e-9  # five of ten, on both sides
    assert abs(told["hota"] - 0.5**0.5) < 1e-9  # detection 1, association 5 / 10


def test_misses_and_false_ones_cost():
    truth = [(np.array([1]), box(n)) for n in range(10)]
    tracks = [(np.zeros(0, int), np.zeros((0, 4))) if n == 3 else (np.array([1, 2]), np.concatenate([box(n), box(90)]))
              for n in range(10)]  # fmt: skip
    assert abs(metrics(truth, tracks)["mota"] - (9 - 9) / 10) < 1e-9
