"""Dynamic batching: images that came while the last batch ran are predicted together.

An image that comes alone is predicted at once; nothing waits for company.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from maskwright.images.sources import Source, open_source
from maskwright.prediction.predictor import Predictor
from maskwright.types import Image
from maskwright.web.metrics import Metrics

DECODERS = 2  # images of a batch that are decoded at once


@dataclass(eq=False)
class _Waiting:
    data: bytes
    threshold: float | None
    result: Future[tuple[Image, Any]] = field(default_factory=Future)


class Batcher:
    """A model and the thread that runs it.

    >>> image, instances = Batcher(maskwright.load("balloons"), Limits(), Metrics()).submit(jpeg_bytes).result()
    """

    def __init__(self, predictor: Predictor, batch: int, max_pixels: int, metrics: Metrics) -> None:
        self.predictor = predictor
        self.batch, self.max_pixels, self.metrics = batch, max_pixels, metrics
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._decoders = ThreadPoolExecutor(DECODERS, "decode")
        self._thread = threading.Thread(target=self._run, name="predict", daemon=True)
        self._thread.start()

    def submit(self, data: bytes, threshold: float | None = None) -> Future[tuple[Image, Any]]:
        """The image and the model's result, or the error of an image that cannot be read.

        data       an image file
        threshold  another score threshold than the model's
        """
        item = _Waiting(data, threshold)
        with self._changed:
            if self._closed:
                raise RuntimeError("the server is shutting down")
            self._waiting.append(item)
            self._changed.notify()
        return item.result

    def with_threshold(self, threshold: float | None) -> Predictor:
        """The same model with another score threshold; an error where it has none."""
        predictor: Any = self.predictor
        if threshold is None:
            return predictor
        return type(predictor)(predictor.engine, threshold, predictor.size, getattr(predictor, "tile", None))

    def close(self) -> None:
        """Everything that was submitted is still predicted."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._decoders.shutdown()

    # --- in the thread ------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        while (batch := self._next()) is not None:
            live = [item for item in batch if item.result.set_running_or_notify_cancel()]
            opened = []
            for item, future in [(item, self._decoders.submit(self._open, item.data)) for item in live]:
                try:
                    opened.append((item, future.result()))
                except Exception as error:
                    item.result.set_exception(error)
            if opened:
                self._predict(opened)

    def _next(self) -> list[_Waiting] | None:
        """The oldest, and those after it that ask for the same threshold; None at the end."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            batch = [self._waiting.popleft()]
            while self._waiting and len(batch) < self.batch and self._waiting[0].threshold == batch[0].threshold:
                batch.append(self._waiting.popleft())
            return batch

    def _open(self, data: bytes) -> Image:
        return open_source(Source("image", "image", data), self.predictor.window, self.max_pixels)

    def _predict(self, batch: Sequence[tuple[_Waiting, Image]]) -> None:
        try:
            predictor = self.with_threshold(batch[0][0].threshold)
            results = [result for _, result in predictor.batches([image for _, image in batch], len(batch))]
        except Exception as error:
            if len(batch) == 1:
                batch[0][0].result.set_exception(error)
                return
            for part in batch:  # one image must not fail the others
                self._predict([part])
            return
        self.metrics.batch(len(batch))
        for (item, image), result in zip(batch, results, strict=True):
            item.result.set_result((image, result))
