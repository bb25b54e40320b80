"""The two verbs of a network, and which of its weights are trained."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from maskwright.errors import RecipeError

LAYERS = ("heads", "3+", "4+", "5+", "all")
HEADS = ("fpn.", "rpn.", "extra.", "box_head.", "mask_head.", "head.")


@dataclass(frozen=True)
class Targets:
    """What a person drew on one network input.

    boxes    n×4 float32 x1 y1 x2 y2, network input pixels
    classes  n int64
    patches  n×S×S float32 | None  each mask inside its own box, 0..1; None where there are only boxes
    crowd    n×4 or 0×4 float32    regions where nothing is learned
    labelled_classes   k int64 | None        the classes that were looked for; None: all
    incomplete   objects may be undrawn: only the surroundings of drawn ones are background
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
    """What the box head says of one image, network input pixels: boxes n×4, scores n, classes n (data classes)."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    mask_probs: Tensor | None = None


class Network(Protocol):
    """What the training loop and the torch engine ask of a network."""

    def losses(
        self,
        network_input: Tensor,
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]: ...

    def detect(self, network_input: Tensor, sizes: list[tuple[int, int]]) -> list[Detections] | Tensor: ...


def choose_layers(network: nn.Module, layers: str) -> list[str]:
    """Make only the named part trainable; returns the names of the parameters that are.

    heads             pyramid (or SSD's extra maps), proposal head, box head, mask head; the head of a classifier
    3+, 4+, 5+        these and the backbone's stages from there
    all               everything
    anything else     a regular expression that must match a parameter's whole name
    """
    stage_of: Callable[[str], int] = network.backbone.stage_of  # type: ignore[assignment,union-attr]
    lowest = {"heads": 9, "3+": 3, "4+": 4, "5+": 5, "all": 0}.get(layers, 0)
    try:
        pattern = None if layers in LAYERS else re.compile(layers)
    except re.error as error:
        raise RecipeError(
            "these layers are no name and no regular expression", field="layers", expected=", ".join(LAYERS), got=layers
        ) from error
    chosen = []
    for name, parameter in network.named_parameters():
        if pattern is not None:
            expected = pattern.fullmatch(name) is not None
        else:
            expected = name.startswith(HEADS) or stage_of(name.removeprefix("backbone.")) >= lowest
        parameter.requires_grad_(expected)
        if expected:
            chosen.append(name)
    if not chosen:
        raise RecipeError("no layer has such a name", field="layers", expected=", ".join(LAYERS), got=layers)
    return chosen


def training_mode(network: nn.Module, train_bn: bool) -> None:
    """Switch to training. Batch norms that are not trained (or all, without `train_bn`) keep their statistics; a
    backbone that stands still drops nothing at random, for its maps may be kept."""
    network.train()
    if stands_still(network):
        network.backbone.eval()  # type: ignore[union-attr]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not (train_bn and module.weight.requires_grad):
            module.eval()


def stands_still(network: nn.Module) -> bool:
    """Nothing of the backbone is trained, and the heads can be trained on what it gave (`losses_from_features`)."""
    if not hasattr(network, "losses_from_features"):
        return False
    return not any(parameter.requires_grad for parameter in network.backbone.parameters())  # type: ignore[union-attr]
