"""Cameras and streams: the newest frame wins, what breaks comes back, the recording plays."""

from __future__ import annotations

import http.server
import io
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reported import sentences
from tiny_runs import Seer
from video_files import times

from maskwright.api import live_view as viewing
from maskwright.api.live import LiveSettings, predict_live
from maskwright.cli.main import main
from maskwright.errors import ImageError, RecipeError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.video import live
from maskwright.video.live import LiveSource, LiveVideo, live_source
from maskwright.video.timing import Timing

pytest.importorskip("av", reason="videos need PyAV")

TEST_CAMERA = LiveSource("camera_0", "testsrc=size=64x48:rate=50,realtime", "lavfi")


def jpeg(gray: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (64, 48), (gray,) * 3).save(written, "JPEG")
    return written.getvalue()


class Camera(http.server.ThreadingHTTPServer):
    """MJPEG over HTTP. Each connection gets the frames of the next part, then it breaks, or stalls."""

    daemon_threads = True

    def __init__(self, parts: list[list[int]], stall: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Stream)
        self.parts, self.stall, self.connections = parts, stall, 0
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/door.mjpg"


class Stream(http.server.BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        number = self.server.connections
        self.server.connections += 1
        if number >= len(self.server.parts):
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for gray in self.server.parts[number]:
            data = jpeg(gray)
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            self.wfile.write(b"\r\n")
            self.wfile.flush()
            time.sleep(0.02)
        self.wfile.write(b"--frame\r\n")  # the begin of the next: the one before is whole
        self.wfile.flush()
        if number == self.server.stall:
            self.server.over.wait(30)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    server = Camera(*request.param)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(live, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(live, "SILENCE", 1.0)


def grays(source: LiveSource, last: int, broken: list[str]) -> list[int]:
    """The frames that are taken, up to one of this gray."""
    taken = []
    with LiveVideo(source, Timing(end=60), broken.append) as video:
        for frame in video:
            taken.append(round(float(frame.pixels.mean())))
            if abs(taken[-1] - last) < 3:
                break
    return taken


# --- what is live -------------------------------------------------------------------------------------------
def test_cameras_and_streams_are_known_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("0", "12", "rtsp://a/b", "udp://@:1234", "http://a/b.mjpg", "screen", "screen:10,20,300,200"):
        assert live_source(text) is not None, text
    for text in ("a.jpg", "http://a/b.jpg", "http://a/b.mp4", "folder", "-1", "screens", "s3://a/b.mjpg"):
        assert live_source(text) is None, text
    (tmp_path / "0").mkdir()
    assert live_source("0") is None


def test_a_password_is_not_in_the_name() -> None:
    source = live_source("rtsp://me:secret@door:554/front")
    assert source is not None and source.name == "rtsp://door:554/front" and "secret" in source.file


# --- breaking and coming back -------------------------------------------------------------------------------
@pytest.mark.parametrize("camera", [([[20, 20, 20], [], [90, 90], [200, 200, 200]],)], indirect=True)
def test_a_stream_that_disconnects_is_opened_again(camera: Camera) -> None:
    broken: list[str] = []
    source = live_source(camera.address)
    assert source is not None
    taken = grays(source, 200, broken)
    assert abs(taken[0] - 20) < 3 and abs(taken[-1] - 200) < 3 and len(broken) >= 2 and camera.connections >= 4


@pytest.mark.parametrize("camera", [([[20, 20, 20], [200, 200, 200]], 0)], indirect=True)
def test_a_stream_that_stalls_is_opened_again(camera: Camera) -> None:
    broken: list[str] = []
    source = live_source(camera.address)
    assert source is not None
    assert abs(grays(source, 200, broken)[-1] - 200) < 3 and broken


@pytest.mark.parametrize("camera", [([],)], indirect=True)
def test_a_stream_that_cannot_be_opened_at_first_is_an_error(camera: Camera, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        predict_live(Detector(Seer()), camera.address, out=tmp_path / "out", log=Issues())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("camera", [([[20], [20], [200, 200]],)], indirect=True)
def test_an_address_without_an_ending_is_a_stream_where_it_answers_as_one(camera: Camera) -> None:
    address = camera.address.removesuffix(".mjpg")
    assert live_source(address) is None
    source = live.answering_source(address)
    assert source is not None and abs(grays(source, 200, [])[-1] - 200) < 3
    assert live.answering_source(address) is None  # it answers with an error now
    for other in (f"{address}.jpg", "party/", "ftp://a/b"):
        assert live.answering_source(other) is None


# --- recording ----------------------------------------------------------------------------------------------
def test_a_camera_is_recorded_at_true_times_and_dropped_frames_are_counted(tmp_path: Path) -> None:
    issues = Issues()

    def slowly(pixels: np.ndarray, detections: object) -> np.ndarray:
        time.sleep(0.1)
        return pixels

    settings = LiveSettings(seconds=3.0, lines=True, track=True, drawn=slowly)
    done = predict_live(Detector(Seer()), TEST_CAMERA, out=tmp_path, settings=settings, log=issues)
    shown = times(tmp_path / "camera_0.mp4")
    assert 2 <= done.frames <= 31 and len(shown) == done.frames and shown[0] == 0 and shown[-1] < 3.0
    assert shown == sorted(set(shown)) and done.tracks is not None
    lines = [json.loads(line) for line in (tmp_path / "camera_0.jsonl").read_text("utf-8").splitlines()]
    assert [round(line["seconds"], 3) for line in lines] == shown
    assert any("were left out" in text for text in sentences(issues))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["camera_0.jsonl", "camera_0.mp4"]


def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    calls = []

    def stop(pixels: np.ndarray, detections: object) -> np.ndarray:
        calls.append(pixels)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return pixels

    settings = LiveSettings(seconds=60, drawn=stop)
    done = predict_live(Detector(Seer()), TEST_CAMERA, out=tmp_path, settings=settings, log=Issues())
    assert done.frames == 4 == len(times(tmp_path / "camera_0.mp4"))


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from tiny_runs import Seer
from maskwright.api.live import LiveSettings, predict_live
from maskwright.prediction.detector import Detector
from maskwright.video.live import LiveSource
source = LiveSource("camera_0", "testsrc=size=64x48:rate=50,realtime", "lavfi")
predict_live(Detector(Seer()), source, out={out!r}, settings=LiveSettings(seconds=120), log=lambda issue: None)
"""


@pytest.mark.slow
def test_a_killed_recording_plays(tmp_path: Path) -> None:
    """A fragment is written every second: the file is filled once the second one is begun."""
    script = KILLED.format(tests=str(Path(__file__).parent), out=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script])
    part, latest = tmp_path / "camera_0.part.mp4", time.monotonic() + 100
    while process.poll() is None and time.monotonic() < latest and not (part.exists() and part.stat().st_size > 8000):
        time.sleep(0.1)
    process.kill()
    assert process.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".camera_0.mp4.lock", "camera_0.part.mp4"]
    shown = times(part)
    assert len(shown) > 1 and shown == sorted(set(shown))


def test_without_pictures_nothing_is_recorded(tmp_path: Path) -> None:
    settings = LiveSettings(seconds=0.3, pictures=False)
    done = predict_live(Detector(Seer()), TEST_CAMERA, out=tmp_path / "out", settings=settings, log=Issues())
    assert done.frames and done.file is None and not (tmp_path / "out").exists()


# --- shown --------------------------------------------------------------------------------------------------
def test_the_page_shows_the_newest_frame_to_who_knows_its_address_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "_window", lambda: None)
    issues, stopped = Issues(), threading.Event()
    with viewing.live_view(stopped.set, issues) as show:
        address = issues[-1].values["address"]
        assert address.startswith("http://127.0.0.1:")
        show(np.full((48, 64, 3), 200, np.uint8))
        page = urllib.request.urlopen(address, timeout=60).read()
        assert b'src="stream"' in page
        with urllib.request.urlopen(address + "stream", timeout=60) as stream:
            assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            head = [stream.readline() for _ in range(4)]
            data = stream.read(int(head[2].split(b":")[1]))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (64, 48) and abs(np.asarray(picture).mean() - 200) < 3
        for wrong in (address.rsplit("/", 2)[0] + "/", address.rsplit("/", 2)[0] + "/x/stream"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(wrong, timeout=60)
        urllib.request.urlopen(address + "stop", data=b"", timeout=60).read()
        assert stopped.wait(10), "the answer may come before"


def test_what_is_shown_need_not_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "_window", lambda: None)
    issues = Issues()
    settings = LiveSettings(seconds=0.3, pictures=False, show=True)
    done = predict_live(Detector(Seer()), TEST_CAMERA, out=tmp_path / "out", settings=settings, log=issues)
    assert done.frames and not (tmp_path / "out").exists()
    assert any(text.startswith("shown at http://127.0.0.1") for text in sentences(issues))


# --- refused ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("more", [["--resume"], ["--two-pass"], ["--fps", "25"], ["--save-csv"], ["1"]])
def test_what_a_stream_does_not_have_is_refused(capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["predict", "balloons", "0", *more])
    assert end.value.code == 2 and "one camera or stream" in capsys.readouterr().err


def test_only_what_is_live_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["predict", "balloons", "party.jpg", "--show"])
    assert end.value.code == 2 and "only what is live" in capsys.readouterr().err
    with pytest.raises(RecipeError, match="no camera"):
        predict_live(Detector(Seer()), "party.jpg")
    with pytest.raises(RecipeError, match="as it comes"):
        LiveVideo(TEST_CAMERA, Timing(every=2))
