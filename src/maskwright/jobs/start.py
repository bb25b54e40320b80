"""The weights a training run starts from: found by name, put into the network, told in a line."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from maskwright.errors import UnknownName, WeightsError
from maskwright.jobs import matterport
from maskwright.models.foreign import Foreign
from maskwright.progress import Progress, silent
from maskwright.weights import checkpoint, sources
from maskwright.weights.card import CARD, WEIGHTS, read_card
from maskwright.weights.transfer import coco_classes, transfer

KINDS = ("bundled", "coco", "imagenet", "none", "last", "best")


def check_weights(weights: str, runs: Path) -> None:
    """A misspelt name, or a run that is not there, is said before the data are read."""
    if weights in ("last", "best"):
        newest(weights, runs)
    elif weights not in KINDS and not Path(weights).is_file():
        try:
            sources.model_folder(weights)
        except UnknownName as error:
            raise UnknownName("weights", weights, [*KINDS, *sources.bundled_names()], "or a run's folder") from error


def start_weights(
    network: nn.Module,
    weights: str,
    model: str,
    backbone: str,
    names: tuple[str, ...],
    runs: Path,
    progress: Progress = silent,
) -> str:
    """Fill `network` from `weights` and say what was kept.

    weights  none; bundled (the model of just these classes, else the generally trained one); coco, imagenet (from the
             cache, or downloaded); last, best (of the newest run in `runs`); a model or run folder; a .pth, .pt or
             .safetensors file; matterport's .h5
    """
    if weights == "none":
        return "weights: none, all layers start at random"
    if weights == "imagenet" and isinstance(network.backbone, Foreign):
        return network.backbone.load_published()
    if matterport.is_h5(weights):
        return matterport.start_from_h5(network, weights, names)
    whole_photo = hasattr(network, "balance")
    folder = _folder(weights, model, backbone, names, runs, whole_photo)
    if folder is not None:
        card = read_card(folder)
        if card.backbone != backbone:
            raise WeightsError(
                "these weights belong to another backbone",
                file=folder,
                wanted=backbone,
                got=f"{card.model} on {card.backbone}",
                fix=f"--backbone {card.backbone}, or other --weights",
            )
        tensors = checkpoint.load(folder / WEIGHTS)
        if card.task == "classify":
            tensors = _rows_by_name(tensors, card.classes, names)
        told = transfer(network, tensors, card.classes, names)
        if card.task == "classify" and set(names) <= set(card.classes):
            told.classes_kept, told.classes_fresh = list(names), []
        shown = f"bundled {folder.name}" if weights == "bundled" else weights
        return f"weights: {shown} ({', '.join(card.classes[:5])}{' ...' if len(card.classes) > 5 else ''}): {told}"
    file = Path(weights)
    if weights in ("coco", "imagenet"):
        file = sources.published_file(weights, model, backbone, progress)
    tensors = checkpoint.load(file)
    told = transfer(network, tensors, coco_classes(tensors), names)
    if not told.kept:
        raise WeightsError(
            f"nothing in these weights fits {model} on {backbone}",
            file=file,
            got=f"{len(tensors)} tensors, such as {next(iter(tensors))}",
        )
    if weights == "coco" and model in ("mask_rcnn_r50", "faster_rcnn_r50", "torchvision:retinanet_resnet50_fpn"):
        _without_eps(network)
    better = weights == "imagenet" and any(read_card(each).model == model for each in sources.bundled_with(backbone))
    return f"weights: {weights}: {told}" + ("; --weights bundled takes those of the package" if better else "")


def _rows_by_name(tensors: dict[str, Tensor], theirs: tuple[str, ...], ours: tuple[str, ...]) -> dict[str, Tensor]:
    """A classifier's last layer in the order of our classes; left out where it does not know all of them."""
    if not set(ours) <= set(theirs):
        return {name: value for name, value in tensors.items() if not name.startswith("head.out.")}
    rows = [theirs.index(name) for name in ours]
    return {name: value[rows] if name.startswith("head.out.") else value for name, value in tensors.items()}


def _folder(
    weights: str, model: str, backbone: str, names: tuple[str, ...], runs: Path, whole_photo: bool
) -> Path | None:
    if weights == "bundled":
        fitting = sources.bundled_with(backbone)
        if not whole_photo:
            fitting = [folder for folder in fitting if read_card(folder).model == model]
        if not fitting:
            raise WeightsError(
                f"no bundled weights fit {model} on {backbone}",
                wanted="none, imagenet, coco or a path",
                got="bundled",
                fix="--weights none starts at random; --model small has bundled weights",
            )
        return next((folder for folder in fitting if set(read_card(folder).classes) == set(names)), fitting[0])
    if weights in ("last", "best"):
        return newest(weights, runs)
    if Path(weights).is_file() and Path(weights).name == WEIGHTS and (Path(weights).parent / CARD).is_file():
        return Path(weights).parent  # the card beside it knows the classes
    if weights in ("coco", "imagenet") or Path(weights).is_file():
        return None
    return sources.model_folder(weights)


def newest(which: str, runs: Path) -> Path:
    """The folder `last` or `best` of the newest run in `runs`."""
    found = sorted(Path(runs).glob(f"*/{which}/{CARD}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise WeightsError(
            f"there is no run to take the {which} weights of", file=runs, fix="--weights bundled, or a path"
        )
    return found[-1].parent


def _without_eps(network: nn.Module) -> None:
    """torchvision trained its first COCO weights with a batch norm that added nothing to the variance.

    Taken off the stored variance, so that what is trained from them holds it too.
    """
    for module in network.modules():
        if type(module).__name__ == "FrozenBatchNorm":
            module.running_var -= module.eps  # type: ignore[operator,assignment]
