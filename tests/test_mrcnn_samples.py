"""The samples' command lines, on data of a few images and with a network that computes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mrcnn_fakes import faked  # noqa: F401  (a fixture)
from PIL import Image

from maskwright.errors import RecipeError
from mrcnn.samples import balloon, coco, gdxray, nucleus, shapes, starting

pytestmark = pytest.mark.usefixtures("faked")


def balloons(folder: Path) -> Path:
    for subset in ("train", "val"):
        (folder / subset).mkdir(parents=True)
        Image.new("RGB", (64, 48), (200, 30, 90)).save(folder / subset / "a.jpg")
        outline = {"name": "polygon", "all_points_x": [10, 40, 40, 10], "all_points_y": [8, 8, 30, 30]}
        regions = {"0": {"shape_attributes": outline, "region_attributes": {}}}
        via = {"a.jpg1": {"filename": "a.jpg", "size": -1, "regions": regions, "fileref": "", "file_attributes": {}}}
        (folder / subset / "via_region_data.json").write_text(json.dumps(via))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; trainings of two steps an epoch."""
    monkeypatch.chdir(tmp_path)
    for config in (balloon.BalloonConfig, shapes.ShapesConfig, gdxray.GDXrayConfig, nucleus.NucleusConfig):
        monkeypatch.setattr(config, "STEPS_PER_EPOCH", 1)
        monkeypatch.setattr(config, "VALIDATION_STEPS", 1)
        monkeypatch.setattr(config, "IMAGES_PER_GPU", 1)
    monkeypatch.setattr(balloon.BalloonConfig, "IMAGE_MIN_DIM", 64)
    monkeypatch.setattr(balloon.BalloonConfig, "IMAGE_MAX_DIM", 64)
    return tmp_path


# --- balloon ----------------------------------------------------------------------------------------
def test_balloons_train_and_are_splashed(here, capsys):
    data = balloons(here / "data")
    balloon.command(["train", f"--dataset={data}", "--weights=none", "--logs=logs"])
    (folder,) = (here / "logs").iterdir()
    assert (folder / "mask_rcnn_balloon_0030.h5").exists()
    balloon.command(["splash", "--weights=last", f"--image={data / 'val' / 'a.jpg'}"])
    (made,) = here.glob("splash_*.png")
    picture = np.asarray(Image.open(made))
    assert picture[24, 32].std() > 10 and picture[0, 0].std() == 0, "color inside, gray outside"
    told = capsys.readouterr().out
    assert "Training network heads" in told and f"Saved to  {made.name}" in told


def test_masks_of_balloons_are_their_outlines(here):
    dataset = balloon.BalloonDataset()
    dataset.load_balloon(balloons(here / "data"), "train")
    dataset.prepare()
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (48, 64, 1) and masks.sum() == 30 * 22 and class_ids.tolist() == [1]
    assert dataset.image_reference(0).endswith("a.jpg") and dataset.load_image(0).shape == (48, 64, 3)


def test_an_image_without_balloons_is_gray():
    image = np.zeros((4, 5, 3), np.uint8)
    image[..., 0] = 200
    assert (balloon.color_splash(image, np.zeros((4, 5, 0))) == 42).all()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["train", "--weights=coco"], "train needs --dataset"), (["splash", "--weights=last"], "--image or --video")],
)
def test_what_is_missing_is_said(arguments, word, capsys):
    with pytest.raises(SystemExit):
        balloon.command(arguments)
    assert word in capsys.readouterr().err


def test_last_without_a_training_is_named(here):
    with pytest.raises(RecipeError, match="there is no training to go on with"):
        starting.make_model("training", balloon.BalloonConfig(), str(here / "logs"), "last")


@pytest.mark.parametrize("weights", ["last", "coco"])
def test_weights_that_are_not_to_be_had_are_an_error_before_a_network_is_made(here, monkeypatch, weights):
    def absent(path):
        raise RecipeError("no network")

    def made(**settings):
        raise AssertionError("a network was made first")

    monkeypatch.setattr(starting, "download_trained_weights", absent)
    monkeypatch.setattr(starting, "MaskRCNN", made)
    with pytest.raises(RecipeError):
        starting.make_model("training", balloon.BalloonConfig(), str(here / "logs"), weights)


def test_series_that_are_here_are_not_fetched_again(here, monkeypatch):
    fetched = []
    monkeypatch.setattr(gdxray, "obtain", lambda name, folder: fetched.append((name, folder)))
    (here / "Welds" / "W0001").mkdir(parents=True)
    gdxray.fetch_series(here / "Welds", "welds")
    assert fetched == []
    gdxray.fetch_series(here / "Castings", "castings")
    assert fetched == [("castings", here / "Castings")]


def test_real_balloons(shared):
    dataset = balloon.BalloonDataset()
    dataset.load_balloon(shared / "data" / "balloon", "val")
    dataset.prepare()
    assert len(dataset.image_ids) == 13
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape[:2] == dataset.load_image(0).shape[:2] and len(class_ids) == masks.shape[2] > 0


# --- the others -------------------------------------------------------------------------------------
def test_shapes_train_and_are_detected(here, monkeypatch, capsys):
    monkeypatch.setattr(shapes, "made", lambda count, config, make=shapes.made: make(3, config))
    shapes.command(["train", "--weights=none", "--epochs=2"])
    shapes.command(["detect", "--weights=last"])
    assert "mAP: " in capsys.readouterr().out


def test_a_shape_hides_what_lies_behind_it():
    dataset = shapes.made(20, shapes.ShapesConfig())
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        assert masks.sum(axis=2).max() <= 1 and len(class_ids) == masks.shape[2] > 0


def test_coco_is_evaluated(here, capsys):
    (here / "val2017").mkdir()
    (here / "annotations").mkdir()
    Image.new("RGB", (64, 48)).save(here / "val2017" / "7.jpg")
    outline = {"segmentation": [[16, 8, 48, 8, 48, 40, 16, 40]], "bbox": [16, 8, 32, 32], "area": 1024, "iscrowd": 0}
    ground_truth = {
        "images": [{"id": 7, "file_name": "7.jpg", "height": 48, "width": 64}],
        "categories": [{"id": 5, "name": "cup"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 5, **outline}],
    }
    (here / "annotations" / "instances_val2017.json").write_text(json.dumps(ground_truth))
    dataset = coco.CocoDataset()
    found = dataset.load_coco(here, "val", year="2017", return_coco=True)
    dataset.prepare()
    config = starting.for_inference(type("C", (coco.CocoConfig,), {"IMAGE_MAX_DIM": 64, "IMAGE_MIN_DIM": 64}))
    model = starting.make_model("inference", config, "logs", "none")
    for kind in ("bbox", "segm"):
        assert coco.evaluate_coco(model, dataset, found, kind).stats[0] == pytest.approx(1)
    assert "Average Precision" in capsys.readouterr().out
    model.keras_model.network.detections = []
    assert coco.evaluate_coco(model, dataset, found) is None


def test_nuclei_become_a_submission(here, monkeypatch):
    folder = here / "stage1_test" / "x1" / "images"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(folder / "x1.png")
    nucleus.command(["detect", "--dataset=.", "--subset=stage1_test", "--weights=none"])
    (file,) = here.glob("results/nucleus/submit_*/submit.csv")
    head, row = file.read_text().splitlines()
    assert head == "ImageId,EncodedPixels" and row.startswith("x1, ")
    assert len(row.split()) == 1 + 2 * 32, "32 columns, a start and a length each"


def test_run_lengths_count_from_one_down_the_columns():
    mask = np.zeros((3, 3), bool)
    mask[1:, 1] = True
    assert nucleus.rle_encode(mask) == "5 2" and nucleus.rle_encode(mask & False) == ""


def test_castings_have_elliptic_masks(here, shared):
    dataset = gdxray.loaded(shared / "data" / "gdxray", "train", "Castings")
    assert dataset.class_names == ["BG", "casting defect"]
    image_id = next(i for i in dataset.image_ids if dataset.load_mask(i)[0].shape[2])
    masks, class_ids = dataset.load_mask(image_id)
    assert masks.any(axis=(0, 1)).all() and set(class_ids.tolist()) == {1}


@pytest.mark.parametrize("name", ["balloon", "coco", "gdxray", "nucleus", "shapes"])
def test_every_sample_has_its_help(name):
    done = subprocess.run([sys.executable, "-m", f"mrcnn.samples.{name}", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--logs" in done.stdout
