"""A folder watched: images dropped between its looks, broken ones, a watch that is stopped and begun again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import class_images
import pytest
from class_images import Taster
from test_screening import screening
from tiny_runs import Seer, model_folder

from maskwright.api.results import Prediction
from maskwright.api.watch import EMPTY, Unread, watch
from maskwright.cli.main import main
from maskwright.errors import DatasetError, OutputError
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier

FIND = ImageClassifier(Taster())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name -> content of an image file: red_0.png ... green_3.png."""
    made = class_images.save(tmp_path_factory.mktemp("made"), 4)
    return {path.name: path.read_bytes() for path in made.rglob("*.png")}


@pytest.fixture
def belt(tmp_path: Path) -> Path:
    (tmp_path / "belt").mkdir()
    return tmp_path / "belt"


def until(count: int, looks: int = 200):  # type: ignore[no-untyped-def]
    """A `stop` that ends a watch after so many images; a watch that looks in vain fails instead of going on."""
    left, came = iter(range(looks)), []

    def stop() -> bool:
        assert next(left, None) is not None, "the watch found too little"
        return len(came) >= count

    return stop, came


def watched(folder: Path, out: Path, count: int, find: object = FIND, **more: object) -> list[Prediction | Unread]:
    stop, came = until(count)
    for said in watch(find, folder, out=out, every=0.0, stop=stop, **more):  # type: ignore[arg-type]
        came.append(said)
    return came


def looks(number: int):  # type: ignore[no-untyped-def]
    """A `stop` after so many looks, where nothing is to come."""
    left = iter(range(number))
    return lambda: next(left, None) is None


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]


# --- images that come ---------------------------------------------------------------------------------------
def test_nothing_comes_into_an_empty_folder(belt: Path, tmp_path: Path) -> None:
    assert list(watch(FIND, belt, out=tmp_path / "out", every=0.001, stop=looks(5))) == []
    assert not (tmp_path / "out").exists()


def test_images_that_come_in_two_halves_get_a_line_each(belt: Path, tmp_path: Path, images: dict) -> None:
    """As a camera writes, one step before each look; one half lies still for some looks and is named first."""
    last: dict[str, str] = {}

    def drop():  # type: ignore[no-untyped-def]
        for number, (name, content) in enumerate(images.items()):
            (belt / name).write_bytes(content[: len(content) // 2])
            yield from range(1 if number else 4)
            (belt / name).write_bytes(content)
            yield

    camera, left = drop(), iter(range(200))

    def stop() -> bool:
        assert next(left, None) is not None, "the watch found too little"
        next(camera, None)
        return set(last) == set(images)

    came = []
    for said in watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=stop):
        came.append(said)
        if isinstance(said, Prediction):
            last[Path(said.image).name] = said.called
    assert isinstance(came[0], Unread)
    assert last == {name: name.split("_")[0] for name in images}
    assert {Path(line["file"]).name for line in lines(tmp_path / "out")} == set(images)


def test_a_file_that_still_grows_is_left_alone(belt: Path, tmp_path: Path, images: dict) -> None:
    """It grows before each of five looks; at none of them it is taken."""
    whole, came = images["red_0.png"], []
    sizes = iter([len(whole) * fifth // 5 for fifth in range(1, 6)])

    def stop() -> bool:
        if size := next(sizes, None):
            (belt / "red_0.png").write_bytes(whole[:size])
        return bool(came)

    for said in watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=stop):
        came.append(said)
    assert [type(said) for said in came] == [Prediction]


def test_a_broken_image_is_named_and_the_next_one_comes(belt: Path, tmp_path: Path, images: dict) -> None:
    (belt / "a.jpg").write_bytes(b"no image")
    (belt / "b.png").write_bytes(images["red_0.png"])
    came = watched(belt, tmp_path / "out", 2)
    assert [type(said) for said in came] == [Unread, Prediction]
    first = lines(tmp_path / "out")[0]
    assert (Path(first["file"]).name, first["error"]) == ("a.jpg", "ImageError")


def test_an_image_broken_at_first_is_looked_at_again_when_it_is_whole(belt: Path, tmp_path: Path, images: dict) -> None:
    (belt / "a.png").write_bytes(images["red_0.png"][:100])
    watched(belt, tmp_path / "out", 1)
    (belt / "a.png").write_bytes(images["red_0.png"])
    watched(belt, tmp_path / "out", 1)
    assert ["error" in line for line in lines(tmp_path / "out")] == [True, False]


def test_a_file_without_a_byte_is_waited_for_and_named_in_the_end(belt: Path, tmp_path: Path) -> None:
    (belt / "a.png").touch()
    assert list(watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=looks(EMPTY))) == []
    assert isinstance(watched(belt, tmp_path / "out", 1)[0], Unread)


def test_other_files_and_hidden_ones_are_no_images(belt: Path, tmp_path: Path, images: dict) -> None:
    for name in ("notes.txt", ".hidden.png", "part.png.tmp"):
        (belt / name).write_bytes(images["red_0.png"])
    assert list(watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=looks(4))) == []


def test_a_name_that_is_no_text_is_remembered_too(belt: Path, tmp_path: Path, images: dict) -> None:
    try:
        (belt / "r\udcffd.png").write_bytes(images["red_0.png"])
    except (OSError, UnicodeError):
        pytest.skip("this file system has only names that are text")
    watched(belt, tmp_path / "out", 1, pictures=False)
    assert list(watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=looks(4))) == []


# --- stopped, and begun again -------------------------------------------------------------------------------
def test_a_second_watch_goes_on_where_the_first_stopped(belt: Path, tmp_path: Path, images: dict) -> None:
    for name in ("red_0.png", "green_0.png"):
        (belt / name).write_bytes(images[name])
    watched(belt, tmp_path / "out", 1)
    watched(belt, tmp_path / "out", 1)
    assert list(watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=looks(4))) == []
    assert sorted(Path(line["file"]).name for line in lines(tmp_path / "out")) == ["green_0.png", "red_0.png"]


def test_a_line_that_was_cut_off_is_written_again(belt: Path, tmp_path: Path, images: dict) -> None:
    for name in ("red_0.png", "green_0.png"):
        (belt / name).write_bytes(images[name])
    watched(belt, tmp_path / "out", 2)
    file = tmp_path / "out" / "predictions.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    watched(belt, tmp_path / "out", 1)
    assert sorted(Path(line["file"]).name for line in lines(tmp_path / "out")) == ["green_0.png", "red_0.png"]


def test_lines_of_others_do_no_harm(belt: Path, tmp_path: Path, images: dict) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.jsonl").write_text('{"file": "red_0.png"}\n[]\nnot json\n', encoding="utf-8")
    (belt / "red_0.png").write_bytes(images["red_0.png"])
    assert len(watched(belt, tmp_path / "out", 1)) == 1


def test_another_image_of_the_same_name_is_another_image(belt: Path, tmp_path: Path, images: dict) -> None:
    for hour, name in enumerate(("red_0.png", "green_0.png")):
        (belt / "shot.png").write_bytes(images[name])
        os.utime(belt / "shot.png", (hour, hour))
        watched(belt, tmp_path / "out", 1, Detector(Seer()))
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jpg")) == ["shot.jpg", "shot_2.jpg"]


# --- sorted as they come --------------------------------------------------------------------------------------
def test_good_and_bad_parts_are_moved_as_they_come(belt: Path, tmp_path: Path, images: dict) -> None:
    for name, content in images.items():
        (belt / name).write_bytes(content)
    (belt / "torn.jpg").write_bytes(b"no image")
    watched(belt, tmp_path / "out", 9, sort_into=tmp_path / "sorted", move=True)
    assert list(belt.iterdir()) == []
    for name, content in images.items():
        assert (tmp_path / "sorted" / name.split("_")[0] / name).read_bytes() == content
    assert (tmp_path / "sorted" / "unreadable" / "torn.jpg").is_file()
    assert all(Path(line["sorted"]).is_file() for line in lines(tmp_path / "out"))


def test_a_move_that_was_broken_off_is_brought_to_its_end(belt: Path, tmp_path: Path, images: dict) -> None:
    """The power went when the line was written and the image not yet removed."""
    (belt / "red_0.png").write_bytes(images["red_0.png"])
    watched(belt, tmp_path / "out", 1, sort_into=tmp_path / "sorted")  # copied, as if ...
    more = {"sort_into": tmp_path / "sorted", "move": True}
    assert list(watch(FIND, belt, out=tmp_path / "out", every=0.0, stop=looks(3), **more)) == []  # type: ignore[arg-type]
    assert list(belt.iterdir()) == []
    assert (tmp_path / "sorted" / "red" / "red_0.png").read_bytes() == images["red_0.png"]


def test_a_screening_watches_too(belt: Path, tmp_path: Path, images: dict) -> None:
    for name in ("red_0.png", "green_0.png"):
        (belt / name).write_bytes(images[name])
    watched(belt, tmp_path / "out", 2, screening())
    assert [line["screen"]["looked"] for line in lines(tmp_path / "out")] == [False, True]


# --- what is refused --------------------------------------------------------------------------------------------
def test_only_a_folder_can_be_watched(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only a folder can be watched"):
        watch(FIND, tmp_path / "nothing")


def test_pictures_never_go_into_the_watched_folder(belt: Path) -> None:
    with pytest.raises(OutputError, match="the images themselves lie here"):
        watch(FIND, belt, out=belt)


def test_what_is_written_only_at_an_end_is_refused(belt: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="a watch never ends"):
        watch(FIND, belt, out=tmp_path / "out", save=("csv",))


# --- the command ------------------------------------------------------------------------------------------------
def ran(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def test_ctrl_c_ends_a_watch_well(belt: Path, tmp_path: Path, images: dict, monkeypatch, capsys) -> None:
    (belt / "red_0.png").write_bytes(images["red_0.png"])
    monkeypatch.setattr("maskwright.prediction.loading.load", lambda *model, **settings: FIND)
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("maskwright.api.watch.time.sleep", sleep)
    assert ran("predict", "m", belt, "--watch", "--every", 0.5, "-o", tmp_path / "out") == 0
    told = capsys.readouterr().out.splitlines()
    assert (told[0].split(": ")[1][:3], told[1], waits) == ("red", "1 images: 1 red", [0.5] * 3)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_a_real_ctrl_c_ends_a_real_watch(belt: Path, tmp_path: Path, images: dict) -> None:
    import signal

    (belt / "red_0.png").write_bytes(images["red_0.png"])
    model = model_folder(tmp_path / "model")
    call = ["-m", "maskwright", "predict", str(model), str(belt), "--watch", "--every", "0.1", "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, *call, "-o", str(tmp_path / "out")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        first = run.stdout.readline()
        run.send_signal(signal.SIGINT)
        try:
            rest, errors = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (run.returncode, "red_0.png" in first, rest.splitlines()[-1][:8]) == (0, True, "1 images"), errors


@pytest.mark.parametrize(
    "line",
    [
        '{"file":"red_0.png","bytes":Infinity,"changed":2}',
        '{"file":"red_0.png","bytes":1e999,"changed":2}',
        "[" * 100_000,
        '{"file":"red_0.png","bytes":' + "1" * 5000 + ',"changed":2}',
        '{"file":"red_0.png","bytes":1,"changed":2,"files":[7]}',
        "\x00\xff",
    ],
    ids=["Infinity", "a number beyond all", "deep brackets", "5000 digits", "a file that is no name", "no text"],
)
def test_a_line_that_no_watch_wrote_is_passed_over(line, images, belt, tmp_path):
    (belt / "red_0.png").write_bytes(images["red_0.png"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.jsonl").write_bytes(line.encode("latin-1") + b"\n")
    assert [Path(said.image).name for said in watched(belt, tmp_path / "out", 1)] == ["red_0.png"]
