"""Many images: results go to files as they come, and a run that was broken off is gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from reported import sentences
from tiny_runs import Seer, classifier_folder, model_folder

from maskwright.api.image_record import ImageRecord
from maskwright.api.json_lines import LineFile, whole_lines, write_lines
from maskwright.api.many_images import PredictedMany, predict_many
from maskwright.api.predict import predict
from maskwright.cli.main import main
from maskwright.errors import ImageError, MissingExtra, OutputError, RecipeError
from maskwright.images.ahead import in_threads, opened_ahead
from maskwright.images.sources import Source, expand
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load
from maskwright.weights.card import read_card, write_card
from maskwright.weights.content_hash import content_hash

COUNT = 40
KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from tiny_runs import Seer
from maskwright.api.many_images import predict_many
from maskwright.prediction.detector import Detector
calls = 0
def kill(prediction):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
predict_many(Detector(Seer()), {source!r}, out={out!r}, resume=True, on_prediction=kill, log=lambda issue: None)
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images, two of which cannot be read."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(COUNT):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(folder / f"image_{number}.png")
    for number in (7, 30):
        (folder / f"image_{number}.png").write_text("not an image")
    return folder


def run(images: Path, out: Path, **more: object) -> PredictedMany:
    return predict_many(Detector(Seer()), images, out=out, **{"log": Issues(), **more})  # type: ignore[arg-type]


def names(out: Path) -> list[str]:
    """The images of the lines, in order."""
    return [Path(json.loads(line)["file"]).name for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]


READABLE = [f"image_{number}.png" for number in range(COUNT) if number not in (7, 30)]


def stop_at(number: int):
    """Called with a prediction, it fails at the one of this number."""
    seen = []

    def stop(prediction: object) -> None:
        seen.append(prediction)
        if len(seen) == number:
            raise RuntimeError("broken off")

    return stop


# --- what is written ----------------------------------------------------------------------------------------
def test_the_lines_are_those_of_predict(images: Path, tmp_path: Path) -> None:
    done = run(images, tmp_path / "many")
    predict(Detector(Seer()), images, out=tmp_path / "one", save=["jsonl"], pictures=False, log=Issues())
    written = (tmp_path / "many" / "predictions.jsonl").read_bytes()
    assert written == (tmp_path / "one" / "predictions.jsonl").read_bytes() and names(tmp_path / "many") == READABLE
    assert done.images == COUNT - 2 and done.counts == {"balloon": COUNT - 2, "cake": COUNT - 2}
    assert [path.name for path in (tmp_path / "many").iterdir()] == ["predictions.jsonl"]


def test_unreadable_images_are_named_in_the_end_with_their_reasons(images: Path, tmp_path: Path) -> None:
    issues = Issues()
    done = run(images, tmp_path, log=issues)
    assert [Path(error.parts["file"]).name for error in done.failed] == ["image_7.png", "image_30.png"]
    said = sentences(issues)
    assert sum("image_7.png" in text and "not an image" in text for text in said) == 1
    assert all(error.__traceback__ is None and error.__cause__ is None for error in done.failed)


def test_where_there_is_nothing_to_resume_that_is_said_and_all_images_are_predicted(
    images: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        issues = Issues()
        run(images, tmp_path, resume=True, log=issues)
        assert f"no unfinished run in {tmp_path}: from the first image on" in sentences(issues)
    issues = Issues()
    run(images, tmp_path, log=issues)
    assert not any("unfinished" in text for text in sentences(issues)), "nobody asked for it"


def test_where_no_image_can_be_read_that_is_the_error_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not an image")
    with pytest.raises(ImageError, match=r"a\.jpg"):
        run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_and_masks_are_written_before_the_line_of_their_image(images: Path, tmp_path: Path) -> None:
    seen = []

    def look(prediction) -> None:
        seen.append(prediction.image)
        assert all(file.is_file() for file in prediction.files)
        assert len(list(whole_lines(tmp_path / "predictions.part.jsonl"))) == len(seen)

    run(images, tmp_path, pictures=True, save=("masks",), on_prediction=look)
    assert len(seen) == COUNT - 2 and len(list((tmp_path / "masks").iterdir())) == 2 * (COUNT - 2)
    assert not list(tmp_path.glob("predictions*"))


def test_a_classifier_counts_images(images: Path, tmp_path: Path) -> None:
    model = classifier_folder(tmp_path / "model", ("norust", "rust"))
    done = predict_many(model, images, out=tmp_path / "out", log=Issues())
    assert sum(done.counts.values()) == COUNT - 2 and names(tmp_path / "out") == READABLE


@pytest.mark.parametrize("kind", ["json", "csv", "coco"])
def test_one_document_of_all_images_is_refused(images: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(OutputError, match="one document of all images"):
        run(images, tmp_path, save=(kind,))


# --- going on -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [1, 20, COUNT - 2])
def test_a_run_that_was_broken_off_is_gone_on_with(images: Path, tmp_path: Path, number: int) -> None:
    """Nothing twice, nothing missing: the same bytes as of a run that nobody stopped."""
    issues, looked = Issues(), []
    with pytest.raises(RuntimeError):
        run(images, tmp_path / "out", on_prediction=stop_at(number), log=issues)
    assert "--resume goes on" in sentences(issues)[-1] and not (tmp_path / "out" / "predictions.jsonl").exists()
    done = run(images, tmp_path / "out", resume=True, on_prediction=looked.append)
    run(images, tmp_path / "whole")
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == (
        tmp_path / "whole" / "predictions.jsonl"
    ).read_bytes()
    assert done.images == COUNT - 2 and done.counts["cake"] == COUNT - 2 and len(looked) == COUNT - 2 - number
    assert [Path(error.parts["file"]).name for error in done.failed][-1] == "image_30.png"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["predictions.jsonl"]


def test_a_killed_process_is_gone_on_with(images: Path, tmp_path: Path) -> None:
    for at in (3, 11):
        script = KILLED.format(tests=str(Path(__file__).parent), source=str(images), out=str(tmp_path), at=at)
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    issues = Issues()
    run(images, tmp_path, resume=True, log=issues)
    assert names(tmp_path) == READABLE and "going on after 14 images" in sentences(issues)


def test_a_line_that_was_cut_off_is_made_again(images: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run(images, tmp_path, on_prediction=stop_at(5))
    part = tmp_path / "predictions.part.jsonl"
    os.truncate(part, part.stat().st_size - 10)
    run(images, tmp_path, resume=True)
    assert names(tmp_path) == READABLE


def test_images_that_came_since_are_predicted_too_and_replace_no_picture(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48)).save(folder / name)
    with pytest.raises(RuntimeError):
        run(folder, tmp_path / "out", pictures=True, on_prediction=stop_at(1))
    Image.new("RGB", (32, 24)).save(folder / "a.bmp")
    run(folder, tmp_path / "out", pictures=True, resume=True)
    assert sorted(names(tmp_path / "out")) == ["a.bmp", "a.png", "b.png"]
    with Image.open(tmp_path / "out" / "a.jpg") as picture:
        assert picture.size == (64, 48)
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 3


def test_without_resume_it_begins_anew_and_says_so(images: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run(images, tmp_path, on_prediction=stop_at(5))
    issues, looked = Issues(), []
    run(images, tmp_path, log=issues, on_prediction=looked.append)
    assert len(looked) == COUNT - 2 and "--resume would have gone on" in " ".join(sentences(issues))


@pytest.fixture
def broken(images: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model, and the folder of a run of it that was broken off."""
    model, out = model_folder(tmp_path / "model"), tmp_path / "out"
    with pytest.raises(RuntimeError):
        predict_many(model, images, out=out, on_prediction=stop_at(2), log=Issues())
    return model, out


def test_other_options_are_refused(images: Path, broken: tuple[Path, Path]) -> None:
    model, out = broken
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for more, field in (({"classes": ["balloon"]}, "classes"), ({"pictures": True}, "pictures")):
        with pytest.raises(RecipeError, match="not the run that was begun") as caught:
            predict_many(model, images, out=out, resume=True, log=Issues(), **more)  # type: ignore[arg-type]
        assert caught.value.parts["field"] == field
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_other_weights_under_the_same_card_are_refused(images: Path, broken: tuple[Path, Path]) -> None:
    """In a folder of the same name, with the same number of bytes: what counts are the weights."""
    model, out = broken
    weights = model / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4] ^= 1  # the last weight, a little
    weights.write_bytes(bytes(data))
    with pytest.raises(RecipeError, match="not the run that was begun") as caught:
        predict_many(model, images, out=out, resume=True, log=Issues())
    assert caught.value.parts["field"] == "model"


def test_the_same_model_in_another_folder_is_known_again(images: Path, broken: tuple[Path, Path]) -> None:
    model, out = broken
    predict_many(load(model.rename(model.with_name("moved"))), images, out=out, resume=True, log=Issues())
    assert names(out) == READABLE


def test_a_changed_card_is_another_model(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    before = content_hash(model)
    write_card(msgspec.structs.replace(read_card(model), threshold=0.5), model)
    assert content_hash(model) != before


def test_damaged_records_are_refused(images: Path, broken: tuple[Path, Path]) -> None:
    model, out = broken
    for name, text in (("predictions.part.jsonl", "{}\n"), ("predictions.part.json", "[")):
        (out / name).write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError, match="record of the unfinished run cannot be read"):
            predict_many(model, images, out=out, resume=True, log=Issues())


# --- parts ----------------------------------------------------------------------------------------------------
def test_images_are_opened_a_few_ahead_and_in_order(images: Path) -> None:
    begun, sources = [], expand(images)

    def open_source(source: Source) -> str:
        begun.append(source.name)
        if "image_7" in source.name:
            raise ImageError("broken")
        return source.name

    with opened_ahead(open_source, sources, workers=3) as opened:
        for number, (source, result) in enumerate(opened):
            assert isinstance(result, ImageError) if "image_7" in source.name else result == source.name
            assert source is sources[number] and len(begun) <= number + 4
    assert len(begun) == COUNT


def test_what_threads_make_comes_in_order_and_only_a_little_ahead() -> None:
    taken = []

    def items():
        for number in range(30):
            taken.append(number)
            yield number

    with in_threads(lambda number: number * number, items(), workers=2) as made:
        for number, (item, future) in enumerate(made):
            assert (item, future.result()) == (number, number * number) and len(taken) <= number + 3
    assert len(taken) == 30


def test_a_picture_that_cannot_be_written_ends_the_run_and_what_is_done_is_kept(images: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "image_20.jpg").mkdir(parents=True)
    with pytest.raises(OutputError):
        predict_many(Detector(Seer()), images, out=tmp_path / "out", pictures=True, log=Issues())
    lines = list(whole_lines(tmp_path / "out" / "predictions.part.jsonl"))
    names = [json.loads(line)["file"] for line in lines]
    assert names and names == [str(source.name) for source in expand(images) if source.name in names]
    assert all((tmp_path / "out" / f"{Path(name).stem}.jpg").is_file() for name in names)


def test_an_unexpected_error_of_a_worker_is_raised(images: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened_ahead(lambda source: 1 / 0, expand(images)) as opened:
        next(opened)


def test_a_line_file_keeps_what_it_is_told_to_keep(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [{"file": "a"}, {"file": "b\udce9"}])
    first, second = whole_lines(file)
    with file.open("ab") as stream:
        stream.write(b'{"cut')
    with LineFile(file, len(first) + len(second)) as lines:
        lines.add({"file": "c"})
    assert [json.loads(line)["file"] for line in whole_lines(file)] == ["a", "b\udce9", "c"]
    assert list(whole_lines(tmp_path / "none.jsonl")) == []


def test_a_record_of_another_run_is_only_told_of(tmp_path: Path) -> None:
    one = ImageRecord(tmp_path, {"model": "a"}, resume=False)
    one.add({"file": "a.png", "counts": {"cake": 2}})
    one.close()
    other = ImageRecord(tmp_path, {"model": "b"}, resume=False)
    assert other.unfinished and not other.done


def test_parquet_has_the_same_rows_in_shards(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    from maskwright.api import image_record
    from maskwright.api.parquet import write_parquet

    monkeypatch.setattr(image_record, "write_parquet", lambda lines, folder: write_parquet(lines, folder, rows=10))
    done = run(images, tmp_path, save=("jsonl", "parquet"))
    assert [file.name for file in done.files] == [
        "predictions.jsonl",
        *(f"0000{number}.parquet" for number in range(4)),
    ]
    rows = parquet.read_table(tmp_path / "predictions.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [row["file"] for row in rows] == [line["file"] for line in lines]
    assert [row["detections"][0]["segmentation"] for row in rows] == [
        line["detections"][0]["segmentation"] for line in lines
    ]
    assert np.allclose(rows[0]["detections"][1]["box"], lines[0]["detections"][1]["box"])


def test_without_pyarrow_parquet_is_refused_before_the_first_image(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    for function in (predict, predict_many):
        with pytest.raises(MissingExtra, match="needs pyarrow"):
            function(Detector(Seer()), images, out=tmp_path / "out", save=("parquet",))
    assert not (tmp_path / "out").exists()


# --- on the command line --------------------------------------------------------------------------------------
def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["predict", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, out, err


def test_the_command_shows_a_line_an_image_and_goes_on(
    capsys: pytest.CaptureFixture[str], images: Path, broken: tuple[Path, Path]
) -> None:
    model, out = broken
    code, shown, said = command(capsys, model, images, "--out", out, "--save-jsonl", "--no-pictures", "--resume")
    assert code == 1 and names(out) == READABLE
    assert len(shown.splitlines()) == COUNT - 2 - 2 + 1 and shown.splitlines()[-1].startswith(f"{COUNT - 2} images: ")
    assert "going on after 2 images" in said and "image_7.png" in said


def test_json_has_the_images_of_the_earlier_run_too(
    capsys: pytest.CaptureFixture[str], images: Path, broken: tuple[Path, Path]
) -> None:
    model, out = broken
    code, shown, _ = command(capsys, model, images, "--out", out, "--save-jsonl", "--no-pictures", "--resume", "--json")
    document = json.loads(shown)
    assert code == 1 and [Path(image["file"]).name for image in document["images"]] == READABLE
    assert len(document["failed"]) == 2 and document["image_count"] == COUNT - 2


@pytest.mark.parametrize("option", [["--save-csv"], ["--sort-into", "sorted"], ["--watch"]])
def test_resume_does_not_go_with_what_needs_all_images(
    capsys: pytest.CaptureFixture[str], images: Path, tmp_path: Path, option: list[str]
) -> None:
    code, _, said = command(capsys, "balloons", images, "--out", tmp_path / "out", "--resume", *option)
    assert code == 2 and option[0] in said and not (tmp_path / "out").exists()
