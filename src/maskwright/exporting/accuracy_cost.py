"""What a lower precision costs: the metric of a model before and after, on images that it was not calibrated on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from maskwright.engines.network_kinds import NetworkKind
from maskwright.errors import WeightsError
from maskwright.evaluation.intervals import Difference
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress


@dataclass(frozen=True)
class AccuracyCost:
    """metric      "mask AP", "box AP" or "accuracy", 0..1
    before, after  of the original in fp32, and of the exported model
    difference     after minus before with its 95 % interval (paired: both on the same images); None of one image
    images         it was measured on so many;  calibrated  on so many others the model was calibrated
    max_drop       the largest drop that is accepted
    """

    metric: str
    before: float
    after: float
    difference: Difference | None
    images: int
    calibrated: int
    max_drop: float

    @property
    def drop(self) -> float:
        return self.before - self.after

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        between = "" if self.difference is None else f" ({self.difference.low:+.3f} to {self.difference.high:+.3f})"
        return (
            f"{self.metric} {self.before:.3f} before, {self.after:.3f} after: {-self.drop:+.3f}{between}, on "
            f"{self.images} images; calibrated on {self.calibrated} others"
        )

    def check(self, folder: Path) -> None:
        """WeightsError where it dropped by more than is accepted."""
        if self.drop > self.max_drop:
            raise WeightsError(
                "int8 costs this model too much accuracy, so nothing was written",
                file=folder, field=self.metric, expected=f"a drop of at most {self.max_drop:g}", got=self.sentence(),
                fix="calibrate on more images like those it will see, export in bf16 or fp32, or accept more: "
                "--max-drop",
            )  # fmt: skip


class Quantizer(Protocol):
    """Makes int8 graphs of a folder's graphs, and measures what that costs."""

    def quantize(self, folder: Path, network: NetworkKind, progress: Progress) -> None:
        """Replace the graphs in a folder that holds an export in fp32."""
        ...

    def measure(self, original: Predictor[Any], exported: Predictor[Any], progress: Progress) -> AccuracyCost: ...

    def images(self) -> list[bytes]:
        """Encoded images to compare the two models on, none of them calibrated on."""
        ...
