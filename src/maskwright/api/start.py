"""The weights a training run starts from: found by name, put into the network, told in a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from maskwright.api import matterport
from maskwright.errors import UnknownName, WeightsError
from maskwright.models import starts
from maskwright.models.base import ClassificationNetwork
from maskwright.models.external.backbone import External
from maskwright.models.published import NORMS_WITHOUT_EPS, without_eps
from maskwright.progress import Progress, silent
from maskwright.training.recipe import Recipe
from maskwright.weights import checkpoint, sources
from maskwright.weights.card import CARD, WEIGHTS, read_card
from maskwright.weights.model_tensors import backbone_tensors, model_tensors
from maskwright.weights.packages import PACKAGED
from maskwright.weights.transfer import Transferred, coco_classes, transfer

KINDS = ("bundled", "coco", "imagenet", "none", "last", "best")


def check_weights(weights: str, runs: Path, model: str = "small", task: str = "segment", backbone: str = "") -> None:
    """A misspelt name, a run that is not there, or weights that nobody has for this network: said before the data are
    read."""
    if weights in ("bundled", "coco", "imagenet"):
        _check_kind(weights, model, task, backbone)
    elif weights in ("last", "best"):
        newest(weights, runs)
    elif weights not in KINDS and not Path(weights).is_file():
        try:
            sources.model_folder(weights)
        except UnknownName as error:
            raise UnknownName("weights", weights, [*KINDS, *sources.bundled_names()], "or a run's folder") from error


def _check_kind(weights: str, model: str, task: str, backbone: str) -> None:
    offered = starts.starts(model, task, backbone or starts.default_backbone(model, task, weights))
    if weights not in offered:
        backbone = backbone or starts.default_backbone(model, task, weights)
        others = [starts.without_network(model, task, backbone), starts.advice(model, task, backbone)]
        raise WeightsError(
            f"there are no {weights} weights for {model if model == backbone else f'{model} on {backbone}'}",
            field="weights",
            expected=", ".join([*offered, "a path"]),
            got=weights,
            fix="; ".join(other for other in others if other),
        )


def hashes_of_start(plan: Recipe, names: tuple[str, ...], runs: Path) -> str:
    """Hashes of the images that the weights a run starts from were trained on, as their card has them: the run's own
    model has learned from those too."""
    if plan.weights in ("none", "imagenet", "coco") or matterport.is_h5(plan.weights):
        return ""
    backbone = plan.backbone or starts.default_backbone(plan.model, plan.task, plan.weights)
    try:
        folder = _folder(plan.weights, plan.model, backbone, names, runs, plan.task)
        return "" if folder is None else read_card(folder).training_images
    except WeightsError:  # `start_weights` says what is wrong with them
        return ""


@dataclass(frozen=True)
class Start:
    """told         what was kept of the initial weights, for people
    new_classes  classes that their trained heads have no row for
    """

    told: str
    new_classes: tuple[str, ...] = ()


def start_weights(
    network: nn.Module,
    weights: str,
    model: str,
    backbone: str,
    names: tuple[str, ...],
    runs: Path,
    progress: Progress = silent,
) -> Start:
    """Fill `network` from `weights`.

    weights  none; bundled (the model of just these classes, else the generally trained one); coco, imagenet (from the
             cache, or downloaded); last, best (of the newest run in `runs`); a model or run folder; a .pth, .pt or
             .safetensors file; matterport's .h5
    """
    task = network_task(network)
    if weights in ("bundled", "coco", "imagenet"):
        _check_kind(weights, model, task, backbone)
    if weights == "none":
        better = starts.advice(model, task, backbone) if starts.at_hand(model, task, backbone) == "none" else ""
        return Start("weights: none, all layers start at random" + (f"; {better}" if better else ""))
    if weights == "imagenet" and isinstance(network.backbone, External):
        return Start(network.backbone.load_published())
    file = Path(weights)
    if (weights, backbone) in PACKAGED:
        entry = PACKAGED[weights, backbone]
        return Start(f"weights: {weights} ({entry.package}): {transfer(network, backbone_tensors(entry), (), names)}")
    if weights in starts.DOWNLOADED:
        offline = starts.without_network(model, task, backbone)
        file = sources.download(sources.published(weights, model, backbone), offline, progress)
    if matterport.is_h5(file):
        return Start(matterport.start_from_h5(network, file, names))
    folder = _folder(weights, model, backbone, names, runs, task)
    if folder is not None:
        shown = f"bundled {folder.name}" if weights == "bundled" else weights
        classes, transferred = _from_folder(network, folder, backbone, names)
        return Start(f"weights: {shown} ({classes}): {transferred}", transferred.new_classes)
    tensors = checkpoint.load(file)
    told = transfer(network, tensors, coco_classes(tensors), names)
    if not told.kept:
        raise WeightsError(
            f"nothing in these weights fits {model} on {backbone}",
            file=file,
            got=f"{len(tensors)} tensors, such as {next(iter(tensors))}",
        )
    if weights == "coco" and model in NORMS_WITHOUT_EPS:
        without_eps(network)
    better = weights == "imagenet" and any(read_card(item).model == model for item in sources.bundled_with(backbone))
    hint = "; --weights bundled takes those of the package" if better else ""
    return Start(f"weights: {weights}: {told}{hint}", told.new_classes)


def _from_folder(network: nn.Module, folder: Path, backbone: str, names: tuple[str, ...]) -> tuple[str, Transferred]:
    """Fill `network` from a model folder; its first classes, and what was kept."""
    card = read_card(folder)
    if card.backbone != backbone:
        raise WeightsError(
            "these weights belong to another backbone",
            file=folder,
            expected=backbone,
            got=f"{card.model} on {card.backbone}",
            fix=f"--backbone {card.backbone}, or other --weights",
        )
    tensors = model_tensors(folder, card)
    if not card.kind.objects:
        tensors = _rows_by_name(tensors, card.classes, names)
    transferred = transfer(network, tensors, card.classes, names)
    if not card.kind.objects and set(names) <= set(card.classes):
        transferred.classes_kept, transferred.classes_fresh = list(names), []
    return f"{', '.join(card.classes[:5])}{' ...' if len(card.classes) > 5 else ''}", transferred


def network_task(network: nn.Module) -> str:
    """classify, or one that finds objects: their weights are the same."""
    return "classify" if isinstance(network, ClassificationNetwork) else "detect"


def _rows_by_name(tensors: dict[str, Tensor], theirs: tuple[str, ...], ours: tuple[str, ...]) -> dict[str, Tensor]:
    """A classifier's last layer in the order of our classes; left out where it does not know all of them."""
    if not set(ours) <= set(theirs):
        return {name: value for name, value in tensors.items() if not name.startswith("head.out.")}
    rows = [theirs.index(name) for name in ours]
    return {name: value[rows] if name.startswith("head.out.") else value for name, value in tensors.items()}


def _folder(weights: str, model: str, backbone: str, names: tuple[str, ...], runs: Path, task: str) -> Path | None:
    if weights == "bundled":
        fitting = starts.bundled_for(model, task, backbone)
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
