"""The data types that packages exchange: frozen dataclasses, validated in the constructor."""

from maskwright.types.annotation import Annotation
from maskwright.types.dataset import Dataset, Record
from maskwright.types.image import Image, ResizeTransform, Window
from maskwright.types.image_labels import ImageLabels
from maskwright.types.instances import Instances, RawDetections
from maskwright.types.masks import RleMasks
from maskwright.types.outlined import OutlinedAnnotations, OutlinedImages, OutlinedMasks

__all__ = [
    "Annotation",
    "Dataset",
    "Image",
    "ImageLabels",
    "Instances",
    "OutlinedAnnotations",
    "OutlinedImages",
    "OutlinedMasks",
    "RawDetections",
    "Record",
    "ResizeTransform",
    "RleMasks",
    "Window",
]
