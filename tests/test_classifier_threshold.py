"""maskwright threshold for classifiers: one class, validation images only, kept in the card and used from then on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image as PilImage
from reported import sentences

from maskwright import formats
from maskwright.api import evaluate as evaluating
from maskwright.api import threshold as job
from maskwright.api.evaluate import evaluate
from maskwright.api.threshold import threshold
from maskwright.cli.main import main
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.evaluation.calibration import logits_of, scores_of
from maskwright.evaluation.operating_point import Aim
from maskwright.prediction import loading
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.transforms.preprocess import preprocess_square
from maskwright.types import Dataset, Image, ImageLabels, Record, ResizeTransform
from maskwright.weights import card as cards
from maskwright.weights.card import CARD, WEIGHTS, Card, read_card, write_card

LIGHT = (230, 180, 128, 77, 26)  # of the images, and so their scores for rust: 0.9, 0.7, 0.5, 0.3, 0.1
RUST = (True, True, False, True, False)


class Mute:
    """An engine that calls an image rust, the surer the lighter it is."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess_square(image, size)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        rust = [float(network_input.mean() / 255) for network_input in network_inputs]
        rest = len(self.card.classes) - 1
        return [np.array([(1 - item) / rest] * rest + [item], np.float32) for item in rust]


class Light(Mute):
    """The same, and it says that the upper left corner spoke for a class, the lower right one against it."""

    def saliency(
        self, network_input: np.ndarray, size: tuple[int, int], label: int, against: bool = False
    ) -> np.ndarray:
        made = np.zeros((4, 4), np.float32)
        made[-1 if against else 0, -1 if against else 0] = 1.0
        return made


def card(names: tuple[str, ...] = ("norust", "rust"), **more) -> Card:  # type: ignore[no-untyped-def]
    return Card("small", "mobilenet_v3_large", "classify", names, 32, **more)


def model(folder: Path, made: Card | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_card(made or card(), folder)
    (folder / WEIGHTS).write_bytes(b"")
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (loading, job, evaluating):
        monkeypatch.setattr(module, "load", lambda folder, *_, **__: ImageClassifier(Light(read_card(Path(folder)))))
    return model(tmp_path / "runs" / "rust" / "best")


def data(folder: Path, split: str | None = "val", names: tuple[str, ...] = ("norust", "rust")) -> Dataset:
    records = []
    for number, (light, rust) in enumerate(zip(LIGHT, RUST, strict=True)):
        path = folder / f"image_{number}.png"
        PilImage.fromarray(np.full((24, 20, 3), light, np.uint8)).save(path)
        records.append(Record(path, (24, 20), None, labels=(len(names) - 1 if rust else 0,), split=split))
    return Dataset("rust", names, tuple(records), "made")


# --- what is said of an image --------------------------------------------------------------------------
def test_a_class_is_said_from_its_threshold_on_and_else_the_best_of_the_others():
    names, points = ("a", "b", "rust"), {"rust": 0.2}
    assert ImageLabels.of(np.array([0.5, 0.3, 0.2]), names, points=points).labels == ("rust",)
    assert ImageLabels.of(np.array([0.5, 0.31, 0.19]), names, points=points).labels == ("a",)
    assert ImageLabels.of(np.array([0.1, 0.2, 0.7]), names, points={"rust": 0.8}).labels == ("b",)


def test_with_several_labels_each_class_may_have_a_threshold():
    said = ImageLabels.of(np.array([0.45, 0.45]), ("dent", "rust"), multi_label=True, points={"rust": 0.4})
    assert said.labels == ("rust",)


def test_a_threshold_that_is_asked_for_takes_the_place_of_the_cards():
    made = card(operating_points=(cards.CardOperatingPoint("rust", 0.2),))
    assert ImageClassifier(Light(made)).points == {"rust": 0.2}
    assert ImageClassifier(Light(made), threshold=0.6).points == {"rust": 0.6}


def test_a_card_from_before_is_read_as_before(tmp_path):
    folder = model(tmp_path)
    old = json.loads((folder / CARD).read_text())
    for field in ("operating_points", "temperature"):
        del old[field]
    (folder / CARD).write_text(json.dumps(old))
    assert (read_card(folder).operating_points, read_card(folder).temperature) == ((), 1.0)


# --- the job --------------------------------------------------------------------------------------
def test_the_threshold_is_kept_and_used_from_then_on(run, tmp_path):
    images = data(tmp_path)
    chosen = threshold(run, images, Aim.of(recall=1.0))
    assert (chosen.point.name, chosen.point.true_positives, chosen.point.false_positives, chosen.split) == (
        "rust",
        3,
        1,
        "val",
    )
    (kept,) = read_card(run).operating_points
    assert (kept.name, kept.threshold, kept.chosen_on) == ("rust", chosen.point.threshold, "5 images (val)")
    assert kept.sentences()[2].startswith('3 images of "rust", none missed: with 95 % confidence')
    find = ImageClassifier(Light(read_card(run)))
    assert [find(record.image).labels[0] for record in images] == ["rust"] * 4 + ["norust"]


def test_the_class_of_more_than_two_must_be_named(run, tmp_path):
    names = ("dent", "norust", "rust")
    model(run, card(names))
    with pytest.raises(RecipeError) as caught:
        threshold(run, data(tmp_path, names=names), Aim.of(f1=True))
    assert caught.value.parts["fix"] == "--class dent or --class norust or --class rust"
    assert threshold(run, data(tmp_path, names=names), Aim.of(f1=True), name="rust").point.name == "rust"
    with pytest.raises(UnknownName, match='Did you mean "rust"'):
        threshold(run, data(tmp_path, names=names), Aim.of(f1=True), name="rsut")


@pytest.mark.parametrize("names", [("ok", "rust"), ("cat", "dog"), ("norway", "rust")])
def test_of_two_classes_neither_is_guessed_to_be_the_labelled_classes_one(run, tmp_path, names):
    model(run, card(names))
    with pytest.raises(RecipeError, match="a threshold is chosen for one class"):
        threshold(run, data(tmp_path, names=names), Aim.of(f1=True))


def test_a_second_class_takes_the_place_of_the_first_but_not_with_several_labels(run, tmp_path):
    for several, expected in ((False, ["norust"]), (True, ["rust", "norust"])):
        model(run, card(multi_label=several))
        for name in ("rust", "norust"):
            threshold(run, data(tmp_path), Aim.of(f1=True), name=name)
        assert [point.name for point in read_card(run).operating_points] == expected


# --- which images ---------------------------------------------------------------------------------
def told_run(run: Path, tmp_path: Path, **images: list[str]) -> None:
    facts = {"data": str(tmp_path.resolve()), "images": images}
    (run.parent / "run.json").write_text(json.dumps(facts), encoding="utf-8")


def test_training_images_of_the_model_are_refused(run, tmp_path):
    told_run(run, tmp_path, train=["image_0.png", "image_1.png"], val=["image_2.png"])
    with pytest.raises(DatasetError) as caught:
        threshold(run, data(tmp_path, None), Aim.of(recall=1.0), split="all")
    assert caught.value.parts["got"] == "2 of 5 it was trained on"


def test_images_that_the_run_held_back_choose(run, tmp_path, monkeypatch):
    whole = data(tmp_path, None)
    monkeypatch.setattr(formats, "read", lambda *_, **__: whole)
    told_run(run, tmp_path, train=["image_0.png"], val=["image_1.png", "image_2.png", "image_3.png"])
    assert threshold(run, tmp_path, Aim.of(recall=1.0)).images == 3


def test_test_images_never_choose(run, tmp_path):
    images = data(tmp_path)
    tests = tuple(replace(record, split="test") for record in images.records[:2])
    mixed = replace(images, records=(*tests, *images.records[2:]))
    assert threshold(run, mixed, Aim.of(recall=1.0), split="all").images == 3
    with pytest.raises(RecipeError, match="not chosen on the test images"):
        threshold(run, mixed, Aim.of(recall=1.0), split="test")
    with pytest.raises(DatasetError, match="there is nothing to choose by"):
        threshold(run, data(tmp_path, "test"), Aim.of(recall=1.0), split="all")


# --- printed on every figure ----------------------------------------------------------------------
def test_evaluate_judges_and_shows_the_operating_point(run, tmp_path, monkeypatch, capsys):
    threshold(run, data(tmp_path), Aim.of(recall=1.0))
    images = data(tmp_path, "test")
    done = evaluate(str(run), images, bootstrap=0, out=tmp_path / "page")
    assert done.metrics.confusion.tolist() == [[1, 1], [0, 3]]
    assert done.facts()["operating_points"][0]["name"] == "rust"
    page = (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    assert "Operating point of rust" in page and "with 95 % confidence the recall is at least" in page
    monkeypatch.setattr(formats, "read", lambda *_, **__: images)
    with pytest.raises(SystemExit):
        main(["evaluate", str(run), str(tmp_path), "--bootstrap", "0"])
    out, err = capsys.readouterr()
    assert "operating point of rust:" in out and "the recall is at least 0.368" in out
    told = "rust: threshold 0.202, the operating point chosen on 5 images (val) for recall at least 1"
    assert told in err and told in page
    assert done.facts()["thresholds"] == [
        {"name": "rust", "threshold": pytest.approx(0.2, abs=0.01), "from": "operating point",
         "chosen_on": "5 images (val) for recall at least 1"}
    ]  # fmt: skip


def test_mistakes_are_shown_with_what_spoke_for_them(run, tmp_path):
    evaluate(str(run), data(tmp_path, "test"), bootstrap=0, out=tmp_path / "page")
    page = (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    assert "image_3.png: is rust, called norust (0.70)" in page and "(Grad-CAM)" in page


def test_an_engine_that_cannot_say_where_it_looked_gives_no_saliency():
    image = Image(np.zeros((9, 8, 3), np.uint8))
    assert ImageClassifier(Mute(card())).saliency(image, "rust") is None
    saliency = ImageClassifier(Light(card())).saliency(image, "rust", against=True)
    assert saliency is not None and saliency[-1, -1] == 1.0


def test_an_answer_of_no_is_shown_with_what_spoke_against(run, tmp_path):
    """With several labels "not rust" may be wrong: no class of its own speaks for that."""
    model(run, card(multi_label=True))
    evaluate(str(run), data(tmp_path, "test"), bootstrap=0, out=tmp_path / "page")
    page = (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    assert "image_3.png: is rust, called not rust" in page


# --- temperature ----------------------------------------------------------------------------------
def test_scores_in_use_are_at_the_cards_temperature():
    image = Image(np.full((20, 20, 3), 230, np.uint8))
    raw = ImageClassifier(Light(card()))(image).scores
    cool = ImageClassifier(Light(card(temperature=3.0)))(image).scores
    np.testing.assert_allclose(cool, scores_of(logits_of(raw[None]) / 3)[0], rtol=1e-5)
    assert raw[1] > cool[1] > 0.5
    several = ImageClassifier(Light(card(multi_label=True, temperature=3.0)))(image).scores
    assert several[1] == pytest.approx(1 / (1 + np.exp(-logits_of(raw[None], True)[0, 1] / 3)), rel=1e-5)


def test_the_page_says_the_temperature_and_what_it_mended(run, tmp_path):
    model(run, card(temperature=2.0))
    evaluate(str(run), data(tmp_path, "test"), bootstrap=0, out=tmp_path / "page")
    page = (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    assert "with temperature 2.00; it would be" in page


# --- against another ------------------------------------------------------------------------------
def test_two_models_are_compared_image_by_image(run, tmp_path, monkeypatch, capsys):
    low = cards.CardOperatingPoint("rust", 0.2)
    other = model(tmp_path / "other", msgspec.structs.replace(card(), operating_points=(low,)))
    images = data(tmp_path, "test")
    done = evaluate(str(run), images, bootstrap=0, against=str(other), out=tmp_path / "page")
    assert done.against is not None
    assert (done.against.only_first, done.against.only_second, done.against.both) == (0, 1, 3)
    facts = json.loads((tmp_path / "page" / "evaluation.json").read_text(encoding="utf-8"))
    assert facts["against"]["names"] == [str(run), str(other)]
    assert "do not show which is better" in facts["against"]["sentence"]
    assert "Against another model" in (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    monkeypatch.setattr(formats, "read", lambda *_, **__: images)
    with pytest.raises(SystemExit):
        main(["evaluate", str(run), str(tmp_path), "--against", str(other), "--bootstrap", "0"])
    assert "these images do not show which is better" in capsys.readouterr().out


def test_training_images_of_the_other_model_are_reported(run, tmp_path):
    other = model(tmp_path / "runs" / "other" / "best")
    told_run(other, tmp_path, train=["image_0.png"], val=[])
    done = evaluate(str(run), data(tmp_path, "test"), bootstrap=0, against=str(other))
    assert sentences(done.issues) == (
        f"1 of these 5 images was used to train {other}: the metrics measure memorization",
    )


def test_a_classifier_is_not_compared_with_a_detector(run, tmp_path):
    finder = Detector(Light(msgspec.structs.replace(card(), task="detect")))
    with pytest.raises(RecipeError, match="a classifier and a model that finds objects cannot be compared"):
        evaluate(ImageClassifier(Light(card())), data(tmp_path, "test"), against=finder)
