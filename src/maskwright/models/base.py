"""Base classes of all networks, the records they take and give, and which of their weights are trained."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from maskwright.errors import RecipeError

PasteMode = Literal["torchvision", "matterport"]
LAYERS = ("heads", "3+", "4+", "5+", "all")
Generators = Sequence[torch.Generator]
HEADS = ("fpn.", "rpn.", "extra.", "box_head.", "mask_head.", "head.")


@dataclass(frozen=True)
class Targets:
    """The ground truth of one network input.

    boxes             (n, 4) float32 x1 y1 x2 y2, network input pixels
    classes           (n,) int64, index into the classes of the data
    patches           (n, S, S) float32 | None  each mask inside its own box, 0..1; None where there are only boxes
    crowd             (k, 4) float32  regions where nothing is learned
    labelled_classes  (c,) int64 | None  the classes that were annotated; None: all
    incomplete        objects may be undrawn: only the surroundings of drawn ones are background
    """

    boxes: Tensor
    classes: Tensor
    patches: Tensor | None
    crowd: Tensor
    labelled_classes: Tensor | None = None
    incomplete: bool = False

    def to(self, device: torch.device) -> Targets:
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return dataclasses.replace(self, **moved)


@dataclass
class Detections:
    """The objects detected on one image, by falling score.

    boxes       (n, 4) float32 x1 y1 x2 y2, network input pixels
    scores      (n,) float32, 0..1
    classes     (n,) int64, index into the classes of the data; background is no class
    mask_probs  (n, 28, 28) float32 | None  probability that a cell of the box belongs to the object
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    mask_probs: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """A mean, kept as what it is made of: where parts of a batch are computed one after the other, or by several
    processes, totals and counts are added, and their quotient is the mean over all of the batch.

    total  scalar, differentiable: the sum over what is trained on
    count  how many that are: sampled anchors, positive boxes, images
    """

    total: Tensor
    count: Tensor | int

    @property
    def mean(self) -> Tensor:
        """0 where nothing is trained on."""
        return self.total / torch.as_tensor(self.count).clamp(min=1)


class Backbone(Protocol):
    """A module that makes maps of images, finest first.

    strides   network input pixels from cell to cell of each map
    channels  of each map
    """

    strides: tuple[int, ...]
    channels: tuple[int, ...]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels, H/stride, W/stride)."""
        ...

    def stage_of(self, name: str) -> int:
        """The stage of a parameter, by its name: 1 up to stride 4, then 3, 4, 5 as matterport counts them; 6 where it
        belongs to a layer that no published backbone has, which is trained with the heads."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def eval(self) -> object: ...


class Network(nn.Module):
    """What the training loop asks of every network: losses of a batch, or of the backbone's maps of it.

    images      (B, 3, H, W) float, normalized
    sizes       (height, width) of each image's part of its network input; beyond it there is padding
    targets     the ground truth of each image
    generators  one for each image: draw what is sampled at random of it, so that a resumed run draws the same, and an
                image the same in whatever batch and process it is computed
    """

    backbone: Backbone
    trains_from_features = True  # False: the heads need more than `losses_from_features` gets

    def losses(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """Losses by name."""
        return self.losses_from_features(self.backbone(images), sizes, targets, generators)

    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """The same from the maps of the backbone, which a run with a frozen backbone caches."""
        raise NotImplementedError


class DetectionNetwork(Network):
    """A network that detects objects."""

    paste_mode: PasteMode = "torchvision"

    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        """The objects of each image; boxes are clipped to the image's part of the network input."""
        raise NotImplementedError


class ClassificationNetwork(Network):
    """A network that classifies whole images: a backbone, and a head from its maps to (B, C) logits."""

    head: nn.Module

    @torch.no_grad()
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
        """(B, C) scores, 0..1."""
        return self.scores_of(self.backbone(images))

    def scores_of(self, features: list[Tensor]) -> Tensor:
        """The same from the maps of the backbone."""
        raise NotImplementedError


def choose_layers(network: Network, layers: str) -> list[str]:
    """Make only the named part trainable; returns the names of the parameters that are.

    heads             pyramid (or SSD's extra maps), proposal head, box head, mask head; the head of a classifier
    3+, 4+, 5+        these and the backbone's stages from there
    all               everything
    anything else     a regular expression that must match a parameter's whole name
    """
    lowest = {"heads": 6, "3+": 3, "4+": 4, "5+": 5, "all": 0}.get(layers, 0)
    try:
        pattern = None if layers in LAYERS else re.compile(layers)
    except re.error as error:
        raise RecipeError(
            "these layers are no name and no regular expression", field="layers", expected=", ".join(LAYERS), got=layers
        ) from error
    chosen = []
    for name, parameter in network.named_parameters():
        if pattern is not None:
            trained = pattern.fullmatch(name) is not None
        else:
            trained = name.startswith(HEADS) or network.backbone.stage_of(name.removeprefix("backbone.")) >= lowest
        parameter.requires_grad_(trained)
        if trained:
            chosen.append(name)
    if not chosen:
        raise RecipeError("no layer has such a name", field="layers", expected=", ".join(LAYERS), got=layers)
    return chosen


def training_mode(network: Network, train_bn: bool) -> None:
    """Switch to training. Batch norms that are not trained (or all, without `train_bn`) keep their statistics; a
    backbone that stands still drops nothing at random, as its maps may be cached."""
    network.train()
    if stands_still(network):
        network.backbone.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not (train_bn and module.weight.requires_grad):
            module.eval()


def stands_still(network: Network) -> bool:
    """Nothing of the backbone is trained, and the heads can be trained on its cached maps."""
    if not network.trains_from_features:
        return False
    return not any(parameter.requires_grad for parameter in network.backbone.parameters())
