"""A .h5 behind the engines' protocol."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from maskwright.engines.matterport_engine import COCO, MatterportEngine, open_h5_model
from maskwright.errors import WeightsError
from maskwright.models.matterport.model import MatterportMaskRCNN, Settings
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.weights.matterport_h5 import load_into, read_h5, write_h5

pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(1)
    settings = Settings("resnet50", 3, top_down_pyramid_size=16, fpn_classif_fc_layers_size=32)
    path = tmp_path_factory.mktemp("h5") / "small.h5"
    write_h5(MatterportMaskRCNN(settings), path)
    return path


def test_a_file_opens_with_what_it_shows(file):
    network, settings, names = open_h5_model(file)
    assert (settings.backbone, settings.num_classes, settings.top_down_pyramid_size) == ("resnet50", 3, 16)
    assert names == ("class1", "class2")
    assert open_h5_model(file, ["sword", "gun"])[2] == ("sword", "gun")
    again = MatterportMaskRCNN(settings, "training")
    load_into(again, read_h5(file))
    held = again.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in network.state_dict().items())


def test_names_that_do_not_fit_are_refused(file):
    with pytest.raises(WeightsError, match="2 names, the background not counted"):
        open_h5_model(file, ["sword"])
    assert len(COCO) == 80


def test_the_engine_keeps_the_protocol(file):
    engine = MatterportEngine.prepare(file, device="cpu")
    small = {"image_min_dim": 64, "image_max_dim": 128, "image_shape": (128, 128, 3), "detection_min_confidence": 0.0}
    engine.network.settings = dataclasses.replace(engine.network.settings, **small)
    network_input = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    found, nothing = engine.run([network_input, np.zeros_like(network_input)], [(100, 80), (128, 128)])
    assert len(found.boxes) == len(found.scores) == len(found.classes) == len(found.mask_probs)
    assert len(found) > 0
    assert found.mask_probs.shape[1:] == (28, 28)
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.classes.tolist()) <= {0, 1}
    assert (found.boxes >= 0).all() and (found.boxes <= [80, 100, 80, 100]).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert nothing.boxes.shape[1] == 4


def test_masks_are_those_of_detect_pixel_for_pixel(file, tmp_path):
    """maskwright predict MODEL.h5 and mrcnn's detect: the same boxes, classes, scores and masks."""
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN

    class Small(Config):
        NAME, BACKBONE, NUM_CLASSES = "small", "resnet50", 3
        IMAGES_PER_GPU = 1
        IMAGE_MIN_DIM, IMAGE_MAX_DIM, DETECTION_MIN_CONFIDENCE = 100, 128, 0.0
        TOP_DOWN_PYRAMID_SIZE, FPN_CLASSIF_FC_LAYERS_SIZE = 16, 32

    image = np.random.default_rng(3).integers(0, 255, (61, 83, 3), np.uint8)
    model = MaskRCNN("inference", Small(), tmp_path)
    model.load_weights(file)
    theirs = model.detect([image])[0]

    predictor = load(file, InferenceOptions(threshold=0.0, device="cpu"))
    small = {"image_min_dim": 100, "image_max_dim": 128, "image_shape": (128, 128, 3), "detection_min_confidence": 0.0}
    predictor.engine.network.settings = dataclasses.replace(predictor.engine.network.settings, **small)
    found = predictor(image)
    assert len(found) == len(theirs["rois"]) > 3
    assert np.allclose(found.boxes[:, [1, 0, 3, 2]], theirs["rois"], atol=1)
    assert np.array_equal(found.classes + 1, theirs["class_ids"])
    assert np.allclose(found.scores, theirs["scores"], atol=1e-4)
    assert theirs["masks"].any()
    assert np.array_equal(found.masks.dense(), theirs["masks"].transpose(2, 0, 1))
