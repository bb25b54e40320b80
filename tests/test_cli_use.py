"""maskwright train, evaluate, predict and splash, as a person types them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import SIZE, model_folder, party

from maskwright.api.train import Trained
from maskwright.cli.main import main
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.recipe_io import read_recipe, write_recipe
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, read_card

Captured = pytest.CaptureFixture[str]


def maskwright(capsys: Captured, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    out, err = capsys.readouterr()
    return end.value.code, out, err


def document(text: str) -> dict:
    """stdout with --json: one strict document and nothing else."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    detections = json.loads(text, parse_constant=refuse)
    assert isinstance(detections, dict)
    return detections


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder, 5)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, threshold 0: it finds a lot, and all of it is wrong."""
    return model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(folder / "a.png")
    (folder / "b.jpg").write_text("not an image")
    return folder


# --- predict ----------------------------------------------------------------------------------------
def test_predict_counts_and_draws(capsys: Captured, model: Path, images: Path, tmp_path: Path) -> None:
    code, out, err = maskwright(capsys, "predict", model, images / "a.png", "--out", tmp_path / "out")
    assert code == 0 and "a.png: " in out and "balloon" in out
    assert "pictures in" in err and (tmp_path / "out" / "a.jpg").is_file()


def test_predict_names_what_it_could_not_read_and_says_so_in_its_exit_code(
    capsys: Captured, model: Path, images: Path, tmp_path: Path
) -> None:
    code, out, err = maskwright(capsys, "predict", model, images, "--out", tmp_path / "out")
    assert code == 1
    assert "a.png: " in out and "ImageError" in err and "b.jpg" in err


def test_predict_json_is_one_document_with_the_failures_in_it(
    capsys: Captured, model: Path, images: Path, tmp_path: Path
) -> None:
    code, out, _ = maskwright(capsys, "predict", model, images, "--out", tmp_path / "out", "--json", "--save-csv")
    facts = document(out)
    assert code == 1
    assert [Path(fact["file"]).name for fact in facts["images"]] == ["a.png"]
    assert [fact["error"] for fact in facts["failed"]] == ["ImageError"]
    assert facts["counts"] == facts["images"][0]["counts"]
    assert all(Path(file).is_file() for file in (*facts["files"], *facts["images"][0]["files"]))


def test_predict_saves_what_it_is_asked_to(capsys: Captured, model: Path, images: Path, tmp_path: Path) -> None:
    kinds = ["--save-json", "--save-csv", "--save-coco", "--save-masks", "--save-crops", "--no-pictures"]
    code, _, _ = maskwright(capsys, "predict", model, images / "a.png", "--out", tmp_path / "out", *kinds)
    assert code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    coco = {"coco_results.json", "coco_images.json"}
    assert names == {"predictions.json", "predictions.csv", "masks", "crops"} | coco


def test_predict_with_an_unknown_class(capsys: Captured, model: Path, images: Path, tmp_path: Path) -> None:
    arguments = ("predict", model, images / "a.png", "--classes", "baloon", "--out", tmp_path / "out")
    code, out, err = maskwright(capsys, *arguments)
    assert (code, out) == (2, "") and 'Did you mean "balloon"?' in err
    assert document(maskwright(capsys, *arguments, "--json")[1])["error"] == "UnknownName"


def test_predict_with_an_unknown_model(
    capsys: Captured, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model_folder(tmp_path / "runs" / "wedding" / "best")
    code, _, err = maskwright(capsys, "predict", "weding", images)
    assert code == 2 and 'no model "weding". Did you mean "wedding"?' in err


@pytest.mark.parametrize("named", ["run", "run/best", "mine"])
def test_a_run_is_found_by_its_folder_its_best_or_its_name(
    capsys: Captured, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    model_folder(tmp_path / ("runs/mine/best" if named == "mine" else "run/best"))
    assert maskwright(capsys, "predict", named, images / "a.png", "--out", "out")[0] == 0


@pytest.mark.parametrize("size", ["0", "-64", "1000000", "many"])
def test_a_size_nothing_can_be_seen_at_is_refused(capsys: Captured, model: Path, images: Path, size: str) -> None:
    code, _, err = maskwright(capsys, "predict", model, images, f"--size={size}")
    assert code == 2 and "--size" in err


def test_a_spoilt_model_is_an_error_in_words(capsys: Captured, images: Path, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:1000])
    code, _, err = maskwright(capsys, "predict", folder, images)
    assert code == 2 and err.startswith("WeightsError") and WEIGHTS in err


# --- splash -----------------------------------------------------------------------------------------
def test_splash_draws_and_counts(capsys: Captured, model: Path, images: Path, tmp_path: Path) -> None:
    code, out, _ = maskwright(capsys, "splash", model, images / "a.png", "--out", tmp_path / "out")
    assert code == 0 and "a.png: " in out and (tmp_path / "out" / "a.jpg").is_file()


def test_splash_where_nothing_is_found_is_gray(capsys: Captured, model: Path, images: Path, tmp_path: Path) -> None:
    arguments = ("--threshold", 1, "--out", tmp_path / "out")
    code, out, _ = maskwright(capsys, "splash", model, images / "a.png", *arguments)
    assert code == 0 and "nothing found" in out
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert np.ptp(np.asarray(image).astype(int), axis=2).max() < 12


def test_splash_json_is_one_document(capsys: Captured, model: Path, images: Path, tmp_path: Path) -> None:
    code, out, _ = maskwright(capsys, "splash", model, images, "--out", tmp_path / "out", "--json")
    facts = document(out)
    assert code == 1 and len(facts["images"]) == len(facts["failed"]) == 1


# --- evaluate ---------------------------------------------------------------------------------------
def test_evaluate_shows_metrics_with_intervals(capsys: Captured, model: Path, data: Path, tmp_path: Path) -> None:
    arguments = ("--split", "train", "--bootstrap", 50, "--out", tmp_path / "out")
    code, out, err = maskwright(capsys, "evaluate", model, data, *arguments)
    assert code == 0 and "mask (4 images)" in out and "box (4 images)" in out
    assert "evaluating on 4 images (train)" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "evaluation.json", "evaluation.html", "coco_results.json", "coco_images.json"}  # fmt: skip


def test_evaluate_json_is_one_document(capsys: Captured, model: Path, data: Path) -> None:
    code, out, _ = maskwright(capsys, "evaluate", model, data, "--bootstrap", 0, "--json")
    facts = document(out)
    assert code == 0 and facts["split"] == "val" and facts["images"] == 1
    assert set(facts["mask"]) >= {"AP", "AP50", "classes"}


def test_evaluate_without_data(capsys: Captured, model: Path, tmp_path: Path) -> None:
    code, _, err = maskwright(capsys, "evaluate", model, tmp_path / "none")
    assert code == 2 and "none" in err


# --- train: what is refused before anything is written ----------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "smal"], 'Did you mean "small"'),
        (["--backbone", "mobilenet_v3_larg"], 'Did you mean "mobilenet_v3_large"'),
        (["--weights", "none", "--layers", "head"], "no layer has such a name"),
        (["--weights", "none", "--layers", "("], "no regular expression"),
        (["--size", "100"], "expected  64 or 128"),
        (["--lr", "20"], "lr"),
        (["--time-budget", "soon"], "no span of time"),
        (["--time-budget", "0m"], "no span of time"),
        (["--seed", "99999999999"], "seed"),
        (["--workers", "999"], "workers"),
        (["--weights", "last"], "there is no run to take the last weights of"),
        (["--weights", "bundled", "--model", "mask_rcnn_r50"], "there are no bundled weights for mask_rcnn_r50"),
        (["--weights", "none.pth"], "none.pth"),
        (["--recipe", "none.toml"], "none.toml"),
        (["--epoch", "3"], "Did you mean '--epochs'"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_and_leaves_nothing(
    capsys: Captured, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = maskwright(capsys, "train", data, *arguments)
    assert (code, out) == (2, "") and said in err
    assert not (tmp_path / "runs").exists()


def test_train_needs_data(capsys: Captured) -> None:
    code, _, err = maskwright(capsys, "train")
    assert code == 2 and "maskwright train FOLDER" in err


# --- train: where it starts from --------------------------------------------------------------------
def told(network_names: tuple[str, ...], weights: str, runs: Path) -> str:
    from maskwright.api.start import start_weights
    from maskwright.models import registry

    row = registry.find("small")
    return start_weights(row.build(len(network_names)), weights, "small", row.backbones[0], network_names, runs).told


@pytest.mark.slow
def test_weights_by_folder_run_newest_run_and_file(tmp_path: Path, data: Path) -> None:
    import os

    for age, name in enumerate(("new", "old")):
        for which in ("best", "last"):
            folder = model_folder(tmp_path / name / which, ("balloon", name))
            os.utime(folder / "card.json", (10**9 - age, 10**9 - age))
    names = ("balloon", "cake")
    for weights in ("last", "best"):
        assert told(names, weights, tmp_path).startswith(f"weights: {weights} (balloon, new)"), "the newest run's"
    for weights in (tmp_path / "old", tmp_path / "old" / "last"):
        assert "(balloon, old)" in told(names, str(weights), tmp_path)
    file = tmp_path / "plain.pth"
    torch.save(checkpoint.load(tmp_path / "old" / "best" / WEIGHTS), file)
    assert "tensors kept" in told(names, str(file), tmp_path)
    assert told(names, "none", tmp_path) == "weights: none, all layers start at random"


def test_it_is_said_which_classes_keep_their_heads(tmp_path: Path) -> None:
    folder = str(model_folder(tmp_path / "model", ("balloon", "string")))
    said = told(("cake", "balloon"), folder, tmp_path)
    assert "classes kept: balloon" in said and "classes new: cake" in said


# --- train: a whole run -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs on a dataset that names no parts: a recipe, options on top, --json."""
    folder = tmp_path_factory.mktemp("train")
    recipe = Recipe(weights="none", batch=2, steps_per_epoch=1, workers=1, ema=0.9, stages=(Stage("all", 9, 1e-3),))
    write_recipe(recipe, folder / "mine.toml")
    flat = folder / "flat"
    party(flat, 8)
    for path in (flat / "val").glob("*.jpg"):
        path.unlink()  # the images named val are gone; those left are divided anew
    (flat / "val" / "via_region_data.json").unlink()
    (flat / "val").rmdir()
    for path in (flat / "train").iterdir():
        path.rename(flat / path.name)
    (flat / "train").rmdir()
    with pytest.raises(SystemExit) as end:
        main(["train", *map(str, (flat, "--recipe", folder / "mine.toml", "--out", folder, "--name", "first")),
              "--size", "64", "--epochs", "2", "--precision", "fp32"])  # fmt: skip
    assert end.value.code == 0
    return folder / "first"


@pytest.mark.slow
def test_a_run_holds_its_recipe_with_the_options_on_top(run: Path) -> None:
    recipe = read_recipe(run / "recipe.toml")
    assert (recipe.size, recipe.epochs, recipe.batch, recipe.precision) == (64, 2, 2, "fp32")
    card = read_card(run / "best")
    assert (card.size, card.classes, card.started_from) == (64, ("balloon",), "none")
    assert len((run / "results.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert (run / "report.html").is_file()


@pytest.mark.slow
def test_evaluate_on_a_runs_own_data_takes_the_images_it_held_back(
    capsys: Captured, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever name the run is called; the images it was trained on would flatter it."""
    held = json.loads((run / "run.json").read_text(encoding="utf-8"))["images"]["val"]
    assert held
    monkeypatch.chdir(run.parent)
    (run.parent / "runs").mkdir(exist_ok=True)
    link = run.parent / "runs" / "called"
    for model in (run, run / "best", run / "last", "first", "called"):
        if model == "called":
            run.rename(link)
        facts = document(maskwright(capsys, "evaluate", model, run.parent / "flat", "--bootstrap", 0, "--json")[1])
        assert (facts["split"], facts["images"]) == ("held back by the run", len(held)), model
    link.rename(run)
    other = run.parent / "other"
    party(other, 5)
    facts = document(maskwright(capsys, "evaluate", run, other, "--split", "all", "--bootstrap", 0, "--json")[1])
    assert facts["images"] == 5


@pytest.mark.slow
def test_a_run_keeps_the_attribute_that_holds_the_class(capsys: Captured, tmp_path: Path) -> None:
    data = party(tmp_path / "party", 4) and tmp_path / "party"
    for file in data.rglob("via_region_data.json"):
        records = json.loads(file.read_text(encoding="utf-8"))
        for number, region in enumerate(region for record in records.values() for region in record["regions"]):
            region["region_attributes"] = {"Age": "old", "Gender": "fm"[number % 2]}
        file.write_text(json.dumps(records), encoding="utf-8")
    small = ("--weights", "none", "--size", 64, "--epochs", 1, "--precision", "fp32", "--device", "cpu")
    call = ("train", data, "--class-attribute", "Gender", *small, "--out", tmp_path, "--name", "run")
    assert maskwright(capsys, *call)[0] == 0
    assert read_card(tmp_path / "run" / "best").classes == ("f", "m")
    assert read_recipe(tmp_path / "run" / "recipe.toml").class_attribute == "Gender"
    assert maskwright(capsys, "train", "--resume", tmp_path / "run")[0] == 0


@pytest.mark.slow
def test_a_name_that_is_taken_is_refused_and_resume_is_offered(capsys: Captured, run: Path) -> None:
    arguments = ("--out", run.parent, "--name", run.name, "--weights", "none")
    code, _, err = maskwright(capsys, "train", run.parent / "flat", *arguments)
    assert code == 2 and "there already" in err and f"--resume {run}" in err


@pytest.mark.slow
def test_resuming_a_finished_run_says_its_result_again(capsys: Captured, run: Path) -> None:
    code, out, _ = maskwright(capsys, "train", "--resume", run, "--json")
    facts = document(out)
    assert code == 0 and facts["epochs"] == 2 and Path(facts["run"]) == run
    assert set(facts["validation"]) >= {"mask_AP", "box_AP"}
    code, _, err = maskwright(capsys, "train", "--resume", run, "--epochs", 9)
    assert code == 2 and "keeps its own recipe" in err
    code, _, err = maskwright(capsys, "train", run.parent / "flat", "--resume", run)
    assert code == 2 and "DATA" in err


@pytest.mark.slow
def test_boxes_are_trained_and_used_without_masks(capsys: Captured, run: Path, tmp_path: Path, images: Path) -> None:
    arguments = ("--recipe", run.parent / "mine.toml", "--task", "detect", "--size", 64, "--epochs", 1)
    code, out, _ = maskwright(capsys, "train", run.parent / "flat", *arguments, "--out", tmp_path, "--json")
    facts = document(out)
    assert code == 0 and "box_AP" in facts["validation"] and "mask_AP" not in facts["validation"]
    chosen = read_recipe(Path(facts["run"]) / "recipe.toml").precision
    assert chosen in ("fp32", "bf16"), "auto is a trial, which a resumed run must not repeat: what it chose is written"
    detections = maskwright(
        capsys, "predict", facts["run"], images / "a.png", "--threshold", 0, "--out", tmp_path, "--json"
    )
    assert detections[0] == 0 and all(
        "segmentation" not in item for item in document(detections[1])["images"][0]["detections"]
    )
    started = maskwright(capsys, "train", run.parent / "flat", *arguments, "--weights", run, "--out", tmp_path)
    assert started[0] == 0 and "classes kept: balloon" in started[2]


def test_a_training_without_validation_says_that_nothing_was_validated(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is shown an empty list of metrics."""
    folder = tmp_path / "runs" / "welds"
    trained = Trained(folder, folder / "best", epochs=3, best_epoch=3, seconds=1.0, metrics={})
    monkeypatch.setattr("maskwright.api.train.train", lambda *arguments, **options: trained)
    code, out, _ = maskwright(capsys, "train", tmp_path, "--no-validate")
    assert code == 0 and out.splitlines()[0] == "epoch 3 of 3 is kept; nothing was validated"


def test_the_next_command_can_be_copied_where_the_folder_has_a_blank_in_its_name(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path("my runs/first")
    monkeypatch.setattr(
        "maskwright.api.train.train", lambda *_, **__: Trained(run, run / "best", 1, 1, 1.0, {"mask_AP": 0.5})
    )
    code, out, _ = maskwright(capsys, "train", tmp_path, "--out", tmp_path / "runs")
    assert code == 0
    following = [shlex.split(line.replace("\\", "/")) for line in out.splitlines()[-2:]]
    assert following == [
        ["next", "maskwright", "predict", "my runs/first", "IMAGES"],
        ["maskwright", "evaluate", "my runs/first", tmp_path.as_posix()],
    ]
