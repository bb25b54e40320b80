"""Which frames of a video are taken, and when they are shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from tiny_runs import Seer, model_folder
from video_files import EVEN, packets, times, write_video

from maskwright.api.video import predict_video
from maskwright.cli.main import main
from maskwright.errors import RecipeError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.video.timing import AS_RECORDED, Timing

pytest.importorskip("av", reason="videos need PyAV")

UNEVEN = (0, 40, 80, 360, 400, 440, 800, 840)  # milliseconds


def shown(timing: Timing, source: Path, out: Path) -> list[float]:
    done = predict_video(Detector(Seer()), source, out=out / "new.mp4", timing=timing, log=Issues())
    assert done.file is not None and done.expected is not None
    return times(done.file)


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (AS_RECORDED, [0, 0.04, 0.08, 0.36, 0.4, 0.44, 0.8, 0.84]),
        (Timing(every=3), [0, 0.36, 0.8]),
        (Timing(start=0.08, end=0.44), [0, 0.28, 0.32]),
        (Timing(slow=Fraction(2)), [0, 0.08, 0.16, 0.72, 0.8, 0.88, 1.6, 1.68]),
        (Timing(slow=Fraction(1, 2), every=4), [0, 0.2]),
        (Timing(start=0.36, every=2, slow=Fraction(2)), [0, 0.16, 0.96]),
    ],
    ids=str,
)
def test_frames_are_chosen_and_keep_their_times(timing: Timing, expected: list[float], tmp_path: Path) -> None:
    assert shown(timing, write_video(tmp_path / "a.mp4", UNEVEN), tmp_path) == expected


def test_a_constant_rate_repeats_and_leaves_out(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", UNEVEN)
    assert shown(Timing(fps=Fraction(10)), source, tmp_path) == [number / 10 for number in range(9)]
    assert shown(Timing(fps=Fraction(50)), source, tmp_path) == [number / 50 for number in range(44)]


def test_at_each_tick_of_a_constant_rate_the_frame_on_show_is_taken() -> None:
    frames = [("a", 0, 40, 0), ("b", 40, 320, 40), ("c", 360, 40, 360)]
    taken = list(Timing(fps=Fraction(10)).clocked(frames, Fraction(1, 1000)))
    assert [(name, tick) for name, tick, _, _ in taken] == [("a", 0), ("b", 1), ("b", 2), ("b", 3)]


def test_no_frame_stays_no_frame() -> None:
    assert list(Timing(fps=Fraction(10)).clocked([], Fraction(1, 1000))) == []
    assert list(Timing().retimed([], Fraction(1, 1000))) == []


def test_the_sound_is_cut_with_the_frames_and_left_out_of_slow_motion(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", EVEN, sound=30)
    shown(Timing(start=0.1, end=0.3), source, tmp_path)
    whole, cut = packets(source, "audio"), packets(tmp_path / "new.mp4", "audio")
    assert 7 <= len(cut) <= 11 and [data for _, data in cut] == [
        data for pts, data in whole if 4800 <= (pts or 0) < 14400
    ]
    issues = Issues()
    predict_video(Detector(Seer()), source, out=tmp_path / "slow.mp4", timing=Timing(slow=Fraction(4)), log=issues)
    assert str(issues[-1]).startswith("without sound: the new video is slower or faster")


@pytest.mark.parametrize(
    "settings",
    [
        {"start": -1.0},
        {"start": 2.0, "end": 1.0},
        {"every": 0},
        {"every": 1.5},
        {"fps": Fraction(0)},
        {"slow": Fraction(0)},
    ],
)
def test_times_that_cannot_be_are_refused(settings: dict) -> None:
    with pytest.raises(RecipeError, match="at such times"):
        Timing(**settings)


def test_beyond_the_end_there_is_no_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", EVEN)
    with pytest.raises(RecipeError, match="no frame of the video") as caught:
        shown(Timing(start=60), source, tmp_path)
    assert caught.value.parts["got"] == "--from 60" and not (tmp_path / "new.mp4").exists()


def test_the_command_takes_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, model = write_video(tmp_path / "a.mp4", EVEN), model_folder(tmp_path / "model")
    for command, more in (
        ("predict", ["--slow", "4x", "--every", "2"]),
        ("splash", ["--fps", "25/2", "--to", "1"]),
    ):
        with pytest.raises(SystemExit) as ended:
            main([command, str(model), str(source), "--out", str(tmp_path / command), *more])
        assert not ended.value.code, capsys.readouterr().err
    assert times(tmp_path / "predict" / "a.mp4") == [0, 0.32, 0.64, 0.96, 1.28, 1.6]
    assert times(tmp_path / "splash" / "a.mp4") == [0, 0.08, 0.16, 0.24, 0.32, 0.4]
    for more in (["--fps", "fast"], ["--slow", "x"]):
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(model), str(source), "--out", str(tmp_path / "no"), *more])
        assert ended.value.code and "this is no number" in capsys.readouterr().err
