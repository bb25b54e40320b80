"""int8: which layers stay in floating point, what calibrates and what measures, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from lively_networks import lively_model
from PIL import Image as PilImage
from tiny_runs import party, records

from maskwright.api.bench import bench
from maskwright.api.export import export
from maskwright.cli.main import commands
from maskwright.engines.protocol import open_engine
from maskwright.errors import DatasetError, MaskwrightError, MissingExtra, RecipeError, WeightsError
from maskwright.evaluation.intervals import Difference
from maskwright.exporting.accuracy_cost import AccuracyCost
from maskwright.issues import Issues
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.quantization.calibration import MAX_IMAGES, divide
from maskwright.types import Dataset

COST = AccuracyCost("mask AP", 0.7, 0.68, Difference(-0.02, -0.04, -0.01, 0.1), 30, 31, 0.01)


def images_of_classes(folder: Path, count: int = 12) -> Path:
    """Gray images in the folders dark and light."""
    random = np.random.default_rng(0)
    for number in range(count):
        for name, gray in (("dark", 60), ("light", 190)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            pixels = np.clip(random.normal(gray, 25, (8, 8, 3)), 0, 255).astype(np.uint8)
            PilImage.fromarray(pixels).resize((64, 64)).save(folder / name / f"{number}.png")
    return folder


# --- which images ---------------------------------------------------------------------------------------------------
def data_of(*splits: str | None, names: tuple[str, ...] = ("balloon",)) -> Dataset:
    found = records(len(splits), names)
    numbered = tuple(replace(record, split=part) for record, part in zip(found, splits, strict=True))
    return Dataset("party", names, numbered)


def test_no_image_both_calibrates_and_measures(tmp_path):
    unnamed = replace(data := party(tmp_path), records=tuple(replace(record, split=None) for record in data))
    calibrating, measured, _ = divide(unnamed, ("balloon",))
    assert len(calibrating) == len(measured) == 4
    assert not {record.image for record in calibrating} & {record.image for record in measured}


def test_train_calibrates_and_the_other_parts_measure_where_the_data_name_them():
    calibrating, measured, issues = divide(data_of("train", "train", "val", "test", "train"), ("balloon",))
    assert [record.split for record in calibrating] == ["train"] * 3
    assert [record.split for record in measured] == ["val", "test"]
    assert next(str(issue) for issue in issues).startswith("int8 was calibrated on 3 images")


def test_a_hundred_images_calibrate_at_most_from_all_over_the_data():
    many = data_of(*(["train"] * 301), "val")
    calibrating, _, issues = divide(many, ("balloon",))
    assert len(calibrating) <= MAX_IMAGES and not issues
    assert calibrating.records[-1].image.name == "image_300.jpg"


def test_a_class_that_no_measured_image_shows_is_reported():
    data = data_of("train", "train", "val", names=("a", "b"))
    assert any("not measured for b: the images" in str(issue) for issue in divide(data, ("a", "b"))[2])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_an_error(count):
    with pytest.raises(DatasetError, match="int8 needs images to calibrate on, and others to measure on"):
        divide(data_of(*(["train"] * count)), ("balloon",))


def test_images_without_the_classes_of_the_model_are_an_error():
    with pytest.raises(DatasetError, match="these images show none of the model's classes") as caught:
        divide(data_of("train", "val"), ("rust",))
    assert (caught.value.parts["expected"], caught.value.parts["got"]) == ("rust", "balloon")


# --- what it costs --------------------------------------------------------------------------------------------------
def test_a_drop_beyond_what_is_accepted_is_an_error_with_its_interval(tmp_path):
    with pytest.raises(WeightsError, match="int8 costs this model too much accuracy") as caught:
        COST.check(tmp_path)
    assert caught.value.parts["got"] == (
        "mask AP 0.700 before, 0.680 after: -0.020 (-0.040 to -0.010), on 30 images; calibrated on 31 others"
    )


def test_a_smaller_drop_and_a_gain_are_accepted(tmp_path):
    replace(COST, max_drop=0.02001).check(tmp_path)
    replace(COST, after=0.9, difference=None).check(tmp_path)
    assert "(" not in replace(COST, difference=None).sentence()


# --- the layers -----------------------------------------------------------------------------------------------------
def test_the_first_convolution_gates_depthwise_and_last_layers_stay_in_floating_point(tmp_path):
    pytest.importorskip("openvino")
    from maskwright.engines.conversion_cache import converted
    from maskwright.engines.openvino_engine import core
    from maskwright.quantization.graphs import kept_in_float

    model = lively_model(tmp_path, "small", "segment", ("a", "b"), 64, backbone="mobilenet_v3_large")
    folder, manifest = converted(model)
    kept = {name: kept_in_float(core().read_model(folder / f"{name}.onnx")) for name in manifest.network.graphs}
    network = kept["network"]
    assert [name for name in network if "features.0/" in name and "Conv" in name]
    assert len([name for name in network if "cls_logits" in name]) == 5  # one of each level
    assert len([name for name in network if name.endswith("block.2/Mul")]) == 8  # of MobileNetV3's blocks
    assert [name for name in network if "/fpn/layer_blocks" in name]  # depthwise ones
    assert not [name for name in network if "inner_blocks" in name or "/block.2/fc" in name]
    assert [name.split("/Gemm")[0] for name in kept["box_head"]] == ["/bbox_pred", "/cls_score"]


# --- a whole export -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> tuple[Path, Path, Path]:
    """A classifier, labeled images, and the classifier in int8."""
    pytest.importorskip("nncf")
    folder = tmp_path_factory.mktemp("int8")
    model = lively_model(folder / "model", "small", "classify", ("dark", "light"), 64)
    data, out = images_of_classes(folder / "data"), folder / "out"
    export(model, "openvino", out=out, precision="int8", calibrate=data, max_drop=1.0, log=Issues())
    return model, data, out


@pytest.mark.slow
def test_an_int8_model_predicts_and_its_card_tells_what_it_costs(classifier):
    model, data, out = classifier
    facts = json.loads((out / "parity.json").read_text())
    assert facts["precision"] == "int8" and facts["accuracy"]["metric"] == "accuracy"
    assert facts["accuracy"]["images"] == facts["accuracy"]["calibrated"] == 12
    assert "Accuracy: accuracy" in (out / "parity.md").read_text()
    predictor = load(out, InferenceOptions(precision="int8"))
    image = data / "dark" / "0.png"
    np.testing.assert_allclose(predictor(image).scores, load(model)(image).scores, atol=0.2)
    assert predictor.engine.precision == "int8"  # type: ignore[attr-defined]


@pytest.mark.slow
def test_an_int8_graph_has_quantized_layers_and_is_smaller(classifier):
    _, _, out = classifier
    text = (out / "network.xml").read_text()
    assert "FakeQuantize" in text and 'element_type="i8"' in text
    assert {file.name for file in out.iterdir()} == {
        "network.xml", "network.bin", "card.json", "export.json", "parity.json", "parity.md",
    }  # fmt: skip


@pytest.mark.slow
def test_bench_measures_an_int8_model(classifier, monkeypatch):
    monkeypatch.setattr("maskwright.api.bench._peak_megabytes", lambda *_: None)
    _, data, out = classifier
    (row,) = bench(out, data / "dark" / "0.png", rounds=1).rows
    assert (row.engine, row.precision) == ("openvino", "int8")


@pytest.mark.slow
def test_int8_that_costs_too_much_leaves_nothing(classifier, tmp_path, monkeypatch):
    model, data, _ = classifier
    monkeypatch.setattr(AccuracyCost, "drop", 0.5)
    with pytest.raises(WeightsError, match="int8 costs this model too much accuracy"):
        export(model, "openvino", out=tmp_path / "new" / "out", precision="int8", calibrate=data, log=Issues())
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_detector_in_int8_finds_the_same_balloons(tmp_path):
    pytest.importorskip("nncf")
    data = party(tmp_path / "party", 12)
    done = export("balloons", "openvino", out=tmp_path / "out", precision="int8", calibrate=data, max_drop=1.0,
                  log=Issues())  # fmt: skip
    assert done.cost is not None and done.cost.metric == "mask AP" and done.cost.drop < 0.2
    assert done.parity.detections > 0 and done.parity.unmatched is not None and done.parity.unmatched < 0.1


# --- what is refused ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        ("onnx", {"precision": "int8", "calibrate": "data"}, "int8 is for OpenVINO"),
        ("openvino", {"precision": "int8"}, "int8 needs labeled images"),
        ("openvino", {"precision": "bf16", "calibrate": "data"}, "only int8 is calibrated"),
        ("openvino", {"precision": "int8", "calibrate": "data", "max_drop": 2.0}, "not a drop of a metric"),
        ("openvino", {"precision": "int8", "calibrate": "nowhere"}, "nowhere"),
    ],
)
def test_int8_asked_for_wrongly_is_an_error(tmp_path, to, options, message):
    model = lively_model(tmp_path / "model", "small", "classify", ("dark", "light"), 64)
    with pytest.raises(MaskwrightError, match=message):
        export(model, to, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_exported_has_no_int8(tmp_path):
    pytest.importorskip("openvino")
    model = lively_model(tmp_path, "small", "classify", ("a",), 64)
    with pytest.raises(RecipeError, match="int8 needs a calibration") as caught:
        open_engine(model, "openvino", precision="int8")
    assert caught.value.parts["fix"] == "maskwright export MODEL --to openvino --int8 --calibrate DATA"


def test_two_precisions_are_an_error(tmp_path):
    arguments = [
        "export",
        "balloons",
        "--to",
        "openvino",
        "--int8",
        "--precision",
        "bf16",
        "--out",
        str(tmp_path / "a"),
    ]
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code != 0 and isinstance(result.exception, RecipeError)
    assert result.exception.headline == "two precisions were named"


def test_int8_without_nncf_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "nncf", None)
    from maskwright.quantization.graphs import quantize

    with pytest.raises(MissingExtra, match="int8 needs the package nncf"):
        quantize(None, [])  # type: ignore[arg-type]
