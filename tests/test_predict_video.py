"""Videos: as many frames as before, each at its time, with the sound; and a word where something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage
from tiny_runs import Seer, classifier_folder, model_folder
from video_files import EVEN, packets, times, write_video

from maskwright.api.splash import Splash
from maskwright.api.video import FRAMES_DAMAGED, predict_video, targets
from maskwright.api.video_frames import outlined
from maskwright.cli.main import main
from maskwright.drawing.colors import color_of
from maskwright.errors import ImageError, MissingExtra, OutputError, UnknownName, WeightsError
from maskwright.extras import how_to_install
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load
from maskwright.prediction.predictor import Predictor
from maskwright.types import Instances
from maskwright.video.read import Video, is_video

av = pytest.importorskip("av", reason="videos need PyAV")

UNEVEN = (0, 40, 80, 360, 400, 440, 800, 840)  # milliseconds
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A video in which a light square wanders over a dark ground."""

    def made(
        name: str = "party.mp4", times: Iterable[int] = EVEN, size: tuple[int, int] = (96, 128), sound: bool = False
    ) -> Path:
        return write_video(tmp_path / name, times, size, sound=20 if sound else 0)

    return made


@pytest.fixture
def find() -> Predictor:
    return Detector(Seer())


def heard(path: Path) -> list[bytes]:
    return [data for _, data in packets(path, "audio")]


# --- what stays -------------------------------------------------------------------------------------
@pytest.mark.parametrize("moments", [EVEN, UNEVEN, (0,)])
def test_every_frame_keeps_its_time(make: Make, find: Predictor, tmp_path: Path, moments: tuple[int, ...]) -> None:
    done = predict_video(find, make(times=moments), out=tmp_path / "out")
    assert done.file == tmp_path / "out" / "party.mp4" and done.frames == len(moments)
    assert times(done.file) == [moment / 1000 for moment in moments]


def test_the_sound_is_taken_over_byte_by_byte(make: Make, find: Predictor, tmp_path: Path) -> None:
    source = make(sound=True)
    assert len(heard(source)) > 10
    assert heard(predict_video(find, source, out=tmp_path / "out").file) == heard(source)


def test_odd_sides_get_one_more_pixel(make: Make, find: Predictor, tmp_path: Path) -> None:
    done = predict_video(
        find, make(size=(96, 128)), out=tmp_path / "out", drawn=lambda pixels, detections: pixels[:95, :127]
    )
    with Video(done.file) as opened:
        assert next(iter(opened)).pixels.shape == (96, 128, 3)


def test_a_video_shown_upright_is_read_upright(shared: Path) -> None:
    with (
        Video(shared / "data" / "videos" / "bikes_rotated.mp4") as turned,
        Video(shared / "data" / "videos" / "bikes.mp4") as plain,
    ):
        first, other = next(iter(turned)).pixels, next(iter(plain)).pixels
    assert first.shape == (640, 272, 3) and np.array_equal(first, np.rot90(other))


# --- what is drawn ----------------------------------------------------------------------------------
def test_objects_are_drawn_and_told_line_by_line(make: Make, find: Predictor, tmp_path: Path) -> None:
    done = predict_video(find, make(), out=tmp_path / "out", lines=True, classes=["cake"])
    assert done.most == {"cake": 1} and done.lines is not None
    lines = [json.loads(line) for line in done.lines.read_text(encoding="utf-8").splitlines()]
    assert [line["frame"] for line in lines] == list(range(12)) and lines[3]["seconds"] == 0.12
    assert all(line["counts"] == {"cake": 1} and line["detections"][0]["class"] == "cake" for line in lines)
    with Video(done.file) as new, Video(make()) as old:
        assert any(np.abs(a.pixels.astype(int) - b.pixels).max() > 60 for a, b in zip(new, old, strict=True))


def test_tracked_objects_have_one_identity_in_all_frames(make: Make, find: Predictor, tmp_path: Path) -> None:
    done = predict_video(find, make(), out=tmp_path / "out", lines=True, track=True)
    assert done.lines is not None and done.tracks == done.most
    lines = [json.loads(line) for line in done.lines.read_text(encoding="utf-8").splitlines()]
    tracks = [[row["track"] for row in line["detections"]] for line in lines]
    assert tracks[0] and all(row == tracks[0] for row in tracks) and len(set(tracks[0])) == len(tracks[0])
    assert lines[0]["image"] == {"width": 128, "height": 96} and lines[0]["file"].endswith("party.mp4")


def test_without_tracks_nothing_has_an_identity(make: Make, find: Predictor, tmp_path: Path) -> None:
    done = predict_video(find, make(), out=tmp_path / "out", lines=True)
    assert done.lines is not None and done.tracks is None and '"track"' not in done.lines.read_text(encoding="utf-8")


def test_the_objects_of_a_class_have_one_color() -> None:
    """By rank of their scores the colors of objects would change from frame to frame."""
    boxes = np.array([[8.0, 20, 38, 48], [72, 20, 102, 48]], np.float32)
    detections = Instances(boxes, np.zeros(2, int), np.array([0.9, 0.9], np.float32), None, ("balloon",))
    drawn = outlined(np.full((64, 128, 3), 90, np.uint8), detections)
    assert drawn[44, 8].tolist() == drawn[44, 72].tolist() == list(color_of(0))


def test_splash_leaves_color_where_the_objects_are(make: Make, find: Predictor, tmp_path: Path) -> None:
    done = predict_video(find, make(), out=tmp_path / "out", drawn=Splash(side_by_side=True))
    with Video(done.file) as opened:
        assert next(iter(opened)).pixels.shape[1] > 2 * 128


# --- when it ends early -----------------------------------------------------------------------------
def test_ctrl_c_leaves_a_video_that_plays_up_to_there(make: Make, find: Predictor, tmp_path: Path) -> None:
    def fifth(frames: Iterable[Any], **_: Any) -> Iterator[Any]:
        for number, frame in enumerate(frames):
            if number == 5:
                signal.raise_signal(signal.SIGINT)
            yield frame

    issues = Issues()
    file = tmp_path / "out" / "party.mp4"
    with pytest.raises(KeyboardInterrupt):
        predict_video(find, make(), out=tmp_path / "out", lines=True, progress=fifth, log=issues)
    assert times(file) == [0, 0.04, 0.08, 0.12, 0.16] and len(file.with_suffix(".jsonl").read_text().splitlines()) == 5
    assert str(issues[-1]) == f"stopped at 0.2 seconds: {file} plays up to there"


def test_a_video_that_is_cut_off_gives_what_it_has(make: Make, find: Predictor, tmp_path: Path) -> None:
    whole = make("party.mkv")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    done = predict_video(find, cut, out=tmp_path / "out")
    assert 0 < done.frames < 12 and len(times(done.file)) == done.frames


@pytest.mark.parametrize("text", [b"", b"no video at all", b"\x00\x00\x00\x20ftypisom" + b"\0" * 100])
def test_what_is_no_video_is_said_and_nothing_is_written(find: Predictor, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "bad.mp4").write_bytes(text)
    with pytest.raises(ImageError, match=r"bad\.mp4"):
        predict_video(find, tmp_path / "bad.mp4", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_video_that_is_not_there_is_said(find: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        predict_video(find, tmp_path / "none.mp4", out=tmp_path / "out")


def test_a_mistake_while_drawing_leaves_nothing_half_written(make: Make, find: Predictor, tmp_path: Path) -> None:
    def fail(pixels: np.ndarray, detections: object) -> np.ndarray:
        if pixels[30, 20, 0] < 100:  # the square has wandered on
            raise UnknownName("color", "red", ["blue"])
        return pixels

    with pytest.raises(UnknownName):
        predict_video(find, make(), out=tmp_path / "out", drawn=fail, lines=True)
    assert not (tmp_path / "out").exists()


def test_a_video_is_never_written_onto_one_that_is_read(make: Make, find: Predictor, tmp_path: Path) -> None:
    source = make()
    before = source.read_bytes()
    for out in (source, tmp_path):
        with pytest.raises(OutputError, match="replace one that is read"):
            predict_video(find, source, out=out)
    assert source.read_bytes() == before
    for names in (["b.mov", "B.MP4"], ["c.mp4", "c.mp4"]):  # also where only the case differs: many disks know none
        with pytest.raises(OutputError, match="replace one that is read"):
            targets([tmp_path / name for name in names], tmp_path)


def test_videos_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    made = targets([tmp_path / "a" / "party.mp4", tmp_path / "b" / "Party.mov"], tmp_path / "out")
    assert made == [tmp_path / "out" / "party.mp4", tmp_path / "out" / "Party_2.mp4"]
    assert targets(["party.mp4"], tmp_path / "run.v2") == [tmp_path / "run.v2" / "party.mp4"]


def test_times_count_from_the_first_frame(make: Make, find: Predictor, tmp_path: Path) -> None:
    done = predict_video(find, make("party.mkv", times=[500 + moment for moment in UNEVEN]), out=tmp_path / "out")
    assert times(done.file) == [moment / 1000 for moment in UNEVEN]


def test_a_damaged_frame_is_passed_over(
    make: Make, find: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Video._decoded, []

    def damaged(self: Video, packet: Any) -> list[Any]:
        calls.append(packet)
        if len(calls) == 4:
            self.damaged += 1
            return []
        return real(self, packet)

    monkeypatch.setattr(Video, "_decoded", damaged)
    issues = Issues()
    done = predict_video(find, make(), out=tmp_path / "out", log=issues)
    assert done.frames == 11 and done.issues == (FRAMES_DAMAGED(count=1),) == tuple(issues[-1:])
    assert str(done.issues[0]) == "1 damaged frame passed over"


def test_a_classifier_is_refused(make: Make, tmp_path: Path) -> None:
    model = load(classifier_folder(tmp_path / "model", ("rust", "norust")))
    with pytest.raises(WeightsError, match="detects no objects"):
        predict_video(model, make(), out=tmp_path / "out")


def test_without_the_library_it_is_said_how_to_get_it(
    make: Make, find: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra) as caught:
        predict_video(find, source, out=tmp_path / "out")
    assert caught.value.parts["fix"] == how_to_install("maskwright[video]")


# --- on the command line ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["a.mp4", "A.MOV", "x/y.webm", "rtsp://camera/live.ts", "a.3gp", "a.FLV", "a.mts", "a.ogv", "*.vob"]
)
def test_a_video_is_known_by_its_name(name: str) -> None:
    assert is_video(name) and is_video(Path(name)) and not is_video("a.jpg") and not is_video(b"a.mp4")


CONTAINERS = {
    ".mp4": "mpeg4", ".mov": "mpeg4", ".avi": "mpeg4", ".mkv": "mpeg4", ".3gp": "mpeg4", ".flv": "flv", ".wmv": "wmv2",
    ".mpg": "mpeg1video", ".ts": "mpeg2video", ".y4m": "wrapped_avframe", ".mxf": "mpeg2video",
}  # fmt: skip


@pytest.mark.parametrize(("ending", "codec"), CONTAINERS.items())
def test_a_video_is_known_by_its_content_whatever_its_name(ending: str, codec: str, tmp_path: Path) -> None:
    path, misnamed = tmp_path / f"party{ending}", tmp_path / "party.dat"
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)  # long enough to be recognized
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    path.rename(misnamed)
    assert is_video(path) and is_video(misnamed)
    with Video(misnamed) as video:
        assert len(list(video)) == 3


def test_an_image_is_no_video_whatever_its_name(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP"):
        PilImage.new("RGB", (8, 8)).save(tmp_path / "party.mp4", kind)
        assert not is_video(tmp_path / "party.mp4")
    (tmp_path / "party.mp4").write_bytes(b"")
    assert is_video(tmp_path / "party.mp4") and not is_video(tmp_path)


def test_without_pictures_the_objects_are_counted_and_no_video_is_written(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out, video = model_folder(tmp_path / "model"), tmp_path / "out", make(times=(0, 40))
    for more, written in ((["--save-jsonl"], ["party.jsonl"]), ([], [])):
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(model), str(video), "--out", str(out), "--no-pictures", "--json", *more])
        (told,) = json.loads(capsys.readouterr().out)["videos"]
        assert (ended.value.code, told["file"], told["frames"]) == (0, None, 2)
        assert [path.name for path in (out.iterdir() if out.is_dir() else [])] == written
        shutil.rmtree(out, ignore_errors=True)


@pytest.mark.parametrize("command", ["predict", "splash"])
def test_the_commands_take_videos(command: str, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_folder(tmp_path / "model")
    with pytest.raises(SystemExit) as ended:
        main([command, str(model), str(make(times=(0, 40))), "--out", str(tmp_path / "out"), "--json"])
    told = json.loads(capsys.readouterr().out)["videos"]
    assert (
        ended.value.code == 0
        and [item["frames"] for item in told] == [2]
        and (tmp_path / "out" / "party.mp4").is_file()
    )


def test_a_video_that_cannot_be_read_does_not_keep_the_others(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_folder(tmp_path / "model")
    (tmp_path / "bad.mp4").write_text("no video")
    good = make(times=(0, 40))
    with pytest.raises(SystemExit) as ended:
        main(["splash", str(model), str(good), str(tmp_path / "bad.mp4"), "--out", str(tmp_path / "out"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1 and len(told["videos"]) == len(told["failed"]) == 1
    assert "bad.mp4" in told["failed"][0]["file"] and (tmp_path / "out" / "party.mp4").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["image.jpg"], "videos and images"),
        (["--save-csv"], "--save-csv"),
        (["second.mp4", "--out", "x.mp4"], "a folder"),
    ],
)
def test_what_videos_do_not_have_is_refused(
    more: list[str], message: str, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_folder(tmp_path / "model")
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(model), str(make()), *more])
    assert ended.value.code and message in capsys.readouterr().err


# --- names and tags -----------------------------------------------------------------------------
@pytest.mark.skipif(sys.platform == "win32", reason="no colons in names there")
@pytest.mark.parametrize("name", ["12:30.mp4", "http:127.0.0.1:9.mp4", "file:x.mp4", "concat:a|b.mp4", "%2e%2e.mp4"])
def test_a_name_is_never_taken_for_an_address(
    make: Make, find: Predictor, tmp_path: Path, name: str, monkeypatch
) -> None:
    make("party.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for source in (name, Path(name)):
        assert predict_video(find, source, out="drawn").frames == 12
    assert predict_video(find, name, out=Path("12:31.mp4")).file.is_file()


@pytest.mark.parametrize(
    "opening", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n", "ffconcat version 1.0\nfile {}\n"]
)
@pytest.mark.parametrize("address", ["http://127.0.0.1:{}/a.ts", "tcp://127.0.0.1:{}"])
def test_a_playlist_under_a_videos_name_makes_no_connection(
    find: Predictor, tmp_path: Path, opening: str, address: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        text = opening.format(address.format(listening.getsockname()[1]))
        (tmp_path / "list.mp4").write_text(text, encoding="utf-8")
        with pytest.raises(ImageError):
            predict_video(find, tmp_path / "list.mp4", out=tmp_path / "out")
        with pytest.raises(BlockingIOError):  # nobody has called
            listening.accept()


def test_tags_that_are_no_utf_8_do_not_matter(find: Predictor, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["title"] = "cafXX"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["title"] = "cafXX"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 20, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    assert data.count(b"cafXX") == 2
    (tmp_path / "a.mkv").write_bytes(data.replace(b"cafXX", b"caf\xe9\xe9"))
    assert predict_video(find, tmp_path / "a.mkv", out=tmp_path / "out").frames == 3


def test_a_long_name_is_cut_for_what_is_written(make: Make, find: Predictor, tmp_path: Path) -> None:
    source = make("party.mp4").rename(tmp_path / f"{'n' * 251}.mp4")
    done = predict_video(find, source, out=tmp_path / "out", lines=True)
    assert done.file.is_file() and done.lines is not None and done.lines.is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_no_video(find: Predictor, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ImageError, match=r"pipe\.mp4: this video cannot be opened"):
        predict_video(find, tmp_path / "pipe.mp4", out=tmp_path / "out")
