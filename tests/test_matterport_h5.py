"""Keras weight files: every layout met in the wild, written back bit for bit, and every fault named."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from maskwright.errors import MissingExtra, UnknownName, WeightsError
from maskwright.extras import how_to_install
from maskwright.models.matterport.layout import Layer, Settings, layers, parts
from maskwright.weights.matterport_h5 import LoadReport, load_into, read_h5, write_h5

h5py = pytest.importorskip("h5py")

RPN = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")


class Little:
    """A network of few small layers."""

    def __init__(self, classes: int = 3, backbone: str = "resnet50", seed: int | None = 1) -> None:
        blocks = ["res4f_branch2a"] + ["res4g_branch2a", "res4w_branch2a"] * (backbone == "resnet101")
        shapes: dict[str, list[tuple[int, ...]]] = {
            "input_image": [],
            "conv1": [(7, 7, 3, 2), (2,)],
            "bn_conv1": [(2,)] * 4,
            **{name: [(1, 1, 2, 4), (4,)] for name in blocks},
            "rpn_model": [(3, 3, 4, 5), (5,), (1, 1, 5, 6), (6,), (1, 1, 5, 12), (12,)],
            "mrcnn_class_logits": [(5, classes), (classes,)],
            "mrcnn_bbox_fc": [(5, 4 * classes), (4 * classes,)],
            "mrcnn_mask": [(1, 1, 5, classes), (classes,)],
        }
        self._layers = [Layer(name, self._names(name, len(item)), tuple(item)) for name, item in shapes.items()]
        random = np.random.default_rng(seed)
        self.weights = {
            name: random.normal(size=shape).astype(np.float32) if seed is not None else np.zeros(shape, np.float32)
            for layer in self._layers
            for name, shape in zip(layer.weight_names, layer.shapes, strict=True)
        }

    @staticmethod
    def _names(layer: str, count: int) -> tuple[str, ...]:
        if layer == "rpn_model":
            return tuple(f"{inner}/{kind}:0" for inner in RPN for kind in ("kernel", "bias"))
        kinds = ("gamma", "beta", "moving_mean", "moving_variance") if count == 4 else ("kernel", "bias")
        return tuple(f"{layer}/{kind}:0" for kind in kinds[:count])

    def layers(self) -> list[Layer]:
        return self._layers

    def get_weight(self, name: str) -> np.ndarray:
        return self.weights[name]

    def set_weight(self, name: str, value: np.ndarray) -> None:
        self.weights[name] = value


def same(a: Little, b: Little) -> bool:
    return list(a.weights) == list(b.weights) and all(
        np.array_equal(a.weights[name], b.weights[name]) for name in a.weights
    )


def put(group, layer: str, pairs: list[tuple[str, np.ndarray]]) -> None:
    inner = group.create_group(layer)
    inner.attrs["weight_names"] = np.array([name.encode() for name, _ in pairs]) if pairs else np.array([])
    for name, value in pairs:
        inner.create_dataset(name, data=value)


def pairs_of(network: Little, layer: Layer, rename=lambda name: name) -> list[tuple[str, np.ndarray]]:
    return [(rename(name), network.weights[name]) for name in layer.weight_names]


@pytest.fixture
def written(tmp_path) -> Path:
    write_h5(Little(), tmp_path / "a.h5")
    return tmp_path / "a.h5"


# --- layouts ----------------------------------------------------------------------------------------
def test_what_is_written_comes_back_bit_for_bit(written, tmp_path):
    network = Little(seed=None)
    report = load_into(network, read_h5(written), by_name=False)
    assert same(network, Little())
    assert report.missing == report.unused == report.excluded == []
    write_h5(network, tmp_path / "b.h5")
    with h5py.File(written) as a, h5py.File(tmp_path / "b.h5") as b:
        assert list(a.attrs["layer_names"]) == list(b.attrs["layer_names"])
        assert [str(a.attrs[key]) for key in a.attrs] == [str(b.attrs[key]) for key in b.attrs]


def test_the_layout_is_keras_own(written):
    with h5py.File(written) as file:
        assert file.attrs["backend"] == "tensorflow"
        assert file.attrs["keras_version"] == "2.2.4"
        assert file.attrs["layer_names"].dtype.kind == "S"
        assert file["conv1"].attrs["weight_names"].tolist() == [b"conv1/kernel:0", b"conv1/bias:0"]
        assert file["input_image"].attrs["weight_names"].dtype == np.float64, "as Keras leaves an empty list"
        assert file["rpn_model/rpn_class_raw/kernel:0"].dtype == np.float32


def test_a_file_tells_what_it_holds(written, tmp_path):
    held = read_h5(written)
    assert (held.backbone, held.classes, held.mode, held.ratios, held.keras) == ("resnet50", 3, "inference", 3, "2.2.4")
    assert held.describe() == "resnet50, 3 classes including background, inference mode, 7 layers with weights"
    write_h5(Little(backbone="resnet101"), tmp_path / "b.h5")
    assert read_h5(tmp_path / "b.h5").backbone == "resnet101"


def test_a_second_model_of_one_process_has_other_weight_names(tmp_path):
    network = Little()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in network.layers()]  # str, as later Keras writes
        for layer in network.layers():
            put(file, layer.name, pairs_of(network, layer, lambda name: name.replace("/", "_1/")))
    other = Little(seed=None)
    load_into(other, read_h5(tmp_path / "a.h5"))
    assert same(network, other)


def test_a_whole_model_lies_below_model_weights_and_long_lists_in_pieces(tmp_path):
    network = Little()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["keras_version"] = "2.3.1"
        file.create_group("optimizer_weights")
        root = file.create_group("model_weights")
        names = [layer.name.encode() for layer in network.layers()]
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:3], names[3:]
        for layer in network.layers():
            put(root, layer.name, pairs_of(network, layer))
    other = Little(seed=None)
    weights = read_h5(tmp_path / "a.h5")
    load_into(other, weights, by_name=False)
    assert same(network, other)
    assert weights.keras == "2.3.1"


@pytest.mark.parametrize("suffix", ["", "_1"])
def test_a_multi_gpu_file_holds_the_model_in_one_group(tmp_path, suffix):
    network = Little()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_image", b"tower_0", b"mask_rcnn"]
        put(file, "input_image", [])
        put(file, "tower_0", [])
        whole = [pair for layer in network.layers() for pair in pairs_of(network, layer)]
        put(file, "mask_rcnn", [(name.replace("/", suffix + "/"), value) for name, value in whole])
    other = Little(seed=None)
    load_into(other, read_h5(tmp_path / "a.h5"))
    assert same(network, other)


def test_a_training_model_has_other_layers_in_another_order(tmp_path):
    network = Little()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        order = [*reversed(network.layers()), Layer("proposal_targets", (), ()), Layer("rpn_class_loss", (), ())]
        file.attrs["layer_names"] = [layer.name.encode() for layer in order]
        for layer in order:
            put(file, layer.name, pairs_of(network, layer))
    other, weights = Little(seed=None), read_h5(tmp_path / "a.h5")
    load_into(other, weights)
    assert same(network, other)
    assert weights.mode == "training"


def test_imagenet_weights_are_a_backbone_with_names_of_keras_1(tmp_path):
    network = Little(backbone="resnet50")
    with h5py.File(tmp_path / "notop.h5", "w") as file:
        backbone = [layer for layer in network.layers() if layer.name in ("conv1", "bn_conv1", "res4f_branch2a")]
        file.attrs["layer_names"] = [layer.name.encode() for layer in backbone]
        for layer in backbone:
            names = [f"{layer.name}_{kind}:0" for kind in ("W", "b", "running_mean", "running_std")]
            put(file, layer.name, [(a, v) for a, (_, v) in zip(names, pairs_of(network, layer), strict=False)])
    weights = read_h5(tmp_path / "notop.h5")
    assert (weights.mode, weights.classes) == ("backbone", None)
    for backbone in ("resnet50", "resnet101"):  # the original's samples start both from it
        other = Little(backbone=backbone, seed=None)
        report = load_into(other, weights)
        assert np.array_equal(other.weights["conv1/kernel:0"], network.weights["conv1/kernel:0"])
        assert report.missing[-2:] == ["mrcnn_bbox_fc", "mrcnn_mask"]


def test_excluded_layers_stay_as_they_are(written):
    network, heads = Little(classes=5, seed=None), ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
    assert heads[2] not in [layer.name for layer in network.layers()]
    network._layers.append(Layer("mrcnn_bbox", (), ()))
    report = load_into(network, read_h5(written), by_name=True, exclude=heads)
    assert isinstance(report, LoadReport)
    assert report.excluded == ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]
    assert network.weights["conv1/bias:0"].any()
    assert not network.weights["mrcnn_mask/bias:0"].any()


# --- faults -----------------------------------------------------------------------------------------
def test_a_wrong_number_of_classes_is_named_and_nothing_is_changed(written):
    network = Little(classes=5, seed=None)
    with pytest.raises(WeightsError) as error:
        load_into(network, read_h5(written))
    assert error.value.headline == "the weights do not fit the network"
    assert error.value.parts == {
        "file": str(written),
        "record": "mrcnn_class_logits",
        "field": "NUM_CLASSES",
        "expected": "shapes [(5, 5), (5,)]",
        "got": "shapes [(5, 3), (3,)] (resnet50, 3 classes including background, inference mode, "
        "7 layers with weights)",
        "fix": "set NUM_CLASSES = 3, or exclude=['mrcnn_class_logits', 'mrcnn_bbox_fc', 'mrcnn_bbox', 'mrcnn_mask'] "
        "to train these layers from scratch",
    }
    assert not any(value.any() for value in network.weights.values())


def test_another_backbone_is_named(written):
    with pytest.raises(WeightsError) as error:
        load_into(Little(backbone="resnet101"), read_h5(written))
    assert error.value.headline == "the weights are of another backbone"
    assert error.value.parts["expected"] == "resnet101"
    assert error.value.parts["got"].startswith("resnet50, 3 classes")
    assert error.value.parts["fix"] == "set BACKBONE = 'resnet50' in the config, or use other weights"


def test_other_anchor_ratios_are_named(written):
    network = Little(seed=None)
    rpn = next(row for row, layer in enumerate(network._layers) if layer.name == "rpn_model")
    shapes = [*network._layers[rpn].shapes[:2], (1, 1, 5, 4), (4,), (1, 1, 5, 8), (8,)]
    network._layers[rpn] = network._layers[rpn]._replace(shapes=tuple(shapes))
    with pytest.raises(WeightsError, match="use 3 RPN_ANCHOR_RATIOS"):
        load_into(network, read_h5(written))


def test_missing_layers_are_reported_by_name_and_refused_by_order(written):
    network = Little(seed=None)
    network._layers.append(Layer("fpn_p2", ("fpn_p2/kernel:0",), ((1,),)))
    assert load_into(network, read_h5(written)).missing == ["fpn_p2"]
    with pytest.raises(WeightsError, match="missing fpn_p2") as error:
        load_into(network, read_h5(written), by_name=False)
    assert error.value.parts["fix"] == "load it with by_name=True"


def test_an_unknown_layer_to_exclude_offers_the_nearest(written):
    with pytest.raises(UnknownName, match="mrcnn_bbox_fc"):
        load_into(Little(), read_h5(written), exclude=["mrcnn_box_fc"])


def test_no_file_a_external_one_and_a_truncated_one(written, tmp_path):
    with pytest.raises(WeightsError, match="the weights file does not exist"):
        read_h5(tmp_path / "none.h5")
    (tmp_path / "page.h5").write_text("<html>404</html>")
    whole = written.read_bytes()
    (tmp_path / "short.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.h5").write_bytes(b"")
    for name in ("page.h5", "short.h5", "empty.h5"):
        with pytest.raises(WeightsError, match="the weights cannot be read") as error:
            read_h5(tmp_path / name)
        assert "copy the file again" in error.value.parts["fix"]


def test_no_damaged_byte_lets_another_error_out(written, tmp_path):
    whole = bytearray(written.read_bytes())
    random = np.random.default_rng(2)
    for turn in range(60):
        damaged = bytearray(whole)
        for integer in random.integers(0, min(len(whole), 6000), 12):
            damaged[integer] = random.integers(0, 256)
        (tmp_path / f"{turn}.h5").write_bytes(damaged)
        try:
            load_into(Little(seed=None), read_h5(tmp_path / f"{turn}.h5"))
        except WeightsError:
            continue


def test_hdf5_without_weights_a_missing_data_set_and_no_numbers(tmp_path, written):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("images")
    with pytest.raises(WeightsError, match="has no Keras weights") as error:
        read_h5(tmp_path / "other.h5")
    assert error.value.parts["got"] == "groups images"
    with h5py.File(written, "a") as file:
        del file["conv1/conv1/kernel:0"]
    with pytest.raises(WeightsError, match="cannot be read"):
        read_h5(written)
    with h5py.File(written, "a") as file:
        file["conv1/conv1/kernel:0"] = np.zeros(3, np.int32)
    with pytest.raises(WeightsError, match="not floating-point"):
        read_h5(written)


def test_a_file_of_other_layers_is_named(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        file.attrs["layer_names"] = [b"block1_conv1"]
        put(file, "block1_conv1", [("block1_conv1_W_1:0", np.zeros((3, 3, 3, 64), np.float32))])
    with pytest.raises(WeightsError, match="none of the network's layers") as error:
        load_into(Little(), read_h5(tmp_path / "vgg.h5"))
    assert error.value.parts["got"] == "block1_conv1"


def test_a_small_file_that_claims_gigabytes_is_refused(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        group = file.create_group("conv1")
        group.attrs["weight_names"] = [b"conv1/kernel:0"]
        group.create_dataset("conv1/kernel:0", (2**30,), "f4", chunks=True, compression="gzip")
    with pytest.raises(WeightsError, match="claims to contain far more than it can"):
        read_h5(tmp_path / "bomb.h5")


def test_without_h5py_one_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=re.escape(how_to_install("maskwright[matterport]"))):
        read_h5(tmp_path / "a.h5")


# --- the whole layout -------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_every_layer_is_the_originals_name_for_name(shared, monkeypatch, backbone, mode):
    monkeypatch.syspath_prepend(str(shared / "parity"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    make_weights = pytest.importorskip("make_weights")
    settings = Settings(backbone=backbone, num_classes=7, rpn_anchor_ratios=(0.5, 1.0), pool_size=9)
    expected = make_weights.layers(backbone, 7, 2, mode, pool=9)
    assert [layer.name for layer in layers(settings, mode)] == [name for name, _, _ in expected]
    ours = {part.name: part for part in parts(settings, mode)}
    for name, kind, shape in expected:
        if kind in ("conv", "bn"):
            assert ours[name].weights()[0][1] == (shape if kind == "conv" else (shape,)), name
