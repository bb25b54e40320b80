"""DOTA: a text an image, one oriented box a line, as four corners in pixels and the name of its class.

Looks like   images/a.png, labelTxt/a.txt
             imagesource:GoogleEarth                                 (these two lines may lack)
             gsd:0.146
             2753 2408 2861 2385 2888 2468 2805 2502 plane 0         the last: 0 easy, 1 difficult
Known by     such lines in texts called like the images, or in a folder labelTxt (Roboflow:
             train/images, train/labelTxt)
Holds        boxes of four corners, read as outlines; whether they are difficult
Cannot hold  other outlines, and whether an image without a text is empty: it is unlabeled
In the wild  names of several words; no mark of difficulty; an empty text: nothing is on the image
Source       DOTA's development kit, dota_utils.py (parse_dota_poly); Roboflow's "YOLOv5 Oriented Bounding Boxes"
"""

from __future__ import annotations

import re
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.formats import label_texts
from maskwright.formats.drafts import labels_of
from maskwright.formats.label_texts import Images
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Regions,
    assemble,
    data_name,
)
from maskwright.types import Annotation, Dataset

_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?"
_LINE = re.compile(rf"(?P<corners>{_NUMBER}(?:\s+{_NUMBER}){{7}})\s+(?P<rest>\S.*)", re.IGNORECASE)
_NUMBERS = re.compile(rf"{_NUMBER}(?:\s|$)", re.IGNORECASE)
_HEADER = re.compile(r"(?:imagesource|gsd|acquisition dates|image ?id)\s{0,9}:", re.IGNORECASE)
_WANTED = "eight numbers, the name of a class and 0 or 1"


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return (
            Evidence(0.9, "its lines are four corners and a class")
            if head.ending == ".txt" and _is_dota(head)
            else None
        )
    if label_texts.part_of_a_larger(head, lambda above: sniff(above) is not None):
        return None
    found = [text for text in label_texts.sample(head.path, _is_dota) if not _blank(text)]
    texts = [text for text in found if label_texts.belongs(text.path, head.path)]
    sound = [text for text in texts if _is_dota(text)]
    return Evidence(0.9, "label files of DOTA") if sound and 2 * len(sound) >= len(texts) else None


def _blank(text: Head) -> bool:
    return all(map(_HEADER.match, label_texts.lines_of(text.text)))


def _is_dota(text: Head) -> bool:
    """Half of its lines at least are eight numbers and a name; a row of numbers only is YOLO's."""
    lines = [line for line in label_texts.lines_of(text.text) if not _HEADER.match(line)]
    found = [line for line in map(_LINE.fullmatch, lines) if line is not None and not _NUMBERS.match(line["rest"])]
    return bool(found) and 2 * len(found) >= len(lines)


def read(path: Path, faults: Faults) -> Dataset:
    root, texts = (path, label_texts.find(path, _is_dota)) if path.is_dir() else (label_texts.root_of(path), [path])
    if not texts:
        raise AnnotationError("no label files of DOTA", file=path, expected="texts called like the images", got="none")
    images = Images(root)
    named = [(text, images.name(text)) for text in texts]
    finder = ImageFinder(root, faults, near=root, names=[name for _, name in named])
    drafts = []
    for text, name in named:
        lines = label_texts.lines(text, faults)
        drawn = [(number, line) for number, line in lines or () if not _HEADER.match(line)]
        found = finder.image(name, regions=len(drawn))
        if found is None:
            continue
        regions = Regions(faults, found, in_pixels=True)
        if lines is None:
            regions.saw()  # its fault is noted: the image is skipped, not empty
        for number, line in drawn:
            _draw(line, f"in line {number}", regions)
        drafts.append(Draft(found, regions))
    names = labels_of(drafts)
    dataset = assemble(data_name(root), sorted(names), drafts, "dota", faults)
    return dataset if path.is_file() else label_texts.with_unlabeled(dataset, root, faults)


def _draw(line: str, where: str, regions: Regions) -> None:
    found = _LINE.fullmatch(line)
    if found is None:
        regions.lacks(where, "line", _WANTED, line, "correct the label file there")
        return
    *words, last = found["rest"].split()
    marked = bool(words) and re.fullmatch(r"[0-9]", last) is not None
    label = " ".join(words if marked else [*words, last])
    numbers = [float(number) for number in found["corners"].split()]
    note = Annotation(attributes={"difficult": int(last)}) if marked and last != "0" else None
    regions.outline(where, label, [list(zip(numbers[::2], numbers[1::2], strict=True))], note=note)
