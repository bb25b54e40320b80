"""Where weights come from, by name: bundled, coco, imagenet, last, best, none, a path. Knows files, no torch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from maskwright import fetch
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.images.sources import IMAGE_ENDINGS
from maskwright.progress import Progress, silent
from maskwright.weights.card import CARD, WEIGHTS, read_card
from maskwright.weights.packages import PACKAGED

BUNDLED = Path(__file__).parent / "bundled"
STARTS = ("small",)  # bundled models to train from: of most images they say nonsense
HUB = "https://download.pytorch.org/models/"
MATTERPORT = "https://github.com/matterport/Mask_RCNN/releases/download/"
NEEDS_NO_NETWORK = "the bundled model, `balloons`, needs no network"


@dataclass(frozen=True)
class Published:
    """A file of weights one can download: from torchvision's shelf, or from a release of matterport's (`release`).

    backbone  the only one it is for; "" where the network's name says all
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
        """The first eight hexadecimal digits, which torchvision writes into its files' names; None where no one has
        published a sum."""
        digits = re.search(r"-([0-9a-f]{8})\.pth$", self.file)
        return None if digits is None else digits[1]

    @property
    def cached(self) -> Path:
        """Where it lies once downloaded."""
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
    # trained with the mean and deviation of SSD, which are not those of torchvision's other weights
    ("imagenet", "ssd300_vgg16"): Published(
        "vgg16_features-amdegroot-88682ab5.pth", 528, "CC-BY-4.0 (Oxford's VGG16); trained on ImageNet", "backbone"
    ),
    ("imagenet", "vgg16"): Published("vgg16-397923af.pth", 528, "BSD-3-Clause; trained on ImageNet", "backbone"),
    ("imagenet", "vgg19"): Published("vgg19-dcbb9e9d.pth", 548, "BSD-3-Clause; trained on ImageNet", "backbone"),
}


def bundled_names() -> list[str]:
    """The models that came with the package."""
    return sorted(folder.name for folder in BUNDLED.iterdir() if (folder / CARD).is_file()) if BUNDLED.is_dir() else []


def bundled_with(backbone: str) -> list[Path]:
    """The bundled models on a backbone, the generally trained one first: its layers serve other networks too."""
    folders = [BUNDLED / name for name in sorted(bundled_names(), key=lambda name: name not in STARTS)]
    return [folder for folder in folders if read_card(folder).backbone == backbone]


def usable_names() -> list[str]:
    """Every name that stands for a model one can use as it is: bundled ones, published ones, runs in `runs`."""
    bundled = [name for name in bundled_names() if name not in STARTS]
    published = [name for kind, name in PUBLISHED if kind == "coco"]
    files = [item.file for item in PUBLISHED.values() if item.release]
    folders = sorted(Path("runs").iterdir()) if Path("runs").is_dir() else []
    runs = [folder.name for folder in folders if _in_folder(folder) is not None]
    return [*bundled, *runs, "coco", *published, *files]


def model_folder(model: str | Path) -> Path:
    """What a person means: the folder (card and weights) of a bundled name, a model folder, a run folder, `runs/NAME`;
    or the file of a published model, which need not be here yet (see `obtained`).

    matterport's .h5 file stands for itself.

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
            "this is an image, and a model was wanted",
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
                got="a run that was stopped early, or is still in its first epoch",
                fix=f"maskwright train --resume {run}, or name another run",
            )
        raise UnknownName("model", str(model), usable_names(), "`maskwright models` lists more; or a run's folder")
    raise WeightsError(
        "no model here",
        file=model,
        expected=f"a folder with {CARD} and {WEIGHTS}",
        got="a file" if path.is_file() else "a folder without them" if path.is_dir() else "nothing there",
        fix="name a run's folder, such as runs/NAME; `maskwright models` lists what came with the package",
    )


def model_file(model: str | Path, progress: Progress = silent) -> Path:
    """As `model_folder`, and it is here: a published model is downloaded where it is not in the cache yet."""
    path = model_folder(model)
    key = None if path.exists() else published_as(path)
    return path if key is None else obtained(PUBLISHED[key], NEEDS_NO_NETWORK, progress)


def _in_folder(path: Path) -> Path | None:
    """The model in a model folder, or the best of a run's folder."""
    for folder in (path, path / "best"):
        if (folder / CARD).is_file() and (folder / WEIGHTS).is_file():
            return folder
    return None


def _named(name: str) -> Published | None:
    """The published model of this name: coco, a network's name, or a file of matterport's with or without ending."""
    if name in ("coco", "mask_rcnn_coco"):
        return PUBLISHED["coco", "mask_rcnn_r50" if name == "coco" else "matterport"]
    for (kind, network), entry in PUBLISHED.items():
        if kind != "imagenet" and entry.file in (name, f"{name}.h5"):
            return entry
        if kind == "coco" and network == name.removeprefix("torchvision:"):
            return entry
    return None


def published_as(file: Path) -> tuple[str, str] | None:
    """("coco", "mask_rcnn_r50") of a file by its name; None for files that nobody published, and for backbones."""
    return next((key for key, item in PUBLISHED.items() if item.file == Path(file).name and key[0] != "imagenet"), None)


def fits(weights: str, model: str, backbone: str) -> bool:
    """There is a file of `coco` or `imagenet` weights for this network, to download or in a package."""
    if (weights, backbone) in PACKAGED:
        return True
    model = model.removeprefix("torchvision:")
    entry = PUBLISHED.get((weights, model)) or PUBLISHED.get((weights, backbone))
    return entry is not None and entry.backbone in ("", backbone)


def published(weights: str, model: str, backbone: str) -> Published:
    """Which file of `coco` or `imagenet` weights is for a network."""
    model = model.removeprefix("torchvision:")
    entry = PUBLISHED.get((weights, model)) or PUBLISHED.get((weights, backbone))
    if entry is None or entry.backbone not in ("", backbone):
        raise WeightsError(f"there are no {weights} weights for {model} ({backbone})", got=weights, expected="a path")
    return entry


def obtained(entry: Published, offline: str = "", progress: Progress = silent) -> Path:
    """The file of an entry: from the cache, where it must be what was published, or downloaded.

    offline  what one can do without a network, for the message
    """
    file = entry.cached
    if not file.is_file():
        return fetch.fetch(entry.url, file, entry.sha256, progress, offline=offline)
    if entry.sha256 is not None:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if not found.startswith(entry.sha256):
            raise WeightsError(
                "the downloaded file is not what was published",
                file=file,
                expected=f"sha256 {entry.sha256}...",
                got=f"sha256 {found}",
                fix="delete it and ask for it again; a full disk or a copy that broke off leaves such a file",
            )
    return file
