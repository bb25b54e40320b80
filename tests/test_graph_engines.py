"""The engines that run graphs, ONNX Runtime and OpenVINO: they answer as torch does, and refuse what they cannot do."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch
from lively_networks import lively_model, picture, same
from PIL import Image

import maskwright
from maskwright import fetch
from maskwright.engines import protocol
from maskwright.engines.conversion import OneStageDense, convert
from maskwright.engines.network_kinds import OneStagePyramid
from maskwright.engines.protocol import open_engine
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import MaskwrightError, MissingExtra, RecipeError, WeightsError
from maskwright.issues import Issues
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.transforms.preprocess import covered
from maskwright.types import ImageLabels, Instances
from maskwright.weights.card import Card

RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}
SIZES = ((192, 256), (100, 160), (1, 1), (333, 77))  # of images: a usual one, one to enlarge, a pixel, a tower
FP32 = InferenceOptions(precision="fp32", threshold=0.0)


@pytest.fixture(params=RUNTIMES)
def engine(request) -> str:
    if importlib.util.find_spec(RUNTIMES[request.param]) is None:
        pytest.skip(f"{RUNTIMES[request.param]} is not installed")
    return request.param


MODELS = [
    ("small", "segment", ("a", "b", "c"), 128),
    ("small", "detect", ("a",), 128),
    ("ssdlite320_mobilenet_v3_large", "detect", ("a", "b"), 320),
    pytest.param("mask_rcnn_r50", "segment", ("a", "b"), 128, marks=pytest.mark.slow),
    pytest.param("mask_rcnn_r50_v2", "segment", ("a",), 128, marks=pytest.mark.slow),
    pytest.param("faster_rcnn_r50", "detect", ("a", "b"), 128, marks=pytest.mark.slow),
    pytest.param("faster_rcnn_r50_v2", "detect", ("a", "b"), 128, marks=pytest.mark.slow),
    pytest.param("ssd300_vgg16", "detect", ("a", "b"), 320, marks=pytest.mark.slow),
    pytest.param("torchvision:retinanet_resnet50_fpn", "detect", ("a", "b"), 192, marks=pytest.mark.slow),
    pytest.param("torchvision:retinanet_resnet50_fpn_v2", "detect", ("a",), 192, marks=pytest.mark.slow),
    pytest.param("torchvision:fcos_resnet50_fpn", "detect", ("a", "b"), 192, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("model", "task", "names", "size"), MODELS)
def test_a_detector_answers_as_in_torch(tmp_path, engine, model, task, names, size, request):
    if model.startswith("torchvision:"):
        request.getfixturevalue("torchvision")
    folder = lively_model(tmp_path, model, task, names, size)
    in_torch, here = load(folder, FP32, engine="torch"), load(folder, FP32, engine=engine)
    found = 0
    for number, image_size in enumerate(SIZES):
        image = picture(image_size, number)
        expected, got = in_torch(image), here(image)
        assert isinstance(expected, Instances) and isinstance(got, Instances)
        assert (expected.masks is None) == (got.masks is None) == (task == "detect")
        assert same(expected, got) > 0.96, (image_size, len(expected), len(got))
        found += len(expected)
    assert found > 5


@pytest.mark.parametrize("model", ["retinanet_resnet50_fpn", "fcos_resnet50_fpn"])
def test_the_detections_of_a_one_stage_network_are_those_that_torchvision_chooses(tmp_path, torchvision, model):
    """What lies after the graph, with the network in torch in the place of the graph."""
    predictor = load(lively_model(tmp_path, f"torchvision:{model}", "detect", ("a", "b"), 192), FP32, engine="torch")
    written = []
    kind = convert(
        predictor.engine.network, predictor.card, tmp_path, write=lambda module, *_: written.append(module)  # type: ignore[attr-defined]
    )  # fmt: skip
    (dense,) = written
    assert isinstance(kind, OneStagePyramid) and isinstance(dense, OneStageDense)

    def graph(inputs):
        with torch.no_grad():
            return [output.numpy() for output in dense(*map(torch.from_numpy, inputs.values()))]

    found = 0
    for number, image_size in enumerate(SIZES):
        ((_, expected, transform),) = predictor.run([predictor.fitted(picture(image_size, number))])
        network_input, _ = predictor.engine.fit(picture(image_size, number), 192)
        got = kind.run({"network": graph}, network_input, covered(transform))
        assert np.array_equal(got.classes, expected.classes) and got.mask_probs is None
        np.testing.assert_allclose(got.scores, expected.scores, atol=1e-5)
        np.testing.assert_allclose(got.boxes, expected.boxes, atol=0.01)
        found += len(got)
    assert found > 20


@pytest.mark.parametrize(("model", "size"), [("small", 96), pytest.param("vgg16", 64, marks=pytest.mark.slow)])
def test_a_classifier_answers_as_in_torch(tmp_path, engine, model, size):
    folder = lively_model(tmp_path, model, "classify", ("rust", "fine", "paint"), size)
    options = InferenceOptions(precision="fp32")
    in_torch, here = load(folder, options, engine="torch"), load(folder, options, engine=engine)
    for image_size in SIZES:
        expected, got = in_torch(picture(image_size)), here(picture(image_size))
        assert isinstance(expected, ImageLabels) and isinstance(got, ImageLabels)
        np.testing.assert_allclose(got.scores, expected.scores, atol=1e-4)


@pytest.mark.parametrize("task", ["segment", "classify"])
def test_images_of_a_batch_are_answered_as_each_alone(tmp_path, engine, task):
    """A runtime may write its outputs into the same memory each time."""
    options = InferenceOptions(precision="fp32")
    predictor = load(lively_model(tmp_path, "small", task, ("a", "b"), 128), options, engine=engine)
    images = [picture((128, 128), number) for number in range(3)]
    together = [result for _, result in predictor.batches(images, batch=3)]
    for image, result in zip(images, together, strict=True):
        ((_, alone),) = predictor.batches([image])
        np.testing.assert_array_equal(result.scores, alone.scores)
        if isinstance(result, Instances) and isinstance(alone, Instances):
            assert result.masks is not None and alone.masks is not None
            np.testing.assert_array_equal(result.masks.area, alone.masks.area)
    assert task == "classify" or sum(len(result) for result in together if isinstance(result, Instances)) > 5


def test_the_bundled_model_finds_the_same_balloons(engine):
    image = picture((240, 320), 3)
    options = InferenceOptions(precision="fp32")
    expected, got = load("balloons", options, engine="torch")(image), load("balloons", options, engine=engine)(image)
    assert isinstance(expected, Instances) and isinstance(got, Instances)
    assert len(expected) > 0 and same(expected, got) == 1


def test_a_network_that_proposes_nothing_detects_nothing(tmp_path, engine):
    folder = lively_model(tmp_path, "small", "segment", ("a",), 64)
    loaded = load(folder, FP32, engine=engine).engine
    network = loaded.network  # type: ignore[attr-defined]
    graphs = dict(loaded.graphs)  # type: ignore[attr-defined]
    whole = graphs["network"]

    def nowhere(inputs):
        *pyramid, logits, deltas = whole(inputs)
        return [*pyramid, logits, np.full_like(deltas, np.nan)]

    raw = network.run({**graphs, "network": nowhere}, np.zeros((64, 64, 3), np.uint8), (64, 64))
    assert len(raw) == 0 and raw.mask_probs.shape == (0, 28, 28)


def test_a_model_is_converted_once_and_again_where_its_weights_or_classes_differ(tmp_path, monkeypatch):
    engine = "onnx"
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    folder = lively_model(tmp_path / "a", "small", "classify", ("a", "b"), 64)
    for _ in range(2):
        open_engine(folder, engine)
    first = list((fetch.cache_folder() / "graphs").iterdir())
    assert len(first) == 1
    (first[0] / "network.onnx").write_bytes(b"")  # a damaged copy is made again
    open_engine(folder, engine)
    assert (first[0] / "network.onnx").stat().st_size > 1000
    open_engine(lively_model(tmp_path / "b", "small", "classify", ("a", "c"), 64), engine)
    assert len(list((fetch.cache_folder() / "graphs").iterdir())) == 2


def test_images_of_many_shapes_leave_a_few_compiled_networks(monkeypatch):
    module = pytest.importorskip("maskwright.engines.openvino_engine")
    monkeypatch.setattr(module, "KEPT_SHAPES", 2)
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    predictor = load("balloons", InferenceOptions(precision="fp32", size=128), engine="openvino")
    graph = predictor.engine.graphs["network"]  # type: ignore[attr-defined]
    for size in ((128, 128), (64, 128), (128, 64), (64, 128), (30, 128)):
        predictor(picture(size))
        assert 1 <= len(graph.requests) <= 2


# --- what is refused ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("runtime", "options", "message"),
    [
        ("onnx", {"precision": "bf16"}, "ONNX Runtime computes in float32 on a CPU"),
        ("onnx", {"precision": "int8"}, "ONNX Runtime computes in float32 on a CPU"),
        ("openvino", {"device": "cuda"}, "the engine openvino runs on the CPU here"),
        ("onnx", {"precision": "f16"}, 'no precision "f16"'),
        ("onnx", {"names": ("b",)}, "this model knows its own class names"),
    ],
)
def test_what_an_engine_cannot_do_is_an_error(tmp_path, runtime, options, message):
    pytest.importorskip(RUNTIMES[runtime])
    folder = lively_model(tmp_path, "small", "classify", ("a",), 64)
    with pytest.raises(MaskwrightError, match=message):
        open_engine(folder, runtime, **options)


def test_a_precision_that_the_processor_lacks_is_an_error(tmp_path, monkeypatch):
    openvino_engine = pytest.importorskip("maskwright.engines.openvino_engine")

    class Old:
        def get_property(self, *_):
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino_engine, "core", Old)
    with pytest.raises(RecipeError) as caught:
        openvino_engine.OpenVinoEngine.choose_precision("bf16")
    assert (
        caught.value.headline == "this processor has no bf16" and caught.value.parts["expected"] == "auto, fp32, int8"
    )
    assert openvino_engine.OpenVinoEngine.choose_precision("auto") == "fp32"


def test_an_engine_that_is_not_installed_says_how_to_install_it(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "maskwright.engines.onnx_engine", None)
    with pytest.raises(MissingExtra, match="the engine onnx is not installed") as caught:
        open_engine(tmp_path, "onnx")
    assert "onnx" in caught.value.parts["fix"]


def test_a_network_that_is_not_known_cannot_be_converted(tmp_path):
    with pytest.raises(WeightsError, match="what it does between the convolutions is not known"):
        convert(torch.nn.Linear(1, 1), Card("other", "", "detect", ("a",), 64), tmp_path)


def test_a_conversion_without_the_package_onnx_says_what_to_install(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(fetch, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match="install onnx"):
        load(lively_model(tmp_path, "small", "segment", ("a",), 128), FP32, engine=engine)


USED_AND_FREED = """
import gc, signal, sys
from maskwright.prediction.loading import load
detector = load(sys.argv[1], engine="openvino")
detector(sys.argv[2])
del detector
gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_answered_when_a_model_in_openvino_is_gone(tmp_path):
    pytest.importorskip("openvino")
    folder = lively_model(tmp_path, "small", "segment", ("a",), 128)
    file = tmp_path / "a.png"
    Image.fromarray(picture((96, 128)).pixels).save(file)
    run = [sys.executable, "-c", USED_AND_FREED, str(folder), str(file)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "interrupted"), done.stderr


# --- by itself --------------------------------------------------------------------------------------------------------
@pytest.fixture
def nothing_asked(monkeypatch):
    monkeypatch.delenv("MASKWRIGHT_ENGINE")
    monkeypatch.setattr(protocol.shutil, "which", lambda tool: None)  # no GPU


def test_a_detector_runs_in_openvino_where_it_is_installed(tmp_path, nothing_asked, monkeypatch):
    pytest.importorskip("openvino")
    folder = lively_model(tmp_path, "small", "detect", ("a",), 128)
    assert open_engine(folder).describe().startswith("openvino")
    assert isinstance(open_engine(folder, "torch"), TorchEngine)
    monkeypatch.setenv("MASKWRIGHT_ENGINE", "torch")
    assert isinstance(open_engine(folder), TorchEngine)


def test_a_detector_runs_in_torch_where_openvino_is_absent_or_a_gpu_is_there(tmp_path, nothing_asked, monkeypatch):
    folder = lively_model(tmp_path, "small", "detect", ("a",), 128)
    with monkeypatch.context() as patch:
        patch.setattr(protocol, "find_spec", lambda name: None)
        assert isinstance(open_engine(folder), TorchEngine)
    monkeypatch.setattr(protocol.shutil, "which", lambda tool: "/usr/bin/nvidia-smi")
    assert isinstance(open_engine(folder), TorchEngine)


def test_a_classifier_stays_in_torch_which_shows_what_a_score_comes_from(tmp_path, nothing_asked):
    assert isinstance(open_engine(lively_model(tmp_path, "small", "classify", ("a", "b"), 64)), TorchEngine)


def test_what_openvino_cannot_run_runs_in_torch_and_says_so(tmp_path, nothing_asked, monkeypatch):
    pytest.importorskip("openvino")
    folder = lively_model(tmp_path, "small", "detect", ("a",), 128)

    def fails(*arguments):
        raise WeightsError("cannot be converted")

    monkeypatch.setattr(fetch, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("maskwright.engines.conversion.convert", fails)
    (reported,) = maskwright.load(folder).warnings
    assert reported.code == "openvino_passed_over" and "cannot be converted" in str(reported)
    assert isinstance(open_engine(folder, log=Issues()), TorchEngine)
    with pytest.raises(WeightsError, match="cannot be converted"):
        open_engine(folder, "openvino")


def test_an_engine_that_the_environment_names_wrongly_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_ENGINE", "tensorflow")
    with pytest.raises(MaskwrightError, match="tensorflow"):
        open_engine(lively_model(tmp_path, "small", "detect", ("a",), 128))
