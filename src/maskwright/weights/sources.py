"""Resolves names of weights to files: bundled, coco, imagenet, published models, run folders, paths. No torch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from maskwright import fetch
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.images.sources import IMAGE_ENDINGS
from maskwright.progress import Progress, silent
from maskwright.weights.card import CARD, EXPORT, WEIGHTS, read_card
from maskwright.weights.packages import PACKAGED

BUNDLED = Path(__file__).parent / "bundled"
STARTS = ("small", "small_mobilenet")  # bundled models only for training from; useless for prediction on most images
HUB = "https://download.pytorch.org/models/"
MATTERPORT = "https://github.com/matterport/Mask_RCNN/releases/download/"
NEEDS_NO_NETWORK = "the bundled model, `balloons`, needs no network"


@dataclass(frozen=True)
class Published:
    """A weights file that can be downloaded: from torchvision, or from a release of matterport's repository.

    holds     short description
    release   of matterport's repository; "" for torchvision
    backbone  the only backbone it fits; "" if it follows from the name of the network
    """

    file: str
    megabytes: int
    license: str
    holds: str
    release: str = ""
    backbone: str = ""

    @property
    def url(self) -> str:
        return f"{MATTERPORT}{self.release}/{self.file}" if self.release else HUB + self.file

    @property
    def sha256(self) -> str | None:
        """The first eight hexadecimal digits, which torchvision's file names contain; None if none is published."""
        digits = re.search(r"-([0-9a-f]{8})\.pth$", self.file)
        return None if digits is None else digits[1]

    @property
    def cached(self) -> Path:
        """Its path in the cache."""
        return fetch.cache_folder() / "weights" / self.file


PUBLISHED = {  # (weights, model without "torchvision:", or backbone) -> file
    ("coco", "mask_rcnn_r50"): Published(
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        170,
        "BSD-3-Clause; trained on COCO",
        "91 class ids, box AP 37.9, mask AP 34.6",
    ),
    ("coco", "mask_rcnn_r50_v2"): Published(
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        177,
        "BSD-3-Clause; trained on COCO",
        "91 class ids, box AP 47.4, mask AP 41.8",
    ),
    ("coco", "faster_rcnn_r50"): Published(
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 160, "BSD-3-Clause; trained on COCO", "91 class ids, box AP 37.0"
    ),
    ("coco", "faster_rcnn_r50_v2"): Published(
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        167,
        "BSD-3-Clause; trained on COCO",
        "91 class ids, box AP 46.7",
    ),
    ("coco", "ssd300_vgg16"): Published(
        "ssd300_vgg16_coco-b556d3b4.pth", 136, "BSD-3-Clause; trained on COCO", "91 class ids, box AP 25.1"
    ),
    ("coco", "ssdlite320_mobilenet_v3_large"): Published(
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
        13,
        "BSD-3-Clause; trained on COCO",
        "91 class ids, box AP 21.3",
    ),
    ("coco", "retinanet_resnet50_fpn"): Published(
        "retinanet_resnet50_fpn_coco-eeacb38b.pth", 130, "BSD-3-Clause; trained on COCO", "91 class ids, box AP 36.4"
    ),
    ("coco", "retinanet_resnet50_fpn_v2"): Published(
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", 146, "BSD-3-Clause; trained on COCO", "91 class ids, box AP 41.5"
    ),
    ("coco", "fcos_resnet50_fpn"): Published(
        "fcos_resnet50_fpn_coco-99b0c9b7.pth", 124, "BSD-3-Clause; trained on COCO", "91 class ids, box AP 39.2"
    ),
    ("coco", "matterport"): Published(
        "mask_rcnn_coco.h5",
        246,
        "MIT; trained on COCO",
        "matterport's, ResNet-101, 80 classes",
        "v2.0",
        "resnet101",
    ),
    ("mask_rcnn_balloon.h5", "matterport"): Published(
        "mask_rcnn_balloon.h5", 244, "MIT", "matterport's, ResNet-101, one class: balloon", "v2.1", "resnet101"
    ),
    ("imagenet", "resnet50"): Published("resnet50-0676ba61.pth", 98, "BSD-3-Clause; trained on ImageNet", "backbone"),
    ("imagenet", "mobilenet_v3_large"): Published(
        "mobilenet_v3_large-8738ca79.pth", 21, "BSD-3-Clause; trained on ImageNet", "backbone"
    ),
    ("imagenet", "mobilenet_v2"): Published(
        "mobilenet_v2-b0353104.pth", 14, "BSD-3-Clause; trained on ImageNet", "backbone"
    ),
    # trained with SSD's mean and std, which differ from those of torchvision's other weights
    ("imagenet", "ssd300_vgg16"): Published(
        "vgg16_features-amdegroot-88682ab5.pth", 528, "CC-BY-4.0 (Oxford's VGG16); trained on ImageNet", "backbone"
    ),
    ("imagenet", "vgg16"): Published("vgg16-397923af.pth", 528, "BSD-3-Clause; trained on ImageNet", "backbone"),
    ("imagenet", "vgg19"): Published("vgg19-dcbb9e9d.pth", 548, "BSD-3-Clause; trained on ImageNet", "backbone"),
}


def bundled_names() -> list[str]:
    """The names of the models in the package."""
    return sorted(folder.name for folder in BUNDLED.iterdir() if (folder / CARD).is_file()) if BUNDLED.is_dir() else []


def bundled_with(backbone: str) -> list[Path]:
    """The folders of bundled models with a backbone, models for training from first."""
    folders = [BUNDLED / name for name in sorted(bundled_names(), key=lambda name: name not in STARTS)]
    return [folder for folder in folders if read_card(folder).backbone == backbone]


def usable_names() -> list[str]:
    """All names of models that can predict: bundled, published, and runs in `runs`."""
    bundled = [name for name in bundled_names() if name not in STARTS]
    published = [name for kind, name in PUBLISHED if kind == "coco"]
    files = [item.file for item in PUBLISHED.values() if item.release]
    folders = sorted(Path("runs").iterdir()) if Path("runs").is_dir() else []
    runs = [folder.name for folder in folders if _in_folder(folder) is not None]
    return [*bundled, *runs, "coco", *published, *files]


def model_folder(model: str | Path) -> Path:
    """Resolve a model name or path, without downloading.

    Returns the folder (card and weights) of a bundled model, a model folder, the best model of a run folder or of
    `runs/NAME`; a matterport .h5 file itself; or the cache path of a published model, which may not exist yet (see
    `model_file`). UnknownName, RecipeError or WeightsError says what was given instead.

    >>> model_folder("mask_rcnn_r50").name, model_folder("mask_rcnn_balloon").name
    ('maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth', 'mask_rcnn_balloon.h5')
    """
    if str(model) in bundled_names():
        return BUNDLED / str(model)
    if str(model) == "bundled":
        return BUNDLED / "balloons"
    path, run = Path(model), Path("runs") / model
    if (folder := _in_folder(path) or _in_folder(run)) is not None:
        return folder
    if path.is_file() and (path.suffix.lower() in (".h5", ".hdf5") or published_as(path) is not None):
        return path
    if not path.exists() and (entry := _named(str(model))) is not None:
        return entry.cached
    if path.suffix.lower() in IMAGE_ENDINGS and not path.is_dir():
        raise RecipeError(
            "this is an image, but a model is expected",
            file=model,
            field="MODEL",
            expected="a model first, then images",
            got="an image",
            fix=f"maskwright predict balloons {model}; `maskwright models` lists the models",
        )
    if not path.exists() and path.name == str(model):
        if run.is_dir():
            raise WeightsError(
                "this run has no model yet",
                file=run,
                expected=f"best/{CARD} and best/{WEIGHTS}",
                got="a run that was stopped early or is still in its first epoch",
                fix=f"maskwright train --resume {run}, or name another run",
            )
        raise UnknownName("model", str(model), usable_names(), "`maskwright models` lists more; or a run's folder")
    raise WeightsError(
        "this is not a model",
        file=model,
        expected=f"a folder with {CARD} and {WEIGHTS}",
        got="a file" if path.is_file() else "a folder without them" if path.is_dir() else "no such file or folder",
        fix="name a run folder, such as runs/NAME; `maskwright models` lists the bundled models",
    )


def model_file(model: str | Path, progress: Progress = silent) -> Path:
    """As `model_folder`, but a published model is downloaded if it is not in the cache."""
    path = model_folder(model)
    key = None if path.exists() else published_as(path)
    return path if key is None else download(PUBLISHED[key], NEEDS_NO_NETWORK, progress)


def _in_folder(path: Path) -> Path | None:
    """The model folder itself, or the best model of a run folder; None if it is neither."""
    for folder in (path, path / "best"):
        if (folder / CARD).is_file() and any((folder / name).is_file() for name in (WEIGHTS, EXPORT)):
            return folder
    return None


def _named(name: str) -> Published | None:
    """The published model of this name: coco, a network, or a file of matterport's with or without suffix."""
    if name in ("coco", "mask_rcnn_coco"):
        return PUBLISHED["coco", "mask_rcnn_r50" if name == "coco" else "matterport"]
    for (kind, network), entry in PUBLISHED.items():
        if kind != "imagenet" and entry.file in (name, f"{name}.h5"):
            return entry
        if kind == "coco" and network == name.removeprefix("torchvision:"):
            return entry
    return None


def published_as(file: Path) -> tuple[str, str] | None:
    """The key in PUBLISHED of a file name, such as ("coco", "mask_rcnn_r50"); None for other files and backbones."""
    return next((key for key, item in PUBLISHED.items() if item.file == Path(file).name and key[0] != "imagenet"), None)


def fits(weights: str, model: str, backbone: str) -> bool:
    """Whether there are `coco` or `imagenet` weights for a network, to download or in a package."""
    if (weights, backbone) in PACKAGED:
        return True
    model = model.removeprefix("torchvision:")
    entry = PUBLISHED.get((weights, model)) or PUBLISHED.get((weights, backbone))
    return entry is not None and entry.backbone in ("", backbone)


def published(weights: str, model: str, backbone: str) -> Published:
    """The published `coco` or `imagenet` weights for a network; WeightsError if there are none."""
    model = model.removeprefix("torchvision:")
    entry = PUBLISHED.get((weights, model)) or PUBLISHED.get((weights, backbone))
    if entry is None or entry.backbone not in ("", backbone):
        network = model if model == backbone else f"{model} ({backbone})"
        raise WeightsError(f"there are no {weights} weights for {network}", got=weights, expected="a path")
    return entry


def download(entry: Published, offline: str = "", progress: Progress = silent) -> Path:
    """The file of a published entry: from the cache, with its checksum verified, or downloaded.

    offline  advice for the error message without a network
    """
    file = entry.cached
    if not file.is_file():
        return fetch.fetch(entry.url, file, entry.sha256, progress, offline=offline)
    if entry.sha256 is not None:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if not digest.startswith(entry.sha256):
            raise WeightsError(
                "the cached file is not the published one",
                file=file,
                expected=f"sha256 {entry.sha256}...",
                got=f"sha256 {digest}",
                fix="delete it and download it again; a full disk or an interrupted copy leaves such a file",
            )
    return file
