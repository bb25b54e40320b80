"""Where weights come from, by name: bundled, coco, imagenet, last, best, none, a path. Knows files, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskwright import fetch
from maskwright.errors import UnknownName, WeightsError
from maskwright.progress import Progress, silent
from maskwright.weights.card import CARD, WEIGHTS, read_card

BUNDLED = Path(__file__).parent / "bundled"
HUB = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Published:
    """A file of weights one can download, from torchvision's shelf."""

    file: str
    megabytes: int
    licence: str
    holds: str

    @property
    def url(self) -> str:
        return HUB + self.file

    @property
    def sha256(self) -> str:
        """The first eight hexadecimal digits: torchvision writes them into its files' names."""
        return self.file.removesuffix(".pth").rpartition("-")[2]

    @property
    def cached(self) -> Path:
        """Where it lies once downloaded."""
        return fetch.cache_folder() / "weights" / self.file


PUBLISHED = {  # (weights, model without "torchvision:", or backbone) -> file
    ("coco", "mask_rcnn_r50"): Published(
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        170,
        "BSD-3-Clause; trained on COCO",
        "91 places, box AP 37.9, mask AP 34.6",
    ),
    ("coco", "mask_rcnn_r50_v2"): Published(
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        177,
        "BSD-3-Clause; trained on COCO",
        "91 places, box AP 47.4, mask AP 41.8",
    ),
    ("coco", "faster_rcnn_r50"): Published(
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 160, "BSD-3-Clause; trained on COCO", "91 places, box AP 37.0"
    ),
    ("coco", "faster_rcnn_r50_v2"): Published(
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 167, "BSD-3-Clause; trained on COCO", "91 places, box AP 46.7"
    ),
    ("coco", "ssd300_vgg16"): Published(
        "ssd300_vgg16_coco-b556d3b4.pth", 136, "BSD-3-Clause; trained on COCO", "91 places, box AP 25.1"
    ),
    ("coco", "ssdlite320_mobilenet_v3_large"): Published(
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", 13, "BSD-3-Clause; trained on COCO", "91 places, box AP 21.3"
    ),
    ("coco", "retinanet_resnet50_fpn"): Published(
        "retinanet_resnet50_fpn_coco-eeacb38b.pth", 130, "BSD-3-Clause; trained on COCO", "91 places, box AP 36.4"
    ),
    ("coco", "retinanet_resnet50_fpn_v2"): Published(
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", 146, "BSD-3-Clause; trained on COCO", "91 places, box AP 41.5"
    ),
    ("coco", "fcos_resnet50_fpn"): Published(
        "fcos_resnet50_fpn_coco-99b0c9b7.pth", 124, "BSD-3-Clause; trained on COCO", "91 places, box AP 39.2"
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
    folders = [BUNDLED / name for name in sorted(bundled_names(), key=lambda name: name != "small")]
    return [folder for folder in folders if read_card(folder).backbone == backbone]


def model_folder(model: str | Path) -> Path:
    """The folder (card and weights) that a person means: a bundled name, a model folder, a run folder, `runs/NAME`.

    matterport's .h5 file stands for itself.
    """
    if str(model) in bundled_names():
        return BUNDLED / str(model)
    if str(model) == "bundled":
        return BUNDLED / "balloons"
    for folder in (Path(model), Path(model) / "best", Path("runs") / model, Path("runs") / model / "best"):
        if (folder / CARD).is_file() and (folder / WEIGHTS).is_file():
            return folder
    if Path(model).suffix.lower() in (".h5", ".hdf5") and Path(model).is_file():
        return Path(model)
    if not Path(model).exists() and Path(model).name == str(model):
        known = bundled_names() + (
            sorted(path.name for path in Path("runs").iterdir() if path.is_dir()) if Path("runs").is_dir() else []
        )
        raise UnknownName("model", str(model), known, "a run's folder, or a bundled name")
    raise WeightsError(
        "no model here",
        file=model,
        wanted=f"a folder with {CARD} and {WEIGHTS}",
        got="a file" if Path(model).is_file() else "a folder without them" if Path(model).is_dir() else "nothing there",
        fix="name a run's folder, such as runs/NAME; `maskwright models` lists what came with the package",
    )


def published(weights: str, model: str, backbone: str) -> Published:
    """Which file of `coco` or `imagenet` weights is for a network."""
    model = model.removeprefix("torchvision:")
    entry = PUBLISHED.get((weights, model)) or PUBLISHED.get((weights, backbone))
    if entry is None:
        offered = sorted({kind for kind, name in PUBLISHED if name in (model, backbone)})
        raise WeightsError(
            f"there are no {weights} weights for {model} ({backbone})",
            wanted=", ".join([*offered, "bundled", "none", "a path"]),
            got=weights,
        )
    return entry


def published_file(weights: str, model: str, backbone: str, progress: Progress = silent, download: bool = True) -> Path:
    """The file of `coco` or `imagenet` weights for a network: from the cache, or downloaded."""
    entry = published(weights, model, backbone)
    if entry.cached.is_file() or not download:
        return entry.cached
    return fetch.fetch(entry.url, entry.cached, sha256=entry.sha256, progress=progress)
