"""The stages that a frame of a video goes through: detect, follow, draw. Each takes an iterator and returns one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from maskwright.api.predict import of_classes
from maskwright.drawing import outlines
from maskwright.drawing.colors import color_of
from maskwright.drawing.counts import draw_counts
from maskwright.prediction.detector import Detector
from maskwright.prediction.predictor import FittedImage
from maskwright.types import Image, Instances
from maskwright.video.counting import Counting
from maskwright.video.encode import SEGMENT
from maskwright.video.read import Frame, Video
from maskwright.video.tracks import UNTRACKED, Tracker

Drawing = Callable[[np.ndarray, Instances], np.ndarray]
"""Makes the new frame from the pixels (H×W×3 uint8) and the objects of a frame."""

Prepared = tuple[Frame, Image | FittedImage | None]
"""A frame with what `FrameStages.detect` takes of it: fitted; the whole image where it is seen in tiles."""

Ids = list[int] | None  # of each object of a frame; None where nothing is followed

NOBODY = (200, 200, 200)  # the color of an object without an identity, where others have one
SCREEN = (1280, 1280)  # how large a video is shown at most, upright or not: its letters are made for that


@dataclass(frozen=True, slots=True, eq=False)
class Processed:
    """A frame with its objects, their identities, and the new picture, None where none is drawn.

    counts  of lines and zones up to here, see video.counting
    state  after the last frame of a segment: what `FrameStages.restore` needs to go on with the next frame
    """

    frame: Frame
    detections: Instances
    ids: Ids
    picture: np.ndarray | None
    counts: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None


class FrameStages:
    """How the frames of one video are processed.

    With `track` objects get identities, and what is detected less surely than the model's threshold demands is shown
    only where it goes on with a track. Without `pictures` nothing is drawn. `counting` needs `track`.
    """

    def __init__(
        self,
        predictor: Detector,
        class_indices: np.ndarray,
        video: Video,
        track: bool,
        drawn: Drawing | None,
        pictures: bool = True,
        counting: Counting | None = None,
    ) -> None:
        self.counting = counting
        self._predictor, self._class_indices, self._drawn, self._pictures = predictor, class_indices, drawn, pictures
        self._limits = np.array([predictor.limits[name] for name in predictor.card.classes])
        self.tracker: Tracker | None = None
        if track:
            self.tracker = Tracker(interval=float(1 / video.rate) if video.rate else 1 / 30)
            low = min(self.tracker.config.low, float(self._limits.min()))
            self._predictor = Detector(predictor.engine, low, predictor.size, predictor.tile)

    def prepare(self, frames: Iterable[Frame]) -> Iterator[Prepared]:
        """Each frame with what the network takes: resized beside it, in the thread that decodes."""
        for frame in frames:
            image = self._predictor.open(frame.pixels)
            yield frame, image if self._predictor.tile else self._predictor.fitted(image)

    def detect(self, prepared: Iterable[Prepared]) -> Iterator[tuple[Frame, Callable[[], Instances]]]:
        """Each frame with a function that gives its objects: what the network leaves to do is for the next stage."""
        waiting: deque[Frame] = deque()

        def images() -> Iterator[Any]:
            for frame, image in prepared:
                waiting.append(frame)
                yield image

        if self._predictor.tile:
            for _, detections in self._predictor.batches(images()):
                yield waiting.popleft(), lambda detections=detections: detections
        else:
            for _, raw, transform in self._predictor.run(images()):
                yield waiting.popleft(), partial(self._predictor.postprocess, raw, transform)

    def draw(self, detected: Iterable[tuple[Frame, Callable[[], Instances]]]) -> Iterator[Processed]:
        """Each frame drawn, its objects with identities where objects are followed."""
        for number, (frame, detections_of) in enumerate(detected, 1):  # from the begin of a segment on
            detections, ids = self._followed(of_classes(detections_of(), self._class_indices), frame)
            counts = self._counted(detections, ids, frame)
            picture = self._picture(frame, detections, ids, counts) if self._pictures else None
            state = self._state() if number % SEGMENT == 0 else None
            yield Processed(frame, detections, ids, picture, counts, state)

    def _counted(self, detections: Instances, ids: Ids, frame: Frame) -> dict[str, Any]:
        if self.counting is None:
            return {}
        self.counting.update(ids or (), detections.labels, detections.boxes, frame.source_seconds)
        return self.counting.facts()

    def _picture(self, frame: Frame, detections: Instances, ids: Ids, counts: dict[str, Any]) -> np.ndarray:
        picture = _picture(frame.pixels, detections, ids, self._drawn)
        if self.counting is None:
            return picture
        lines = [(line.begin, line.end) for line in self.counting.lines]
        return draw_counts(picture, lines, [zone.points for zone in self.counting.zones], counts)

    def _state(self) -> dict[str, Any]:
        """Of the tracker and of what is counted, where there are any."""
        parts = {"tracker": self.tracker, "counting": self.counting}
        return {name: part.state() for name, part in parts.items() if part is not None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the frame that had this state."""
        if self.tracker is not None:
            self.tracker.restore(state["tracker"])
        if self.counting is not None:
            self.counting.restore(state["counting"])

    def _followed(self, detections: Instances, frame: Frame) -> tuple[Instances, Ids]:
        if self.tracker is None:
            return detections, None
        scores = np.zeros(0) if detections.scores is None else detections.scores
        sure = scores >= self._limits[detections.classes]
        ids = self.tracker.update(detections, frame.source_seconds, sure)
        shown = sure | (ids != UNTRACKED)
        return detections[shown], ids[shown].tolist()


def outlined(pixels: np.ndarray, detections: Instances) -> np.ndarray:
    """Outlines in the color of the class, letters of one size: by object they would change from frame to frame."""
    return outlines.draw(
        pixels, detections, colors=[color_of(int(class_index)) for class_index in detections.classes], shown_in=SCREEN
    )


def _picture(pixels: np.ndarray, detections: Instances, ids: Ids, drawn: Drawing | None) -> np.ndarray:
    if drawn is not None:
        return drawn(pixels, detections)
    if ids is None:
        return outlined(pixels, detections)
    known = [identity != UNTRACKED for identity in ids]
    named = zip(detections.labels, ids, known, strict=True)
    labels = [f"{name} {identity}" if told else name for name, identity, told in named]
    colors = [color_of(identity) if told else NOBODY for identity, told in zip(ids, known, strict=True)]
    return outlines.draw(pixels, detections, colors=colors, labels=labels, shown_in=SCREEN)
