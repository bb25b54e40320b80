"""Train, check, evaluate and run instance segmentation on a small set of your own annotated images.

Every public name is in the table below and is loaded when it is first used, so `import maskwright` costs nothing:
no torch, no numpy, no device chosen, no thread started. The first use of a name in IPython tells it how results look.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_PUBLIC = {  # name -> where it lives: "module:attribute", or "module:" for the module itself
    "read": "maskwright.formats.dataset_reader:read",
    "write": "maskwright.formats.registry:write",
    "identify": "maskwright.formats.registry:identify",
    "show": "maskwright.api.show:show",
    "check": "maskwright.api.check:check",
    "stats": "maskwright.api.stats:stats",
    "split": "maskwright.api.split:split",
    "convert": "maskwright.api.convert:convert",
    "merge": "maskwright.api.merge:merge",
    "relabel": "maskwright.api.relabel:relabel",
    "download": "maskwright.api.download:download",
    "render": "maskwright.synth:render",
    "render_set": "maskwright.synth:render_set",
    "train": "maskwright.api.train:train",
    "cross_validate": "maskwright.api.cross_validate:cross_validate",
    "try_settings": "maskwright.api.try_settings:try_settings",
    "load": "maskwright.prediction.loading:load",
    "load_screening": "maskwright.api.predict:load_screening",
    "MaskFromClicks": "maskwright.prediction.clicks:MaskFromClicks",
    "predict": "maskwright.api.predict:predict",
    "Cluster": "maskwright.cluster.cluster:Cluster",
    "predict_on_cluster": "maskwright.api.predict_on_cluster:predict_on_cluster",
    "predict_many": "maskwright.api.many_images:predict_many",
    "splash": "maskwright.api.splash:splash",
    "predict_video": "maskwright.api.video:predict_video",
    "predict_videos": "maskwright.api.video:predict_videos",
    "watch": "maskwright.api.watch:watch",
    "evaluate": "maskwright.api.evaluate:evaluate",
    "threshold": "maskwright.api.threshold:threshold",
    "export": "maskwright.api.export:export",
    "bench": "maskwright.api.bench:bench",
    "demo": "maskwright.api.demo:demo",
    "doctor": "maskwright.api.doctor:doctor",
    "draw_outlines": "maskwright.drawing.outlines:draw",
    "draw_splash": "maskwright.drawing.splash:splash",
    "interop": "maskwright.interop:",
    "detection_metrics": "maskwright.evaluation.detection:evaluate",
    "detection_difference": "maskwright.evaluation.detection:difference",
    "classification_metrics": "maskwright.evaluation.classification:evaluate",
    "choose_threshold": "maskwright.evaluation.operating_point:choose",
    "roc": "maskwright.evaluation.ranking:roc",
    "fit_temperature": "maskwright.evaluation.calibration:fit_temperature",
    "reliability": "maskwright.evaluation.calibration:reliability",
    "mcnemar": "maskwright.evaluation.comparing:mcnemar",
    "wilson": "maskwright.evaluation.intervals:wilson",
    "Callback": "maskwright.training.callbacks:Callback",
    "MlflowCallback": "maskwright.training.experiment_logs:MlflowCallback",
    "WandbCallback": "maskwright.training.experiment_logs:WandbCallback",
    "Aim": "maskwright.evaluation.operating_point:Aim",
    "Dataset": "maskwright.types:Dataset",
    "Image": "maskwright.types:Image",
    "ImageLabels": "maskwright.types:ImageLabels",
    "InferenceOptions": "maskwright.prediction.options:InferenceOptions",
    "Instances": "maskwright.types:Instances",
    "Issue": "maskwright.issues:Issue",
    "Issues": "maskwright.issues:Issues",
    "IssueWarning": "maskwright.issues:IssueWarning",
    "MaskwrightError": "maskwright.errors:MaskwrightError",
    "Record": "maskwright.types:Record",
    "RleMasks": "maskwright.types:RleMasks",
    "COCO_CLASSES": "maskwright.engines.matterport_engine:COCO",
    "load_ipython_extension": "maskwright.notebook:load_ipython_extension",
}

if TYPE_CHECKING:
    from maskwright import interop as interop
    from maskwright.api.bench import bench as bench
    from maskwright.api.check import check as check
    from maskwright.api.convert import convert as convert
    from maskwright.api.cross_validate import cross_validate as cross_validate
    from maskwright.api.demo import demo as demo
    from maskwright.api.doctor import doctor as doctor
    from maskwright.api.download import download as download
    from maskwright.api.evaluate import evaluate as evaluate
    from maskwright.api.export import export as export
    from maskwright.api.many_images import predict_many as predict_many
    from maskwright.api.merge import merge as merge
    from maskwright.api.predict import load_screening as load_screening
    from maskwright.api.predict import predict as predict
    from maskwright.api.predict_on_cluster import predict_on_cluster as predict_on_cluster
    from maskwright.api.relabel import relabel as relabel
    from maskwright.api.show import show as show
    from maskwright.api.splash import splash as splash
    from maskwright.api.split import split as split
    from maskwright.api.stats import stats as stats
    from maskwright.api.threshold import threshold as threshold
    from maskwright.api.train import train as train
    from maskwright.api.try_settings import try_settings as try_settings
    from maskwright.api.video import predict_video as predict_video
    from maskwright.api.video import predict_videos as predict_videos
    from maskwright.api.watch import watch as watch
    from maskwright.cluster.cluster import Cluster as Cluster
    from maskwright.drawing.outlines import draw as _draw_outlines
    from maskwright.drawing.splash import splash as _draw_splash
    from maskwright.engines.matterport_engine import COCO as _coco_classes
    from maskwright.errors import MaskwrightError as MaskwrightError
    from maskwright.evaluation.calibration import fit_temperature as fit_temperature
    from maskwright.evaluation.calibration import reliability as reliability
    from maskwright.evaluation.classification import evaluate as _classification_metrics
    from maskwright.evaluation.comparing import mcnemar as mcnemar
    from maskwright.evaluation.detection import difference as _detection_difference
    from maskwright.evaluation.detection import evaluate as _detection_metrics
    from maskwright.evaluation.intervals import wilson as wilson
    from maskwright.evaluation.operating_point import Aim as Aim
    from maskwright.evaluation.operating_point import choose as _choose_threshold
    from maskwright.evaluation.ranking import roc as roc
    from maskwright.formats.dataset_reader import read as read
    from maskwright.formats.registry import identify as identify
    from maskwright.formats.registry import write as write
    from maskwright.issues import Issue as Issue
    from maskwright.issues import Issues as Issues
    from maskwright.issues import IssueWarning as IssueWarning
    from maskwright.notebook import load_ipython_extension as load_ipython_extension
    from maskwright.prediction.clicks import MaskFromClicks as MaskFromClicks
    from maskwright.prediction.loading import load as load
    from maskwright.prediction.options import InferenceOptions as InferenceOptions
    from maskwright.synth import render as render
    from maskwright.synth import render_set as render_set
    from maskwright.training.callbacks import Callback as Callback
    from maskwright.training.experiment_logs import MlflowCallback as MlflowCallback
    from maskwright.training.experiment_logs import WandbCallback as WandbCallback
    from maskwright.types import Dataset as Dataset
    from maskwright.types import Image as Image
    from maskwright.types import ImageLabels as ImageLabels
    from maskwright.types import Instances as Instances
    from maskwright.types import Record as Record
    from maskwright.types import RleMasks as RleMasks

    draw_outlines = _draw_outlines
    draw_splash = _draw_splash
    detection_metrics = _detection_metrics
    detection_difference = _detection_difference
    classification_metrics = _classification_metrics
    choose_threshold = _choose_threshold
    COCO_CLASSES = _coco_classes


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = importlib.import_module(module)
    if "IPython" in sys.modules:
        importlib.import_module("maskwright.notebook").connect()
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
