"""Recipe: every setting of a training run, checked. Needs no torch."""

from __future__ import annotations

import msgspec

from maskwright.errors import RecipeError, UnknownName
from maskwright.models import registry
from maskwright.prediction import tiles
from maskwright.transforms.augment import Augment
from maskwright.types.task_kind import TASK_KINDS, TaskKind

OPTIMIZERS = ("adamw", "rmsprop")
SCHEDULES = ("cosine", "constant")
RANGES = {
    "size": (64, 4096),
    "tile": (0, 65536),
    "batch": (1, 1024),
    "accumulate": (1, 1024),
    "steps_per_epoch": (1, 10**6),
    "seed": (0, 2**32 - 1),
    "workers": (0, 64),
    "cached_views": (0, 1000),
    "time_budget": (0, 10**7),
    "patience": (0, 10**6),
    "warmup_steps": (0, 10**6),
    "weight_decay": (0, 1),
    "backbone_lr_scale": (0, 100),
    "new_class_lr_scale": (0, 100),
    "grad_clip": (1e-6, 10**6),
    "ema": (0, 0.999999),
}


MAX_EPOCHS = 10**6


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a run: which layers are trained, for how many epochs, at which learning rate.

    With a time budget the epochs determine how the time is divided among the stages.
    """

    layers: str = "all"
    epochs: int = 30
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise RecipeError("nothing to train", field="epochs", expected="at least 1", got=self.epochs)
        if self.epochs > MAX_EPOCHS:
            raise RecipeError(
                "a number is out of range", field="epochs", expected=f"1 to {MAX_EPOCHS}", got=self.epochs
            )
        if not 0 < self.lr < 10:
            raise RecipeError("a number is out of range", field="lr", expected="more than 0, below 10", got=self.lr)


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a training run, with their defaults.

    size                  long side of the network input, pixels
    tile                  side in image pixels of the part of a larger image shown at once; 0: whole images
    batch                 images that are computed at once, by all processes together where torchrun starts several
    accumulate            batches per step: their gradients are added up before the weights are updated
    steps_per_epoch       an epoch has at least this many steps: on small sets validation would take most of the time
    time_budget           seconds of training in total; 0: the number of epochs of the stages
    patience              epochs without a better validation metric after which training stops; 0 never stops early
    warmup_steps          steps at the start of each stage over which the learning rate rises
    schedule              cosine: the learning rate falls to a hundredth over the run; constant. Both after the warm-up
    optimizer             adamw, or rmsprop as in Keras (decay 0.9)
    backbone_lr_scale     factor on the learning rate of the backbone
    new_class_lr_scale    factor on the learning rate of the layer that scores classes, where the initial weights know
                          classes, but not all of these: what a class looks like is learned from nothing
    grad_clip             maximum norm of the gradient
    ema                   decay of the averaged weights that are validated and saved; 0 averages nothing
    cached_views          augmented views per image in stages with a frozen backbone: the features of each view are
                          computed once and cached; 0 draws a new view every time
    train_bn              batch norms update their running statistics (otherwise those of the start are kept)
    class_attribute       VIA's region attribute that holds the class; "": detected
    connected_components  masks that do not separate objects: each connected component is one object
    annotations           read only annotation files of this name, in each split of a folder; "": all
    follow_links          follow links that lead out of the data
    """

    task: str = "segment"
    model: str = "small"
    backbone: str = ""
    weights: str = "bundled"
    size: int = 512
    tile: int = 0
    batch: int = 4
    accumulate: int = 1
    steps_per_epoch: int = 25
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 1
    time_budget: float = 0.0
    patience: int = 20
    warmup_steps: int = 20
    schedule: str = "cosine"
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    backbone_lr_scale: float = 0.5
    new_class_lr_scale: float = 1.0
    grad_clip: float = 5.0
    ema: float = 0.998
    cached_views: int = 0
    train_bn: bool = True
    allow_faulty: bool = False
    class_attribute: str = ""
    connected_components: bool = False
    annotations: str = ""
    follow_links: bool = False
    stages: tuple[Stage, ...] = (Stage("heads", 4, 1e-3), Stage("all", 26, 1e-3))
    augment: Augment = msgspec.field(default_factory=Augment)

    def __post_init__(self) -> None:
        if self.task not in TASK_KINDS:
            raise UnknownName("task", self.task, TASK_KINDS)
        if self.optimizer not in OPTIMIZERS:
            raise UnknownName("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise UnknownName("schedule", self.schedule, SCHEDULES)
        network = registry.find(self.model, self.task)
        if self.backbone and self.backbone not in network.backbones:
            raise UnknownName("backbone", self.backbone, network.backbones)
        for field, (low, high) in RANGES.items():
            value = getattr(self, field)
            if not low <= value <= high:
                raise RecipeError("a number is out of range", field=field, expected=f"{low} to {high}", got=value)
        if self.size % 64 and self.kind.objects:
            raise RecipeError(
                "the network input must divide by 64",
                field="size",
                expected=f"{self.size // 64 * 64} or {-(-self.size // 64) * 64}",
                got=self.size,
            )
        if tiles.checked(self.tile) and not self.kind.objects:
            raise RecipeError("a classifier takes whole images", field="tile", expected="0", got=self.tile)
        if self.tile and self.cached_views:
            raise RecipeError(
                "a few cached views of an image cover too few of its tiles",
                field="cached_views",
                expected="0, or tile = 0",
                got=self.cached_views,
            )
        if not self.stages:
            raise RecipeError("a recipe needs a stage", field="stages", expected="at least one [[stages]]", got="none")

    @property
    def kind(self) -> TaskKind:
        return TASK_KINDS[self.task]

    @property
    def heads_only(self) -> bool:
        """The backbone stays as it is from the first step to the last."""
        return all(stage.layers == "heads" for stage in self.stages)

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)
