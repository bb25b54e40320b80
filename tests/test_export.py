"""Export: a folder that runs without torch, the comparison with the original, and what is refused."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from lively_networks import lively_model, picture
from PIL import Image as PilImage

from maskwright.api.export import export
from maskwright.cli.main import commands
from maskwright.engines.graph_engine import GraphEngine
from maskwright.engines.manifest import read_manifest, write_manifest
from maskwright.errors import DatasetError, ImageError, MaskwrightError, OutputError, WeightsError
from maskwright.exporting import folder as export_folder
from maskwright.exporting.parity import BOUNDS, COUNT, SIZES, Parity, compare, rendered
from maskwright.models.external.detectors import OneStage
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.types import Image, ImageLabels, Instances, RleMasks
from maskwright.weights.card import Card

pytest.importorskip("onnxruntime")
BLOCKED = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(name)

if "block" in sys.argv:
    sys.meta_path.insert(0, NoTorch())
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(3):
        PilImage.fromarray(picture((120, 160 + number), number).pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory, images) -> Path:
    """The bundled model in ONNX, compared on three images."""
    out = tmp_path_factory.mktemp("export") / "exported"
    export("balloons", "onnx", out=out, images=images)
    return out


def run(code: str, *arguments: object) -> str:
    done = subprocess.run([sys.executable, "-c", BLOCKED + code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- without torch --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["block", "installed"])
def test_an_exported_model_runs_without_torch(exported, images, mode):
    """Where torch cannot be imported; and where it can, it is not."""
    code = """
import maskwright
detections = maskwright.load(sys.argv[1])(sys.argv[2])
print(len(detections), "torch" in sys.modules)
"""
    here = load("balloons")(images / "0.png")
    assert isinstance(here, Instances)
    assert run(code, exported, images / "0.png", mode).split() == [str(len(here)), "False"]


def test_that_torch_is_blocked_would_be_noticed():
    with pytest.raises(AssertionError, match="ModuleNotFoundError"):
        run("import maskwright\nmaskwright.load('balloons', engine='torch')", "block")


COMMAND = """
from maskwright.cli.main import main
sys.argv.remove("block")
main(["predict", *sys.argv[1:]])
"""


def test_the_command_predicts_without_torch(exported, images, tmp_path):
    printed = run(COMMAND, "block", exported, images / "0.png", "--json", "--no-pictures", "--out", tmp_path / "out")
    assert len(json.loads(printed)["images"]) == 1


@pytest.mark.parametrize("options", [[], ["--save-jsonl"], ["--save-json", "--save-masks"]])
def test_the_command_draws_and_saves_without_torch(exported, images, tmp_path, options):
    run(COMMAND, "block", exported, images / "0.png", "--out", tmp_path / "out", *options)
    assert any((tmp_path / "out").iterdir())


def test_the_command_predicts_a_video_without_torch(exported, tmp_path):
    from video_files import write_video

    write_video(tmp_path / "clip.mp4")
    run(COMMAND, "block", exported, tmp_path / "clip.mp4", "--track", "--out", tmp_path / "out")
    assert any((tmp_path / "out").iterdir())


# --- the folder -----------------------------------------------------------------------------------------------------
def test_the_folder_holds_graphs_card_manifest_and_parity(exported):
    names = {file.name for file in exported.iterdir()}
    assert names == {"network.onnx", "box_head.onnx", "mask_head.onnx", "card.json", "export.json", "parity.json",
                     "parity.md"}  # fmt: skip
    facts = json.loads((exported / "parity.json").read_text())
    assert facts["passed"] and facts["images"] == 3 and facts["precision"] == "fp32" and facts["unmatched"] == 0
    assert "| IoU of masks, mean |" in (exported / "parity.md").read_text()
    assert read_manifest(exported).files.keys() == names - {"export.json"}


def test_an_exported_openvino_model_answers_as_the_original(images, tmp_path):
    pytest.importorskip("openvino")
    done = export("balloons", "openvino", out=tmp_path / "out", precision="fp32", images=images)
    assert done.parity.unmatched == 0 and done.parity.detections > 0
    assert isinstance(load(tmp_path / "out")(images / "1.png"), Instances)


def test_a_classifier_is_exported(images, tmp_path):
    model = lively_model(tmp_path / "model", "small", "classify", ("rust", "fine"), 64)
    done = export(model, "onnx", out=tmp_path / "out", images=images)
    assert done.parity.score is not None and done.parity.score < 1e-4
    np.testing.assert_allclose(
        load(tmp_path / "out")(images / "0.png").scores, load(model)(images / "0.png").scores, atol=1e-2
    )


@pytest.mark.parametrize(
    ("model", "task"),
    [("small", "classify"), pytest.param("small", "segment", marks=pytest.mark.slow)],
)
def test_a_program_of_torch_answers_as_the_original(images, tmp_path, model, task):
    model = lively_model(tmp_path / "model", model, task, ("rust", "fine"), 64 if task == "classify" else 160)
    done = export(model, "torch", out=tmp_path / "out", images=images)
    assert done.parity.exceeded() == [] and done.parity.precision == "fp32"
    expected, got = (
        load(model, InferenceOptions(precision="fp32"))(images / "0.png"),
        load(tmp_path / "out")(images / "0.png"),
    )
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-4)
    if task == "segment":
        with pytest.raises(ImageError, match="too narrow for a program"):
            load(tmp_path / "out")(picture((40, 160), 0))
    (program,) = (tmp_path / "out").glob("network.pt2")
    program.write_bytes(b"nothing")
    manifest = read_manifest(tmp_path / "out")
    hashes = {**manifest.files, "network.pt2": export_folder.hashes(tmp_path / "out")["network.pt2"]}
    write_manifest(type(manifest)("torch", "fp32", manifest.network, hashes, "", ""), tmp_path / "out")
    with pytest.raises(WeightsError, match="torch cannot load this program"):
        load(tmp_path / "out")


def test_the_rendered_images_are_32_of_odd_sizes_and_some_are_empty():
    images = list(itertools.islice(rendered(), 2))
    assert [PilImage.open(io.BytesIO(data)).size for data in images] == [size[::-1] for size in SIZES[:2]]
    assert COUNT == 32 and {height % 2 for height, _ in SIZES} == {0, 1} and min(SIZES) == (1, 1)


def test_the_command_writes_and_reports(images, tmp_path):
    result = CliRunner().invoke(
        commands, ["export", "balloons", "--to", "onnx", "--out", str(tmp_path / "out"), "--images", str(images)]
    )
    assert result.exit_code == 0, result.output
    assert "onnx, fp32" in result.output and "detections without a counterpart | 0.00%" in result.output


# --- the page -------------------------------------------------------------------------------------------------------
PAGE = (Path(__file__).resolve().parents[1] / "docs" / "export.md").read_text("utf-8")


def block(language: str, number: int = 1) -> str:
    return PAGE.split(f"```{language}\n")[number].split("```")[0]


def test_the_script_of_the_page_scores_an_image_as_the_model_does(images, tmp_path):
    model = lively_model(tmp_path / "model", "small", "classify", ("rust", "fine"), 64)
    export(model, "onnx", out=tmp_path / "out", images=images)
    labels = load(tmp_path / "out")(images / "0.png")
    assert isinstance(labels, ImageLabels)
    lines = run(block("python"), tmp_path / "out", images / "0.png").splitlines()
    assert [line.split()[0] for line in lines] == ["rust", "fine"]
    np.testing.assert_allclose([float(line.split()[1]) for line in lines], labels.scores, atol=2e-4)
    assert len(block("python").splitlines()) <= 20


def test_the_detector_of_the_page_finds_the_boxes_that_the_model_finds(exported, images):
    found = load(exported)(images / "0.png")
    assert isinstance(found, Instances) and found.scores is not None and len(found) > 0
    rows = [line.split() for line in run(block("python", 2), exported, images / "0.png").splitlines()]
    assert [row[0] for row in rows] == ["balloon"] * len(found)
    table = np.array([row[1:] for row in rows], float)
    np.testing.assert_allclose(table[:, 0], found.scores, atol=1e-3)
    np.testing.assert_allclose(table[:, 1:], found.boxes, atol=0.5)


def test_the_c_plus_plus_of_the_page_compiles(tmp_path):
    """Where a compiler and the headers of ONNX Runtime are."""
    source = tmp_path / "classify.cpp"
    source.write_text(block("cpp"))
    if (compiler := shutil.which("g++") or shutil.which("clang++")) is None:
        pytest.skip("there is no C++ compiler")
    header = subprocess.run([compiler, "-std=c++17", "-E", "-x", "c++", "-"], text=True, capture_output=True,
                            input="#include <onnxruntime_cxx_api.h>")  # fmt: skip
    if header.returncode:
        pytest.skip("the headers of ONNX Runtime are not installed")
    done = subprocess.run([compiler, "-std=c++17", "-fsyntax-only", str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- what is refused ------------------------------------------------------------------------------------------------
def test_a_wrong_export_is_refused_and_leaves_nothing(images, tmp_path, monkeypatch):
    def swapped(file, to, folder):
        """The graphs of another network of the same shape."""
        shutil.copyfile(other / file.name, folder / file.name)

    model = lively_model(tmp_path / "a", "small", "classify", ("rust", "fine"), 64)
    other, _ = export_folder.converted(lively_model(tmp_path / "b", "small", "classify", ("rust", "fine"), 64, seed=1))
    monkeypatch.setattr(export_folder, "_write_graph", swapped)
    with pytest.raises(WeightsError, match="does not answer as the original does, so nothing was written"):
        export(model, "onnx", out=tmp_path / "new" / "out", images=images)
    assert not (tmp_path / "new").exists()


def test_an_engine_that_writes_all_masks_into_the_same_memory_is_refused(images, tmp_path, monkeypatch):
    """As OpenVINO once did: each image alone was right."""
    memory = np.zeros((100, 28, 28), np.float32)

    def run_into_memory(engine, network_inputs, sizes):
        for result in (raw_results := list(run_separately(engine, network_inputs, sizes))):
            count = len(result)
            memory[:count] = result.mask_probs
            object.__setattr__(result, "mask_probs", memory[:count])
        return raw_results

    run_separately = GraphEngine.run
    monkeypatch.setattr(GraphEngine, "run", run_into_memory)
    with pytest.raises(WeightsError, match="answers differently for several images in one batch"):
        export("balloons", "onnx", out=tmp_path / "out", images=images)
    assert not (tmp_path / "out").exists()


def test_networks_of_one_stage_are_no_programs_of_torch(tmp_path, monkeypatch):
    card = Card("torchvision:fcos_resnet50_fpn", "resnet50", "detect", ("a",), 128)
    engine = SimpleNamespace(network=OneStage.__new__(OneStage), card=card)
    monkeypatch.setattr(export_folder, "open_engine", lambda *_: engine)
    with pytest.raises(WeightsError, match="fcos_resnet50_fpn cannot be a program") as caught:
        export_folder._write_programs(tmp_path, None, tmp_path)
    assert caught.value.parts["fix"] == "--to onnx" and list(tmp_path.iterdir()) == []


def test_a_changed_or_missing_file_of_an_export_is_named(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "card.json").write_text((copy / "card.json").read_text().replace("balloon", "baloon"))
    with pytest.raises(WeightsError, match="a file of this export was changed"):
        load(copy)
    (copy / "mask_head.onnx").unlink()
    shutil.copyfile(exported / "card.json", copy / "card.json")
    with pytest.raises(WeightsError, match="a file of this export is missing") as caught:
        load(copy)
    assert caught.value.parts["field"] == "mask_head.onnx"


def test_an_export_of_another_version_is_named(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    text = (copy / "export.json").read_text()
    for changed, message in [
        (text.replace('"version": 1', '"version": 99'), "exported by another version"),
        ("{", "the manifest cannot be read"),
        (text.replace("two_stage", "three_stage"), "the manifest cannot be read"),
        (text.replace('"network.onnx"', '"../network.onnx"'), "is missing"),
    ]:
        (copy / "export.json").write_text(changed)
        with pytest.raises(WeightsError, match=message):
            load(copy)


def test_a_graph_that_is_none_is_named(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "network.onnx").write_bytes(b"nothing")
    manifest = read_manifest(copy)
    hashes = {**manifest.files, "network.onnx": export_folder.hashes(copy)["network.onnx"]}
    write_manifest(type(manifest)(manifest.runtime, manifest.precision, manifest.network, hashes, "", ""), copy)
    with pytest.raises(WeightsError, match="ONNX Runtime cannot load this graph"):
        load(copy)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e, t: load(e, engine="openvino"), WeightsError, "this model was exported for onnx"),
        (lambda e, t: load(e, engine="torch"), WeightsError, "this model was exported for onnx"),
        (lambda e, t: export(e, "onnx", out=t / "a"), MaskwrightError, "this model is exported already"),
        (lambda e, t: export("balloons", "onnx", out=e), OutputError, "this is there already"),
        (lambda e, t: export("balloons", "tflite", out=t / "a"), MaskwrightError, 'no engine to export for "tflite"'),
        (lambda e, t: export("balloons", "onnx", out=t / "a", precision="bf16"), MaskwrightError, "in float32"),
        (lambda e, t: export("balloons", "torch", out=t / "a", precision="bf16"), MaskwrightError, "in float32"),
        (lambda e, t: export("balloons", "onnx", out=t / "a", images=t), DatasetError, "no image"),
    ],
)
def test_what_cannot_be_exported_or_run_is_an_error(exported, tmp_path, call, error, message):
    with pytest.raises(error, match=message):
        call(exported, tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- the comparison -------------------------------------------------------------------------------------------------
def detections(*boxes: tuple[float, ...], score: float = 0.9) -> Instances:
    table = np.array(boxes, np.float32).reshape(-1, 4)
    masks = RleMasks.from_boxes(table, (100, 100))
    return Instances(table, np.zeros(len(table), np.int64), np.full(len(table), score), masks, ("a",))


class Answers:
    """A model that gives one answer an image, by the number in its first pixel; `in_batch`, where several come."""

    def __init__(self, *results: Instances, in_batch: Sequence[Instances] = ()) -> None:
        self.results, self.in_batch, self.engine, self.size = results, in_batch, self, 100

    def open(self, data: bytes) -> Image:
        return Image(np.full((100, 100, 3), data[0], np.uint8))

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, None]:
        return image.pixels, None

    def look(self, data: bytes) -> tuple[Image, Instances]:
        return self.open(data), self.results[data[0]]

    def batches(self, images: Sequence[Image], batch: int) -> Iterator[tuple[Image, Instances]]:
        yield from zip(images, self.in_batch or [self.results[image.pixels[0, 0, 0]] for image in images], strict=True)


def compared(one: Instances, other: Instances, precision: str = "fp32") -> Parity:
    original, exported = Answers(one, one), Answers(other, other)
    return compare(original, exported, [b"\0", b"\1"], precision, [0.5], 100)  # type: ignore[arg-type]


def test_models_that_detect_nothing_are_equal_and_nothing_is_measured():
    parity = compared(detections(), detections())
    assert (parity.images, parity.empty, parity.unmatched, parity.ap) == (2, 2, None, None) and not parity.exceeded()
    assert parity.batch is not None and parity.batch.images == 2


def test_an_engine_that_gives_all_images_of_a_batch_the_last_ones_masks_is_refused(tmp_path):
    one, two = detections((10, 10, 50, 50)), detections((60, 60, 90, 90))
    mixed = replace(one, masks=two.masks)
    original, exported = Answers(one, two), Answers(one, two, in_batch=(mixed, two))
    parity = compare(original, exported, [b"\0", b"\1"], "bf16", [0.5], 100)  # type: ignore[arg-type]
    assert parity.exceeded() == ["mask_iou"] and parity.mask_iou == 1 and not parity.facts()["passed"]
    with pytest.raises(WeightsError, match="answers differently for several images in one batch") as caught:
        parity.check(tmp_path)
    assert caught.value.parts["got"] == "0.5, on 2 images in one batch with 2 detections"


def test_images_of_different_shapes_make_no_batch():
    original = Answers(detections((10, 10, 50, 50)))
    assert compare(original, original, [b"\0"], "fp32", [0.5], 100).batch is None  # type: ignore[arg-type]


def test_equal_detections_are_in_bounds_and_each_difference_is_found():
    here = detections((10, 10, 50, 50), (60, 60, 90, 90))
    assert compared(here, here).exceeded() == []
    assert "box" in compared(here, detections((13, 10, 53, 50), (63, 60, 93, 90))).exceeded()
    assert compared(here, replace(here, scores=np.array([0.9, 0.8]))).exceeded() == ["score"]
    assert {"unmatched", "ap"} <= set(compared(here, here[:1]).exceeded())
    assert "unmatched" in compared(here[:1], here).exceeded()
    assert (
        "mask_iou"
        in compared(here, replace(here, masks=detections((10, 10, 50, 40), (60, 60, 90, 80)).masks)).exceeded()
    )


def test_a_detection_just_below_the_threshold_is_no_loss():
    here = detections((10, 10, 50, 50), score=0.501)
    assert compared(here, replace(here, scores=np.array([0.499])), "fp32").exceeded() == []


def test_every_precision_has_bounds_and_the_exact_one_the_closest():
    assert set(BOUNDS) == {"fp32", "bf16", "int8"}
    assert BOUNDS["fp32"].unmatched < BOUNDS["bf16"].unmatched < BOUNDS["int8"].unmatched
    assert BOUNDS["fp32"].score < BOUNDS["bf16"].score


def test_boxes_that_int8_moves_are_reported_and_its_cost_decides():
    here = detections((10, 10, 200, 400))
    moved = replace(here, boxes=here.boxes + np.array([0.0, 12.0, 0.0, 12.0]))
    assert "box" in compared(here, moved, "bf16").exceeded()
    assert compared(here, moved, "int8").exceeded() == [] and compared(here, moved, "int8").box == 12


def test_the_function_is_not_hidden_by_a_package_of_its_name():
    import maskwright

    for _ in range(2):
        assert maskwright.export is export
