"""Download: published weights and datasets, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskwright import fetch
from maskwright.curate.published import PUBLISHED as DATA_SETS
from maskwright.curate.published import obtain
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.models.registry import MODELS
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.weights import sources
from maskwright.weights.packages import PACKAGED

KINDS = tuple(dict.fromkeys(kind for kind, _ in sources.PUBLISHED))  # coco, imagenet, and a file of its own name


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What is here now.

    kind  "weights" or "data"
    path  of the file of weights, or of the dataset's folder
    """

    kind: str
    path: Path
    license: str
    address: str


def download(
    what: str, model: str | None = None, *, out: str | Path | None = None, progress: Progress = automatic
) -> Downloaded:
    """Fetch weights or a published dataset, unless they are here already.

    what   "coco" or "imagenet" for weights, the name of a published file (mask_rcnn_balloon.h5), or of a dataset
    model  whose weights: the name of a network, or of a backbone for "imagenet"
    out    folder to put it in; None is the cache for weights (where training looks) and "." for data

    >>> download("coco", "mask_rcnn_r50").path
    PosixPath('/home/ana/.cache/maskwright/weights/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth')
    """
    if what in DATA_SETS:
        if model is not None:
            raise RecipeError("a dataset is for no network in particular", field="MODEL", expected="nothing", got=model)
        chosen = DATA_SETS[what]
        return Downloaded("data", obtain(what, out or ".", progress), chosen.license, chosen.address)
    file = _by_file_name(what) if model is None else None
    if file is None and what not in KINDS:
        raise UnknownName("weights or dataset", what, [*KINDS, *DATA_SETS], "`maskwright download` lists them all")
    file = file or _weights(what, model)
    target = file.cached if out is None else Path(out) / file.file
    arrived = fetch.fetch(file.url, target, file.sha256, progress)
    return Downloaded("weights", arrived, file.license, file.url)


def _by_file_name(name: str) -> sources.Published | None:
    return next((item for item in sources.PUBLISHED.values() if item.file in (name, f"{name}.h5")), None)


def _weights(kind: str, model: str | None) -> sources.Published:
    offered = [name for item, name in sources.PUBLISHED if item == kind]
    if model is None:
        raise RecipeError(
            f"{kind} weights for which network?",
            field="MODEL",
            expected=" or ".join(offered),
            fix=f"maskwright download {kind} {offered[0]}",
        )
    if model in MODELS:
        default, *others = MODELS[model].backbones
        if (kind, default) in PACKAGED:
            entry = PACKAGED[kind, default]
            here = entry.path() is not None
            raise WeightsError(
                f"the {kind} weights of {model} come as a package" + (", which is installed" if here else ""),
                expected=" or ".join(name for name in others if name in offered),
                got=model,
                fix="nothing has to be downloaded for it" if here else f'pip install "{entry.requirement}"',
            )
        return sources.published(kind, model, default)
    if model not in offered:
        raise UnknownName("network or backbone", model, [*MODELS, *offered], "`maskwright download` lists them all")
    return sources.published(kind, model, model)
