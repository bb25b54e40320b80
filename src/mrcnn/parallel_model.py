"""ParallelModel: a wrapper without effect."""

from __future__ import annotations

from typing import Any


class ParallelModel:
    """Wraps a model and forwards everything to it.

    The original split each batch over several GPUs. Here a batch of BATCH_SIZE images goes through one device at once,
    which gives the same losses and detections; that is said when one is made.
    """

    def __init__(self, keras_model: Any, gpu_count: int) -> None:
        self.inner_model, self.gpu_count = keras_model, gpu_count
        print(f"ParallelModel: one device computes the whole batch instead of {gpu_count} GPUs a part each.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner_model, name)

    def summary(self, *args: Any, **kwargs: Any) -> None:
        self.inner_model.summary(*args, **kwargs)
