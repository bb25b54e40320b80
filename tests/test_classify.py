"""Image classification from folders of photos to figures: train, predict, evaluate, folds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import class_photos
import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from maskwright import formats
from maskwright.cli.main import main
from maskwright.errors import DatasetError, OutputError, RecipeError, WeightsError
from maskwright.evaluation.operating_point import Aim
from maskwright.jobs.data import for_task, open_data
from maskwright.jobs.evaluate import evaluate
from maskwright.jobs.folds import folds
from maskwright.jobs.predict import predict
from maskwright.jobs.splash import splash
from maskwright.jobs.threshold import threshold
from maskwright.jobs.train import Trained, train
from maskwright.models import catalogue
from maskwright.prediction.predictor import Classifier, load
from maskwright.samples.augment import NOTHING
from maskwright.samples.fit import stretch
from maskwright.training.loader import Loader, canvas_size
from maskwright.training.recipe import WHOLE, from_options, read_recipe, write_recipe
from maskwright.types import Dataset, Photo, Record
from maskwright.weights import checkpoint, sources
from maskwright.weights.card import WEIGHTS, read_card

QUICK = {
    "task": "classify", "model": "small", "weights": "none", "size": 64, "batch": 8, "workers": 0, "device": "cpu",
    "precision": "f32", "epochs": 6, "steps": 4, "ema": 0.0, "layers": "heads", "views": 1, "lr": 1e-2, "warm_up": 1,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    """`small` is here a network of one convolution: what is tested is the way, and not what a backbone knows."""
    with pytest.MonkeyPatch.context() as patch:
        row = replace(catalogue.CLASSIFIERS["small"], builder="tiny_runs:classifier")
        patch.setitem(catalogue.CLASSIFIERS, "small", row)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_photos.save(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(photos, out=tmp_path_factory.mktemp("runs"), name="colours", **QUICK)


# --- training -------------------------------------------------------------------------------------
def test_colours_are_told_apart(run: Trained) -> None:
    assert run.figures == {"accuracy": 1.0, "AUC": 1.0}


def test_the_card_says_what_it_is(run: Trained) -> None:
    card = read_card(run.model)
    assert (card.task, card.classes, card.size, card.multi_label) == ("classify", ("green", "red"), 64, False)
    assert card.figures["validation"]["accuracy"] == 1.0


def test_the_epoch_of_the_lowest_validation_loss_is_kept(run: Trained) -> None:
    assert run.best_epoch == losses(run).index(min(losses(run))) + 1


def test_the_report_shows_photos_with_their_verdicts(run: Trained) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "chosen by the lowest validation loss" in page
    assert "labelled red" in page


def test_a_stopped_run_goes_on_to_the_same_weights(photos: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def after_one(row: dict) -> None:
        if row["epoch"] == 1:
            raise Stop

    plan = {**QUICK, "epochs": 2, "views": 2}
    whole = train(photos, out=tmp_path, name="whole", **plan)
    with pytest.raises(Stop):
        train(photos, out=tmp_path, name="stopped", on_epoch=after_one, **plan)
    train(resume=tmp_path / "stopped")
    for name, value in checkpoint.load(whole.folder / "last" / WEIGHTS).items():
        other = checkpoint.load(tmp_path / "stopped" / "last" / WEIGHTS)[name]
        assert torch.allclose(value.double(), other.double(), rtol=1e-3, atol=1e-5), name


def test_kept_features_give_the_losses_that_new_ones_give(photos: Path, tmp_path: Path) -> None:
    plain = unvaried(tmp_path, {**QUICK, "epochs": 2})
    new, kept = (train(photos, recipe=plain, out=tmp_path, name=f"views-{views}", views=views) for views in (0, 1))
    assert losses(new) == pytest.approx(losses(kept), rel=1e-2)


def losses(run: Trained) -> list[float]:
    with (run.folder / "results.csv").open(encoding="utf-8") as opened:
        return [float(row["val_loss"]) for row in csv.DictReader(opened)]


def unvaried(folder: Path, plan: dict) -> Path:
    """A recipe file that leaves the photos as they are: then one view and many are the same."""
    write_recipe(msgspec.structs.replace(from_options(None, **plan), augment=NOTHING), folder / "plain.toml")
    return folder / "plain.toml"


def test_the_first_line_says_what_is_started_from(photos: Path, tmp_path: Path) -> None:
    told: list[str] = []
    train(photos, out=tmp_path, say=told.append, **{**QUICK, "epochs": 1, "steps": 1})
    assert told[1] == "weights: none, all layers start at random"


def test_a_classifier_goes_on_from_another_by_class_name(run: Trained, tmp_path: Path) -> None:
    """The classes of the new data stand in another order."""
    data = formats.read(class_photos.save(tmp_path / "more", 3))
    turned = data.with_names(("red", "green"))
    told: list[str] = []
    plan = {**QUICK, "weights": str(run.model), "epochs": 1, "steps": 1, "lr": 1e-9}
    again = train(turned, out=tmp_path, say=told.append, validate=False, **plan)
    mine, theirs = (checkpoint.load(model / WEIGHTS)["head.out.bias"] for model in (again.model, run.model))
    torch.testing.assert_close(mine, theirs.flip(0), atol=1e-4, rtol=1e-3)


# --- recipes --------------------------------------------------------------------------------------
def test_vgg16_is_the_classic_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    plan = from_options(None, task="classify", model="vgg16", weights="imagenet")
    assert (plan.size, plan.optimizer, plan.schedule, plan.warm_up) == (150, "rmsprop", "constant", 0)
    assert plan.augment == WHOLE
    assert [(stage.layers, stage.epochs, stage.rate) for stage in plan.stages] == [("heads", 30, 2e-5)]


def test_a_backbone_at_random_is_trained_too() -> None:
    plan = from_options(None, task="classify", model="mobilenet_v2", weights="none")
    assert [stage.layers for stage in plan.stages] == ["all"]


def test_small_starts_from_what_came_with_the_package() -> None:
    if not sources.bundled_with("mobilenet_v3_large"):
        pytest.skip("no model came with this copy of the package")
    assert from_options(None, task="classify").weights in ("bundled", "imagenet")


def test_the_recipe_of_a_run_can_be_read_again(run: Trained) -> None:
    plan = read_recipe(run.folder / "recipe.toml")
    assert (plan.task, plan.model, plan.size) == ("classify", "small", 64)


# --- data -----------------------------------------------------------------------------------------
def test_one_class_is_nothing_to_tell_apart() -> None:
    only = Dataset("only", ("rust", "norust"), tuple(Record(Path(f"{i}.jpg"), (4, 4), None, labels=(0,)) for i in "ab"))
    with pytest.raises(DatasetError, match="one class only: nothing to tell apart") as caught:
        open_data(only, "classify")
    assert caught.value.parts["got"] == "rust (2 photos)"


def test_class_folders_are_refused_where_outlines_are_needed(photos: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_data(photos, "segment")
    assert caught.value.parts["fix"] == "--task classify, or draw outlines, for example in VIA"


def test_drawn_objects_become_labels_and_an_empty_photo_has_none() -> None:
    from tiny_runs import records

    drawn = Dataset("drawn", ("cat", "dog"), records(2, ("cat", "dog")))
    empty = replace(drawn.records[0], instances=drawn.records[0].instances[:0])  # type: ignore[index]
    seen = for_task(replace(drawn, records=(*drawn.records, empty)), "classify")
    assert [record.labels for record in seen] == [(0,), (1,), ()]
    assert all(record.instances is None for record in seen)


def test_a_copy_is_never_on_both_sides(photos: Path, tmp_path: Path) -> None:
    folder = class_photos.save(tmp_path / "twins", 5)
    for name in ("red", "green"):
        Image.open(folder / name / f"{name}_0.png").save(folder / name / "copy.png")
    told: list[str] = []
    parts = open_data(folder, "classify", say=told.append)
    for name in ("red", "green"):
        sides = [which for which, part in parts.items() for record in part
                 if record.photo.parent.name == name and record.photo.stem in ("copy", f"{name}_0")]  # fmt: skip
        assert len(sides) == 2
        assert len(set(sides)) == 1
    assert "the same picture, kept on one side" in " ".join(told)


def test_one_photo_in_two_classes_is_named(tmp_path: Path) -> None:
    folder = class_photos.save(tmp_path / "both", 5)
    Image.open(folder / "red" / "red_0.png").save(folder / "green" / "green_9.png")
    told: list[str] = []
    open_data(folder, "classify", say=told.append)
    assert "both: 1 photo is labelled in two ways (green and red): green_9.png = red_0.png" in told


def test_a_photo_of_any_shape_fills_the_square() -> None:
    canvas, placement = stretch(Photo(np.full((2, 9, 3), 7, np.uint8)), 32)
    assert canvas.shape == (32, 32, 3)
    assert (canvas == 7).all()
    assert (placement.scale_y, placement.scale_x) == (16.0, 32 / 9)


def test_the_loader_gives_squares_and_labels(photos: Path) -> None:
    data = for_task(formats.read(photos), "classify").usable()
    assert canvas_size(data, 40) == (40, 40)
    batch = next(Loader(data, 40, 4, 1, WHOLE, 0, 0).epoch(0))
    assert batch.canvases.shape == (4, 40, 40, 3)
    for truth, name in zip(batch.truths, batch.names, strict=True):
        assert data.names[int(truth.classes[0])] == Path(name).parent.name


# --- use ------------------------------------------------------------------------------------------
def test_a_photo_gets_a_verdict(run: Trained, photos: Path) -> None:
    find = load(run.folder)
    assert isinstance(find, Classifier)
    said = find(str(photos / "red" / "red_0.png"))
    assert said.labels == ("red",)
    assert float(said.scores.sum()) == pytest.approx(1.0, abs=1e-5)


def test_verdicts_as_json_lines_and_csv(run: Trained, photos: Path, tmp_path: Path) -> None:
    done = predict(run.folder, [photos / "red", photos / "green"], out=tmp_path, save=("json", "jsonl", "csv"))
    assert done.counts() == {"red": 8, "green": 8}
    lines = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["labels"] for line in lines] == [["red"]] * 8 + [["green"]] * 8
    assert json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))[0]["scores"].keys() == {
        "red",
        "green",
    }
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as opened:
        assert {row["label"] for row in csv.DictReader(opened)} == {"red", "green"}


def test_a_photo_that_cannot_be_read_is_named(run: Trained, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    done = predict(run.folder, [photos / "red" / "red_0.png", tmp_path / "broken.jpg"])
    assert (len(done.photos), len(done.failed)) == (1, 1)


def test_a_classifier_has_no_objects_to_save_or_to_colour(run: Trained, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="says what a whole photo shows, and finds no objects"):
        predict(run.folder, photos / "red", out=tmp_path, save=("masks",))
    with pytest.raises(WeightsError, match="says what a whole photo shows, and finds no objects"):
        splash(run.folder, photos / "red", out=tmp_path)


def test_a_classifier_chooses_among_all_its_classes(run: Trained, photos: Path) -> None:
    with pytest.raises(RecipeError, match="always chooses among all its classes"):
        predict(run.folder, photos / "red", classes=["red"])


# --- figures --------------------------------------------------------------------------------------
def test_evaluation_gives_figures_and_pages(run: Trained, photos: Path, tmp_path: Path) -> None:
    done = evaluate(run.folder, photos, split="all", out=tmp_path)
    assert (done.figures.photos, done.figures.accuracy, done.figures.auc) == (16, 1.0, 1.0)
    assert done.figures.confusion.tolist() == [[8, 0], [0, 8]]
    assert {file.name for file in tmp_path.iterdir()} == {"evaluation.html", "evaluation.json", "scores.csv"}


def test_only_what_the_run_held_back_is_judged(run: Trained, photos: Path) -> None:
    assert evaluate(run.folder, photos, bootstrap=0).which == "held back by the run"


def test_a_class_the_model_was_never_taught_is_named(run: Trained, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        evaluate(run.folder, class_photos.save(tmp_path, 2, ("red", "blue")))
    assert (caught.value.parts["wanted"], caught.value.parts["got"]) == ("green, red", "blue")


def test_each_photo_is_judged_once_by_a_fold_that_never_saw_it(photos: Path, tmp_path: Path) -> None:
    done = folds(photos, k=2, out=tmp_path, **{**QUICK, "epochs": 1, "steps": 2})
    assert done.pooled.photos == 16
    assert len(set(done.pooled.photo_names)) == 16
    assert [figures.photos for figures in done.each] == [8, 8]


def test_several_labels_a_photo_are_learnt_and_judged(tmp_path: Path) -> None:
    whole = formats.read(class_photos.save(tmp_path / "data", 8))
    both = tuple(
        replace(record, labels=(0, 1) if place % 4 == 0 else record.labels) for place, record in enumerate(whole)
    )
    run = train(replace(whole, records=both), out=tmp_path, name="both", **{**QUICK, "epochs": 1, "steps": 1})
    assert read_card(run.model).multi_label
    done = evaluate(run.folder, replace(whole, records=both), split="all", bootstrap=0)
    assert done.figures.multi_label
    assert done.figures.confusion is None


def test_a_threshold_is_chosen_on_the_photos_that_the_run_held_back(run: Trained, photos: Path) -> None:
    chosen = threshold(run.folder, photos, Aim.of(recall=1.0), name="red", keep=False)
    assert (chosen.which, chosen.point.recall, chosen.point.false) == ("held back by the run to validate", 1.0, 0)
    with pytest.raises(DatasetError, match="not chosen on photos that taught it"):
        threshold(run.folder, photos, Aim.of(recall=1.0), name="red", split="all")


def test_a_threshold_that_would_decide_nothing_is_refused(run: Trained) -> None:
    with pytest.raises(WeightsError, match="a threshold decides nothing") as caught:
        load(run.folder, threshold=0.8)
    assert "maskwright threshold" in caught.value.parts["fix"]


def test_the_engine_says_where_a_classifier_looked(run: Trained) -> None:
    """A head on the means of a linear map of the photo: red speaks for red, and against green."""
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:, :32], photo[:, 32:] = class_photos.COLOURS["red"], class_photos.COLOURS["green"]
    find = load(run.folder)
    assert isinstance(find, Classifier)
    for name, against, side in (("red", False, 0), ("green", False, 1), ("red", True, 1)):
        heat = find.heat(Photo(photo), name, against)
        assert heat is not None and (heat.dtype, heat.max()) == (np.float32, 1.0)
        halves = [half.mean() for half in np.split(heat[:, : heat.shape[1] // 2 * 2], 2, axis=1)]
        assert np.argmax(halves) == side


# --- the command line -----------------------------------------------------------------------------
def ran(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_the_commands_work_on_classes(photos: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--weights", "none", "--epochs", "1", "--size", "64"]
    assert ran("train", str(photos), "--task", "classify", *quick, "--layers", "heads", "--name", "colours") == 0
    assert "accuracy" in capsys.readouterr().out
    assert ran("predict", "runs/colours", str(photos / "red"), "--json") == 0
    assert set(json.loads(capsys.readouterr().out)["photos"][0]["scores"]) == {"red", "green"}
    assert ran("evaluate", "runs/colours", str(photos), "--bootstrap", "50") == 0
    assert "said green" in capsys.readouterr().out
    assert ran("folds", str(photos), "--task", "classify", "--k", "2", *quick, "--json") == 0
    assert json.loads(capsys.readouterr().out)["pooled"]["photos"] == 16


# --- real photos ----------------------------------------------------------------------------------
def test_rust_is_read_and_its_copies_stay_together(shared: Path) -> None:
    told: list[str] = []
    parts = open_data(shared / "data" / "rust" / "download", "classify", say=told.append)
    side = {record.photo.name: which for which, part in parts.items() for record in part}
    assert len(side) == 155
    for one, other in (("rust.29.jpg", "rust.76.jpg"), ("norust.1.jpg", "norust.56.jpg")):
        assert side[one] == side[other]
    assert any("the same picture, kept on one side" in line for line in told)
