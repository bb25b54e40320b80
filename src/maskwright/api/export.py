"""Export: a model as a folder that runs without torch, compared with the original."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.api.data import same_spelling
from maskwright.api.reading import dataset_of
from maskwright.engines.protocol import open_engine
from maskwright.errors import DatasetError, RecipeError
from maskwright.exporting.folder import Exported, write_export
from maskwright.images.sources import Origin, expand
from maskwright.issues import Log
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.tasks.registry import find_task
from maskwright.types import Dataset
from maskwright.weights.sources import model_file

if TYPE_CHECKING:
    from maskwright.quantization.int8 import Int8

MAX_IMAGES = 32


def export(
    model: str | Path,
    to: str,
    *,
    out: str | Path,
    precision: str = "auto",
    calibrate: str | Path | Dataset | None = None,
    max_drop: float = 0.01,
    images: Origin | Sequence[Origin] | None = None,
    names: Sequence[str] | None = None,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Exported:
    """Write a model for another runtime, after comparing it with the original on 32 images.

    to         "onnx" (ONNX Runtime), "openvino", or "torch" (programs of torch.export, .pt2)
    out        a new folder; but of "torch", `maskwright.load(out)` needs no torch
    precision  "fp32" or "bf16"; auto: the fastest that this processor has in that runtime; "int8" (OpenVINO only)
               needs `calibrate`
    calibrate  labeled images of int8, a hundred are enough: train where the data name their parts, else one half gives
               its ranges; on the others AP (or accuracy) is measured before and after
    max_drop   of that metric, 0..1
    images     to compare on, the first 32 files; None: rendered ones, odd sizes and one without objects among them; of
               int8 those that were measured on
    names      class names of a weight file (.h5) of matterport's Mask R-CNN, without the background

    WeightsError, and nothing is written, where the two differ by more than the bounds of `exporting/parity.py`, or
    int8 costs more than `max_drop`.

    >>> maskwright.export("balloons", "onnx", out="exported").parity.unmatched
    0.0
    """
    progress, log = reporting(verbose, progress, log)
    chosen = None
    if images is not None:
        origins = [source.origin for source in expand(images)]
        found = [Path(file) for file in origins if isinstance(file, str | Path) and Path(file).is_file()]
        chosen = [file.read_bytes() for file in found[:MAX_IMAGES]]
        if not chosen:
            raise DatasetError("there are no image files to compare on", field="images", got=images)
    folder = model_file(model, progress)
    quantizer = _quantizer(folder, names, to, precision, calibrate, max_drop, progress, log)
    exported = write_export(folder, to, Path(out), precision, chosen, quantizer, progress, names)
    for issue in exported.issues:
        log(issue)
    return exported


def _quantizer(
    model: Path, names: Sequence[str] | None, to: str, precision: str, data: str | Path | Dataset | None,
    max_drop: float, progress: Progress, log: Log,
) -> Int8 | None:  # fmt: skip
    if precision != "int8":
        if data is not None:
            raise RecipeError(
                "only int8 is calibrated", field="calibrate", expected="precision int8", got=f"precision {precision}"
            )
        return None
    if to != "openvino":
        raise RecipeError("int8 is for OpenVINO", field="to", expected="openvino", got=to, fix="--to openvino --int8")
    if data is None:
        raise RecipeError(
            "int8 needs labeled images", field="calibrate", expected="a dataset", got="none", fix="--calibrate DATA"
        )
    if not 0 <= max_drop <= 1:
        raise RecipeError("not a drop of a metric", field="max_drop", expected="0 to 1", got=max_drop)
    from maskwright.quantization.calibration import divide
    from maskwright.quantization.int8 import Int8

    card = open_engine(model, "torch", "cpu", names=names).card
    labeled = find_task(card.task).prepare_evaluation(dataset_of(data))
    same_spelling(card.classes, labeled, data)
    calibrating, measured, issues = divide(labeled, card.classes, progress)
    for issue in issues:
        log(issue)
    return Int8(calibrating, measured, max_drop)
