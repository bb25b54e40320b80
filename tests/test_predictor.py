"""Where an image becomes a mask: any source, alone or in a batch; and models that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import msgspec
import numpy as np
import pytest
import torch
from attacks import weights as attacks
from PIL import Image as PilImage

from maskwright.api.evaluate import evaluate
from maskwright.api.predict import predict
from maskwright.api.splash import splash
from maskwright.api.video import predict_video
from maskwright.api.watch import watch
from maskwright.engines.protocol import open_engine
from maskwright.engines.torch_engine import normalize
from maskwright.errors import DatasetError, ImageError, MaskwrightError, RecipeError, UnknownName, WeightsError
from maskwright.models import registry
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load, load_unless_loaded
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.transforms.preprocess import preprocess
from maskwright.types import Dataset, Image, Instances, RawDetections, Window
from maskwright.weights.card import Card

CARD = Card("small", "mobilenet_v3_large", "segment", ("rust", "dent"), 128, threshold=0.5)


class RedFinder:
    """An engine that finds the bounds of what is red on a network input: as class 1 surely, as class 0 hardly."""

    def __init__(self, card: Card = CARD) -> None:
        self.card = card
        self.batches: list[int] = []

    fit = staticmethod(preprocess)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        assert len({network_input.shape for network_input in network_inputs}) == 1 and len(network_inputs) == len(sizes)
        self.batches.append(len(network_inputs))
        return [
            self._look(network_input[: size[0], : size[1]])
            for network_input, size in zip(network_inputs, sizes, strict=True)
        ]

    def _look(self, part: np.ndarray) -> RawDetections:
        ys, xs = np.nonzero((part[..., 0] > 150) & (part[..., 1] < 100))
        if not len(ys):
            return RawDetections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64),
                                 np.zeros((0, 28, 28), np.float32))  # fmt: skip
        box = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]] * 2, np.float32)
        return RawDetections(box, np.array([0.9, 0.2], np.float32), np.array([1, 0]), np.ones((2, 28, 28), np.float32))


def image(*box: int, size: tuple[int, int] = (60, 80)) -> Image:
    """Gray, with a red rectangle where there is a box."""
    pixels = np.full((*size, 3), 90, np.uint8)
    if box:
        pixels[box[1] : box[3], box[0] : box[2]] = (250, 0, 0)
    return Image(pixels)


MIXED = [
    image(10, 10, 40, 40), image(), image(5, 20, 70, 50), image(10, 10, 40, 40, size=(80, 60)),
    image(0, 0, 300, 3, size=(3, 5000)), image(0, 0, 1, 1, size=(1, 1)), image(10, 10, 40, 40),
]  # fmt: skip


def same(a: Instances, b: Instances) -> bool:
    return (
        np.array_equal(a.boxes, b.boxes)
        and np.array_equal(a.classes, b.classes)
        and np.array_equal(a.scores, b.scores)  # type: ignore[arg-type]
        and a.masks is not None
        and b.masks is not None
        and np.array_equal(a.masks.counts, b.masks.counts)
        and np.array_equal(a.masks.offsets, b.masks.offsets)
    )


def alike(a: Instances, b: Instances) -> bool:
    """The same but for the last digits: in a batch sums are taken in another order, above all by several threads."""
    assert a.masks is not None and b.masks is not None
    return (
        np.array_equal(a.classes, b.classes)
        and np.allclose(a.boxes, b.boxes, atol=1e-2)
        and np.allclose(a.scores, b.scores, atol=1e-4)  # type: ignore[arg-type]
        and bool((a.masks.iou(b.masks).diagonal() > 0.99).all())
    )


# --- one image ------------------------------------------------------------------------------------
def test_on_an_image_of_nothing_nothing_is_found():
    detections = Detector(RedFinder())(image())
    assert (
        len(detections) == 0
        and detections.masks is not None
        and detections.masks.size == (60, 80)
        and detections.counts() == {}
    )


def test_what_is_found_lies_where_it_is_in_the_image():
    detections = Detector(RedFinder())(image(10, 20, 60, 40))
    assert detections.labels == ["dent"] and detections.names == ("rust", "dent")
    np.testing.assert_allclose(detections.boxes, [[10, 20, 60, 40]], atol=1.01)
    assert detections.masks is not None and detections.masks.dense()[0, 21:39, 11:59].all()


def test_threshold_and_size_are_the_card_s_unless_said():
    find = Detector(RedFinder())
    assert (find.threshold, find.size) == (0.5, 128)
    assert len(Detector(RedFinder(), threshold=0.0)(image(10, 20, 60, 40))) == 2
    assert Detector(RedFinder(), threshold=0.95, size=64).size == 64


def test_an_array_a_path_and_the_bytes_of_an_image_are_the_same_image(tmp_path):
    find, given = Detector(RedFinder()), image(10, 20, 60, 40)
    path = tmp_path / "a.png"
    PilImage.fromarray(given.pixels).save(path)
    expected = find(given)
    assert len(expected) == 1
    for source in (given.pixels, path, str(path), path.read_bytes(), PilImage.open(path)):
        assert same(find(source), expected)


def test_deep_gray_is_seen_through_the_window_that_the_model_learnt_with(tmp_path):
    PilImage.fromarray(np.full((4, 4), 500, np.uint16)).save(tmp_path / "gray.png")
    opened = Detector(RedFinder(msgspec.structs.replace(CARD, window=(0.0, 1000.0)))).open(tmp_path / "gray.png")
    assert opened.window == Window(0, 1000) and (opened.pixels == 128).all()


def test_what_is_no_image_is_said(tmp_path):
    with pytest.raises(DatasetError):
        Detector(RedFinder())(tmp_path / "none.jpg")
    with pytest.raises(ImageError):
        Detector(RedFinder())(np.zeros((0, 0, 3), np.uint8))


# --- many -----------------------------------------------------------------------------------------
def test_no_images_give_no_results():
    engine = RedFinder()
    assert list(Detector(engine).batches([])) == [] and engine.batches == []


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_a_batch_of_mixed_shapes_gives_the_same_as_one_by_one(batch):
    find = Detector(RedFinder())
    together = list(find.batches(MIXED, batch))
    assert [given for given, _ in together] == MIXED
    assert all(same(detections, find(given)) for given, detections in together)
    assert sum(len(detections) for _, detections in together) == 6


def test_neighbors_of_one_input_shape_are_looked_at_together():
    engine = RedFinder()
    list(Detector(engine).batches([image()] * 5 + [image(size=(20, 80))] * 2 + [image()], batch=4))
    assert engine.batches == [4, 1, 2, 1]


def test_results_come_while_images_are_still_read():
    """A video has no end: not more than a batch is waited for."""

    def endless():
        while True:
            yield image()

    results = Detector(RedFinder()).batches(endless(), batch=2)
    assert [len(next(results)[1]) for _ in range(3)] == [0, 0, 0]


# --- the torch engine -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return registry.build("segment", "small", CARD.backbone, 2, CARD.size).state_dict()


def ready(folder) -> Predictor:
    return load(folder, InferenceOptions(device="cpu", precision="fp32"))


def test_a_model_folder_gives_the_same_on_an_array_a_path_and_in_a_batch(tmp_path, state):
    find = ready(attacks.model(tmp_path / "model", state, threshold=0.3))
    given = [image(10, 20, 60, 40), image(size=(80, 60))]
    PilImage.fromarray(given[0].pixels).save(tmp_path / "a.png")
    expected = find(given[0])
    assert len(expected) and expected.names == ("rust", "dent")
    assert same(find(tmp_path / "a.png"), expected) and same(find(given[0].pixels), expected)
    assert [alike(detections, find(item)) for item, detections in find.batches(given)] == [True, True]


def test_beyond_the_image_the_network_sees_exactly_nothing():
    values = normalize(np.full((1, 64, 64, 3), 255, np.uint8), CARD, [(10, 20)], torch.device("cpu"))
    assert values.shape == (1, 3, 64, 64) and values.dtype == torch.float32
    assert (values[:, :, :10, :20] > 2).all()
    assert not values[:, :, 10:].any() and not values[:, :, :, 20:].any()


def test_a_model_without_masks_finds_boxes(tmp_path, state):
    state = {name: tensor for name, tensor in state.items() if not name.startswith("mask_head.")}
    detections = ready(attacks.model(tmp_path, state, task="detect", threshold=0.3))(image(10, 20, 60, 40))
    assert len(detections) and detections.masks is None


# --- models that cannot be used -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "tensor", "got"),
    [
        ("box_head.cls_score.bias", torch.zeros(2), "(2,)"),
        ("box_head.cls_score.bias", torch.zeros(()), "()"),
        ("fpn.inner_blocks.0.0.weight", None, "nothing"),
    ],
)
def test_weights_of_wrong_shapes_are_refused_by_name(tmp_path, state, name, tensor, got):
    wrong = {**state, name: tensor}
    if tensor is None:
        del wrong[name]
    with pytest.raises(WeightsError, match=r"the weights do not fit the card's network \(small, 2 classes\)") as caught:
        ready(attacks.model(tmp_path, wrong))
    assert caught.value.parts["field"] == name and caught.value.parts["got"] == got


def test_more_classes_on_the_card_than_in_the_weights_are_refused(tmp_path, state):
    with pytest.raises(WeightsError, match="3 classes"):
        ready(attacks.model(tmp_path, state, classes=["a", "b", "c"]))


def test_weights_that_are_not_numbers_are_refused(tmp_path, state):
    broken = {n: t * torch.nan if t.is_floating_point() else t for n, t in state.items()}
    with pytest.raises(WeightsError, match="the weights are not all finite"):
        ready(attacks.model(tmp_path, broken))


def test_a_card_of_another_version_or_network_is_refused(tmp_path, state):
    with pytest.raises(WeightsError, match="another version"):
        ready(attacks.model(tmp_path / "a", state, version=2))
    with pytest.raises(WeightsError, match='names no network of ours: no model "smal"'):
        ready(attacks.model(tmp_path / "b", state, model="smal"))
    with pytest.raises(WeightsError, match='names no network of ours: no backbone "resnet50"'):
        ready(attacks.model(tmp_path / "c", state, backbone="resnet50"))
    with pytest.raises(WeightsError, match="names no network of ours: ssd300_vgg16 finds boxes"):
        ready(attacks.model(tmp_path / "d", state, model="ssd300_vgg16", backbone="vgg16"))


def test_a_pickle_in_the_place_of_the_weights_is_not_executed(tmp_path, state):
    folder = attacks.model(tmp_path, state)
    attacks.bare_pickle(folder, "weights.safetensors")
    with pytest.raises(WeightsError, match="the weights cannot be read"):
        ready(folder)
    assert not attacks.target(folder).exists()


@pytest.mark.parametrize(("option", "name"), [("device", "gpu"), ("precision", "f16"), ("engine", "onx")])
def test_unknown_devices_precisions_and_engines_are_named(tmp_path, state, option, name):
    with pytest.raises(UnknownName, match=f'no {option} "{name}"'):
        open_engine(attacks.model(tmp_path, state), **{"name" if option == "engine" else option: name})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is asked for")
def test_a_device_that_is_not_there_is_said(tmp_path, state):
    with pytest.raises(RecipeError, match="this machine has no cuda"):
        open_engine(attacks.model(tmp_path, state), device="cuda")


def test_what_is_no_model_is_said(tmp_path):
    for model in (tmp_path, tmp_path / "none", "no such name"):
        with pytest.raises(MaskwrightError, match=r"(not a|no) model"):
            load(model)


# --- options beside a model -----------------------------------------------------------------------------------------
GIVEN = {"threshold": 0.9, "size": 640, "tile": 512, "device": "cpu", "precision": "fp32", "engine": "torch",
         "names": ("rust",)}  # fmt: skip


@pytest.mark.parametrize("option", GIVEN)
def test_an_option_given_together_with_a_loaded_model_is_an_error(option):
    written = f"{option}={GIVEN[option]!r}"
    with pytest.raises(RecipeError) as caught:
        load_unless_loaded(Detector(RedFinder()), InferenceOptions(**{option: GIVEN[option]}))
    assert caught.value.parts == {
        "field": option,
        "expected": "no InferenceOptions together with a loaded model",
        "got": written,
        "fix": f"load it with them: maskwright.load(MODEL, maskwright.InferenceOptions({written}))",
    }


def test_a_loaded_model_without_options_is_used_as_it_is():
    find = Detector(RedFinder(), threshold=0.9)
    assert load_unless_loaded(find) is find and find.threshold == 0.9


def test_a_model_that_is_not_loaded_is_loaded_with_its_options(tmp_path, state):
    folder = attacks.model(tmp_path, state)
    options = InferenceOptions(threshold=0.9, size=64, tile=96, device="cpu", precision="fp32")
    find = load_unless_loaded(folder, options)
    assert (find.threshold, find.size, find.tile) == (0.9, 64, 96)


@pytest.mark.parametrize("option", sorted({field.name for field in fields(InferenceOptions)}))
def test_every_option_is_tested_with_a_loaded_model(option):
    assert option in GIVEN


def test_options_are_given_by_name():
    with pytest.raises(TypeError):
        InferenceOptions(0.9)  # type: ignore[misc]


@pytest.mark.parametrize("call", ["predict", "splash", "predict_video", "watch", "evaluate"])
def test_no_function_ignores_an_option_of_a_loaded_model(call, tmp_path):
    function = {"predict": predict, "splash": splash, "predict_video": predict_video, "watch": watch,
                "evaluate": evaluate}[call]  # fmt: skip
    data = Dataset("none", ("rust",), ()) if call == "evaluate" else tmp_path
    with pytest.raises(RecipeError, match="already loaded"):
        function(Detector(RedFinder()), data, options=InferenceOptions(threshold=0.9))
