"""A classifier first, a detector only where it says so: one result, one page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import class_images
import msgspec
import numpy as np
import pytest
from class_images import Taster
from PIL import Image as PilImage
from tiny_runs import Seer, model_folder

from maskwright.api.predict import predict
from maskwright.api.screening_page import decided_by, threshold_of
from maskwright.cli.main import main
from maskwright.errors import OutputError, RecipeError, UnknownName, WeightsError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.screening import Screening
from maskwright.types import Image


def flat(red: int, green: int) -> Image:
    return Image(np.full((48, 64, 3), (red, green, 0), np.uint8), f"{red}:{green}")


def screening(name: str | None = "red", threshold: float | None = None, **card: object) -> Screening:
    return Screening(ImageClassifier(Taster(**card)), Detector(Seer()), name, threshold)  # type: ignore[arg-type]


class Counter(Seer):
    """Knows how many images it was shown."""

    seen = 0

    def run(self, network_inputs, sizes):  # type: ignore[no-untyped-def]
        self.seen += len(network_inputs)
        return super().run(network_inputs, sizes)


# --- two models ---------------------------------------------------------------------------------------
def test_an_image_that_is_not_called_so_has_no_objects() -> None:
    said = screening()(flat(50, 150))
    assert (said.looked, len(said.instances), said.score, said.image_labels.labels) == (False, 0, 0.25, ("green",))


def test_an_image_that_is_called_so_gets_its_objects() -> None:
    said = screening()(flat(150, 50))
    assert (said.looked, said.score, list(said.instances.labels)) == (True, 0.75, ["balloon", "cake"])


def test_the_detector_is_asked_about_nothing_else() -> None:
    engine = Counter()
    look = Screening(ImageClassifier(Taster()), Detector(engine), "red")
    done = predict(look, [flat(150, 50), flat(50, 150), flat(0, 150), flat(200, 0)])
    assert (engine.seen, done.spared, len(done.images)) == (2, 2, 4)


def test_the_operating_point_of_the_classifier_decides() -> None:
    screen = ImageClassifier(Taster())  # type: ignore[arg-type]
    assert screening()(flat(60, 140)).looked is False
    screen.points = {"red": 0.2}
    low = Screening(screen, Detector(Seer()))
    said = low(flat(60, 140))
    assert (low.name, said.looked, said.image_labels.labels) == ("red", True, ("red",))
    assert threshold_of(low) == 0.2
    assert decided_by(low) == "red: threshold 0.2, the operating point; objects: threshold 0.5, the model's own"
    assert decided_by(screening()).startswith("the best class, for no operating point was chosen")


def test_a_threshold_that_is_asked_for_goes_first() -> None:
    strict = screening("red", 0.9)
    assert strict(flat(150, 50)).image_labels.labels == ("green",)
    assert threshold_of(strict) == 0.9
    assert decided_by(strict) == "red: threshold 0.9, as asked; objects: threshold 0.5, the model's own"


def test_the_class_that_both_models_know_is_screened_for() -> None:
    assert Screening(ImageClassifier(Taster()), Detector(Seer(("red",)))).name == "red"


def test_images_of_16_bits_are_seen_by_each_through_its_own_window(tmp_path: Path) -> None:
    PilImage.fromarray(np.full((48, 64), 30000, np.uint16)).save(tmp_path / "x.png")
    look = Screening(ImageClassifier(Taster(window=(0.0, 65535.0))), Detector(Seer(("red",))), threshold=0.1)
    seer = Seer(("red",))
    seer.card = msgspec.structs.replace(seer.card, window=(29000.0, 31000.0))
    other = Screening(ImageClassifier(Taster(window=(0.0, 65535.0))), Detector(seer), threshold=0.1)
    assert look.look(tmp_path / "x.png")[1].looked
    image, _ = other.look(tmp_path / "x.png")
    assert int(image.pixels[0, 0, 0]) in (127, 128)


# --- what is refused ------------------------------------------------------------------------------------
def test_a_detector_cannot_screen() -> None:
    with pytest.raises(WeightsError) as caught:
        Screening(Detector(Seer()), Detector(Seer()))
    assert caught.value.parts == {
        "field": "--screen",
        "expected": "a classifier, trained with --task classify",
        "got": "small, trained for segment",
    }


def test_a_classifier_cannot_follow() -> None:
    with pytest.raises(WeightsError, match="this one classifies whole images") as caught:
        Screening(ImageClassifier(Taster()), ImageClassifier(Taster()))
    assert caught.value.parts["field"] == "--then"


def test_a_class_that_nobody_named_is_not_guessed() -> None:
    with pytest.raises(WeightsError, match="which class is screened for does not show"):
        screening(None)
    with pytest.raises(UnknownName, match=r'no class in the model that screens "rod"\. Did you mean "red"'):
        screening("rod")


# --- what comes out ---------------------------------------------------------------------------------------
@pytest.fixture
def images(tmp_path: Path) -> Path:
    return class_images.save(tmp_path / "images", 2)


def test_image_labels_score_and_objects_in_one_result(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (images / "green" / "z.jpg").write_text("no image")
    done = predict(
        screening(), [images / "red", images / "green"], out=out, log=Issues(), save=("json", "jsonl", "csv", "coco")
    )
    assert (done.predictions(), done.counts(), done.spared, len(done.failed)) == (
        {"red": 2, "green": 2}, {"balloon": 2, "cake": 2}, 2, 1)  # fmt: skip
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert json.loads((out / "predictions.json").read_text("utf-8")) == lines
    assert [(line["screen"]["looked"], line["screen"]["labels"], len(line["detections"])) for line in lines] == [
        (True, ["red"], 2), (True, ["red"], 2), (False, ["green"], 0), (False, ["green"], 0)]  # fmt: skip
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["label"], row["looked"], row["objects"]) for row in rows] == [
        ("red", "yes", "2"), ("red", "yes", "2"), ("green", "no", "0"), ("green", "no", "0")]  # fmt: skip
    assert len((out / "objects.csv").read_text("utf-8").splitlines()) == 5
    assert sorted(path.name for path in out.glob("*.jpg")) == ["red_0.jpg", "red_1.jpg"]


def test_one_page_says_what_was_spared(images: Path, tmp_path: Path) -> None:
    predict(screening(), [images / "red", images / "green"], out=tmp_path / "out")
    page = (tmp_path / "out" / "screening.html").read_text("utf-8")
    assert "<h1>Screening for red</h1>" in page and '"groundTruth":null' in page
    for words in ("images the detector was spared", "Left alone", "Passed on to the detector", "no operating point"):
        assert words in page


# --- the command ------------------------------------------------------------------------------------------
def ran(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def test_the_command_says_how_many_images_were_spared(images: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("maskwright.api.predict.load_screening", lambda *models, **settings: screening())
    assert ran("predict", "--screen", "a", "--then", "b", images / "red", images / "green", "-o", tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-2:] == [
        "4 images: 2 red, 2 green", "the detector looked at 2 and was spared 2: 2 balloon, 2 cake"]  # fmt: skip
    assert ran("predict", "--screen", "a", "--then", "b", images / "red", "-o", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["screening"] == {"looked": 2, "spared": 0}


def test_models_of_the_wrong_kind_end_with_their_names(images: Path, tmp_path: Path, capsys) -> None:
    model = model_folder(tmp_path / "boxes", task="detect")
    assert ran("predict", "--screen", model, "--then", model, images / "red", "-o", tmp_path / "out") == 2
    assert "WeightsError: the model that screens must classify whole images" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--screen", "a"], ["--then", "b"], ["--screen-class", "red"], ["--move"]])
def test_half_of_a_pair_of_options_is_refused(options: list[str], capsys) -> None:
    assert ran("predict", *options, "model", "images") == 2
    assert f"RecipeError: {options[0]} stands beside" in capsys.readouterr().err


def test_a_model_without_images_is_refused(capsys) -> None:
    assert ran("predict", "balloons") == 2
    assert "which images?" in capsys.readouterr().err


def test_masks_are_no_use_where_there_is_only_a_classifier(images: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        predict(ImageClassifier(Taster()), images / "red", out=tmp_path, save=("masks",))
    with pytest.raises(RecipeError):
        predict(ImageClassifier(Taster()), images / "red", classes=["red"])
