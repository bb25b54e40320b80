"""Lines and zones count each object once for every time it crosses or enters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tiny_runs import Seer, model_folder
from video_files import write_video

from maskwright.api.video import predict_video
from maskwright.cli.main import main
from maskwright.errors import RecipeError
from maskwright.prediction.detector import Detector
from maskwright.tables import parse
from maskwright.video.counting import Counting, CountLine, Zone, _side

ACROSS = CountLine((0, 50), (100, 50))  # from left to right: below is its right
SQUARE = Zone(((20, 20), (60, 20), (60, 60), (20, 60)))
POINTS = st.tuples(st.integers(0, 100), st.integers(0, 100))


def box_at(center: tuple[float, float]) -> np.ndarray:
    return np.array([[*center, *center]]) + np.array([-3, -3, 3, 3])


def follow(counting: Counting, *centers: tuple[float, float] | None, identity: int = 1) -> None:
    for number, center in enumerate(centers):
        boxes = np.zeros((0, 4)) if center is None else box_at(center)
        ids = [] if center is None else [identity]
        counting.update(ids, ["car"] * len(ids), boxes, number * 0.1)


def test_nothing_is_counted_of_nothing() -> None:
    counting = Counting([ACROSS], [SQUARE])
    counting.update([], [], np.zeros((0, 4)), 0.0)
    nothing = {"left_to_right": {}, "right_to_left": {}}
    assert counting.facts() == {"count_lines": [nothing], "zones": [{"inside": {}, "entered": {}}]}
    assert Counting().facts() == {}


def test_a_line_counts_both_directions() -> None:
    counting = Counting([ACROSS])
    follow(counting, (30, 40), (32, 60), (34, 70), (36, 45), (38, 55))
    assert counting.facts()["count_lines"] == [{"left_to_right": {"car": 2}, "right_to_left": {"car": 1}}]


def test_past_the_end_of_a_line_nothing_is_crossed() -> None:
    counting = Counting([CountLine((0, 50), (20, 50))])
    follow(counting, (30, 40), (30, 60))
    assert counting.facts()["count_lines"] == [{"left_to_right": {}, "right_to_left": {}}]


def test_a_zone_counts_who_is_inside_and_who_came_in() -> None:
    counting = Counting(zones=[SQUARE])
    follow(counting, (10, 30), (30, 30), (40, 40))
    assert counting.facts()["zones"] == [{"inside": {"car": 1}, "entered": {"car": 1}}]
    follow(counting, (70, 30), (50, 30), (70, 30))
    assert counting.facts()["zones"] == [{"inside": {}, "entered": {"car": 2}}]


def test_what_has_no_identity_is_not_counted() -> None:
    counting = Counting([ACROSS], [SQUARE])
    follow(counting, (30, 40), (30, 60), identity=-1)
    assert counting.facts()["zones"] == [{"inside": {}, "entered": {}}]


@given(st.lists(POINTS, max_size=12), st.integers(0, 12), POINTS, POINTS)
def test_going_on_from_a_state_counts_the_same(centers, cut, begin, end) -> None:
    assume(begin != end)
    whole, first, second = (Counting([CountLine(begin, end)], [SQUARE]) for _ in range(3))
    follow(whole, *centers)
    follow(first, *centers[:cut])
    second.restore(json.loads(json.dumps(first.state())))
    for number, center in enumerate(centers[cut:], len(centers[:cut])):
        second.update([1], ["car"], box_at(center), number * 0.1)
    if centers[cut:]:
        assert second.facts() == whole.facts()


@given(POINTS, POINTS, POINTS, POINTS)
def test_the_way_back_crosses_the_other_way(begin, end, before, now) -> None:
    """But where one touches the other: a point on the line is on its left."""
    assume(begin != end)
    sides = [_side(begin, end, before), _side(begin, end, now), _side(before, now, begin), _side(before, now, end)]
    assume(all(sides))
    ways = {CountLine(begin, end).crossed(before, now), CountLine(begin, end).crossed(now, before)}
    assert ways in ({None}, {"left_to_right", "right_to_left"})


def test_a_point_is_no_line_and_no_zone() -> None:
    with pytest.raises(RecipeError, match="two points"):
        CountLine((1, 1), (1, 1))
    with pytest.raises(RecipeError, match="three points"):
        Zone(((1, 1), (2, 2)))


def test_a_video_has_its_counts_on_the_frames_and_its_tracks_in_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, model, out = write_video(tmp_path / "a.mp4"), model_folder(tmp_path / "model"), tmp_path / "out"
    call = ["predict", str(model), str(source), "--out", str(out), "--json", "--threshold", "0.01"]
    with pytest.raises(SystemExit) as ended:
        main([*call, "--save-tracks", "--save-jsonl", "--count-line", "0,48,128,48", "--zone", "0,0,128,0,128,96,0,96"])
    (told,) = json.loads(capsys.readouterr().out)["videos"]
    lines = [json.loads(line) for line in (out / "a.jsonl").read_text("utf-8").splitlines()]
    assert not ended.value.code and told["zones"] == lines[-1]["zones"] and len(told["count_lines"]) == 1
    tracked = [(line["frame"] + 1, row["track"]) for line in lines for row in line["detections"] if row["track"]]
    mot = [line.split(",") for line in (out / "a.mot.txt").read_text("utf-8").splitlines()]
    assert [(int(cells[0]), int(cells[1])) for cells in mot] == tracked
    table = parse((out / "a.tracks.csv").read_text("utf-8"), "a.tracks.csv")
    assert sorted(int(row["track"]) for row in table.rows) == sorted({track for _, track in tracked})
    assert sum(int(row["frames"]) for row in table.rows) == len(tracked)
    page = (out / "a.tracks.html").read_text("utf-8")
    assert all(heading in page for heading in ("In sight", "Objects at a time", "In the zones", "Across the lines"))
    assert all(f"{row['class']} {row['track']}: " in page for row in table.rows)
    for more in (["--count-line", "1,2,3"], ["--zone", "a,b"]):
        with pytest.raises(SystemExit) as ended:
            main([*call, *more])
        assert ended.value.code and "points" in capsys.readouterr().out


def test_without_identities_nothing_can_be_counted(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing to count"):
        predict_video(Detector(Seer()), write_video(tmp_path / "a.mp4"), out=tmp_path, save_tracks=True)
