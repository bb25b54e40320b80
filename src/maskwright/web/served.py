"""The models of a server: by name, each with the thread that runs it, behind one bounded queue."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from maskwright import files
from maskwright.errors import UnknownName
from maskwright.prediction.predictor import Predictor
from maskwright.types import Image
from maskwright.web.batching import Batcher
from maskwright.web.limits import Limits
from maskwright.web.metrics import Metrics
from maskwright.web.refusal import Refusal


def named(models: list[str]) -> dict[str, str]:
    """Name -> model as the user gave it. A path goes by its last part: no client is told where it lies.

    >>> named(["balloons", "runs/party", "old/party/"])
    {'balloons': 'balloons', 'party': 'runs/party', 'party_2': 'old/party/'}
    """
    found: dict[str, str] = {}
    for model in models:
        stem = Path(model).name or "model"
        found[next(name for name in files.numbered(stem, 200) if name not in found)] = model
    return found


class Served:
    """
    predictors  by name; the first is the default
    """

    def __init__(self, predictors: Mapping[str, Predictor], limits: Limits) -> None:
        self.limits, self.metrics = limits, Metrics()
        self._batchers = {
            name: Batcher(predictor, limits.batch, limits.max_pixels, self.metrics)
            for name, predictor in predictors.items()
        }

    def close(self) -> None:
        """Ends the threads; what they hold is still predicted."""
        for batcher in self._batchers.values():
            batcher.close()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """A place in the queue, from before the body is read until the response is ready: memory stays bounded."""
        if self.metrics.queued >= self.limits.queue:
            seconds = max(1, math.ceil(self.metrics.mean_seconds))
            raise Refusal(429, "too many requests at once", {"retry-after": str(seconds), "connection": "close"},
                          expected=f"at most {self.limits.queue}", fix=f"try again in {seconds} s")  # fmt: skip
        self.metrics.queued += 1
        try:
            yield
        finally:
            self.metrics.queued -= 1

    def batcher(self, name: str | None) -> Batcher:
        """The model of that name; the first where none is named."""
        if name is None:
            return next(iter(self._batchers.values()))
        if name not in self._batchers:
            raise UnknownName("model here", name, self._batchers)
        return self._batchers[name]

    async def predict(self, batcher: Batcher, data: bytes, threshold: float | None) -> tuple[Image, Any]:
        """Of one image file; Refusal where it takes too long."""
        future = batcher.submit(data, threshold)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.limits.predict_seconds)
        except (TimeoutError, CancelledError):
            raise Refusal(503, "the prediction takes too long", {"retry-after": "10"},
                          expected=f"within {self.limits.predict_seconds:g} seconds") from None  # fmt: skip

    def facts(self) -> list[dict[str, Any]]:
        """What clients may know of each model."""
        return [
            {
                "name": name,
                "task": batcher.predictor.card.task,
                "classes": list(batcher.predictor.card.classes),
                "network": batcher.predictor.card.model,
                "size": batcher.predictor.size,
                "objects": batcher.predictor.kind.objects,
                "thresholds": [threshold.facts() for threshold in batcher.predictor.thresholds],
            }
            for name, batcher in self._batchers.items()
        ]
