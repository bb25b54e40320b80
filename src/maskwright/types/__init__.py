"""What travels between the rooms: frozen dataclasses, checked once at the door."""

from maskwright.types.annotation import Annotation
from maskwright.types.dataset import Dataset, Fault, Record
from maskwright.types.instances import Instances, RawDetections
from maskwright.types.masks import RleMasks
from maskwright.types.photo import Photo, Placement, Window
from maskwright.types.verdicts import Verdict

__all__ = [
    "Annotation",
    "Dataset",
    "Fault",
    "Instances",
    "Photo",
    "Placement",
    "RawDetections",
    "Record",
    "RleMasks",
    "Verdict",
    "Window",
]
