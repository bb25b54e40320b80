"""maskwright threshold: chosen on validation images, kept in the model's card, never on test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reported import Lines
from tiny_runs import model_folder

from maskwright import formats
from maskwright.api import threshold as job
from maskwright.api.threshold import threshold
from maskwright.cli.main import main
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.evaluation.operating_point import Aim
from maskwright.prediction.detector import Detector
from maskwright.transforms.preprocess import preprocess
from maskwright.types import Dataset, Instances, RawDetections, Record, RleMasks
from maskwright.weights import sources
from maskwright.weights.card import Card, read_card

SIZE = (64, 64)
BOX = np.array([[8, 8, 40, 40]], np.float32)
LIGHT = (230, 180, 128, 77, 26)  # of the images, and so their scores: 0.9, 0.7, 0.5, 0.3, 0.1


class Light:
    """An engine that finds one object in the same place of every image, the surer the lighter the image."""

    def __init__(self, card: Card) -> None:
        self.card = card

    fit = staticmethod(preprocess)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        return [RawDetections(BOX, np.array([network_input.mean() / 255], np.float32), np.array([0]), None)
                for network_input in network_inputs]  # fmt: skip


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = model_folder(tmp_path / "runs" / "rust" / "best", ("rust", "dent"), "detect")
    monkeypatch.setattr(job, "load", lambda folder, *_, **__: Detector(Light(read_card(folder))))
    return folder


def data(
    tmp_path: Path, split: str | None = "val", shown: Sequence[bool] = (True, True, False, True, False)
) -> Dataset:
    """Five images, the lightest first; `shown`: there is rust where the engine says."""
    records = []
    for number, (light, there) in enumerate(zip(LIGHT, shown, strict=True)):
        path = tmp_path / f"image_{number}.png"
        Image.fromarray(np.full((*SIZE, 3), light, np.uint8)).save(path)
        box = BOX if there else BOX[:0]
        records.append(Record(path, SIZE, Instances(box, np.zeros(len(box), int), None, None, ("rust",)), split=split))
    return Dataset("rust", ("rust",), tuple(records), "made")


# --- the job --------------------------------------------------------------------------------------
def test_the_threshold_is_kept_in_the_card_with_what_it_does(model, tmp_path):
    chosen = threshold(model, data(tmp_path), Aim.of(recall=1.0))
    assert (chosen.point.true_positives, chosen.point.false_positives, chosen.images, chosen.split) == (3, 1, 5, "val")
    assert chosen.point.threshold == pytest.approx(0.2, abs=0.01) and chosen.kept == model / "card.json"
    card = read_card(model)
    assert card.threshold == chosen.point.threshold
    kept = card.metrics["operating_point"]
    assert (kept["aim"], kept["recall"], kept["images"], kept["chosen_on"]) == ("recall at least 1", 1.0, 5, "val")


def test_the_model_then_shows_just_these_finds(model, tmp_path):
    images = data(tmp_path)
    point = threshold(model, images, Aim.of(precision=1.0)).point
    find = Detector(Light(read_card(model)))
    assert [len(find(record.image)) for record in images] == [1, 1, 0, 0, 0]
    assert (point.true_positives, point.false_positives, point.false_negatives) == (2, 0, 1)


def test_a_look_changes_nothing(model, tmp_path):
    before = (model / "card.json").read_bytes()
    assert threshold(model, data(tmp_path), Aim.of(f1=True), keep=False).kept is None
    assert (model / "card.json").read_bytes() == before


def test_a_bundled_model_is_left_as_it_is(model, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BUNDLED", model.parent)
    monkeypatch.setattr(job, "BUNDLED", model.parent)
    said = Lines()
    before = (model / "card.json").read_bytes()
    assert threshold(model, data(tmp_path), Aim.of(recall=1.0), log=said).kept is None
    assert said[-1].startswith("this model's file is left as it is: give --threshold 0.2")
    assert (model / "card.json").read_bytes() == before


def test_a_class_of_several_gets_a_threshold_of_its_own_and_the_others_keep_theirs(model, tmp_path):
    before = read_card(model)
    point = threshold(model, data(tmp_path), Aim.of(precision=1.0), name="rust").point
    card = read_card(model)
    assert card.threshold == before.threshold and card.thresholds == {"rust": point.threshold}
    find = Detector(Light(card))
    assert find.limits == {"rust": point.threshold, "dent": before.threshold}
    assert [len(find(record.image)) for record in data(tmp_path)] == [1, 1, 0, 0, 0]
    assert str(find.thresholds[0]).startswith(f"rust: threshold {point.threshold:.4g}, the operating point chosen on 5")
    assert str(find.thresholds[1]) == f"every other class: threshold {before.threshold:.4g}, the model's own"
    threshold(model, data(tmp_path), Aim.of(f1=True))
    assert read_card(model).thresholds == {}


def test_a_class_nobody_knows_is_refused(model, tmp_path):
    with pytest.raises(UnknownName, match='Did you mean "rust"'):
        threshold(model, data(tmp_path), Aim.of(f1=True), name="rsut")
    with pytest.raises(DatasetError, match='no image shows "dent"'):
        threshold(model, data(tmp_path), Aim.of(f1=True), name="dent")


# --- which images ---------------------------------------------------------------------------------
def test_validation_images_choose_and_test_images_never_do(model, tmp_path):
    images = data(tmp_path)
    others = tuple(replace(record, split="test") for record in images.records[:2])
    mixed = replace(images, records=(*others, *images.records[2:]))
    assert threshold(model, mixed, Aim.of(recall=1.0)).images == 3
    with pytest.raises(RecipeError, match="not chosen on the test images"):
        threshold(model, mixed, Aim.of(recall=1.0), split="test")
    with pytest.raises(DatasetError, match="these data have no val images"):
        threshold(model, data(tmp_path, "train"), Aim.of(recall=1.0))


def test_without_named_parts_all_images_choose_and_a_word_says_so(model, tmp_path):
    said = Lines()
    assert threshold(model, data(tmp_path, None), Aim.of(recall=1.0), log=said).split == "all"
    assert said[1] == (
        "no images are named for validation: the model must not have been trained on these, "
        "and they cannot evaluate it afterwards"
    )


def test_training_images_are_taken_on_demand_with_a_warning(model, tmp_path):
    said = Lines()
    threshold(model, data(tmp_path, "train"), Aim.of(recall=1.0), split="train", log=said)
    assert said[1].startswith("the model was trained on these images")


def test_images_that_the_run_held_back_choose_where_none_are_named(model, tmp_path, monkeypatch):
    whole = data(tmp_path, None)
    monkeypatch.setattr(formats, "read", lambda *_, **__: whole)
    held = {"train": ["image_0.png"], "val": ["image_1.png", "image_2.png", "image_3.png"]}
    facts = {"data": str(tmp_path.resolve()), "images": held}
    (model.parent / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    chosen = threshold(model, tmp_path, Aim.of(recall=1.0))
    assert (chosen.images, chosen.split) == (3, "held back by the run to validate")


# --- the command ----------------------------------------------------------------------------------
def run(capsys, monkeypatch, dataset, *arguments):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(formats, "read", lambda *_, **__: dataset)
    with pytest.raises(SystemExit) as end:
        main(["threshold", *map(str, arguments)])
    return end.value.code, *capsys.readouterr()


def test_the_command_says_what_the_threshold_does_costs_and_promises(model, tmp_path, capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, data(tmp_path), model, tmp_path, "--recall", "0.99", "--class", "rust")
    assert code == 0
    assert out.splitlines() == [
        'Threshold 0.202 (recall at least 0.99): 3 of 3 objects of "rust" found, 1 false positive.',
        "Recall 1.000 (0.44 to 1.00), precision 0.750 (0.30 to 0.95).",
        '3 objects of "rust", none missed: with 95 % confidence the recall is at least 0.368. '
        "To guarantee 0.99, 299 with none missed are needed.",
        f"kept in {model / 'card.json'}",
    ]
    assert err.splitlines()[0] == "choosing on 5 images (val), for rust"


def test_the_same_as_json(model, tmp_path, capsys, monkeypatch):
    _, out, _ = run(capsys, monkeypatch, data(tmp_path), model, tmp_path, "--cost", "1:20", "--no-keep", "--json")
    facts = json.loads(out)
    assert (facts["true_positives"], facts["false_positives"], facts["kept"], facts["chosen_on"]) == (3, 1, None, "val")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "a threshold needs exactly one aim"),
        (["--recall", "0.9", "--f1"], "a threshold needs exactly one aim"),
        (["--cost", "many"], "a cost is two positive numbers"),
        (["--precision", "1.5"], "not a fraction"),
        (["--split", "test"], "'test' is not one of"),
    ],
)
def test_a_wrong_wish_is_named(options, message, model, tmp_path, capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, data(tmp_path), model, tmp_path, *options)
    assert code == 2 and out == "" and message in err


def test_a_recall_that_no_threshold_reaches_says_what_can_be_had(model, tmp_path, capsys, monkeypatch):
    images = data(tmp_path)
    beside = replace(images.records[0].instances, boxes=BOX + 22)
    lost = replace(images, records=(replace(images.records[0], instances=beside), *images.records[1:]))
    code, _, err = run(capsys, monkeypatch, lost, model, tmp_path, "--recall", "0.99")
    assert code == 2 and "got       at most 0.667: 1 of 3 objects are not found at IoU 0.5 at any score" in err
    assert "fix       use --recall 0.666 or less, or a better model" in err


def test_images_with_boxes_only_choose_no_threshold_for_masks(tmp_path, monkeypatch):
    """They are left out, and the others keep their own groups."""
    folder = model_folder(tmp_path / "runs" / "rust" / "best", ("rust",), "segment")
    monkeypatch.setattr(job, "load", lambda folder, *_, **__: Detector(Light(read_card(folder))))
    whole = data(tmp_path)
    drawn = [
        replace(record, instances=replace(record.instances, masks=RleMasks.from_boxes(record.instances.boxes, SIZE)))
        for record in whole.records[2:]
    ]
    bare = [replace(record, group="series") for record in whole.records[:2]]
    said = Lines()
    done = threshold(folder, replace(whole, records=(*bare, *drawn)), Aim.of(f1=True), log=said)
    assert done.images == 3 and "2 of them have boxes and no outlines: left out, masks are evaluated" in said
    alone = threshold(folder, replace(whole, records=tuple(drawn)), Aim.of(f1=True))
    assert done.point.facts() == alone.point.facts()
