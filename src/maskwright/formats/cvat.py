"""CVAT XML 1.1: one file for all images of a task, or for the tracks of a video.

Looks like   <annotations><version>1.1</version><image id="0" name="a.jpg" width="640" height="480">
             <box label="rust" xtl="1.5" ytl="2" xbr="9" ybr="8"/><polygon label="rust" points="1,2;3,4;5,6"/></image>
             video: <track id="0" label="car"><box frame="0" outside="0" keyframe="1" .../></track>
Known by     an .xml file with the root <annotations> and <version>, <meta>, <image> or <track>
Holds        boxes, polygons, ellipses, masks as run lengths; rotated boxes, read as outlines of four corners;
             attributes, occluded, z_order, groups (each shape is an object of its own); tags, which are classes of
             whole images where nothing is drawn; subsets, as splits; images with no shapes
Cannot hold  scores, crowds, holes in polygons, empty versus unlabeled. On writing: an outline in one part goes out with
             the points that were drawn, every other mask as run lengths; scores and crowd marks are dropped, unlabeled
             images left out, and counted; attributes become texts
Not used     points, skeletons, cuboids and open polylines are no objects: left out and counted. A polyline that ends
             where it begins is an outline
Video        an image is frame 12 when it is called frame_000012; other numbers count where they are all of the task's
             frames. A frame in the task's range that shows nothing is empty. See cvat_tracks.py
In the wild  no <meta> at all; names with folders; names in any script; several tasks with images of one name
Coordinates  pixels after EXIF's turn, edges; rotation in degrees, clockwise, around the center
Source       cvat/apps/dataset_manager/formats/cvat.py (CVAT 2), and the page "XML annotation format" of its manual
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np

from maskwright.errors import AnnotationError, DatasetError
from maskwright.files import writing
from maskwright.formats import cvat_tracks
from maskwright.formats.cvat_shapes import SHAPES, draw, whole
from maskwright.formats.image_classes import classified
from maskwright.formats.losses import OUTLINES_LOST, VERTICES_LOST
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    Regions,
    data_name,
    data_root,
    natural,
    read_xml,
    written_names,
)
from maskwright.types import Annotation, Dataset, Instances, RleMasks

_SUBSETS = {"train": "Train", "val": "Validation", "test": "Test"}
_UNKEPT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ROOT = re.compile(r"<annotations\b[^>]{0,300}>")
_INSIDE = re.compile(r"<(version|meta|image|track)\b")


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".xml":
        return None
    root = _ROOT.search(head.text)
    if root is None or not _INSIDE.search(head.text, root.end()):
        return None
    return Evidence(0.95, "its root is <annotations>, with images or tracks as CVAT writes them")


@dataclass
class _Found:
    """What the file showed so far. tags: of whole images."""

    drafts: list[Draft] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    tags: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def draw(self, shape: Element, number: object, label: str | None, regions: Regions, **more: Any) -> None:
        label = (label or "").strip()
        if draw(shape, number, label, regions, more) and label:
            self.used.add(label)


def read(path: Path, faults: Faults) -> Dataset:
    root = read_xml(path)
    if root.tag != "annotations":
        raise AnnotationError("not CVAT XML", file=path, field="root", expected="<annotations>", got=f"<{root.tag}>")
    images, tracks, meta = root.findall("image"), root.findall("track"), root.find("meta")
    if images and tracks:
        raise AnnotationError("images and tracks of a video in one file", file=path, expected="one kind of them",
                              got=f"{len(images)} images and {len(tracks)} tracks",
                              fix="export each task by itself")  # fmt: skip
    found = _Found()
    if tracks or _is_video(meta):
        _read_tracks(path, tracks, meta, faults, found)
    else:
        _read_images(path, images, faults, found)
    declared = [] if meta is None else [(label.findtext("name") or "").strip() for label in meta.iter("label")]
    names = [name for name in dict.fromkeys(declared) if name in found.used]
    names = dict.fromkeys([*names, *sorted(found.used, key=natural)])
    return classified(data_name(data_root(path)), names, found.drafts, found.tags, "cvat", faults)


def _is_video(meta: Element | None) -> bool:
    return meta is not None and any(item.text == "interpolation" for item in meta.iter("mode"))


# --- images -----------------------------------------------------------------------------------------
def _read_images(path: Path, images: list[Element], faults: Faults, found: _Found) -> None:
    called = list(_called(images, faults))
    finder = ImageFinder(data_root(path), faults, near=path.parent, names=[name for name, _ in called])
    for name, element in called:
        shapes = [item for item in element if item.tag in SHAPES]
        image = finder.image(name, regions=len(shapes))
        if image is None:
            continue
        regions = Regions(faults, image, stated=_size(element))
        for number, shape in enumerate(shapes):
            found.draw(shape, number, shape.get("label"), regions)
        split = SPLIT_FOLDERS.get((element.get("subset") or "").strip().casefold())
        found.drafts.append(Draft(image, regions, split))
        tags = [(item.get("label") or "").strip() for item in element.findall("tag")]
        if any(tags):
            found.tags[image.path] = (*found.tags.get(image.path, ()), *filter(None, tags))


def _called(images: list[Element], faults: Faults) -> Iterator[tuple[str, Element]]:
    """Each image with its name; of two subsets with images of one name, with the folder of its subset."""
    subsets: dict[str, set[str]] = {}
    for element in images:
        subsets.setdefault(element.get("name", ""), set()).add(element.get("subset") or "")
    for number, element in enumerate(images):
        name, subset = element.get("name", ""), element.get("subset")
        if not name.strip():
            faults.saw()
            faults.add(f"image {element.get('id', number)}", "name", "the name of an image", "none", "export it again")
            continue
        yield (f"{subset}/{name}" if subset and len(subsets[name]) > 1 else name), element


def _size(element: Element | None) -> tuple[int, int] | None:
    """(height, width) as stated; None where it is absent or nonsense."""
    if element is None:
        return None
    sides = [whole(element.get(side) or element.findtext(side)) for side in ("height", "width")]
    return (sides[0], sides[1]) if sides[0] and sides[1] and max(sides[0], sides[1]) < 10**6 else None


# --- video ------------------------------------------------------------------------------------------
def _read_tracks(path: Path, tracks: list[Element], meta: Element | None, faults: Faults, found: _Found) -> None:
    root, task = data_root(path), cvat_tracks.one_task(path, meta)
    range = cvat_tracks.Range.of(task)
    frames = cvat_tracks.find_frames(root, range, cvat_tracks.mentioned(tracks), faults)
    shown: dict[int, list[cvat_tracks.Visible]] = {frame: [] for frame in frames.numbers}
    for item in cvat_tracks.visible(tracks, range, frames.numbers, faults):
        shown.setdefault(item.frame, []).append(item)
    names = {frame: frames.name(frame) for frame in sorted(shown)}
    finder = ImageFinder(root, faults, near=path.parent, names=names.values())
    if names and (error := cvat_tracks.none_there(path, finder, list(names.values()))) is not None:
        raise error
    size = None if meta is None else _size(next(meta.iter("original_size"), None))
    for frame, name in names.items():
        image = finder.image(name, regions=len(shown[frame]))
        if image is None:
            continue
        regions = Regions(faults, image, stated=size)
        for item in shown[frame]:
            text = item.track.get("id", "?")
            number = whole(text)
            track = text if number is None else number
            found.draw(item.shape, f"of track {track}", item.track.get("label"), regions, track_id=track)
        found.drafts.append(Draft(image, regions))


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One file for all images, splits as subsets; classes of whole images as tags."""
    for name in dataset.names:
        if _UNKEPT.search(name) or name != name.strip() or not name:
            raise DatasetError("this class cannot stand in XML", file=dataset.name, record=f"class {name!r}",
                               expected="text without control characters or blanks around it", fix="rename it",
                               got=repr(name))  # fmt: skip
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    labels = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    for name in dataset.names:
        SubElement(SubElement(labels, "label"), "name").text = name
    records = [record for record in dataset.records if not record.skipped and record.state != "unlabeled"]
    for record in dataset.records:
        if record.skipped or record.state == "unlabeled":
            losses.image(record)
    names = written_names([record.image for record in records], path)
    for number, (record, name) in enumerate(zip(records, names, strict=True)):
        height, width = record.size
        facts = {"id": str(number), "name": name, "width": str(width), "height": str(height)}
        subset = {} if record.split is None else {"subset": _SUBSETS.get(record.split, record.split)}
        element = SubElement(root, "image", facts | subset)
        for label in record.labels or ():
            SubElement(element, "tag", label=dataset.names[label])
        if record.instances is not None:
            _write_shapes(record.instances, element, losses)
    indent(root)
    with writing(path) as temporary:
        ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def _write_shapes(instances: Instances, image: Element, losses: Losses) -> None:
    losses.scores_and_crowds(instances)
    notes = instances.annotations or [None] * len(instances)
    for row, (label, parts) in enumerate(zip(instances.labels, instances.outlines(), strict=True)):
        if instances.masks is None:
            corners = zip(("xtl", "ytl", "xbr", "ybr"), instances.boxes[row], strict=True)
            shape = SubElement(image, "box", label=label, occluded="0")
            for corner, value in corners:
                shape.set(corner, np.format_float_positional(value, trim="-"))
        elif parts is not None and len(parts) == 1:
            points = ";".join(f"{x!r},{y!r}" for x, y in parts[0].tolist())
            shape = SubElement(image, "polygon", label=label, occluded="0", points=points)
        elif instances.masks.area[row]:
            shape = SubElement(image, "mask", {"label": label, "occluded": "0"} | _runs(instances.masks[row]))
            losses.add(VERTICES_LOST, 0 if parts is None else len(parts))
        else:
            losses.add(OUTLINES_LOST)
            continue
        _write_note(notes[row], shape)


def _runs(mask: RleMasks) -> dict[str, str]:
    """One mask as CVAT has it: the frame around it, and run lengths along its rows, zeros first."""
    left, top, right, bottom = (int(side) for side in mask.boxes[0])
    flat = mask.crop((left, top, right, bottom)).dense()[0].reshape(-1)
    edges = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]])
    runs = [0, *np.diff(edges).tolist()] if flat[0] else np.diff(edges).tolist()
    frame = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    return {"rle": ", ".join(map(str, runs)), **{name: str(value) for name, value in frame.items()}}


def _write_note(note: Annotation | None, shape: Element) -> None:
    for name, value in ({} if note is None else note.attributes).items():
        if name == "occluded" and value in (1, True):
            shape.set("occluded", "1")
        elif name == "z_order" and type(value) is int:
            shape.set("z_order", str(value))
        elif name == "group_id" and isinstance(value, str):
            shape.set("group_id", value)
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            SubElement(shape, "attribute", name=_UNKEPT.sub("", name)).text = _UNKEPT.sub("", text)
