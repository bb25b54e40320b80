"""Identities over frames: what moves plainly keeps its own, whatever hides it for a moment."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.types import Instances, RleMasks
from maskwright.video.tracks import UNTRACKED, Tracker, TrackerConfig

SIZE = (200, 400)
NAMES = ("car", "person")


def seen(rows: Iterable[tuple[float, float, float, float, str, float]], masks: bool = False) -> Instances:
    """Detections of one frame: x1 y1 x2 y2, class, score."""
    rows = list(rows)
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    return Instances(
        boxes,
        np.array([NAMES.index(row[4]) for row in rows], np.int64),
        np.array([row[5] for row in rows]),
        RleMasks.from_boxes(boxes, SIZE) if masks else None,
        NAMES,
    )


def at(x: float, y: float = 50, side: float = 40, name: str = "car", score: float = 0.9):
    return (x, y, x + side, y + side, name, score)


@pytest.mark.parametrize("masks", [False, True])
def test_two_that_pass_each_other_keep_their_identities(masks):
    tracker, ids = Tracker(interval=0.04), []
    for frame in range(30):
        left, right = at(10 + 10 * frame), at(310 - 10 * frame, y=70)
        ids.append(tracker.update(seen([left, right], masks), frame * 0.04).tolist())
    assert ids == [[1, 2]] * 30


def test_who_is_hidden_for_less_than_the_memory_comes_back_as_the_same():
    tracker = Tracker(interval=0.04, config=TrackerConfig(memory=1.0))
    for frame in range(10):
        tracker.update(seen([at(10 + 5 * frame)]), frame * 0.04)
    for frame in range(10, 25):
        tracker.update(seen([]), frame * 0.04)
    assert tracker.update(seen([at(10 + 5 * 25)]), 25 * 0.04).tolist() == [1]


def test_who_is_hidden_for_longer_is_someone_new():
    tracker = Tracker(interval=0.04, config=TrackerConfig(memory=0.4))
    tracker.update(seen([at(100)]), 0.0)
    for frame in range(1, 20):
        tracker.update(seen([]), frame * 0.04)
    assert tracker.update(seen([at(100)]), 0.8).tolist() == [UNTRACKED] or tracker.update(
        seen([at(100)]), 0.84
    ).tolist() == [2]


def test_a_low_score_goes_on_with_a_track_and_begins_none():
    tracker = Tracker(interval=0.04)
    assert tracker.update(seen([at(100), at(300, score=0.3)]), 0.0).tolist() == [1, UNTRACKED]
    assert tracker.update(seen([at(102, score=0.3), at(300, score=0.3)]), 0.04).tolist() == [1, UNTRACKED]


def test_what_is_seen_once_only_has_no_identity():
    tracker = Tracker(interval=0.04)
    assert tracker.update(seen([at(100)]), 0.0).tolist() == [1]
    assert tracker.update(seen([at(102), at(300)]), 0.04).tolist() == [1, UNTRACKED]
    assert tracker.update(seen([at(104)]), 0.08).tolist() == [1]
    assert tracker.update(seen([at(106), at(200)]), 0.12).tolist() == [1, UNTRACKED]
    assert tracker.update(seen([at(108), at(202)]), 0.16).tolist() == [1, 2]


def test_going_on_from_a_state_gives_the_same_identities():
    frames = [
        seen([at(10 + 9 * n), at(310 - 9 * n, y=70), at(150, score=0.3 + 0.5 * (n % 2))], True) for n in range(20)
    ]
    whole, first, second = Tracker(interval=0.04), Tracker(interval=0.04), Tracker(interval=0.04)
    expected = [whole.update(frame, 0.04 * number).tolist() for number, frame in enumerate(frames)]
    for number, frame in enumerate(frames[:9]):
        first.update(frame, 0.04 * number)
    second.restore(json.loads(json.dumps(first.state())))
    assert [second.update(frame, 0.04 * n).tolist() for n, frame in enumerate(frames) if n >= 9] == expected[9:]


def test_an_identity_keeps_its_class():
    tracker = Tracker(interval=0.04)
    tracker.update(seen([at(100)]), 0.0)
    (identity,) = tracker.update(seen([at(100, name="person")]), 0.04).tolist()
    assert identity != 1


def test_motion_is_measured_in_seconds_and_not_in_frames():
    tracker = Tracker(interval=0.04)
    for frame in range(10):
        tracker.update(seen([at(10 + 20 * frame, side=30)]), frame * 0.04)
    # four frames were dropped: the object is where it would be after five intervals, far from where it was
    assert tracker.update(seen([at(10 + 20 * 14, side=30)]), 14 * 0.04).tolist() == [1]


def test_masks_tell_apart_what_boxes_do_not():
    """Two diagonal stripes with one bounding box: by boxes alone either could be either."""
    grid = np.add.outer(np.arange(40), np.arange(40))
    first, second = np.zeros((2, *SIZE), bool)
    first[50:90, 50:90], second[50:90, 50:90] = np.abs(grid - 39) < 6, np.abs(grid.T[::-1] - 39) < 6

    def both(order: list[int]) -> Instances:
        masks = RleMasks.from_dense(np.stack([first, second])[order])
        return Instances(masks.boxes, [0, 0], np.array([0.9, 0.9]), masks, NAMES)

    tracker = Tracker(interval=0.04)
    assert tracker.update(both([0, 1]), 0.0).tolist() == [1, 2]
    assert tracker.update(both([1, 0]), 0.04).tolist() == [2, 1]


@given(st.lists(st.lists(st.tuples(st.integers(0, 350), st.integers(0, 150), st.sampled_from([0.05, 0.3, 0.55, 0.9])),
                         max_size=5), max_size=6))  # fmt: skip
def test_no_identity_is_given_twice_in_a_frame(frames):
    tracker = Tracker(interval=0.04)
    for number, frame in enumerate(frames):
        ids = tracker.update(seen(at(x, y, score=score) for x, y, score in frame), number * 0.04)
        given = ids[ids != UNTRACKED].tolist()
        assert len(given) == len(set(given)) and all(identity > 0 for identity in given)
