"""mrcnn.model: log folders, weights, training, detection, looking inside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mrcnn_fakes import Discs, ShapesConfig, faked  # noqa: F401  (a fixture)

from maskwright.errors import DatasetError, ImageError, RecipeError, UnknownName, WeightsError
from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.usefixtures("faked")


@pytest.fixture
def training(tmp_path: Path) -> MaskRCNN:
    return MaskRCNN(mode="training", config=ShapesConfig(), model_dir=str(tmp_path))


@pytest.fixture
def inference(tmp_path: Path) -> MaskRCNN:
    return MaskRCNN(mode="inference", config=ShapesConfig(), model_dir=str(tmp_path))


def discs(count: int = 3) -> Discs:
    return Discs().load(count)


# --- config -----------------------------------------------------------------------------------------
def test_what_follows_from_a_config_is_worked_out():
    config = ShapesConfig()
    assert config.BATCH_SIZE == 1 and config.IMAGE_SHAPE.tolist() == [64, 64, 3] and config.IMAGE_META_SIZE == 15
    assert type("C", (Config,), {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 128})().IMAGE_SHAPE[0] == 128


def test_a_config_prints_its_settings_in_two_columns(capsys):
    ShapesConfig().display()
    lines = capsys.readouterr().out.split("\n")
    assert lines[:3] == ["", "Configurations:", "BACKBONE                       resnet50"]
    assert lines[-4:] == ["WEIGHT_DECAY                   0.0001", "", "", ""]


def test_a_size_that_cannot_be_halved_six_times_is_refused(monkeypatch, tmp_path):
    monkeypatch.undo()
    with pytest.raises(ValueError, match="IMAGE_SHAPE is 100 x 100: both must be divisible by 64"):
        MaskRCNN("inference", type("C", (Config,), {"IMAGE_MAX_DIM": 100})(), str(tmp_path))


def test_a_backbone_that_is_not_supported_is_named(monkeypatch, tmp_path):
    monkeypatch.undo()
    with pytest.raises(RecipeError, match="BACKBONE"):
        MaskRCNN("inference", type("C", (Config,), {"BACKBONE": "vgg16"})(), str(tmp_path))


# --- log folders ------------------------------------------------------------------------------------
def test_the_last_checkpoint_is_a_path_and_the_old_pair_too(training):
    folder = Path(training.model_dir) / "shapes20240101T0000"
    folder.mkdir()
    (folder / "mask_rcnn_shapes_0003.h5").touch()
    last = training.find_last()
    path = str(folder / "mask_rcnn_shapes_0003.h5")
    assert last == path and isinstance(last, str)
    assert last[1] == path and last[0] == str(folder)
    assert tuple(last) == (str(folder), path)
    assert (
        os.path.split(last) == (str(folder), "mask_rcnn_shapes_0003.h5") and Path(last).exists() and last[-3:] == ".h5"
    )


def test_no_training_yet_is_file_not_found(training):
    with pytest.raises(FileNotFoundError, match="Could not find model directory"):
        training.find_last()


def test_a_folder_without_weights_is_file_not_found(training):
    (Path(training.model_dir) / "shapes20240101T0000").mkdir()
    with pytest.raises(FileNotFoundError, match="Could not find weight files"):
        training.find_last()


# --- training data ----------------------------------------------------------------------------------
def test_an_image_with_its_objects():
    image, meta, class_ids, boxes, masks = modellib.load_image_gt(discs(), ShapesConfig(), 1)
    assert image.shape == (64, 64, 3) and masks.shape == (64, 64, 1) and masks.dtype == bool
    assert class_ids.tolist() == [2] and boxes.tolist() == utils.extract_bboxes(masks).tolist()
    assert modellib.parse_image_meta(meta[None])["active_class_ids"].tolist() == [[1, 1, 1]]


def test_a_batch_has_seven_arrays():
    inputs, outputs = next(modellib.data_generator(discs(), ShapesConfig(), batch_size=2))
    shapes = [array.shape for array in inputs]
    anchors = len(inputs[2][0])
    assert outputs == []
    assert shapes == [(2, 64, 64, 3), (2, 15), (2, anchors, 1), (2, 256, 4), (2, 5), (2, 5, 4), (2, 64, 64, 5)]
    assert inputs[0].dtype == np.float32 and inputs[4].dtype == np.int32


def test_images_without_objects_are_passed_over(monkeypatch):
    dataset, whole = discs(3), Discs.load_mask
    nothing = np.zeros((48, 64, 0), bool), np.zeros(0, np.int32)
    monkeypatch.setattr(Discs, "load_mask", lambda self, i: nothing if i == 0 else whole(self, i))
    batches = modellib.data_generator(dataset, ShapesConfig(), shuffle=False)
    assert [int(next(batches)[0][1][0, 0]) for _ in range(3)] == [1, 2, 1]


def test_a_dataset_without_any_object_is_an_error_not_an_endless_loop(monkeypatch):
    nothing = np.zeros((48, 64, 0), bool), np.zeros(0, np.int32)
    monkeypatch.setattr(Discs, "load_mask", lambda self, i: nothing)
    with pytest.raises(DatasetError, match="no image of the dataset has an object"):
        next(modellib.data_generator(discs(), ShapesConfig()))


def test_masks_that_do_not_fit_their_image_are_named(monkeypatch):
    monkeypatch.setattr(Discs, "load_mask", lambda self, i: (np.zeros((48, 60, 2), bool), np.array([1])))
    with pytest.raises(DatasetError, match="masks 48 x 60 x 2"):
        modellib.load_image_gt(discs(), ShapesConfig(), 0)


def test_an_empty_dataset_is_an_error():
    with pytest.raises(DatasetError, match="the dataset has no images"):
        next(modellib.data_generator(discs(0), ShapesConfig()))


def test_the_same_seed_draws_the_same_anchors():
    def drawn() -> np.ndarray:
        np.random.seed(4)
        return next(modellib.data_generator(discs(), ShapesConfig(), shuffle=True))[0][2]

    assert (drawn() == drawn()).all()


def test_random_rois_and_their_targets():
    config = ShapesConfig()
    inputs, outputs = next(modellib.data_generator(discs(), config, random_rois=30, detection_targets=True))
    assert [array.shape for array in inputs[7:]] == [(1, 30, 4), (1, 200, 4)]
    assert [array.shape for array in outputs] == [(1, 200, 1), (1, 200, 3, 4), (1, 200, 28, 28, 3)]


def test_a_callable_augments_image_and_masks_together():
    def mirror(image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return image[:, ::-1], masks[:, ::-1]

    plain = modellib.load_image_gt(discs(), ShapesConfig(), 0)
    mirrored = modellib.load_image_gt(discs(), ShapesConfig(), 0, augmentation=mirror)
    assert (mirrored[0] == plain[0][:, ::-1]).all() and (mirrored[4] == plain[4][:, ::-1]).all()


def test_sources_without_augmentation_stay_as_they_are():
    seen: list[int] = []

    def count(image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(1)
        return image, masks

    next(modellib.data_generator(discs(), ShapesConfig(), augmentation=count, no_augmentation_sources=["discs"]))
    assert seen == []
    next(modellib.data_generator(discs(), ShapesConfig(), augmentation=count))
    assert seen == [1]


# --- weights ----------------------------------------------------------------------------------------
def test_weights_come_back_from_a_file(training, tmp_path):
    training.keras_model.layers[1].set_weights([np.full((1, 1, 3, 2), 5.0), np.ones(2)])
    training.keras_model.save_weights(str(tmp_path / "w.h5"))
    other = MaskRCNN("inference", ShapesConfig(), str(tmp_path))
    other.load_weights(str(tmp_path / "w.h5"), by_name=True, exclude=["mrcnn_class_logits", "no_such_layer"])
    assert (other.keras_model.get_layer("conv1").get_weights()[0] == 5).all()


def test_a_file_that_is_no_weights_is_named(inference, tmp_path):
    (tmp_path / "x.h5").write_bytes(b"not HDF5")
    with pytest.raises(WeightsError, match=r"x\.h5"):
        inference.load_weights(str(tmp_path / "x.h5"), by_name=True)


# --- training ---------------------------------------------------------------------------------------
def test_epochs_add_up_and_each_leaves_a_checkpoint(training, capsys):
    training.train(discs(), discs(2), learning_rate=0.01, epochs=1, layers="heads")
    training.train(discs(), discs(2), learning_rate=0.001, epochs=3, layers="4+")
    assert training.epoch == 3
    rates = [rate for _, rate in training.keras_model.network.steps]
    assert rates == [0.01] * 2 + [0.001] * 4
    files = sorted(path.name for path in Path(training.log_dir).glob("*.h5"))
    assert files == [f"mask_rcnn_shapes_000{epoch}.h5" for epoch in (1, 2, 3)]
    assert len(list(Path(training.log_dir).glob("events.out.tfevents*"))) == 2, "one for each call, none written over"
    told = capsys.readouterr().out
    assert "\nStarting at epoch 1. LR=0.001\n" in told and "Epoch 3/3" in told and "val_loss: 2.0000" in told
    assert "res4a_branch2a         (Conv2D)" in told and "    rpn_class_raw" in told


def test_a_training_goes_on_from_its_last_checkpoint(training, capsys):
    training.train(discs(), discs(2), 0.01, epochs=2, layers="all")
    again = MaskRCNN("training", training.config, training.model_dir)
    again.load_weights(again.find_last(), by_name=True)
    assert (again.epoch, again.log_dir) == (2, training.log_dir)
    again.train(discs(), discs(2), 0.01, epochs=3, layers="all")
    assert len(again.keras_model.network.steps) == 2
    assert (Path(training.log_dir) / "mask_rcnn_shapes_0003.h5").exists()
    assert "Re-starting from epoch 2" in capsys.readouterr().out


def test_callbacks_hear_of_every_epoch_and_batch(training):
    class Ear:
        def __init__(self) -> None:
            self.heard: list[Any] = []

        def on_train_begin(self, logs: Any) -> None:
            self.heard.append("begin")

        def on_batch_end(self, batch: int, logs: Any) -> None:
            self.heard.append(batch)

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.heard.append((epoch, sorted(logs)[:2], logs["val_loss"]))

    ear = Ear()
    training.train(discs(), discs(2), 0.01, epochs=1, layers="all", custom_callbacks=[ear])
    assert ear.heard == ["begin", 0, 1, (0, ["loss", "lr"], 2.0)]
    assert training.keras_model.history.history["val_loss"] == [2.0]


def test_a_callback_can_stop_the_training(training):
    class Stop:
        model: Any

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.stop_training = True

    training.train(discs(), None, 0.01, epochs=9, layers="all", custom_callbacks=[Stop()])
    assert len(training.keras_model.network.steps) == 2


def test_a_pattern_that_fits_no_layer_is_named(training):
    with pytest.raises(UnknownName, match="layer that fits the pattern"):
        training.train(discs(), discs(2), 0.01, epochs=1, layers="res9.*")


# --- detection --------------------------------------------------------------------------------------
def test_no_objects_give_empty_arrays(inference):
    inference.keras_model.network.detections = []
    r = inference.detect([np.zeros((48, 64, 3), np.uint8)])[0]
    assert r["rois"].shape == (0, 4) and r["class_ids"].shape == (0,) and r["scores"].shape == (0,)
    assert r["masks"].shape == (48, 64, 0)


def test_a_detection_lies_on_the_image(inference, capsys):
    r = inference.detect([np.zeros((48, 64, 3), np.uint8)], verbose=1)[0]
    assert r["rois"].tolist() == [[8, 16, 40, 48]] and r["rois"].dtype == np.int32
    assert r["class_ids"].tolist() == [1] and r["scores"][0] == pytest.approx(0.9)
    assert r["masks"].shape == (48, 64, 1) and r["masks"].sum() == 32 * 32
    assert capsys.readouterr().out.splitlines() == [
        "Processing 1 images",
        "image                    shape: (48, 64, 3)           min:    0.00000  max:    0.00000  uint8",
        "molded_images            shape: (1, 64, 64, 3)        min: -123.70000  max: -103.90000  float64",
        "image_metas              shape: (1, 15)               min:    0.00000  max:   64.00000  float64",
        "anchors                  shape: (1, 1023, 4)          min:   -0.71833  max:    0.98140  float32",
    ]


def test_a_gray_image_is_named(inference):
    with pytest.raises(ImageError, match=r"shape \(4, 5\)"):
        inference.detect([np.zeros((4, 5), np.uint8)])


def test_molded_images_are_detected_as_they_are(inference):
    molded, metas, _ = inference.mold_inputs([np.zeros((48, 64, 3), np.uint8)])
    r = inference.detect_molded(molded, metas)[0]
    assert r["rois"].tolist() == [[16, 16, 48, 48]] and r["masks"].shape == (64, 64, 1)


def test_the_number_of_images_must_be_the_batch_size(inference):
    with pytest.raises(AssertionError, match="2 images where BATCH_SIZE"):
        inference.detect([np.zeros((4, 4, 3))] * 2)


# --- looking inside ---------------------------------------------------------------------------------
def test_named_values_on_the_way(inference, capsys):
    pillar = inference.keras_model.get_layer("ROI").output
    ancestor = inference.ancestor
    values = inference.run_graph(
        [np.zeros((48, 64, 3), np.uint8)],
        [
            ("rpn_class", inference.keras_model.get_layer("rpn_class").output),
            ("pre_nms_anchors", ancestor(pillar, "ROI/pre_nms_anchors:0")),
            ("refined_anchors_clipped", ancestor(pillar, "ROI/refined_anchors_clipped:0")),
            ("kept", ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0")),
            ("input", inference.keras_model.get_layer("input_image").output),
        ],
    )
    assert values["input"].shape == (1, 64, 64, 3)
    assert values["pre_nms_anchors"].shape == values["refined_anchors_clipped"].shape == (1, 1023, 4)
    assert values["kept"].tolist() == [0, 1, 2, 3, 4], "the fake keeps the five last, best anchors"
    assert "rpn_class                shape: (1, 1023, 2)" in capsys.readouterr().out


def test_an_unknown_layer_is_a_value_error(inference):
    with pytest.raises(ValueError, match="No such layer: fpn_p9"):
        inference.keras_model.get_layer("fpn_p9")
    assert inference.ancestor(None, "fpn_p2/BiasAdd:0") is None


def test_the_summary_counts_weights(inference, capsys):
    inference.keras_model.summary()
    told = capsys.readouterr().out
    assert "conv1 (Conv2D)" in told and "Total params: 44" in told


def test_pieces_of_the_old_graph_say_why_they_are_missing():
    with pytest.raises(AttributeError, match="ProposalLayer builds a piece of a TensorFlow graph"):
        modellib.ProposalLayer  # noqa: B018
