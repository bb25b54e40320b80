"""Two models, one after the other: a classifier looks at every image, a detector only where the classifier says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from maskwright.errors import UnknownName, WeightsError
from maskwright.images.sources import Origin, Source
from maskwright.issues import Issue
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.threshold_origins import ASKED, Threshold, issues
from maskwright.progress import Progress, silent
from maskwright.types import Image, ImageLabels, Instances
from maskwright.types.task_kind import TaskKind


@dataclass(frozen=True)
class Screened:
    """What both models say of an image.

    image_labels    of the classifier
    name       the class that is screened for;  score  0..1, the classifier's for it
    looked     the detector was asked
    instances  its objects; none where it was not asked
    """

    image_labels: ImageLabels
    name: str
    score: float
    looked: bool
    instances: Instances

    def facts(self) -> dict[str, Any]:
        return {"class": self.name, "score": round(self.score, 5), "looked": self.looked, **self.image_labels.facts()}


class Screening:
    """The detector `then` looks where the classifier `screen` says `name`.

    name       default: the class that the classifier's operating point serves, else the one that both models know
    threshold  of the classifier's score for it; default: the classifier decides as it always does, by the operating
               point in its card where there is one

    >>> look = Screening(load("runs/rust"), load("runs/rust-boxes"))
    >>> look("bridge.jpg").looked
    True
    """

    def __init__(
        self, screen: Predictor[Any], then: Predictor[Any], name: str | None = None, threshold: float | None = None
    ) -> None:
        if screen.kind.objects:
            raise WeightsError(
                "the model that screens must classify whole images, and this one detects objects",
                field="--screen",
                expected="a classifier, trained with --task classify",
                got=f"{screen.card.model}, trained for {screen.card.task}",
            )
        if not then.kind.objects:
            raise WeightsError(
                "the model that follows must detect objects, and this one classifies whole images",
                field="--then",
                expected="segment or detect",
                got=f"{then.card.model}, trained for {then.card.task}",
            )
        self.screen, self.then = cast(ImageClassifier, screen), cast(Detector, then)
        self.name = _class_of(self.screen, self.then, name)
        self.place = screen.card.classes.index(self.name)
        self.threshold = threshold

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The classifier's, then the detector's."""
        own = self.screen.thresholds if self.threshold is None else (Threshold(self.name, self.threshold, ASKED),)
        return (*own, *self.then.thresholds)

    @property
    def kind(self) -> TaskKind:
        """The detector's."""
        return self.then.kind

    def fields(self, result: Screened) -> dict[str, Any]:
        """As of a Predictor."""
        return {"instances": result.instances, "screened": result}

    def introduction(self) -> list[Issue]:
        """As of a Predictor."""
        return [*self.screen.warnings, *self.then.warnings, *issues(self.thresholds)]

    def look(self, source: Source | Origin, progress: Progress = silent) -> tuple[Image, Screened]:
        """The image, and what both say of it. It is opened once, unless the two learned with other gray windows."""
        image, image_labels = self.screen.look(source)
        if self.threshold is not None:
            several = self.screen.card.multi_label
            image_labels = ImageLabels.of(
                image_labels.scores, image_labels.names, several, self.threshold, {self.name: self.threshold}
            )
        looked = self.place in image_labels.chosen
        detections = Instances.empty(self.then.card.classes)
        if looked and self.screen.window == self.then.window:
            detections = self.then.look(image, progress)[1]
        elif looked:
            image, detections = self.then.look(source, progress)
        return image, Screened(image_labels, self.name, float(image_labels.scores[self.place]), looked, detections)

    def __call__(self, source: Source | Origin) -> Screened:
        return self.look(source)[1]


def _class_of(screen: ImageClassifier, then: Detector, name: str | None) -> str:
    known = screen.card.classes
    if name is not None:
        if name not in known:
            raise UnknownName("class in the model that screens", name, known)
        return name
    if len(screen.points) == 1:
        return next(iter(screen.points))
    both = [item for item in known if item in then.card.classes]
    if len(both) != 1:
        raise WeightsError(
            "which class is screened for does not show",
            field="--screen-class",
            expected=f"one of {', '.join(known)}",
            got=f"none named, and {', '.join(then.card.classes)} in the other model",
            fix=f"--screen-class {known[-1]}; or `maskwright threshold` keeps one in the model that screens",
        )
    return both[0]
