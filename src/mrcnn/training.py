"""The epochs of `MaskRCNN.train`: one checkpoint and one row of losses per epoch, and callbacks."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import TrainingError
from maskwright.training.events import write_events

LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
HOOKS = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end")

Batches = Iterator[tuple[list[np.ndarray], list[np.ndarray]]]


class Callbacks:
    """Several Keras-style objects as one; each needs only the methods it has."""

    def __init__(self, callbacks: Sequence[Any], keras_model: Any, params: dict[str, Any]) -> None:
        self._callbacks = list(callbacks)
        for each in self._callbacks:
            if hasattr(each, "set_params"):
                each.set_params(params)
            if hasattr(each, "set_model"):
                each.set_model(keras_model)
            else:
                each.model = keras_model

    def tell(self, hook: str, *args: Any) -> None:
        """Calls the method of each that has it. `on_batch_end` is `on_train_batch_end` in later versions of Keras."""
        assert hook in HOOKS
        for each in self._callbacks:
            method = getattr(each, hook, None)
            if "batch" in hook:
                own = type(each).__dict__
                method = (
                    getattr(each, hook.replace("on_", "on_train_"))
                    if hook.replace("on_", "on_train_") in own
                    else method
                )
            if method is not None:
                method(*args)


class EventFile:
    """Losses of every epoch as a file that TensorBoard shows."""

    def __init__(self, log_dir: str) -> None:
        self._folder, self._rows, self._began = Path(log_dir), [], time.time()
        earlier = self._folder / "events.out.tfevents.maskwright"
        if earlier.exists():  # of the epochs before; TensorBoard shows all files of a folder as one run
            number = len(list(self._folder.glob("events.out.tfevents.*")))
            earlier.replace(earlier.with_name(f"events.out.tfevents.{number}.maskwright"))

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._rows.append({"step": epoch + 1, "seconds": time.time() - self._began, **logs})
        write_events(self._rows, self._folder, self._began)


class Checkpoint:
    """The weights after every epoch."""

    model: Any

    def __init__(self, path: str) -> None:
        self._path = path  # with {epoch:04d}

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.model.save_weights(self._path.format(epoch=epoch + 1))


def fit(
    keras_model: Any,
    train: Batches,
    val: Batches | None,
    *,
    epochs: range,
    steps: int,
    val_steps: int,
    callbacks: Sequence[Any],
) -> None:
    """Trains for these epochs (numbered from 0). The learning rate is read from the optimizer before every step."""
    from maskwright.training.keras_sgd import KerasSGD

    network, history = keras_model.network, keras_model.history
    sgd = KerasSGD(network)  # a new one for each call, as Keras compiles one
    metrics = ["loss", *LOSSES]
    metrics += [f"val_{name}" for name in metrics] if val is not None else []
    every = Callbacks(callbacks, keras_model, {"epochs": epochs.stop, "steps": steps, "verbose": 1, "metrics": metrics})
    keras_model.stop_training = False
    every.tell("on_train_begin", {})
    for epoch in epochs:
        print(f"Epoch {epoch + 1}/{epochs.stop}")
        every.tell("on_epoch_begin", epoch, {})
        began, sums = time.monotonic(), _zeros()
        for step in range(steps):
            inputs, _ = next(train)
            every.tell("on_batch_begin", step, {"batch": step, "size": len(inputs[0])})
            losses = sgd.step(inputs, float(keras_model.optimizer.lr))
            losses = {name: float(losses[name]) for name in sums}
            if not math.isfinite(losses["loss"]):
                raise TrainingError(
                    "the loss is no number any more",
                    record=f"epoch {epoch + 1}, step {step + 1}",
                    got=", ".join(f"{name} {value:g}" for name, value in losses.items()),
                    fix="train with a smaller learning_rate, or from weights of your own classes' kind",
                )
            for name, value in losses.items():
                sums[name] += value
            every.tell("on_batch_end", step, {"batch": step, "size": len(inputs[0]), **losses})
            _progress(step + 1, steps, time.monotonic() - began, {name: sums[name] / (step + 1) for name in sums})
        logs = {name: value / steps for name, value in sums.items()}
        if val is not None:
            logs.update({f"val_{name}": value for name, value in _validate(network, val, val_steps).items()})
        print(f"{steps}/{steps} - {time.monotonic() - began:.0f}s - {_told(logs)}")
        logs["lr"] = float(keras_model.optimizer.lr)
        for name, value in logs.items():
            history.history.setdefault(name, []).append(value)
        history.epoch.append(epoch)
        every.tell("on_epoch_end", epoch, logs)
        if keras_model.stop_training:
            break
    every.tell("on_train_end", {})


def _validate(network: Any, batches: Batches, steps: int) -> dict[str, float]:
    import torch

    sums = _zeros()
    with torch.no_grad():
        for _ in range(steps):
            losses = network.training_losses(next(batches)[0])
            for name in sums:
                sums[name] += float(losses[name]) / steps
    return sums


def _zeros() -> dict[str, float]:
    return dict.fromkeys(("loss", *LOSSES), 0.0)  # type: ignore[return-value]


def _progress(step: int, steps: int, seconds: float, losses: dict[str, float]) -> None:
    """One line that is written over, on a terminal only."""
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        left = seconds / step * (steps - step)
        print(f"\r{step}/{steps} - ETA: {left:.0f}s - {_told(losses)}\033[K\r", end="", flush=True)


def _told(losses: dict[str, float]) -> str:
    return " - ".join(f"{name}: {value:.4f}" for name, value in losses.items())
