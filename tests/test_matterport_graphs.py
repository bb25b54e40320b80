"""matterport's networks in engines that run graphs: the detections of torch, and the arithmetic in numpy.

Of boxes at the edge of the image the original pools the last line of the map, or zeros, by the last bit of the box. So
a random network's detections are not all equal in two runtimes, and the tests of whole networks ask for most of them.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from lively_networks import enliven_matterport, lively_model, picture, same
from PIL import Image as PilImage

from maskwright.api.export import export
from maskwright.cli.main import commands
from maskwright.engines import matterport_engine
from maskwright.engines.matterport_kinds import MatterportMolded, MatterportTwoStage
from maskwright.errors import WeightsError
from maskwright.exporting import parity
from maskwright.exporting.parity import Bounds
from maskwright.geometry import boxes_matterport
from maskwright.geometry.roi_align import crop_and_resize
from maskwright.models import ops
from maskwright.models.matterport import layers, layout
from maskwright.models.matterport.model import MatterportMaskRCNN, Settings
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.types import Instances
from maskwright.weights.matterport_h5 import write_h5

SMALL = functools.partial(
    Settings, image_shape=(128, 128, 3), image_min_dim=100, image_max_dim=128, post_nms_rois_inference=60,
    detection_min_confidence=0.4,
)  # fmt: skip
FP32 = InferenceOptions(precision="fp32", threshold=0.0)


@pytest.fixture(params=["onnx", "openvino"])
def runtime(request) -> str:
    if importlib.util.find_spec({"onnx": "onnxruntime", "openvino": "openvino"}[request.param]) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


def test_a_model_folder_of_matterports_network_answers_as_in_torch(tmp_path, runtime, monkeypatch):
    monkeypatch.setitem(layout.BLOCKS, "resnet101", (1, 1, 1, 1))
    folder = lively_model(tmp_path, "matterport", "segment", ("a", "b"), 128)
    in_torch, here = load(folder, FP32, engine="torch"), load(folder, FP32, engine=runtime)
    assert type(here.engine.network) is MatterportTwoStage  # type: ignore[attr-defined]
    found, equal = 0, 0.0
    for number, size in enumerate(((192, 256), (100, 160), (333, 77), (128, 128))):
        expected, got = in_torch(picture(size, number)), here(picture(size, number))
        assert isinstance(expected, Instances) and isinstance(got, Instances)
        found, equal = found + len(expected), equal + len(expected) * same(got, expected)
    assert found > 5 and equal > 0.7 * found


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A weight file of a network with a thin pyramid, which detects."""
    pytest.importorskip("h5py")
    torch.manual_seed(2)
    network = MatterportMaskRCNN(SMALL("resnet50", 3, top_down_pyramid_size=16, fpn_classif_fc_layers_size=32))
    pixels = picture((128, 128)).pixels.astype(np.float32) - np.array(network.settings.mean_pixel, np.float32)
    enliven_matterport(network, torch.from_numpy(pixels).permute(2, 0, 1)[None])
    path = tmp_path_factory.mktemp("h5") / "tools.h5"
    write_h5(network, path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number, size in enumerate(((120, 160), (120, 160), (61, 83))):
        PilImage.fromarray(picture(size, number).pixels).save(folder / f"{number}.png")
    return folder


def test_a_weight_file_is_exported_and_answers_as_the_original(file, images, tmp_path, runtime, monkeypatch):
    monkeypatch.setattr(matterport_engine, "Settings", SMALL)
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    loose = Bounds(unmatched=0.3, box=4, score=0.2, mask_iou=0.7, ap=0.3)
    monkeypatch.setitem(parity.BOUNDS, "fp32", loose)
    out = tmp_path / "out"
    done = export(file, runtime, out=out, precision="fp32", names=("hammer", "saw"), images=images)
    assert done.parity.exceeded() == [] and done.parity.detections > 3
    assert done.parity.batch is not None and done.parity.batch.images == 2 and done.parity.batch.unmatched == 0
    exported = load(out)
    assert exported.card.classes == ("hammer", "saw") and exported.threshold == 0.4
    assert type(exported.engine.network) is MatterportMolded  # type: ignore[attr-defined]
    in_torch = load(file, InferenceOptions(names=("hammer", "saw")))
    found, equal = 0, 0.0
    for image in sorted(images.iterdir()):
        expected, got = in_torch(image), exported(image)
        assert isinstance(expected, Instances) and isinstance(got, Instances)
        found, equal = found + len(expected), equal + len(expected) * same(got, expected, pixels=1.1)
        assert np.array_equal(got.boxes, np.round(got.boxes))  # whole pixels, as the original has them
    assert found > 3 and equal > 0.7 * found


def test_a_weight_file_is_predicted_by_another_engine_under_names_of_ones_own(file, images, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(matterport_engine, "Settings", SMALL)
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    run = ["predict", str(file), str(images / "0.png"), "--engine", "onnx", "--no-pictures", "--out", str(tmp_path)]
    result = CliRunner().invoke(commands, [*run, "--names", "hammer,saw"])
    assert result.exit_code == 0 and "engine: onnx, fp32" in result.output, result.output
    assert load(file, InferenceOptions(engine="onnx")).card.classes == ("class1", "class2")  # converted for other names
    with pytest.raises(WeightsError, match="the names do not fit the file's classes"):
        load(file, InferenceOptions(engine="onnx", names=("hammer",)))


# --- the arithmetic: as models/matterport/layers.py has it ---------------------------------------------------------
def boxes(count: int, seed: int = 0) -> np.ndarray:
    """count×4 normalized, y1 x1 y2 x2, of every size; the first one empty."""
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.random((count, 2, 2)) ** rng.choice([0.3, 1, 4], (count, 1, 1)), axis=1).astype(np.float32)
    corners[:1] = 0
    return corners.reshape(-1, 4)


def test_boxes_are_pooled_from_the_same_level_to_the_same_values():
    rng, chosen = np.random.default_rng(1), boxes(50)
    chosen[1] = [0, 0, 1, 1]
    levels = [rng.normal(size=(side, 2 * side, 3)).astype(np.float32) for side in (32, 16, 8, 4)]
    area = 128.0 * 256
    table = ops.feature_table([torch.from_numpy(level.transpose(2, 0, 1)[None]) for level in levels])
    level_of_each = boxes_matterport.pyramid_levels(chosen, area)
    assert np.array_equal(level_of_each + 2, layers.pyramid_level(torch.from_numpy(chosen), area).numpy())
    for out in (7, 14):
        expected = layers.pool(*table, torch.from_numpy(chosen)[None], area, out).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(crop_and_resize(levels, chosen, level_of_each, out), expected, atol=1e-5)
    assert crop_and_resize(levels, chosen[:0], level_of_each[:0], 7).shape == (0, 7, 7, 3)


def kind(**numbers: object) -> MatterportTwoStage:
    settings = Settings("resnet50", 4)
    values = {name: getattr(settings, name) for name in MatterportTwoStage.__struct_fields__}
    return MatterportTwoStage(**{**values, **numbers})


def test_proposals_are_those_of_the_network_in_torch():
    size = (128, 192)
    network = kind(pre_nms_limit=500, post_nms_rois_inference=40)
    anchors = layout.normalized_anchors(Settings("resnet50", 4), size)
    rng = np.random.default_rng(3)
    probs = rng.random(len(anchors)).astype(np.float32)
    probs[:900] = np.round(probs[:900], 1)  # many are equal, at the limit too
    deltas = rng.normal(size=(len(anchors), 4)).astype(np.float32)
    both = torch.from_numpy(np.stack([1 - probs, probs], 1))[None]
    std = torch.tensor(network.rpn_bbox_std_dev)
    expected = layers.propose(both, torch.from_numpy(deltas)[None], torch.from_numpy(anchors)[None], std, 500, 40, 0.7)
    np.testing.assert_allclose(network.propose(probs, deltas, size), expected[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("proposed", [0, 5, 30])
def test_detections_are_those_of_the_network_in_torch_however_few_are_proposed(proposed):
    """The empty boxes that the original fills up with are classified too, and count among the detections."""
    network = kind(post_nms_rois_inference=30, detection_min_confidence=0.3, detection_max_instances=12)
    rois, rng = boxes(31, 4)[1 : proposed + 1], np.random.default_rng(5)
    used = min(proposed + 1, 30)
    probs = rng.dirichlet([0.4] * 4, used).astype(np.float32)
    deltas = rng.normal(size=(used, 4, 4)).astype(np.float32)
    level = [np.zeros((4, 4, 1), np.float32)] * 4
    window = np.array([0.1, 0, 0.9, 1], np.float32)
    got = network.classify_boxes(lambda inputs: [probs, deltas], level, rois, window, 1024.0)
    rows = np.minimum(np.arange(30), used - 1)
    padded = np.concatenate([rois, np.zeros((30 - len(rois), 4), np.float32)])
    expected = layers.detect(
        *(torch.from_numpy(array)[None] for array in (padded, probs[rows], deltas[rows])),
        windows=torch.from_numpy(window)[None], std=torch.tensor(network.bbox_std_dev), confidence=0.3,
        threshold=network.detection_nms_threshold, count=12,
    )[0].numpy()  # fmt: skip
    expected = expected[expected[:, 4] > 0]
    np.testing.assert_allclose(got[0], expected[:, :4], atol=1e-6)
    assert np.array_equal(got[1] + 1, expected[:, 4]) and np.array_equal(got[2], expected[:, 5])
