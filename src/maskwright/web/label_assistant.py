"""The model that helps while labeling: it suggests objects, and is asked about every image in the background.

What it finds everywhere tells which labels are doubtful and which image is worth labeling next. A model that was
trained meanwhile takes the place of the one before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from maskwright.prediction.predictor import Predictor
from maskwright.types import Instances
from maskwright.web.label_store import LabelStore
from maskwright.web.limits import Limits
from maskwright.web.served import Served

LOWEST = 0.05  # scores that count: the network's own lowest


class Assistant:
    """
    served  the model; None while there is none
    found   what it detects, by number of the image: boxes, classes and scores, without masks
    """

    def __init__(self, store: LabelStore, limits: Limits) -> None:
        self.store, self.limits = store, limits
        self.served: Served | None = None
        self.found: dict[int, Instances] = {}
        self.revision = 0  # counts what was found
        self.classes = 0  # the version that the model's class names are of
        self._lock = threading.Lock()
        self.looking = threading.Event()  # cleared: nothing is asked in the background
        self.looking.set()
        self._closed = False
        self._thread: threading.Thread | None = None

    def use(self, name: str, predictor: Predictor[Any], classes: int = 0) -> None:
        """This model from now on; requests to the one before are still answered.

        classes  the version of the labels' classes that it was trained on
        """
        before, served = self.served, Served({name: predictor}, self.limits)
        with self._lock:
            self.served, self.found, self.classes = served, {}, classes
            self.revision += 1
        if before is not None:
            before.close()
        self._thread = threading.Thread(target=self._look, args=(served, self.found), name="look", daemon=True)
        self._thread.start()

    def facts(self) -> dict[str, Any]:
        model = None if self.served is None else self.served.facts()[0]
        return {"model": model, "asked": len(self.found), "revision": self.revision}

    def under_current_names(self, found: Instances) -> Instances:
        """What the model found, where classes were renamed or merged since it was trained."""
        names = self.store.classes
        return replace(found, names=tuple(names.current(name, self.classes) for name in found.names))

    def close(self) -> None:
        self._closed = True
        self.looking.set()
        if self.served is not None:
            self.served.close()
        if self._thread is not None:
            self._thread.join()

    # --- in the thread ------------------------------------------------------------------------------------------------
    def _look(self, served: Served, found: dict[int, Instances]) -> None:
        """Asks about one image after another, so that the page's own requests wait for one at most."""
        for index in self._order():
            self.looking.wait()
            if self._closed or self.served is not served:
                return
            try:
                data = self.store.images[index].record.image.read_bytes()
                _, instances = served.batcher(None).submit(data, LOWEST).result()
            except Exception:  # an image that cannot be read: opening it tells why
                continue
            found[index] = replace(instances, masks=None)
            self.revision += 1

    def _order(self) -> Iterator[int]:
        """Unlabeled images first: one of them is asked for next."""
        states = [image.record.state for image in self.store.images]
        yield from (index for index, state in enumerate(states) if state == "unlabeled")
        yield from (index for index, state in enumerate(states) if state != "unlabeled")
