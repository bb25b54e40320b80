"""The training loop: one for all tasks and networks."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import torch
from torch import nn

from maskwright.engines import hardware
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import OutputError, TrainingError, WeightsError
from maskwright.models.base import choose_layers, stands_still, training_mode
from maskwright.progress import Progress, silent
from maskwright.training import validation
from maskwright.training.diagnosis import diagnose
from maskwright.training.events import write_events
from maskwright.training.feature_cache import MEMORY, FeatureCache
from maskwright.training.interrupts import Interrupt, deferred
from maskwright.training.loader import Batch, KnownViews, Loader
from maskwright.training.objective import Objective
from maskwright.training.recipe import Recipe
from maskwright.training.run_folder import RunFolder
from maskwright.training.schedule import Schedule
from maskwright.training.state import Position, flatten, position, tensor_fault, unflatten
from maskwright.types import Dataset
from maskwright.weights.card import Card

SAVE_EVERY = 180.0  # seconds between saves of the state within an epoch


class Trainer:
    """A run: network, data and recipe. `run()` trains to the end; `resume()` first takes up a saved state."""

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        card: Card,
        train: Dataset,
        val: Dataset,
        folder: RunFolder,
        *,
        progress: Progress = silent,
        say: Callable[[str], None] = lambda line: None,
        on_epoch: Sequence[Callable[[dict[str, Any]], None]] = (),
    ) -> None:
        self.recipe, self.card, self.train, self.val, self.folder = recipe, card, train, val, folder
        self.progress, self.say, self.on_epoch = progress, say, on_epoch
        torch.manual_seed(recipe.seed)
        self.engine = TorchEngine(network, card, recipe.device, recipe.precision)
        self.network = self.engine.network
        self.averaged = copy.deepcopy(self.network).requires_grad_(False) if recipe.ema else self.network
        self.engine = TorchEngine(self.averaged, card, recipe.device, recipe.precision)
        self.loader = Loader(
            train, recipe.size, recipe.batch, recipe.steps_per_epoch, recipe.augment, recipe.seed, recipe.workers,
            card.window, recipe.tile,
        )  # fmt: skip
        self.cache = FeatureCache(min(MEMORY, (hardware.free_memory(self.engine.device) or 2 * MEMORY) // 2))
        self.objective = Objective(self.engine, self.cache)
        self.schedule = Schedule(recipe, self.loader.steps)
        self.at, self.interrupt = Position(), Interrupt()
        on_cpu = self.engine.device.type == "cpu"  # there the fused step is one pass over each tensor
        if recipe.optimizer == "rmsprop":
            self.optimizer: torch.optim.Optimizer = torch.optim.RMSprop(self._groups(), lr=0.0, alpha=0.9, eps=1e-7)
        else:
            self.optimizer = torch.optim.AdamW(self._groups(), lr=0.0, betas=(0.9, 0.999), fused=on_cpu or None)

    def _groups(self) -> list[dict[str, Any]]:
        """Backbone and heads learn at different rates; norms and biases do not decay."""
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            groups.setdefault((name.startswith("backbone."), parameter.ndim > 1), []).append(parameter)
        return [
            {
                "params": parameters,
                "factor": self.recipe.backbone_lr_scale if body else 1.0,
                "weight_decay": self.recipe.weight_decay if decays else 0.0,
            }
            for (body, decays), parameters in groups.items()
        ]

    # --- the run --------------------------------------------------------------------------------
    def run(self) -> Position:
        """To the end; a Ctrl-C is answered after the step under way, with everything saved."""
        if self.at.step == 0:
            self.save()
        with deferred() as self.interrupt:
            while not self._finished():
                self._epoch()
        if self.at.history and not self.folder.has_model("best"):
            self._keep_best(self.at.history[-1])
            self.save()
        return self.at

    @property
    def ended(self) -> bool:
        """By its epochs or its time there is nothing left to do."""
        budget = self.recipe.time_budget
        return self.at.seconds >= budget if budget else self.at.epoch >= self.recipe.epochs

    def _finished(self) -> bool:
        patience, at = self.recipe.patience, self.at
        if (
            patience
            and len(self.val)
            and at.best > 0  # where nothing was ever found there is nothing to be patient about
            and at.epoch - at.best_epoch >= patience
            and at.stage == len(self.recipe.stages) - 1
            and at.steps_in_stage >= patience * self.loader.steps  # epochs of earlier stages are no reason to give up
        ):
            self.say(f"no better validation figure for {patience} epochs: stopped early (--patience 0 goes on)")
            return True
        return self.ended

    def _epoch(self) -> None:
        at, began, saved = self.at, time.monotonic(), time.monotonic()
        before = at.seconds
        left = self.loader.steps - at.step_in_epoch
        batches = self._batches()
        shown = f"epoch {at.epoch + 1}" + ("" if self.recipe.time_budget else f"/{self.recipe.epochs}")
        for batch in self.progress(batches, total=left, label=shown):
            fraction = self.schedule.fraction(at.step, at.seconds)
            if self._enter_stage(fraction) and isinstance(batch, KnownViews) and at.step_in_epoch:
                break  # by the clock a stage may end within an epoch: kept features end with it
            self._step(batch, fraction)
            at.step, at.step_in_epoch, at.steps_in_stage = at.step + 1, at.step_in_epoch + 1, at.steps_in_stage + 1
            at.seconds = before + time.monotonic() - began
            if self.recipe.time_budget and at.seconds >= self.recipe.time_budget:
                break
            if self.interrupt.asked or time.monotonic() - saved > SAVE_EVERY:
                self._pause()
                saved = time.monotonic()
        self._close_epoch()
        at.seconds = before + time.monotonic() - began
        self._pause()

    def _pause(self) -> None:
        """Everything saved; the end, where somebody has asked for it."""
        self.save()
        if self.interrupt.asked:
            raise KeyboardInterrupt

    def _batches(self) -> Iterator[Batch] | Iterator[KnownViews]:
        """New views, or the few that a stage with a frozen backbone goes round in."""
        at, recipe = self.at, self.recipe
        self._enter_stage(self.schedule.fraction(at.step, at.seconds))
        if self._keeps():
            return self.loader.known_views(at.epoch, at.step_in_epoch, recipe.cached_views, self.cache)
        return self.loader.epoch(at.epoch, at.step_in_epoch)

    def _keeps(self) -> bool:
        """Features are kept: the backbone stands still, and images come in a few views."""
        return bool(self.recipe.cached_views) and stands_still(self.network)

    def _still(self) -> bool:
        """As above from the run's first step on: then the averaged backbone is the same one."""
        return self._keeps() and self.at.stage == 0

    def _enter_stage(self, fraction: float) -> bool:
        """True where another stage has just begun."""
        place, stage = self.schedule.stage(fraction)
        if place == self.at.stage:
            return False
        self.at.stage, self.at.steps_in_stage = place, 0
        self._train_only(stage.layers)
        if not stands_still(self.network):
            self.cache.clear()  # its maps are of the backbone that learns now
        return True

    def _train_only(self, layers: str) -> None:
        chosen = choose_layers(self.network, layers)
        count = sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)
        self.say(f"training {layers}: {len(chosen)} tensors, {count / 1e6:.2f} million numbers")
        for parameter in self.network.parameters():
            if not parameter.requires_grad:
                parameter.grad = None

    # --- one step -------------------------------------------------------------------------------
    def _step(self, batch: Batch | KnownViews, fraction: float) -> None:
        training_mode(self.network, self.recipe.train_bn)
        lr = self.schedule.lr(fraction, self.recipe.stages[self.at.stage], self.at.steps_in_stage)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        self.at.lr = lr
        losses = self.objective(self.network, batch, self.recipe.seed * 1_000_003 + self.at.step)
        total = torch.stack(list(losses.values())).sum()
        if not math.isfinite(float(total.detach())):
            bad = ", ".join(name for name, value in losses.items() if not math.isfinite(float(value.detach())))
            self._not_a_number("the loss is no longer a number", f"losses: {bad}", batch)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        trained = [parameter for parameter in self.network.parameters() if parameter.grad is not None]
        length = nn.utils.clip_grad_norm_(trained, self.recipe.grad_clip)
        if not math.isfinite(float(length)):  # found before the weights are, so that what is saved stays good
            self._not_a_number("the gradient is no longer a number", "gradients", batch)
        self.optimizer.step()
        self._average()
        for name, value in losses.items():
            self.at.sums[name] = self.at.sums.get(name, 0.0) + float(value.detach())

    def _not_a_number(self, headline: str, field: str, batch: Batch | KnownViews) -> None:
        raise TrainingError(
            headline,
            record=", ".join(self.loader.names(batch)),
            field=field,
            fix="a lower --lr; look at these images with `maskwright show`; the last good state is in "
            f"{self.folder.path / 'last'}",
        )

    @torch.no_grad()
    def _average(self) -> None:
        if self.averaged is self.network:
            return
        decay = min(self.recipe.ema, (1 + self.at.step) / (10 + self.at.step))
        pairs = list(zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True))
        mine = [a for a, b in pairs if a.is_floating_point()]
        theirs = [b for a, b in pairs if a.is_floating_point()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for a, b in pairs:
            if not a.is_floating_point():
                a.copy_(b)

    def seconds_per_step(self) -> float:
        """A trial: two forward and backward passes that change nothing, the second one counts.

        Where features are kept it is one, of the run's first batch: what the backbone makes of it serves the run.
        """
        layers = self.recipe.stages[max(self.at.stage, len(self.recipe.stages) - 1)].layers
        asked = {name: parameter.requires_grad for name, parameter in self.network.named_parameters()}
        buffers = {name: value.clone() for name, value in self.network.named_buffers()}
        choose_layers(self.network, layers)
        training_mode(self.network, self.recipe.train_bn)
        # what is kept must be of the backbone that stays: not where a stage to come, or under way, changes it
        took, kept = 0.0, self._keeps() and all(stage.layers == "heads" for stage in self.recipe.stages)
        epoch, views = self.at.epoch, self.recipe.cached_views
        batch = next(self.loader.known_views(epoch, 0, views, self.cache) if kept else self.loader.epoch(epoch))
        for _ in range(1 if kept else 2):
            began = time.monotonic()
            torch.stack(list(self.objective(self.network, batch, 0).values())).sum().backward()
            took = time.monotonic() - began
        self.optimizer.zero_grad(set_to_none=True)
        for name, value in self.network.named_buffers():
            value.copy_(buffers[name])
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(asked[name])
        return took

    # --- the end of an epoch --------------------------------------------------------------------
    def _close_epoch(self) -> None:
        at = self.at
        row: dict[str, Any] = {
            "epoch": at.epoch + 1,
            "step": at.step,
            "seconds": round(at.seconds, 1),
            "lr": at.lr,
        }
        means = {name: value / max(at.step_in_epoch, 1) for name, value in at.sums.items()}
        row |= {"loss": round(sum(means.values()), 5)} | {
            f"loss_{name}": round(value, 5) for name, value in means.items()
        }
        row |= self._validated()
        metric = validation.selection_metric(row)
        at.history.append(row)
        at.epoch, at.step_in_epoch, at.sums = at.epoch + 1, 0, {}
        gone = at.best_epoch > 0 and not self.folder.has_model("best")
        if metric > at.best or metric == at.best == 0 or gone:  # 0: nothing to choose by (yet), the newest is kept
            self._keep_best(row)
        try:
            self.folder.write_history(at.history)
            write_events(at.history, self.folder.path)
        except OutputError as error:  # open in another program: the state holds the history, the next epoch writes it
            self.say(f"{error.parts.get('file', self.folder.path)}: {error.headline}")
        if at.epoch == 1 and (remark := diagnose(row, self.network, self.objective, self.loader, self.recipe)):
            self.say(remark)
        for callback in self.on_epoch:
            callback(row)

    def _keep_best(self, row: dict[str, Any]) -> None:
        """The weights as they are now, and the metrics of the newest epoch, become the model."""
        at = self.at
        if at.best_epoch and not self.folder.has_model("best"):
            self.say(
                f"{self.folder.path / 'best'} was removed, and epoch {at.best_epoch} with it: epoch {at.epoch} is kept"
            )
        at.best, at.best_epoch = validation.selection_metric(row), at.epoch
        self.folder.save_model("best", self._card(row), self.averaged.state_dict())

    def _validated(self) -> dict[str, Any]:
        """Looking at many images may take minutes: Ctrl-C need not wait for it, the epoch's steps are kept."""
        self.interrupt.at_once = True
        try:
            return validation.validate(self.val, self.engine, self.objective, self.loader, self._still())
        except KeyboardInterrupt:
            self.save()
            raise
        finally:
            self.interrupt.at_once = False

    def _card(self, row: dict[str, Any]) -> Card:
        kept = {key: row[key] for key in ("epoch", *validation.METRICS) if row.get(key) is not None}
        threshold = row.get("threshold") or self.card.threshold
        return msgspec.structs.replace(self.card, threshold=round(float(threshold), 3), metrics={"validation": kept})

    # --- going on later -------------------------------------------------------------------------
    def save(self) -> None:
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        if self.averaged is not self.network:
            tensors |= {f"averaged/{name}": value.clone() for name, value in self.averaged.state_dict().items()}
        tensors |= flatten(self.optimizer, names)
        if self.folder.mend():
            self.say(f"{self.folder.path} was removed: it is written anew, with what the run still knows")
        card = msgspec.structs.replace(
            self._card(self.at.history[-1] if self.at.history else {}), validation_images=""
        )  # nobody chose the last epoch
        self.folder.save_model("last", card, self.averaged.state_dict())
        self.folder.save_state(tensors, dataclasses.asdict(self.at))

    def resume(self) -> None:
        """Take up the folder's saved state: weights, averages, optimizer, position. The rest follows from the seed."""
        tensors, facts = self.folder.load_state()
        at, fault = position(facts, self.recipe, self.loader.steps)
        networks = {"network": self.network}
        if self.averaged is not self.network:
            networks["averaged"] = self.averaged
        if fault := fault or tensor_fault(tensors, networks, self.optimizer, at):
            raise WeightsError(
                "the state of this run does not fit its recipe or its data's classes",
                file=self.folder.state,
                field=fault[0],
                expected=fault[1],
                got=fault[2],
                fix="put recipe.toml and the data back, or start a new run from it: --weights RUN/last",
            )
        self.at = at
        for prefix, network in networks.items():
            network.load_state_dict({name: tensors[f"{prefix}/{name}"] for name in network.state_dict()})
        unflatten(self.optimizer, dict(self.network.named_parameters()), tensors)
        if self.at.stage >= 0:
            self._train_only(self.recipe.stages[self.at.stage].layers)
