"""The second pass: tracks of one object are joined over gaps, those of others are not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import Seer
from video_files import write_video

from maskwright.errors import RecipeError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.types import RawDetections
from maskwright.video.joining import Joining
from maskwright.video.tracks import UNTRACKED


def box(x: float, y: float = 50, side: float = 40) -> list[float]:
    return [x, y, x + side, y + side]


def joined(*frames: list[tuple[int, list[float]]], labels: dict[int, str] | None = None) -> dict[int, int]:
    """Of frames a tenth of a second apart: pairs of identity and box."""
    joining = Joining()
    for number, frame in enumerate(frames):
        ids = [identity for identity, _ in frame]
        names = [(labels or {}).get(identity, "car") for identity in ids]
        joining.add(ids, names, np.array([one for _, one in frame]).reshape(-1, 4), number / 10)
    return joining.joined()


def moving(identity: int, frames: range, speed: float = 10.0) -> dict[int, tuple[int, list[float]]]:
    return {number: (identity, box(speed * number)) for number in frames}


def in_order(*tracks: dict[int, tuple[int, list[float]]], count: int = 60) -> list[list[tuple[int, list[float]]]]:
    return [[track[number] for track in tracks if number in track] for number in range(count)]


def test_no_tracks_are_no_tracks() -> None:
    assert joined() == {} and joined([], []) == {}


def test_who_comes_back_where_the_motion_leads_is_the_same() -> None:
    assert joined(*in_order(moving(1, range(10)), moving(4, range(30, 40)))) == {1: 1, 4: 1}


def test_three_tracks_of_one_object_have_the_identity_of_the_first() -> None:
    tracks = moving(2, range(10)), moving(5, range(25, 35)), moving(7, range(45, 55))
    assert set(joined(*in_order(*tracks)).values()) == {2}


def test_who_is_elsewhere_larger_later_or_of_another_class_is_someone_else() -> None:
    elsewhere = {number: (4, box(10 * number, y=400)) for number in range(30, 40)}
    larger = {number: (4, box(10 * number, side=120)) for number in range(30, 40)}
    for other in (elsewhere, larger, moving(4, range(55, 60))):
        assert joined(*in_order(moving(1, range(10)), other)) == {1: 1, 4: 4}
    again = moving(4, range(30, 40))
    assert joined(*in_order(moving(1, range(10)), again), labels={4: "person"}) == {1: 1, 4: 4}


def test_tracks_in_sight_at_the_same_time_are_never_joined() -> None:
    assert joined(*in_order(moving(1, range(20)), moving(4, range(15, 40)))) == {1: 1, 4: 4}


def test_a_track_goes_on_in_one_other_only() -> None:
    near = {number: (5, box(10 * number, y=55)) for number in range(30, 40)}
    identities = joined(*in_order(moving(1, range(10)), moving(4, range(30, 40)), near))
    assert identities[4] == 1 and identities[5] == 5


def test_the_detection_before_a_track_has_its_identity_too() -> None:
    joining = Joining()
    joining.add([UNTRACKED, UNTRACKED], ["car", "car"], np.array([box(0), box(200)]), 0.0)
    joining.add([3], ["car"], np.array([box(205)]), 0.1)
    assert joining.begun == {(0, 1): 3}


# --- a whole video --------------------------------------------------------------------------------------------
class Gap(Seer):
    """Sees its two objects, but none of them on the frames 40 to 79."""

    frame = 0

    def run(self, network_inputs, sizes) -> list[RawDetections]:
        results = []
        for raw in super().run(network_inputs, sizes):
            hidden = 40 <= self.frame < 80
            results.append(replace(raw, scores=raw.scores * 0) if hidden else raw)
            self.frame += 1
        return results


def identities(out: Path) -> list[list[int]]:
    lines = (out / "a.jsonl").read_text("utf-8").splitlines()
    return [[row["track"] for row in json.loads(line)["detections"]] for line in lines]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("av", reason="videos need PyAV")
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", range(0, 40 * 120, 40), (48, 64))


def run(source: Path, out: Path, **more: object):
    from maskwright.api.video import predict_video

    return predict_video(Detector(Gap()), source, out=out, lines=True, **{"track": True, "log": Issues(), **more})  # type: ignore[arg-type]


def test_two_passes_give_one_identity_where_one_gives_two(source: Path, tmp_path: Path) -> None:
    one = run(source, tmp_path / "one")
    two = run(source, tmp_path / "two", two_pass=True)
    assert one.tracks == {"balloon": 2, "cake": 2} and two.tracks == {"balloon": 1, "cake": 1}
    assert two.frames == one.frames == 120
    seen = [ids for ids in identities(tmp_path / "two") if ids]
    assert seen == [[1, 2]] * 80
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a.jsonl", "a.mp4"]


def test_a_second_pass_that_was_broken_off_is_gone_on_with(source: Path, tmp_path: Path) -> None:
    calls = []

    def drawn(pixels: np.ndarray, detections: object) -> np.ndarray:
        calls.append(detections)
        if len(calls) == 50:
            raise RuntimeError("broken off")
        return pixels

    run(source, tmp_path / "whole", two_pass=True)
    with pytest.raises(RuntimeError):
        run(source, tmp_path / "out", two_pass=True, drawn=drawn)
    kept = [path.name for path in (tmp_path / "out").iterdir()]
    assert len(kept) == 1 and kept[0].startswith("a.pass1-")
    run(source, tmp_path / "out", two_pass=True, drawn=drawn, resume=True)
    assert identities(tmp_path / "out") == identities(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jsonl", "a.mp4"]


def test_without_identities_there_is_nothing_to_join(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing to count"):
        run(source, tmp_path, track=False, two_pass=True)
