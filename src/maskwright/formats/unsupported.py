"""Formats of other tools that are not read: which of them a file or a folder holds, and how to get it into one that is.

Asked only where no format claims the data, or where class folders would be the guess. A format that becomes readable
leaves this page: its line in UNSUPPORTED, and its function.
"""

from __future__ import annotations

import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.formats import wrapped
from maskwright.formats.listing import IMAGE_FOLDERS, LABEL_FOLDERS, SPLIT_FOLDERS
from maskwright.formats.reading import Head

LOOKED_INTO = 60  # folders at most, nearest first
OPENED = 4  # files of one ending at most in each of them
DEPTH = 4
ENDINGS = (".json", ".xml", ".csv", ".txt", ".yaml", ".yml", ".names", ".data", ".ndjson", ".jsonl", ".manifest",
           ".vott", ".ini", ".tsv", ".record", ".tfrecord", ".tfrecords", ".tfrec")  # fmt: skip
_ASIDE = re.compile(r"^(readme|licen[sc]e|requirements|notes?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Unsupported:
    """known: whether a file or folder is of this format, from its first kilobytes or names. fix: how to export it.

    state  what is wrong with it: of a format that is read, a part may stand alone
    """

    known: Callable[[Head], bool]
    fix: str
    state: str = "not read yet"


def error(path: Path) -> DatasetError | None:
    """What to tell about a file or folder that is of a format we do not read; None where none is recognized.

    >>> print(error(Path("faces/faces.xml")))
    DatasetError: faces/faces.xml: this is dlib's imglab XML, not read yet
      fix     convert it to COCO or Pascal VOC: imglab's export does the latter
    """
    heads = [Head(path)] if not Head(path).is_folder else [*_around(path), *_below(path)]
    for head in heads:
        if (stands_for := wrapped.error(head)) is not None:
            return stands_for
    for name, format in UNSUPPORTED.items():
        for head in heads:
            if format.known(head):
                return DatasetError(f"this is {name}, {format.state}", file=head.path, fix=format.fix)
    return None


# --- where to look ----------------------------------------------------------------------------------
def _below(folder: Path) -> Iterator[Head]:
    """The folder and the folders below it, the nearest first, each with the first of its text files and an image."""
    waiting = deque([(Head(folder), 0)])
    for _ in range(LOOKED_INTO):
        if not waiting:
            return
        head, depth = waiting.popleft()
        yield head
        for ending in ENDINGS:
            named = [name for name in head.files(ending) if not _ASIDE.match(name)]
            yield from (child for name in named[:OPENED] if _is_plain(child := head.child(name)))
        yield from (child for name in head.images[:1] if _is_plain(child := head.child(name)))
        if depth < DEPTH:
            # one folder of many alike (the frames of a class, of a city) tells as much as all of them
            waiting.extend((head.child(name), depth + 1) for name in _likely_first(head.folders))


def _likely_first(names: tuple[str, ...]) -> list[str]:
    return sorted(names, key=lambda name: name.casefold() not in LABEL_FOLDERS)


def _around(folder: Path) -> Iterator[Head]:
    """What lies in the folders of labels beside a folder of images: labels/ beside images/, or beside images/train."""
    beside = folder.absolute()
    ordinary = {*SPLIT_FOLDERS, *(name.casefold() for name in IMAGE_FOLDERS)}
    for _ in range(2):
        if beside.name.casefold() not in ordinary:
            return
        beside = beside.parent
        for name in Head(beside).folders:
            if name.casefold() in LABEL_FOLDERS:
                yield from _below(beside / name)


def _is_plain(head: Head) -> bool:
    """A file, not a device or a pipe, which would be read for ever."""
    try:
        return stat.S_ISREG(head.path.stat().st_mode)
    except OSError:
        return False


# --- the formats ------------------------------------------------------------------------------------
def _has(head: Head, ending: str, *words: str) -> bool:
    """A file of this ending whose first kilobytes hold all of these keys in quotes."""
    return head.ending == ending and all(f'"{word}"' in head.text for word in words)


def _begins_with(head: Head, root: str) -> bool:
    """An XML file with this root element, whatever stands before it."""
    if head.ending != ".xml":
        return False
    found = re.search(r"<([A-Za-z][\w.-]*)", re.sub(r"<!--.*?-->", "", head.text, flags=re.DOTALL))
    return found is not None and found[1] == root


def _lines(head: Head) -> list[str]:
    """The first twenty lines with something in them, but for one that was cut off."""
    lines = [line.strip() for line in head.text.splitlines() if line.strip()]
    return lines[:20] if len(lines) < 2 or len(lines) > 20 else lines[:-1] + lines[-1:] * (len(head.text) < 60000)


def _labelme(head: Head) -> bool:
    """As labelme_json_to_dataset leaves it: p0_json/img.png, label.png."""
    made = [head, *(head.child(name) for name in head.folders[:2])] if head.is_folder else []
    return any(item.path.name.endswith("_json") and {"img.png", "label.png"} <= {*item.files()} for item in made)


def _dlib(head: Head) -> bool:
    return _begins_with(head, "dataset") and "<images" in head.text


def _supervisely(head: Head) -> bool:
    return not head.is_folder and (
        _has(head, ".json", "classTitle")
        or _has(head, ".json", "objects", "exterior", "interior")
        or (head.path.name == "meta.json" and _has(head, ".json", "classes", "title", "shape"))
    )


def _retinanet(head: Head) -> bool:
    """path,x1,y1,x2,y2,class from the first line on; path,,,,, is an image without objects."""
    return head.ending in (".csv", ".txt") and bool(_lines(head)) and all(map(_NAMELESS.fullmatch, _lines(head)))


def _vott(head: Head) -> bool:
    return head.ending == ".vott" or _has(head, ".json", "securityToken") or _has(head, ".json", "frames", "inputTags")


def _panoptic(head: Head) -> bool:
    return _has(head, ".json", "segments_info")


def _cityscapes(head: Head) -> bool:
    if head.is_folder:
        return any(name.endswith(("_leftImg8bit.png", "_gtFine_labelIds.png")) for name in head.images[:4])
    return _has(head, ".json", "imgHeight", "imgWidth", "objects")


def _bdd(head: Head) -> bool:
    return _has(head, ".json", "labels", "box2d") or _has(head, ".json", "labels", "poly2d")


def _labelbox(head: Head) -> bool:
    return any(_has(head, ending, "data_row", "projects") for ending in (".json", ".ndjson", ".jsonl")) or (
        _has(head, ".json", "Labeled Data")
    )


def _darwin(head: Head) -> bool:
    return _has(head, ".json", "item", "annotations") and "darwin" in head.text


def _superannotate(head: Head) -> bool:
    return _has(head, ".json", "metadata", "instances", "className")


def _sagemaker(head: Head) -> bool:
    return any(_has(head, ending, "source-ref") for ending in (".manifest", ".json", ".jsonl"))


def _arrays(head: Head) -> bool:
    return any(head.files(ending) if head.is_folder else head.ending == ending for ending in (".npy", ".npz", ".mat"))


# Digits belong to one part of this only: "\d+\.?\d*" would try every division of a long row of them.
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?"
_KITTI = re.compile(rf"[A-Za-z_]\w*(?:\s+{_NUMBER}){{14,15}}", re.IGNORECASE)
_MOT = re.compile(rf"\d+,\s*-?\d+(?:,\s*{_NUMBER}){{4,8}}", re.IGNORECASE)
_NAMELESS = re.compile(rf"[^,]*[^,\s],(?:,,,,|(?:\s*{_NUMBER},){{4}}[^,]*[^,\s])", re.IGNORECASE)


def _every(head: Head, line: re.Pattern[str]) -> bool:
    return head.ending == ".txt" and bool(_lines(head)) and all(map(line.fullmatch, _lines(head)))


def _kitti(head: Head) -> bool:
    return _every(head, _KITTI)


def _mot(head: Head) -> bool:
    return head.path.name == "seqinfo.ini" or (head.path.name in ("gt.txt", "det.txt") and _every(head, _MOT))


_DATUMARO = "convert it to COCO, for example with Datumaro: datum convert -if {} -i FOLDER -f coco -o OUT"
_EXPORT = "export the project again as COCO or Pascal VOC"

UNSUPPORTED = {
    "LabelMe's pictures (labelme_json_to_dataset)": Unsupported(
        _labelme, "name the folder of the JSON files that LabelMe saved, from which they were made"
    ),
    "part of a Supervisely project": Unsupported(
        _supervisely, "name the folder that holds the folders ann and img, or the project", "not read by itself"
    ),
    "a table of boxes without column names (keras-retinanet)": Unsupported(
        _retinanet, "write the names of the columns above its first line, as CSV: filename,xmin,ymin,xmax,ymax,class"
    ),
    "a VoTT project, or VoTT 1": Unsupported(_vott, "export it from VoTT 2 as VoTT JSON, Pascal VOC or CSV"),
    "COCO panoptic without its pictures": Unsupported(
        _panoptic, "put the folder of id pictures beside the JSON file, called like it without .json"
    ),
    "part of Cityscapes": Unsupported(
        _cityscapes, "name the folder that holds gtFine, with files *_polygons.json, and leftImg8bit",
        "not read by itself",
    ),
    "BDD100K JSON": Unsupported(_bdd, "convert it to COCO with the bdd100k toolkit: python -m bdd100k.label.to_coco"),
    "Labelbox": Unsupported(_labelbox, "convert it to COCO with Labelbox's Python package"),
    "V7 Darwin JSON": Unsupported(_darwin, "export it again as COCO or Pascal VOC: darwin dataset convert"),
    "SuperAnnotate JSON": Unsupported(_superannotate, "convert it to COCO with SuperAnnotate's Python package"),
    "a SageMaker manifest": Unsupported(_sagemaker, f"{_EXPORT}, or turn its boxes into a CSV table"),
    "dlib's imglab XML": Unsupported(_dlib, "convert it to COCO or Pascal VOC: imglab's export does the latter"),
    "KITTI": Unsupported(_kitti, "put the texts into a folder label_2 beside image_2, and name the folder of both",
                         "not read by itself"),
    "a file or folder of NumPy or MATLAB arrays": Unsupported(
        _arrays, "save them as pictures of ids called like their images: Image.fromarray(ids.astype('uint8')).save(...)"
    ),
    "MOTChallenge": Unsupported(_mot, _DATUMARO.format("mot_seq")),
}  # fmt: skip
"""Name -> how it is known, how it is exported. Those known by a word in a file stand before those known by numbers."""
