"""Frames as files, in and out; GIFs, in and out."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reported import sentences
from tiny_runs import Seer, model_folder
from video_files import times, write_video

from maskwright.api.video import predict_video, predict_videos
from maskwright.cli.main import main
from maskwright.errors import DatasetError, OutputError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.types import Instances
from maskwright.video.read import Video, is_video
from maskwright.video.timing import Timing

pytest.importorskip("av", reason="videos need PyAV")

FPS = Timing(fps=Fraction(30000, 1001))


def untouched(pixels: np.ndarray, detections: Instances) -> np.ndarray:
    return pixels


def run(source: Path, out: Path, **more: object):
    return predict_video(Detector(Seer()), source, out=out, **{"drawn": untouched, "log": Issues(), **more})  # type: ignore[arg-type]


@pytest.fixture(params=["jpg", "png"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Twelve frames of ever lighter gray under odd names, numbered without leading zeros."""
    folder = tmp_path / "it's 100% of them"
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (64, 48), (20 * number,) * 3).save(folder / f"frame {number}.{request.param}")
    (folder / "notes.txt").write_text("no frame")
    return folder


def grays(video: Path) -> list[float]:
    with Video(video) as opened:
        return [float(frame.pixels.mean()) for frame in opened]


def test_a_folder_of_numbered_frames_is_a_video(folder: Path, tmp_path: Path) -> None:
    done = run(folder, tmp_path / "out", timing=FPS, lines=True)
    assert done.file == tmp_path / "out" / f"{folder.name}.mp4" and done.frames == 12
    assert times(done.file) == [round(number * 1001 / 30000, 3) for number in range(12)]
    assert np.abs(np.array(grays(done.file)) - 20 * np.arange(12)).max() < 4


def test_drawn_frames_are_written_as_files_and_make_the_same_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4")
    done = run(source, tmp_path / "out", frames=tmp_path / "frames")
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files] == [f"{number:06}.jpg" for number in range(done.frames)]
    again = run(tmp_path / "frames", tmp_path / "again", timing=Timing(fps=Fraction(25)))
    assert times(again.file) == times(source)
    assert np.abs(np.array(grays(again.file)) - grays(source)).max() < 3


def test_frames_never_land_among_those_that_are_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="frames themselves"):
        run(folder, tmp_path / "out", timing=FPS, frames=folder)
    with pytest.raises(OutputError, match="of one video"):
        predict_videos(Detector(Seer()), [folder, folder], out=tmp_path / "out", frames=tmp_path / "frames")


def test_frames_of_several_kinds_and_no_frames_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="of one kind"):
        run(tmp_path / "empty", tmp_path / "out")
    Image.new("RGB", (64, 48)).save(folder / "13.bmp")
    with pytest.raises(DatasetError, match="of one kind"):
        run(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_frame_that_cannot_be_read_is_passed_over(folder: Path, tmp_path: Path) -> None:
    ending = next(folder.glob("frame*")).suffix
    (folder / f"frame 5{ending}").write_bytes(b"no image")
    assert run(folder, tmp_path / "out", timing=Timing(fps=Fraction(25))).frames in (11, 12)


def test_a_gif_is_read_as_a_video_and_written_as_one(tmp_path: Path) -> None:
    uneven = (0, 40, 80, 360, 400, 440)
    source, issues = write_video(tmp_path / "a.mp4", uneven, sound=20), Issues()
    made = run(source, tmp_path / "a.gif", log=issues)
    assert made.file == tmp_path / "a.gif" and is_video(made.file)
    assert "without sound: a GIF has none" in " ".join(sentences(issues))
    assert times(made.file) == [moment / 1000 for moment in uneven]
    assert np.abs(np.array(grays(made.file)) - grays(source)).max() < 3
    back = run(made.file, tmp_path / "back.mp4")
    assert times(back.file) == times(made.file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a.mp4", "back.mp4"]


def test_the_command_takes_a_folder_with_a_rate_as_a_video(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "predict",
        str(model_folder(tmp_path / "model")),
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--fps",
        "25",
    ]
    with pytest.raises(SystemExit) as end:
        main([*call, "--frames", str(tmp_path / "frames"), "--json"])
    (video,) = json.loads(capsys.readouterr().out)["videos"]
    assert end.value.code == 0 and video["frames"] == 12 and len(list((tmp_path / "frames").iterdir())) == 12
