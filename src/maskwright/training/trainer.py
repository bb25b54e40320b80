"""The training loop: one for all tasks and networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from maskwright.engines import hardware
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import TrainingError
from maskwright.models.base import training_mode
from maskwright.training.callbacks import Hooks, Row, default_callbacks
from maskwright.training.checkpoints import Checkpoints
from maskwright.training.distributed import ALONE, Processes
from maskwright.training.ema import averaged_copy, update_average
from maskwright.training.feature_cache import MEMORY, FeatureCache, OutOfTime
from maskwright.training.interrupts import Interrupt, deferred
from maskwright.training.loader import Batch, CachedBatch, Loader, StepShare, ViewOptions
from maskwright.training.optimizer import make_optimizer
from maskwright.training.recipe import Recipe
from maskwright.training.run_folder import RunFolder
from maskwright.training.schedule import Schedule
from maskwright.training.stages import Stages
from maskwright.training.state import Position
from maskwright.training.step import NotFiniteError, Objective, training_step
from maskwright.training.task import TrainingTask
from maskwright.types import Dataset

SAVE_EVERY = 180.0  # seconds between saves of the state within an epoch
HOOKS = Hooks()


class Trainer:
    """A run: network, data and recipe. `run()` trains to the end; `resume()` first restores a saved state."""

    def __init__(
        self,
        recipe: Recipe,
        engine: TorchEngine,
        task: TrainingTask,
        data: Mapping[str, Dataset],
        folder: RunFolder,
        hooks: Hooks = HOOKS,
        processes: Processes = ALONE,
    ) -> None:
        """engine  the network with its initial weights, and its card;  data  "train" and "val" images

        processes  that train together: each has a Trainer, the first one has the callbacks and writes the folder
        """
        torch.manual_seed(recipe.seed)
        self.recipe, self.task, self.folder = recipe, task, folder
        self.train, self.val = data["train"], data["val"]
        self.progress, self.log, self.clock = hooks.progress, hooks.log, hooks.clock
        self.processes = processes
        self.callbacks = [*default_callbacks(), *hooks.callbacks] if processes.leads else []
        self.network, self.card = engine.network, engine.card
        self.averaged = averaged_copy(self.network, recipe.ema)
        self.engine = TorchEngine(self.averaged, self.card, recipe.device, engine.precision)
        views = ViewOptions(recipe.size, recipe.augment, recipe.tile, self.card.window)
        order = (recipe.batch, recipe.steps_per_epoch, recipe.seed)
        self.loader = Loader(self.train, views, *order, recipe.workers, StepShare(recipe.accumulate, processes))
        self.cache = FeatureCache(min(MEMORY, (hardware.free_memory(engine.device) or 2 * MEMORY) // 2))
        self.objective = Objective(self.engine, self.cache)
        self.schedule = Schedule(recipe, self.loader.steps)
        self.stages = Stages(self.network, recipe, self.schedule, self.cache, self.log)
        self.optimizer = make_optimizer(self.network, recipe, engine.device.type == "cpu")
        self.checkpoints = Checkpoints(
            folder, self.card, self.network, self.averaged, self.optimizer, task.metrics, self.log
        )
        self.checkpoints.writes = processes.leads
        self.position, self.interrupt, self._stopped = Position(), Interrupt(), False

    def resume(self) -> None:
        """Restore the saved state: weights, averages, optimizer, position. The rest follows from the seed."""
        self.position = self.checkpoints.load(self.recipe, self.loader.steps)
        self.stages.restore(self.position)

    def run(self) -> Position:
        """Train to the end. Ctrl-C is answered after the current step, with everything saved."""
        if self.position.step == 0:
            self.save()
        try:
            return self._run()
        except BaseException:
            for callback in self.callbacks:
                callback.on_train_failed(self)
            raise

    def _run(self) -> Position:
        for callback in self.callbacks:
            callback.on_train_begin(self)
        self._stopped = self.processes.of_leader(self._stopped)
        with deferred() as self.interrupt:
            while not self._stopped and not self.ended:
                self._epoch()
        if self.position.history and self.processes.of_leader(not self.checkpoints.best_exists):
            self.checkpoints.save_best(self.position, self.task.selection_metric(self.position.history[-1]))
            self.save()
        for callback in self.callbacks:
            callback.on_train_end(self)
        return self.position

    def stop(self) -> None:
        """End the run after this epoch."""
        self._stopped = True

    @property
    def ended(self) -> bool:
        """Its epochs or its time are used up."""
        budget = self.recipe.time_budget
        return self.position.seconds >= budget if budget else self.position.epoch >= self.recipe.epochs

    def save(self) -> None:
        """Write last/, to resume from."""
        self.checkpoints.save(self.position)

    def _save_or_stop(self, asked: bool) -> None:
        self.save()
        if asked:
            raise KeyboardInterrupt

    def _epoch(self) -> None:
        position, budget = self.position, self.recipe.time_budget
        began = saved = self.clock()
        before, steps_left = position.seconds, self.loader.steps - position.step_in_epoch

        def spent() -> float:
            return before + self.clock() - began

        def agree() -> bool:
            """The time that all processes go by, and whether one of them was asked to stop."""
            position.seconds, asked = self.processes.agree(spent(), self.interrupt.asked)
            return asked

        def time_left() -> bool:
            """A run has at least one step, however short its time; and one that several processes compute is ended."""
            return not budget or not position.step or self.processes.count > 1 or spent() < budget

        label = f"epoch {position.epoch + 1}" + ("" if budget else f"/{self.recipe.epochs}")
        batches, limit = self.stages.batches(self.loader, position), budget - before if budget else None
        for batch in self.progress(batches, total=steps_left, label=label, unit="steps", limit=limit):
            if self.stages.enter(position) and isinstance(batch, CachedBatch) and position.step_in_epoch:
                break  # with a time budget a stage may end within an epoch: its cached features end with it
            try:
                with self.cache.while_time_is_left(time_left):
                    self._step(batch)
            except OutOfTime:
                break
            asked = agree()
            if budget and position.seconds >= budget:
                break
            if asked or self.clock() - saved > SAVE_EVERY:
                self._save_or_stop(asked)
                saved = self.clock()
        agree()
        if position.step_in_epoch:
            self._end_epoch()
        self._save_or_stop(agree())

    def _step(self, batch: Batch | CachedBatch) -> None:
        recipe, position = self.recipe, self.position
        training_mode(self.network, recipe.train_bn)
        fraction = self.schedule.fraction(position.step, position.seconds)
        position.lr = self.schedule.lr(fraction, recipe.stages[position.stage], position.steps_in_stage)
        for group in self.optimizer.param_groups:
            group["lr"] = position.lr * group["factor"]
        seed = recipe.seed * 1_000_003 + position.step
        try:
            losses = training_step(
                self.objective, self.network, self.optimizer, batch, seed, recipe.grad_clip, self.loader.share
            )
        except NotFiniteError as error:
            names, last = self.processes.gather(self.loader.names(batch)), self.folder.path / "last"
            images = ", ".join(name for names_of_one in names for name in names_of_one)
            fix = f"a lower --lr; look at these images with `maskwright show`; the last good state is in {last}"
            raise TrainingError(error.headline, record=images, field=error.field, fix=fix) from error
        update_average(self.averaged, self.network, recipe.ema, position.step)
        position.count_step(losses)

    def _end_epoch(self) -> None:
        position = self.position
        row = position.end_epoch(self._validate())
        metric = self.task.selection_metric(row)
        removed = position.best_epoch > 0 and self.processes.of_leader(not self.checkpoints.best_exists)
        if metric > position.best or metric == position.best == 0 or removed:  # 0: nothing right yet, keep the newest
            self.checkpoints.save_best(position, metric)
        for callback in self.callbacks:
            callback.on_epoch_end(self, row)
        self._stopped = self.processes.of_leader(self._stopped)

    def _validate(self) -> Row:
        """Ctrl-C need not wait for it: the steps of the epoch are kept."""
        if not len(self.val):
            return {}
        # Only of a backbone frozen from the start are the averaged network's features the same.
        cache_features = self.stages.caches_features and self.position.stage == 0
        with self.interrupt.immediate(self.save):
            return self.task.validate(self.val, self.engine, self.objective, self.loader, cache_features)
