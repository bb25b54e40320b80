"""Models that others published, by name: downloaded from a server of our own with weights made here, and used.

The real files cannot be had where these tests run; their names, addresses and layouts are what is tested.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import socket
import threading
from functools import partial
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

import maskwright
from maskwright import fetch
from maskwright.cli.main import main
from maskwright.errors import FetchError, WeightsError
from maskwright.issues import Issues, IssueWarning
from maskwright.models import registry
from maskwright.models.matterport.model import MatterportMaskRCNN, Settings
from maskwright.models.published import COCO, card_of, open_published
from maskwright.prediction.loading import START_IS_NO_DETECTOR
from maskwright.prediction.options import InferenceOptions
from maskwright.weights import sources
from maskwright.weights.matterport_h5 import write_h5

LITE = "ssdlite320_mobilenet_v3_large"
CPU = InferenceOptions(device="cpu")
EVERYTHING = InferenceOptions(threshold=0.0, device="cpu", precision="fp32")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / "x.jpg")
    return tmp_path


@pytest.fixture
def shelf(home: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder that a server on this machine gives out in the place of both real ones."""
    folder = home / "shelf"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{served.server_port}/"
        monkeypatch.setattr(sources, "HUB", address)
        monkeypatch.setattr(sources, "MATTERPORT", address)
        yield folder
        served.shutdown()


def offer(monkeypatch: pytest.MonkeyPatch, shelf: Path, key: tuple[str, str], tensors: dict) -> sources.Published:
    """Weights made here, under the published name but for its checksum."""
    made = shelf / "made.pth"
    torch.save(tensors, made)
    digits = hashlib.sha256(made.read_bytes()).hexdigest()[:8]
    entry = sources.PUBLISHED[key]
    entry = dataclasses.replace(entry, file=f"{entry.file.rpartition('-')[0]}-{digits}.pth")
    made.rename(shelf / entry.file)
    monkeypatch.setitem(sources.PUBLISHED, key, entry)
    return entry


def coco_tensors(model: str) -> dict:
    """The state of a network with COCO's 90 places, as torchvision's files have them."""
    torch.manual_seed(0)
    row = registry.MODELS[model]
    return registry.build(row.task, model, None, 90, row.size).state_dict()


def small_h5(path: Path, classes: int) -> None:
    settings = Settings(backbone="resnet50", num_classes=classes, top_down_pyramid_size=8, fpn_classif_fc_layers_size=8)
    torch.manual_seed(0)
    write_h5(MatterportMaskRCNN(settings, "inference"), path)


# --- names ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("coco", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"),
        ("mask_rcnn_r50", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"),
        ("ssd300_vgg16", "ssd300_vgg16_coco-b556d3b4.pth"),
        ("torchvision:fcos_resnet50_fpn", "fcos_resnet50_fpn_coco-99b0c9b7.pth"),
        ("matterport", "mask_rcnn_coco.h5"),
        ("mask_rcnn_coco", "mask_rcnn_coco.h5"),
        ("mask_rcnn_coco.h5", "mask_rcnn_coco.h5"),
        ("mask_rcnn_balloon.h5", "mask_rcnn_balloon.h5"),
        ("mask_rcnn_balloon", "mask_rcnn_balloon.h5"),
    ],
)
def test_a_published_model_goes_by_its_name(home, name, file):
    assert sources.model_folder(name) == fetch.cache_folder() / "weights" / file


def test_every_published_detector_has_a_card_with_cocos_classes():
    for (kind, name), entry in sources.PUBLISHED.items():
        if kind == "coco" and not entry.release:
            card = card_of(Path(entry.file))
            assert card.classes == COCO and len(COCO) == 80 and card.model.endswith(name)
            assert card.task == registry.MODELS[card.model].task


def test_matterports_files_lie_at_its_releases():
    addresses = [item.url for item in sources.PUBLISHED.values() if item.release]
    assert addresses == [
        "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5",
        "https://github.com/matterport/Mask_RCNN/releases/download/v2.1/mask_rcnn_balloon.h5",
    ]


def test_a_file_of_nobodys_name_says_no_network():
    with pytest.raises(WeightsError, match="does not say which network it is of"):
        open_published(Path("mine.pth"))


# --- use --------------------------------------------------------------------------------------------
def test_weights_of_coco_are_downloaded_once_and_used(home, shelf, monkeypatch, capsys):
    entry = offer(monkeypatch, shelf, ("coco", LITE), coco_tensors(LITE))
    with pytest.raises(SystemExit) as end:
        main(["predict", LITE, "x.jpg", "--threshold", "0.01", "--device", "cpu", "--precision", "fp32"])
    assert end.value.code in (0, None), capsys.readouterr().err
    (shelf / entry.file).unlink()
    find = maskwright.load(LITE, EVERYTHING)
    assert find.card.classes == COCO and find.card.task == "detect"
    assert set(find("x.jpg").labels) <= set(COCO)
    by_path = maskwright.load(entry.cached, EVERYTHING)
    assert by_path.card == find.card


def test_a_class_of_the_file_keeps_its_row(home, shelf, monkeypatch):
    tensors = coco_tensors(LITE)
    entry = offer(monkeypatch, shelf, ("coco", LITE), tensors)
    sources.download(entry)
    network, card = open_published(entry.cached)
    from maskwright.weights.transfer import COCO_NAMES

    place = COCO_NAMES.index("giraffe") + 1
    state = network.state_dict()
    named = [name for name in tensors if "cls_score" in name and name.endswith("bias")]
    name = next(name for name in named if state[name].shape != tensors[name].shape)
    own = state[name].reshape(-1, 81)[:, card.classes.index("giraffe") + 1]
    torch.testing.assert_close(own, tensors[name].reshape(-1, 91)[:, place])


def test_a_file_that_is_not_whole_weights_is_refused(home, shelf, monkeypatch):
    tensors = coco_tensors(LITE)
    tensors.pop(next(iter(tensors)))
    entry = offer(monkeypatch, shelf, ("coco", LITE), tensors)
    sources.download(entry)
    with pytest.raises(WeightsError, match="is not whole weights of ssdlite320"):
        open_published(entry.cached)


@pytest.mark.slow
def test_coco_is_mask_r_cnn(home, shelf, monkeypatch):
    offer(monkeypatch, shelf, ("coco", "mask_rcnn_r50"), coco_tensors("mask_rcnn_r50"))
    find = maskwright.load("coco", dataclasses.replace(EVERYTHING, size=128))
    found = find("x.jpg")
    assert find.card.model == "mask_rcnn_r50" and set(found.labels) <= set(COCO)
    assert len(found) == 0 or found.masks is not None


@pytest.mark.parametrize(("file", "classes"), [("mask_rcnn_coco.h5", COCO), ("mask_rcnn_balloon.h5", ("balloon",))])
def test_matterports_files_are_downloaded_and_used(home, shelf, capsys, file, classes):
    pytest.importorskip("h5py")
    release = next(item.release for item in sources.PUBLISHED.values() if item.file == file)
    (shelf / release).mkdir()
    small_h5(shelf / release / file, len(classes) + 1)
    with pytest.raises(SystemExit) as end:
        main(["download", file])
    assert end.value.code in (0, None) and str(fetch.cache_folder() / "weights" / file) in capsys.readouterr().out
    assert maskwright.load(file, CPU).card.classes == classes


# --- without a network ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["coco", "mask_rcnn_r50", "mask_rcnn_balloon.h5", "mask_rcnn_coco.h5"])
def test_without_a_network_the_address_and_the_place_are_told(home, monkeypatch, capsys, name):
    def lost(*_: object, **__: object) -> None:
        raise URLError(socket.gaierror("no such host"))

    monkeypatch.setattr(fetch, "urlopen", lost)
    target = sources.model_folder(name)
    with pytest.raises(FetchError) as caught:
        maskwright.load(name)
    assert caught.value.parts["file"].endswith(target.name)
    assert caught.value.parts["fix"] == f'download it manually to "{target}"; or: {sources.NEEDS_NO_NETWORK}'
    with pytest.raises(SystemExit) as end:
        main(["predict", name, "x.jpg"])
    assert end.value.code == 1 and "Traceback" not in capsys.readouterr().err


def test_a_start_for_training_is_used_with_a_warning(home):
    with pytest.warns(IssueWarning, match="small is a start for training, no detector"):
        maskwright.predict("small", "x.jpg", options=CPU)
    issues = Issues()
    maskwright.predict("balloons", "x.jpg", log=issues, options=CPU)
    assert not START_IS_NO_DETECTOR.among(issues)
