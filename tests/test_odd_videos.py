"""Videos as they should not be: each gives what it has, or one clear error."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reported import sentences
from tiny_runs import Seer
from video_files import times, write_video

from maskwright.api.video import predict_video
from maskwright.errors import ImageError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.types import Instances
from maskwright.video.read import Video

av = pytest.importorskip("av", reason="videos need PyAV")


def untouched(pixels: np.ndarray, detections: Instances) -> np.ndarray:
    return pixels


def run(source: Path, out: Path, issues: Issues):
    return predict_video(Detector(Seer()), source, out=out, drawn=untouched, log=issues)


def encode(
    path: Path, codec: str, format: str, size: tuple[int, int] = (48, 64), count: int = 5, **options: str
) -> Path:
    """Frames of ever lighter gray, 25 a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *size, format
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format=format)))
        container.mux(stream.encode(None))
    return path


def grays(path: Path) -> list[float]:
    with Video(path) as opened:
        return [float(frame.pixels.mean()) for frame in opened]


@pytest.mark.parametrize(
    ("name", "codec", "format", "bits"),
    [("a.mov", "png", "rgba", 8), ("a.mkv", "ffv1", "yuva420p", 8), ("a.mkv", "ffv1", "yuv420p10le", 10),
     ("a.mkv", "ffv1", "yuv444p12le", 12), ("a.mkv", "ffv1", "gray16le", 16), ("a.mkv", "ffv1", "bgr0", 8)],
)  # fmt: skip
def test_alpha_more_bits_and_rgb_become_an_ordinary_video(
    name: str, codec: str, format: str, bits: int, tmp_path: Path
) -> None:
    issues = Issues()
    done = run(encode(tmp_path / name, codec, format), tmp_path / "out", issues)
    assert done.frames == 5 and np.abs(np.array(grays(done.file)) - 40 * np.arange(5)).max() < 6
    with av.open(str(done.file)) as container:
        assert container.streams.video[0].format.name in ("yuv420p", "yuvj420p")
    assert any(f"the video has {bits} bits a color" in text for text in sentences(issues)) == (bits > 8)


def test_a_video_of_one_frame_and_of_one_pixel_more_than_even(tmp_path: Path) -> None:
    done = run(encode(tmp_path / "a.mkv", "ffv1", "yuv444p", size=(33, 47), count=1), tmp_path / "out", Issues())
    assert done.frames == 1
    with Video(done.file) as opened:
        assert [frame.pixels.shape for frame in opened] == [(34, 48, 3)]


def test_a_stream_that_changes_its_size_is_fitted_to_the_first(tmp_path: Path) -> None:
    issues = Issues()
    parts = [encode(tmp_path / f"{number}.m2v", "mpeg2video", "yuv420p", size).read_bytes()
             for number, size in enumerate([(48, 64), (96, 128)])]  # fmt: skip
    (tmp_path / "a.m2v").write_bytes(b"".join(parts))
    done = run(tmp_path / "a.m2v", tmp_path / "out", issues)
    # The decoder may lose the frame before the change.
    assert done.frames >= 9 and any("of another size" in text for text in sentences(issues))
    with Video(done.file) as opened:
        assert {frame.pixels.shape for frame in opened} == {(48, 64, 3)}


def test_sound_that_does_not_go_into_the_container_is_left_out_with_a_word(tmp_path: Path) -> None:
    source, issues = tmp_path / "a.wmv", Issues()
    with av.open(str(source), "w") as container:
        stream, hum = container.add_stream("wmv2", rate=25), container.add_stream("wmav2", rate=44100)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        hum.bit_rate, hum.layout = 128_000, "stereo"
        tone = av.AudioFrame.from_ndarray(np.zeros((2, 44100), np.float32), format="fltp", layout="stereo")
        tone.sample_rate, tone.pts = 44100, 0
        container.mux(hum.encode(tone))
        container.mux(hum.encode(None))
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    done = run(source, tmp_path / "out", issues)
    assert len(times(done.file)) == 5 and done.file is not None
    assert any("without sound: wmav2 does not go into .mp4" in text for text in sentences(issues))


def test_a_codec_that_nobody_knows_is_named_as_the_reason(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.avi", "mpeg4", "yuv420p").read_bytes()
    assert data.count(b"FMP4") >= 1
    (tmp_path / "a.avi").write_bytes(data.replace(b"FMP4", b"Q?Z7"))
    with pytest.raises(ImageError, match="codec of this video is not known"):
        run(tmp_path / "a.avi", tmp_path / "out", Issues())
    assert not (tmp_path / "out").exists()


def test_a_video_without_a_frame_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", times=[])
    with pytest.raises(ImageError, match=r"no frame in this video|no pictures|cannot be opened"):
        run(source, tmp_path / "out", Issues())
    assert not (tmp_path / "out").exists()
