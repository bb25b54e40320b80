"""Image classification from folders of images to metrics: train, predict, evaluate, folds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import class_images
import msgspec
import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from reported import Lines

from maskwright import formats
from maskwright.api.cross_validate import cross_validate
from maskwright.api.data import open_data
from maskwright.api.evaluate import evaluate
from maskwright.api.predict import predict
from maskwright.api.splash import splash
from maskwright.api.threshold import threshold
from maskwright.api.train import Trained, train
from maskwright.cli.main import main
from maskwright.errors import DatasetError, OutputError, RecipeError, WeightsError
from maskwright.evaluation.operating_point import Aim
from maskwright.issues import Issues
from maskwright.models import registry
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.tasks.registry import find_task
from maskwright.training.callbacks import OnEpochEnd
from maskwright.training.defaults import CLASSIFICATION_AUGMENT, from_options
from maskwright.training.loader import Loader, ViewOptions, input_size
from maskwright.training.recipe_io import read_recipe, write_recipe
from maskwright.transforms.augment import NO_AUGMENTATION
from maskwright.transforms.preprocess import preprocess_square
from maskwright.types import Dataset, Image, Record
from maskwright.weights import checkpoint, sources
from maskwright.weights.card import WEIGHTS, read_card

QUICK = {
    "task": "classify",
    "model": "small",
    "weights": "none",
    "size": 64,
    "batch": 8,
    "workers": 0,
    "device": "cpu",
    "precision": "fp32",
    "epochs": 6,
    "steps_per_epoch": 4,
    "ema": 0.0,
    "layers": "heads",
    "cached_views": 1,
    "lr": 1e-2,
    "warmup_steps": 1,
}


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    """`small` is here a network of one convolution: what is tested is the way, and not what a backbone knows."""
    with pytest.MonkeyPatch.context() as patch:
        spec = registry.CLASSIFIERS["small"]
        row = replace(spec, network="tiny_runs:classifier", backbone_builders=dict.fromkeys(spec.backbones, ""))
        patch.setitem(registry.CLASSIFIERS, "small", row)
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_images.save(tmp_path_factory.mktemp("colors"))


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(images, out=tmp_path_factory.mktemp("runs"), name="colors", **QUICK)


# --- training -------------------------------------------------------------------------------------
def test_colors_are_told_apart(run: Trained) -> None:
    assert run.metrics == {"accuracy": 1.0, "AUC": 1.0}


def test_the_card_says_what_it_is(run: Trained) -> None:
    card = read_card(run.model)
    assert (card.task, card.classes, card.size, card.multi_label) == ("classify", ("green", "red"), 64, False)
    assert card.metrics["validation"]["accuracy"] == 1.0


def test_the_epoch_of_the_lowest_validation_loss_is_kept(run: Trained) -> None:
    assert run.best_epoch == losses(run).index(min(losses(run))) + 1


def test_the_report_shows_images_with_their_predictions(run: Trained) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "chosen by the lowest validation loss" in page
    assert "labeled red" in page


def test_a_stopped_run_goes_on_to_the_same_weights(images: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def after_one(row: dict) -> None:
        if row["epoch"] == 1:
            raise Stop

    plan = {**QUICK, "epochs": 2, "cached_views": 2}
    whole = train(images, out=tmp_path, name="whole", **plan)
    with pytest.raises(Stop):
        train(images, out=tmp_path, name="stopped", callbacks=[OnEpochEnd(after_one)], **plan)
    train(resume=tmp_path / "stopped")
    for name, value in checkpoint.load(whole.folder / "last" / WEIGHTS).items():
        other = checkpoint.load(tmp_path / "stopped" / "last" / WEIGHTS)[name]
        assert torch.allclose(value.double(), other.double(), rtol=1e-3, atol=1e-5), name


def test_kept_features_give_the_losses_that_new_ones_give(images: Path, tmp_path: Path) -> None:
    plain = unvaried(tmp_path, {**QUICK, "epochs": 2})
    new, kept = (train(images, recipe=plain, out=tmp_path, name=f"v{views}", cached_views=views) for views in (0, 1))
    assert losses(new) == pytest.approx(losses(kept), rel=1e-2)


def losses(run: Trained) -> list[float]:
    with (run.folder / "results.csv").open(encoding="utf-8") as opened:
        return [float(row["val_loss"]) for row in csv.DictReader(opened)]


def unvaried(folder: Path, plan: dict) -> Path:
    """A recipe file that leaves the images as they are: then one view and many are the same."""
    write_recipe(msgspec.structs.replace(from_options(None, **plan), augment=NO_AUGMENTATION), folder / "plain.toml")
    return folder / "plain.toml"


def test_the_first_line_says_what_is_started_from(images: Path, tmp_path: Path) -> None:
    told = Lines()
    train(images, out=tmp_path, log=told, **{**QUICK, "epochs": 1, "steps_per_epoch": 1})
    assert told[1] == "weights: none, all layers start at random"


def test_a_classifier_goes_on_from_another_by_class_name(run: Trained, tmp_path: Path) -> None:
    """The classes of the new data stand in another order."""
    data = formats.read(class_images.save(tmp_path / "more", 3))
    turned = data.with_names(("red", "green"))
    told = Lines()
    plan = {**QUICK, "weights": str(run.model), "epochs": 1, "steps_per_epoch": 1, "lr": 1e-9}
    again = train(turned, out=tmp_path, log=told, validate=False, **plan)
    mine, theirs = (checkpoint.load(model / WEIGHTS)["head.out.bias"] for model in (again.model, run.model))
    torch.testing.assert_close(mine, theirs.flip(0), atol=1e-4, rtol=1e-3)


# --- recipes --------------------------------------------------------------------------------------
def test_vgg16_is_the_classic_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    plan = from_options(None, task="classify", model="vgg16", weights="imagenet")
    assert (plan.size, plan.optimizer, plan.schedule, plan.warmup_steps) == (150, "rmsprop", "constant", 0)
    assert plan.augment == CLASSIFICATION_AUGMENT
    assert [(stage.layers, stage.epochs, stage.lr) for stage in plan.stages] == [("heads", 30, 2e-5)]


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
    assert caught.value.parts["got"] == "rust (2 images)"


def test_class_folders_are_refused_where_outlines_are_needed(images: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_data(images, "segment")
    assert caught.value.parts["fix"] == "--task classify, or draw outlines, for example in VIA"


def test_drawn_objects_become_labels_and_an_empty_image_has_none() -> None:
    from tiny_runs import records

    drawn = Dataset("drawn", ("cat", "dog"), records(2, ("cat", "dog")))
    empty = replace(drawn.records[0], instances=drawn.records[0].instances[:0])  # type: ignore[index]
    seen = find_task("classify").prepare(replace(drawn, records=(*drawn.records, empty)))
    assert [record.labels for record in seen] == [(0,), (1,), ()]
    assert all(record.instances is None for record in seen)


def test_a_copy_is_never_on_both_sides(images: Path, tmp_path: Path) -> None:
    folder = class_images.save(tmp_path / "duplicates", 5)
    for name in ("red", "green"):
        PilImage.open(folder / name / f"{name}_0.png").save(folder / name / "copy.png")
    told = Lines()
    parts = open_data(folder, "classify", log=told)
    for name in ("red", "green"):
        sides = [which for which, part in parts.items() for record in part
                 if record.image.parent.name == name and record.image.stem in ("copy", f"{name}_0")]  # fmt: skip
        assert len(sides) == 2
        assert len(set(sides)) == 1
    assert "the same picture, kept in one part" in " ".join(told)


def test_one_image_in_two_classes_is_named(tmp_path: Path) -> None:
    folder = class_images.save(tmp_path / "both", 5)
    PilImage.open(folder / "red" / "red_0.png").save(folder / "green" / "green_9.png")
    told = Lines()
    open_data(folder, "classify", log=told)
    assert "both: 1 image is labeled in two ways (green and red): green_9.png = red_0.png" in told


def test_an_image_of_any_shape_fills_the_square() -> None:
    network_input, placement = preprocess_square(Image(np.full((2, 9, 3), 7, np.uint8)), 32)
    assert network_input.shape == (32, 32, 3)
    assert (network_input == 7).all()
    assert (placement.scale_y, placement.scale_x) == (16.0, 32 / 9)


def test_the_loader_gives_squares_and_labels(images: Path) -> None:
    data = find_task("classify").prepare(formats.read(images)).usable()
    assert input_size(data, 40) == (40, 40)
    batch = next(Loader(data, ViewOptions(40, CLASSIFICATION_AUGMENT), 4).epoch(0))
    assert batch.network_inputs.shape == (4, 40, 40, 3)
    for target, name in zip(batch.targets, batch.names, strict=True):
        assert data.names[int(target.classes[0])] == Path(name).parent.name


# --- use ------------------------------------------------------------------------------------------
def test_an_image_gets_an_image_labels(run: Trained, images: Path) -> None:
    find = load(run.folder)
    assert isinstance(find, ImageClassifier)
    said = find(str(images / "red" / "red_0.png"))
    assert said.labels == ("red",)
    assert float(said.scores.sum()) == pytest.approx(1.0, abs=1e-5)


def test_predictions_as_json_lines_and_csv(run: Trained, images: Path, tmp_path: Path) -> None:
    done = predict(run.folder, [images / "red", images / "green"], out=tmp_path, save=("json", "jsonl", "csv"))
    assert done.counts() == {"red": 8, "green": 8}
    lines = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["labels"] for line in lines] == [["red"]] * 8 + [["green"]] * 8
    assert json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))[0]["scores"].keys() == {
        "red",
        "green",
    }
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as opened:
        assert {row["label"] for row in csv.DictReader(opened)} == {"red", "green"}


def test_an_image_that_cannot_be_read_is_named(run: Trained, images: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    done = predict(run.folder, [images / "red" / "red_0.png", tmp_path / "broken.jpg"], log=Issues())
    assert (len(done.images), len(done.failed)) == (1, 1)


def test_a_classifier_has_no_objects_to_save_or_to_color(run: Trained, images: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="classifies whole images and detects no objects"):
        predict(run.folder, images / "red", out=tmp_path, save=("masks",))
    with pytest.raises(WeightsError, match="classifies whole images and detects no objects"):
        splash(run.folder, images / "red", out=tmp_path)


def test_a_classifier_chooses_among_all_its_classes(run: Trained, images: Path) -> None:
    with pytest.raises(RecipeError, match="always chooses among all its classes"):
        predict(run.folder, images / "red", classes=["red"])


# --- metrics --------------------------------------------------------------------------------------
def test_evaluation_gives_metrics_and_pages(run: Trained, images: Path, tmp_path: Path) -> None:
    done = evaluate(run.folder, images, split="all", out=tmp_path)
    assert (done.metrics.images, done.metrics.accuracy, done.metrics.auc) == (16, 1.0, 1.0)
    assert done.metrics.confusion.tolist() == [[8, 0], [0, 8]]
    assert {file.name for file in tmp_path.iterdir()} == {"evaluation.html", "evaluation.json", "scores.csv"}


def test_only_what_the_run_held_back_is_evaluated(run: Trained, images: Path) -> None:
    assert evaluate(run.folder, images, bootstrap=0).split == "held back by the run"


def test_a_class_the_model_was_not_trained_on_is_named(run: Trained, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        evaluate(run.folder, class_images.save(tmp_path, 2, ("red", "blue")))
    assert (caught.value.parts["expected"], caught.value.parts["got"]) == ("green, red", "blue")


def test_each_image_is_evaluated_once_by_a_fold_that_never_saw_it(images: Path, tmp_path: Path) -> None:
    done = cross_validate(images, k=2, out=tmp_path, **{**QUICK, "epochs": 1, "steps_per_epoch": 2})
    assert done.pooled.images == 16
    assert len(set(done.pooled.image_names)) == 16
    assert [metrics.images for metrics in done.folds] == [8, 8]


def test_several_labels_an_image_are_learnt_and_evaluated(tmp_path: Path) -> None:
    whole = formats.read(class_images.save(tmp_path / "data", 8))
    both = tuple(
        replace(record, labels=(0, 1) if index % 4 == 0 else record.labels) for index, record in enumerate(whole)
    )
    run = train(replace(whole, records=both), out=tmp_path, name="both", **{**QUICK, "epochs": 1, "steps_per_epoch": 1})
    assert read_card(run.model).multi_label
    done = evaluate(run.folder, replace(whole, records=both), split="all", bootstrap=0)
    assert done.metrics.multi_label
    assert done.metrics.confusion is None


def test_a_threshold_is_chosen_on_the_images_that_the_run_held_back(run: Trained, images: Path) -> None:
    chosen = threshold(run.folder, images, Aim.of(recall=1.0), name="red", keep=False)
    assert (chosen.split, chosen.point.recall, chosen.point.false_positives) == (
        "held back by the run to validate",
        1.0,
        0,
    )
    with pytest.raises(DatasetError, match="not chosen on its training images"):
        threshold(run.folder, images, Aim.of(recall=1.0), name="red", split="all")


def test_a_threshold_that_would_decide_nothing_is_refused(run: Trained) -> None:
    with pytest.raises(WeightsError, match="a threshold decides nothing") as caught:
        load(run.folder, InferenceOptions(threshold=0.8))
    assert "maskwright threshold" in caught.value.parts["fix"]


def test_the_engine_says_where_a_classifier_looked(run: Trained) -> None:
    """A head on the means of a linear map of the image: red speaks for red, and against green."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = class_images.COLORS["red"], class_images.COLORS["green"]
    find = load(run.folder)
    assert isinstance(find, ImageClassifier)
    for name, against, side in (("red", False, 0), ("green", False, 1), ("red", True, 1)):
        saliency = find.saliency(Image(image), name, against)
        assert saliency is not None and (saliency.dtype, saliency.max()) == (np.float32, 1.0)
        halves = [half.mean() for half in np.split(saliency[:, : saliency.shape[1] // 2 * 2], 2, axis=1)]
        assert np.argmax(halves) == side


# --- the command line -----------------------------------------------------------------------------
def ran(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_the_commands_work_on_classes(images: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--weights", "none", "--epochs", "1", "--size", "64"]
    assert ran("train", str(images), "--task", "classify", *quick, "--layers", "heads", "--name", "colors") == 0
    assert "accuracy" in capsys.readouterr().out
    assert ran("predict", "runs/colors", str(images / "red"), "--json") == 0
    assert set(json.loads(capsys.readouterr().out)["images"][0]["scores"]) == {"red", "green"}
    assert ran("evaluate", "runs/colors", str(images), "--bootstrap", "50") == 0
    assert "predicted green" in capsys.readouterr().out
    assert ran("cross-validate", str(images), "--task", "classify", "--k", "2", *quick, "--json") == 0
    assert json.loads(capsys.readouterr().out)["pooled"]["images"] == 16


# --- real images ----------------------------------------------------------------------------------
def test_rust_is_read_and_its_copies_stay_together(shared: Path) -> None:
    told = Lines()
    parts = open_data(shared / "data" / "rust" / "download", "classify", log=told)
    side = {record.image.name: which for which, part in parts.items() for record in part}
    assert len(side) == 155
    for one, other in (("rust.29.jpg", "rust.76.jpg"), ("norust.1.jpg", "norust.56.jpg")):
        assert side[one] == side[other]
    assert any("the same picture, kept in one part" in line for line in told)
