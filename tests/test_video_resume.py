"""A video that is broken off plays up to there, and is gone on with as if nobody had stopped it."""

from __future__ import annotations

import errno
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import Seer, model_folder
from video_files import packets, times, write_video

from maskwright.api.video import predict_video
from maskwright.api.video_state import job_of
from maskwright.errors import OutputError, RecipeError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector, require_detector
from maskwright.prediction.loading import load
from maskwright.types import Instances
from maskwright.video.encode import SEGMENT
from maskwright.video.read import Video
from maskwright.video.write import Writer
from maskwright.weights.card import WEIGHTS

av = pytest.importorskip("av", reason="videos need PyAV")

COUNT = SEGMENT + 60
UNEVEN = np.cumsum([0, *(40 + 40 * (number % 7 == 3) for number in range(COUNT - 1))]).tolist()
KILLED = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from tiny_runs import Seer
from maskwright.api.video import predict_video
from maskwright.prediction.detector import Detector
calls = 0
def inverted(pixels, detections):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep({pause})
    return 255 - pixels
predict_video(Detector(Seer()), {source!r}, out={out!r}, lines=True, track=True, drawn=inverted)
"""


def inverted(pixels: np.ndarray, detections: Instances) -> np.ndarray:
    return 255 - pixels


def run(source: Path, out: Path, **more: object):
    return predict_video(Detector(Seer()), source, out=out, lines=True, track=True, **{"drawn": inverted, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 frames at uneven times, with sound."""
    return write_video(tmp_path_factory.mktemp("video") / "party.mp4", UNEVEN, (48, 64), sound=600)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nobody stops makes of it."""
    out = tmp_path_factory.mktemp("whole")
    run(source, out)
    return out / "party.mp4"


def same(file: Path, whole: Path) -> bool:
    """Lines and sound byte by byte, the frames at their times; and nothing else is left.

    Pixels only nearly: x264's rate control is not the same in its last bits at every width.
    """
    assert sorted(path.name for path in file.parent.iterdir()) == ["party.jsonl", "party.mp4"]
    lines = [json.loads(line) for line in file.with_suffix(".jsonl").read_text("utf-8").splitlines()]
    assert [line["frame"] for line in lines] == list(range(COUNT))
    assert file.with_suffix(".jsonl").read_bytes() == whole.with_suffix(".jsonl").read_bytes()
    with Video(file) as one, Video(whole) as other:
        for first, second in zip(one, other, strict=True):
            assert first.pts == second.pts and np.abs(first.pixels.astype(int) - second.pixels).mean() < 2
    return packets(file, "audio") == packets(whole, "audio")


def plays(part: Path) -> int:
    """How many frames of a part file can be shown at their times; of the last few, later ones may be there already."""
    shown = times(part)
    assert shown[:-4] == [moment / 1000 for moment in UNEVEN[: len(shown[:-4])]]
    return len(shown)


def stop_at(frame: int, how: Callable[[], None]) -> Callable[..., Iterator]:
    """Progress that does this before a frame."""

    def watched(frames, **_):
        for number, done in enumerate(frames):
            if number == frame:
                how()
            yield done

    return watched


def fail() -> None:
    raise RuntimeError("broken off")


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


# --- going on -------------------------------------------------------------------------------------
def test_what_is_written_has_all_frames_at_their_times(whole: Path, source: Path) -> None:
    assert times(whole) == [moment / 1000 for moment in UNEVEN]
    assert [data for _, data in packets(whole, "audio")] == [data for _, data in packets(source, "audio")]


@pytest.mark.parametrize("frame", [SEGMENT])
def test_a_run_that_failed_is_gone_on_with(source: Path, whole: Path, tmp_path: Path, frame: int) -> None:
    issues = Issues()
    with pytest.raises(RuntimeError):
        run(source, tmp_path, progress=stop_at(frame, fail), log=issues)
    assert [path.name for path in tmp_path.iterdir()] != [] and not (tmp_path / "party.mp4").exists()
    assert str(issues[-1]).endswith("--resume goes on from there")
    assert plays(tmp_path / "party.part.mp4") > SEGMENT - 60
    done = run(source, tmp_path, resume=True, log=issues)
    assert same(tmp_path / "party.mp4", whole) and done.frames == COUNT
    begun = frame // SEGMENT * SEGMENT
    assert f"going on after frame {begun}" in " ".join(map(str, issues))


def test_a_run_broken_off_several_times_is_the_same_in_the_end(source: Path, whole: Path, tmp_path: Path) -> None:
    for frame in (SEGMENT + 5, 10, 30):  # of what is left
        with pytest.raises(RuntimeError):
            run(source, tmp_path, resume=True, progress=stop_at(frame, fail), log=Issues())
    run(source, tmp_path, resume=True, log=Issues())
    assert same(tmp_path / "party.mp4", whole)


def test_ctrl_c_leaves_a_finished_file_and_can_be_gone_on_with(source: Path, whole: Path, tmp_path: Path) -> None:
    issues = Issues()
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path, progress=stop_at(SEGMENT + 9, ctrl_c), log=issues)
    assert times(tmp_path / "party.mp4") == [moment / 1000 for moment in UNEVEN[: SEGMENT + 9]]
    assert str(issues[-1]).endswith("plays up to there; --resume goes on")
    run(source, tmp_path, resume=True, log=Issues())
    assert same(tmp_path / "party.mp4", whole)


def test_a_killed_process_is_gone_on_with(source: Path, whole: Path, tmp_path: Path) -> None:
    script = KILLED.format(
        tests=str(Path(__file__).parent), source=str(source), out=str(tmp_path), at=SEGMENT + 40, pause=0
    )
    process = subprocess.run([sys.executable, "-c", script], check=False)
    assert process.returncode == -signal.SIGKILL
    assert plays(tmp_path / "party.part.mp4") > SEGMENT - 60
    run(source, tmp_path, resume=True, log=Issues())
    assert same(tmp_path / "party.mp4", whole)


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(source: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    script = KILLED.format(tests=str(Path(__file__).parent), source=str(source), out=str(tmp_path), at=0, pause=0.01)
    for number in range(10):
        process = subprocess.Popen([sys.executable, "-c", script.replace("lines=True", "resume=True, lines=True")])
        while process.poll() is None and not list(tmp_path.glob("*.part*.mp4")):
            time.sleep(0.02)  # until it has begun
        time.sleep(chance.uniform(0, 5))
        process.kill()
        process.wait()
        for part in tmp_path.glob("*.part*.mp4"):
            assert not part.stat().st_size or plays(part) > 0, number
    run(source, tmp_path, resume=True, log=Issues())
    assert same(tmp_path / "party.mp4", whole)


# --- when it is not the same run ------------------------------------------------------------------
@pytest.fixture
def broken(source: Path, tmp_path: Path) -> Path:
    with pytest.raises(RuntimeError):
        run(source, tmp_path, progress=stop_at(SEGMENT + 1, fail), log=Issues())
    return tmp_path


def test_other_settings_are_refused(source: Path, broken: Path) -> None:
    before = {path.name: path.read_bytes() for path in broken.iterdir()}
    with pytest.raises(RecipeError, match="not the run that was begun") as caught:
        run(source, broken, resume=True, classes=["cake"])
    assert caught.value.parts["field"] == "classes" and caught.value.parts["got"] == "['cake']"
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == before


def test_another_video_is_refused(broken: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = write_video(tmp_path_factory.mktemp("other") / "party.mp4", UNEVEN, (48, 80))
    with pytest.raises(RecipeError) as caught:
        run(other, broken, resume=True)
    assert caught.value.parts["field"] == "source"


def test_a_model_is_known_by_its_weights(source: Path, tmp_path: Path) -> None:
    """Wherever it lies; and one weight that differs makes another model, under the same card."""
    model = model_folder(tmp_path / "model")
    with Video(source) as video:
        before = job_of(video, require_detector(load(model)), None)
        moved = model.rename(tmp_path / "moved")
        assert job_of(video, require_detector(load(moved)), None) == before
        data = bytearray((moved / WEIGHTS).read_bytes())
        data[-4] ^= 1
        (moved / WEIGHTS).write_bytes(bytes(data))
        after = job_of(video, require_detector(load(moved)), None)
    assert {name for name in after if after[name] != before[name]} == {"model"}


def test_a_damaged_state_is_refused(source: Path, broken: Path) -> None:
    state = broken / "party.part.json"
    for text in ("", "{}", state.read_text("utf-8").replace('"version":1', '"version":9')):
        state.write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError, match="how far the video is"):
            run(source, broken, resume=True)


def test_without_resume_it_begins_anew_and_says_so(source: Path, whole: Path, broken: Path) -> None:
    issues = Issues()
    run(source, broken, log=issues)
    assert "--resume would have gone on" in " ".join(map(str, issues)) and same(broken / "party.mp4", whole)


def test_with_nothing_to_go_on_from_it_begins(source: Path, whole: Path, tmp_path: Path) -> None:
    run(source, tmp_path, resume=True, log=Issues())
    assert same(tmp_path / "party.mp4", whole)


def test_frames_that_never_reached_the_disk_are_made_again(source: Path, whole: Path, broken: Path) -> None:
    part = broken / "party.part.mp4"
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    run(source, broken, resume=True, log=Issues())
    assert same(broken / "party.mp4", whole)


def test_a_full_disk_leaves_what_there_is(source: Path, whole: Path, tmp_path: Path, monkeypatch) -> None:
    real, calls = Writer.add, []

    def full(self, pixels, frame):
        calls.append(frame)
        if len(calls) == SEGMENT + 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, pixels, frame)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "add", full)
        with pytest.raises(OutputError, match="the disk is full"):
            run(source, tmp_path, log=Issues())
    assert plays(tmp_path / "party.part.mp4") > SEGMENT - 60
    run(source, tmp_path, resume=True, log=Issues())
    assert same(tmp_path / "party.mp4", whole)
