"""Keras' callbacks, as far as scripts hand them to `train`."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mrcnn.standins.absent import say_once


class Callback:
    """The base class: methods that do nothing, for subclasses to fill."""

    model: Any = None
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None: ...
    def on_train_end(self, logs: Any = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...
    def on_batch_begin(self, batch: int, logs: Any = None) -> None: ...
    def on_batch_end(self, batch: int, logs: Any = None) -> None: ...


class _Monitor(Callback):
    """Watches one number of the logs, and knows when it has become better."""

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self._sign = -1 if mode == "max" or (mode == "auto" and "acc" in monitor) else 1
        self._least, self.best = abs(min_delta), math.inf

    def value(self, logs: dict[str, float] | None) -> float | None:
        if not logs or self.monitor not in logs:
            say_once(f"{type(self).__name__}: there is no {self.monitor} to watch; there are {', '.join(logs or ())}")
            return None
        return self._sign * float(logs[self.monitor])

    def improved(self, value: float) -> bool:
        better = value < self.best - self._least
        self.best = value if better else self.best
        return better


class ModelCheckpoint(_Monitor):
    """Writes the weights after an epoch; `filepath` may hold {epoch:02d} and names of the logs."""

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int = 1,
        **_: Any,
    ) -> None:
        super().__init__(monitor, mode)
        self._path, self._best_only, self._verbose, self._period = str(filepath), save_best_only, verbose, period

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % self._period:
            return
        if self._best_only:
            value = self.value(logs)
            if value is None or not self.improved(value):
                return
        path = self._path.format(epoch=epoch + 1, **(logs or {}))
        if self._verbose:
            print(f"Epoch {epoch + 1}: saving model to {path}")
        self.model.save_weights(path)


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by `factor` when nothing got better for `patience` epochs."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        epsilon: float | None = None,
        **_: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta if epsilon is None else epsilon)
        self._factor, self._patience, self._cooldown = factor, patience, cooldown
        self._verbose, self._floor = verbose, min_lr
        self._waited = self._cooling = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.value(logs)
        if value is None:
            return
        if self._cooling:
            self._cooling, self._waited = self._cooling - 1, 0
        if self.improved(value):
            self._waited = 0
        elif not self._cooling:
            self._waited += 1
            if self._waited >= self._patience:
                rate = max(float(self.model.optimizer.lr) * self._factor, self._floor)
                self.model.optimizer.lr = rate
                self._waited, self._cooling = 0, self._cooldown
                if self._verbose:
                    print(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")


class EarlyStopping(_Monitor):
    """Stops when nothing got better for `patience` epochs."""

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        **_: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self._patience, self._verbose, self._waited, self._postprocess = patience, verbose, 0, restore_best_weights
        self._weights: list[tuple[Any, Any]] = []
        if baseline is not None:
            self.best = self._sign * baseline

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.value(logs)
        if value is None:
            return
        if self.improved(value):
            self._waited = 0
            if self._postprocess:
                self._weights = [(layer, layer.get_weights()) for layer in self.model.layers if layer.weights]
            return
        self._waited += 1
        if self._waited >= max(self._patience, 1):
            self.model.stop_training = True
            for layer, values in self._weights:
                layer.set_weights(values)
            if self._verbose:
                print(f"Epoch {epoch + 1}: early stopping")


class LearningRateScheduler(Callback):
    """The learning rate of each epoch from schedule(epoch) or schedule(epoch, rate)."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self._schedule, self._verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        try:
            rate = self._schedule(epoch, float(self.model.optimizer.lr))
        except TypeError:
            rate = self._schedule(epoch)
        self.model.optimizer.lr = rate
        if self._verbose:
            print(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")


class CSVLogger(Callback):
    """One row of the logs an epoch."""

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self._path, self._separator, self._append = Path(filename), separator, append

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        fresh = not self._append or not self._path.exists()
        with self._path.open("w" if fresh else "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self._separator)
            if fresh:
                writer.writerow(["epoch", *logs])
            writer.writerow([epoch, *logs.values()])
        self._append = True


class LambdaCallback(Callback):
    """Functions under the names of the methods."""

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        for name, hook in hooks.items():
            if hook is not None:
                setattr(self, name, hook)


class TerminateOnNaN(Callback):
    """Nothing to do: training stops by itself, with a word, when the loss is no number."""


class TensorBoard(Callback):
    """Losses for TensorBoard are written into the log folder anyway; other folders and graphs are not."""

    def __init__(self, log_dir: Any = "logs", **_: Any) -> None:
        say_once(f"TensorBoard(log_dir={str(log_dir)!r}): the losses are in the model's own log_dir")


class History(Callback):
    """`history["loss"]`: one number an epoch."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
