"""Export: a model as a folder that runs without torch, compared with the original."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.exporting.folder import Exported, write_export
from maskwright.images.sources import Origin, expand
from maskwright.issues import Log
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.weights.sources import model_file

MAX_IMAGES = 32


def export(
    model: str | Path,
    to: str,
    *,
    out: str | Path,
    precision: str = "auto",
    images: Origin | Sequence[Origin] | None = None,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Exported:
    """Write a model for another runtime, after comparing it with the original on 32 images.

    to         "onnx" (ONNX Runtime) or "openvino"
    out        a new folder; `maskwright.load(out)` needs no torch
    precision  "fp32" or "bf16"; auto: the fastest that this processor has in that runtime
    images     to compare on, the first 32 files; None: rendered ones, odd sizes and one without objects among them

    WeightsError, and nothing is written, where the two differ by more than the bounds of `exporting/parity.py`.

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
    exported = write_export(model_file(model, progress), to, Path(out), precision, chosen, progress)
    for issue in exported.issues:
        log(issue)
    return exported
