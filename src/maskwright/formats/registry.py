"""The table of formats: which one is this, and why; writing. `dataset_reader.py` reads.

A new format: one module here, one line in FORMATS, one test file.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

from maskwright.errors import DatasetError, UnknownName
from maskwright.formats.listing import IMAGE_FOLDERS, is_label_folder
from maskwright.formats.reading import (
    Evidence,
    Head,
    Losses,
    readable,
)
from maskwright.formats.shards import SHARD
from maskwright.issues import Issue, Kind
from maskwright.types import Dataset, Instances, Record


@dataclass(frozen=True)
class Format:
    """One line of the table.

    about       what it is, in a few words
    module      where its sniff, read and write live
    writes      it can be written, too
    export      it is made from images and labels, and holds both
    endings     files that are looked at one by one in a folder; () where the format claims whole folders only
    folder_of   of a folder that it claims as a whole it reads all files with these endings: nobody else is asked
    image_of    the same of files that are called like an image; of others its own
    holds       of what it writes it has a place for these: image_ids, annotation_ids, class_ids; boxes (beside masks);
                image_labels, no_image_label (none of the classes), labelled_classes, groups; image_attributes,
                class_attributes, attributes (of the whole). What it has none for is counted as lost
    edits       ending of its label files, one for each image, where the objects of one image can be changed and all
                else in its file stays; "" where they cannot
    options     what its `read` takes besides: class_attribute (a region has several, any of which may hold the class),
                connected_components (masks may tell no objects apart)
    """

    about: str
    module: str
    writes: bool = False
    edits: str = ""
    export: bool = False
    endings: tuple[str, ...] = ()
    folder_of: tuple[str, ...] = ()
    image_of: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


FORMATS = {
    "boxes_csv": Format("boxes as a CSV table (TensorFlow tutorials)", "maskwright.formats.boxes_csv", writes=True,
                        endings=(".csv", ".tsv"), holds=("boxes",)),
    "cityscapes": Format("Cityscapes polygons (gtFine, leftImg8bit)", "maskwright.formats.cityscapes"),
    "class_folders": Format("one sub-folder of images a class", "maskwright.formats.class_folders", writes=True,
                            holds=("boxes", "image_labels")),
    "coco": Format("COCO JSON", "maskwright.formats.coco", writes=True, endings=(".json",),
                   holds=("image_ids", "annotation_ids", "class_ids", "boxes", "labelled_classes",
                          "image_attributes", "class_attributes", "attributes")),
    "create_ml": Format("CreateML JSON", "maskwright.formats.create_ml", writes=True, endings=(".json",),
                        holds=("boxes",)),
    "cvat": Format("CVAT XML 1.1, images or video", "maskwright.formats.cvat", writes=True, endings=(".xml",),
                   holds=("image_labels",)),
    "datumaro": Format("Datumaro JSON", "maskwright.formats.datumaro", writes=True, endings=(".json",),
                       holds=("image_ids", "annotation_ids", "boxes", "image_labels", "image_attributes",
                              "class_attributes", "attributes")),
    "dota": Format("DOTA: a text of oriented boxes an image", "maskwright.formats.dota"),
    "gdxray": Format("GDXray series (X-ray castings and welds)", "maskwright.formats.gdxray"),
    "kitti": Format("KITTI boxes (label_2, image_2)", "maskwright.formats.kitti", writes=True, holds=("boxes",)),
    "kitti_mots": Format("KITTI MOTS masks (instances, image_02)", "maskwright.formats.kitti_mots"),
    "label_studio": Format("Label Studio JSON and JSON-MIN", "maskwright.formats.label_studio", writes=True,
                           endings=(".json",), holds=("image_labels",)),
    "labelme": Format("LabelMe JSON", "maskwright.formats.labelme", writes=True, edits=".json", image_of=(".json",),
                      holds=("image_labels",)),
    "labels_csv": Format("classes of whole images as a CSV table", "maskwright.formats.labels_csv", writes=True,
                         endings=(".csv", ".tsv"), holds=("boxes", "image_labels", "no_image_label", "groups")),
    "mask_images": Format("mask images beside the images (ids, palette, one file an object)",
                          "maskwright.formats.mask_images", options=("connected_components",)),
    "open_images": Format("Open Images boxes, CSV", "maskwright.formats.open_images", writes=True, endings=(".csv",),
                          holds=("class_ids", "boxes", "image_labels", "no_image_label", "labelled_classes")),
    "panoptic": Format("COCO panoptic JSON and its pictures", "maskwright.formats.panoptic", endings=(".json",)),
    "supervisely": Format("Supervisely JSON", "maskwright.formats.supervisely", writes=True,
                          holds=("image_attributes",)),
    "tfrecord": Format("TFRecord of images with boxes", "maskwright.formats.tfrecord", writes=True, export=True,
                       endings=(".record", ".tfrecord", ".tfrecords", ".tfrec"), holds=("boxes",)),
    "via": Format("VGG Image Annotator, JSON or CSV", "maskwright.formats.via", writes=True, endings=(".json", ".csv"),
                  options=("class_attribute",), holds=("image_labels", "image_attributes")),
    "via3": Format("VIA 3 project of images", "maskwright.formats.via3", endings=(".json",),
                   options=("class_attribute",)),
    "vott": Format("VoTT JSON and CSV", "maskwright.formats.vott", writes=True, endings=(".json", ".csv")),
    "voc": Format("Pascal VOC XML", "maskwright.formats.voc", writes=True, edits=".xml", folder_of=(".xml",),
                  holds=("boxes", "image_attributes")),
    "yolo": Format("YOLO: a text of fractions an image, data.yaml", "maskwright.formats.yolo", writes=True,
                   edits=".txt"),
}  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """`format` believes that `path` (a file, or a folder as a whole) is its own."""

    format: str
    path: Path
    evidence: Evidence


def module_of(format: str) -> ModuleType:
    return importlib.import_module(FORMATS[format].module)


# --- which format -----------------------------------------------------------------------------------
def identify(path: Path | str, format: str | None = None) -> list[Claim]:
    """Who claims this file, or this folder and the files in it; the surest first, [] when nobody does.

    >>> claim = identify("balloon/train/via_region_data.json")[0]
    >>> claim.format, claim.evidence.because
    ('via', 'its records have "filename" and "regions"')
    """
    head = Head(Path(path))
    claims = _claims_of(head, format)
    taken = tuple(ending for claim in claims for ending in FORMATS[claim.format].folder_of)
    called_so = tuple(ending for claim in claims for ending in FORMATS[claim.format].image_of)
    own = {claim.format for claim in claims if FORMATS[claim.format].image_of}
    stems = _stems_of_images(head) if called_so else set()
    for file in annotation_files(head) if head.is_folder else ():
        ending = file.suffix.lower()
        if ending in taken or (ending in called_so and file.stem.casefold() in stems):
            continue
        readable(file)
        claims += [claim for claim in _claims_of(Head(file), format)[:1] if claim.format not in own]
    return sorted(claims, key=lambda claim: (-claim.evidence.certainty, claim.path.as_posix()))


def _claims_of(head: Head, format: str | None) -> list[Claim]:
    claims = []
    for name in FORMATS if format is None else (format,):
        evidence = module_of(name).sniff(head)
        if evidence is not None:
            claims.append(Claim(name, head.path, evidence))
    return sorted(claims, key=lambda claim: -claim.evidence.certainty)


def _stems_of_images(head: Head) -> set[str]:
    """Of the images in the folder and in its usual sub-folders of images."""
    usual = {name.casefold() for name in IMAGE_FOLDERS}
    folders = [head, *(head.child(name) for name in head.folders if name.casefold() in usual)]
    return {PurePosixPath(name).stem.casefold() for folder in folders for name in folder.images}


def annotation_files(head: Head) -> list[Path]:
    """Files that one format or another reads one by one: in the folder, and in its folders of annotations."""
    endings = tuple(ending for item in FORMATS.values() for ending in item.endings)
    labels = [head.child(name) for name in head.folders if is_label_folder(name)]
    labels += [folder.child(name) for folder in labels for name in folder.folders]  # annotations/train
    return [item.path / name for item in (head, *labels) for name in item.files()
            if name.lower().endswith(endings) or SHARD.fullmatch(name)]  # fmt: skip


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path | str, format: str) -> tuple[Issue, ...]:
    """Write in that format; gives what could not be kept ("3 scores cannot be kept")."""
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if not FORMATS[format].writes:
        able = ", ".join(name for name, item in FORMATS.items() if item.writes)
        raise DatasetError(f"{format} is only read, not written", expected=f"one of {able}", got=format)
    losses = Losses()
    module_of(format).write(dataset, Path(path), losses)
    losses.facts(dataset, FORMATS[format].holds)
    return losses.issues


def edited(
    format: str, file: Path, record: Record, before: Instances | None, ids: Mapping[str, int | str]
) -> tuple[bytes, Counter[Kind]]:
    """What the label file of one image holds when its objects are those of the record, of a format that `edits`; and
    what it could not hold. All else that the file says stays.

    before  the objects that the file holds now; None where there is no file, or they are not known
    ids     by which the files know the classes (YOLO)
    """
    losses = Losses()
    return module_of(format).edited(file, record, before, ids, losses), losses.counts
