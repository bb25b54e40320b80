"""Load a model by its path or name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from maskwright.engines.protocol import Described, open_engine
from maskwright.errors import RecipeError
from maskwright.issues import Issues, Kind
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.progress import Progress, silent
from maskwright.reporting import automatic
from maskwright.weights.sources import STARTS, bundled_names, model_file

Loaded = TypeVar("Loaded")

ENGINE_CHOSEN = Kind("engine_chosen", "info", "engine: {engine}")
START_IS_NO_DETECTOR = Kind(
    "start_is_no_detector", "warning",
    "{model} is a start for training, no detector: most of its predictions are wrong ({fix})",
    fix="`balloons`, `coco` or a run of your own are models to use",
)  # fmt: skip


def load(
    model: str | Path = "bundled",
    options: InferenceOptions = AS_TRAINED,
    *,
    engine: str | None = None,
    progress: Progress = automatic,
) -> Detector | ImageClassifier:
    """A model ready for images: a run's folder (its best is taken), a model folder, an exported one (which needs no
    torch), the name of a bundled one, or a weight file (.h5) of matterport's Mask R-CNN, with `options.names` for its
    classes. A classifier gives an ImageLabels. Models that others published go by name too (`coco`, `mask_rcnn_r50`,
    `mask_rcnn_balloon.h5`, ...):
    their weights are downloaded once, `progress` watches that.

    engine  "torch", "openvino" or "onnx" (`options.engine` by another way); a model of ours is converted for the last
            two once, and kept in the cache

    >>> detector = maskwright.load("balloons")
    >>> detector("party.jpg").counts()
    {'balloon': 7}
    """
    path, issues = model_file(model, progress), Issues()
    opened = open_engine(
        path,
        engine or options.engine or "auto",
        options.device or "auto",
        options.precision or "auto",
        options.names,
        log=issues.append,
    )
    kind = Detector if opened.card.kind.objects else ImageClassifier
    predictor = kind(opened, options.threshold, options.size, options.tile)
    predictor.path = path
    if str(model) in STARTS and str(model) in bundled_names():
        issues.append(START_IS_NO_DETECTOR(model=str(model)))
    if isinstance(opened, Described):
        issues.append(ENGINE_CHOSEN(engine=opened.describe()))
    predictor.warnings = tuple(issues)
    return predictor


def load_unless_loaded(
    model: str | Path | Loaded, options: InferenceOptions = AS_TRAINED, progress: Progress = silent
) -> Detector | ImageClassifier | Loaded:
    """The model as it is where it is loaded already: options can then no longer change it, so they are an error."""
    if isinstance(model, str | Path):
        return load(model, options, progress=progress)
    if given := options.given():
        written = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise RecipeError(
            "this model is already loaded, so these options cannot take effect",
            field=", ".join(given),
            expected="no InferenceOptions together with a loaded model",
            got=written,
            fix=f"load it with them: maskwright.load(MODEL, maskwright.InferenceOptions({written}))",
        )
    return model
