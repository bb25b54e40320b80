"""YOLO: a text an image, one line an object, in fractions of width and height; data.yaml names the classes.

Looks like   data.yaml, images/train/a.jpg, labels/train/a.txt; or train/images, train/labels; or beside
             the images
             0 0.5 0.5 0.25 0.25                box: class, center x, center y, width, height
             0 0.1 0.1 0.2 0.1 0.2 0.2          outline: class, then pairs of x and y
             0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2  oriented box: four corners, read as an outline
Known by     such lines in texts called like the images or in a folder of labels; a data.yaml or obj.data beside them
Holds        boxes, oriented boxes, outlines; images without objects (an empty text)
Cannot hold  scores, attributes, crowds, class ids with gaps, skipped images, holes. On writing they are dropped and
             counted; an object of several parts becomes one outline whose parts are joined by lines (so does
             Ultralytics' converter). An image without a text is unlabeled here, and empty for Ultralytics: said
Key points   of pose data are left out and counted, their boxes kept. kpt_shape in data.yaml tells them from outlines
Splits       train, val and test of data.yaml where they lead to images, else the folders' names. Paths of another
             machine count by their end, and "../" (Roboflow) only where there is no such folder. An image that train
             and val both name belongs to neither
In the wild  classes by number, without any name; labelImg's classes.txt, in each folder another one; a sixth number,
             the score of a model; ids past the last name; lines that stand twice (one counts); labels without an image
Source       ultralytics 8.3: data/utils.py (verify_image_label, check_det_dataset, img2label_paths); AlexeyAB's Darknet
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from maskwright.errors import AnnotationError, DatasetError, OutputError
from maskwright.escaping import percent_encoded
from maskwright.files import write_text
from maskwright.formats import label_texts, yolo_config, yolo_lines, yolo_parts
from maskwright.formats.edits import unchanged
from maskwright.formats.label_texts import Images, is_generic, is_labels
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    read_text,
)
from maskwright.formats.yolo_classes import Classes
from maskwright.issues import Kind
from maskwright.types import Dataset, Instances, Record

SPLIT_MISSING = Kind(
    "split_missing", "warning", "data.yaml names all images as train and as val, for they are not divided: {fix}",
    fix="maskwright split divides them",
)  # fmt: skip


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        if yolo_config.is_config(head):
            return Evidence(0.9, "it has names, and train, val or nc")
        return (
            Evidence(0.9, "its lines are a class and fractions") if head.ending == ".txt" and _fractions(head) else None
        )
    if label_texts.part_of_a_larger(head, lambda above: sniff(above) is not None):
        return None
    texts = list(label_texts.sample(head.path, _fractions))
    told = next((config.path.name for config in yolo_config.configs(head) if yolo_config.is_config(config)), None)
    texts = [text for text in texts if told or label_texts.belongs(text.path, head.path)]
    written = [text for text in texts if text.text.strip()]
    sound = [text for text in written if (_is_yolo if told or is_labels(text.path.parent.name) else _fractions)(text)]
    if texts and (2 * len(sound) >= len(written) or (told and sound)):
        return Evidence(0.9, f"label files of YOLO{f', and {told}' if told else ''}")
    if told and not texts:
        return Evidence(0.45, f"{told} is of YOLO, but there are no label files")
    if head.images and not texts and _labels_beside(head.path):
        return Evidence(0.9, "its label files lie in a folder beside it")
    return None


def _is_yolo(text: Head) -> bool:
    """Half of its lines at least; a slip among them is named when the text is read."""
    lines = label_texts.lines_of(text.text)
    return bool(lines) and 2 * sum(yolo_lines.LINE.fullmatch(line) is not None for line in lines) >= len(lines)


def _fractions(text: Head) -> bool:
    """The same where nothing but the content says what the text is."""
    lines = label_texts.lines_of(text.text)
    if not lines or not all(map(yolo_lines.LINE.fullmatch, lines)):
        return False
    numbers = [float(number) for line in lines for number in line.split()[1:]]
    inside = all(yolo_lines.LEAST <= number <= yolo_lines.MOST for number in numbers)
    return inside and any(number % 1 for number in numbers)


def _labels_beside(folder: Path) -> bool:
    """Of a folder of images, named by itself: the label files lie beside it, or beside the one above."""
    for above in yolo_config.above(folder):
        if any(_is_yolo(text) for text in label_texts.sample(above, _fractions)):
            return True
    return False


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    config = yolo_parts.config_of(path)
    if path.suffix.lower() == ".txt" and path.is_file():
        root, texts = label_texts.root_of(path), [path]
    else:
        root = path if path.is_dir() else yolo_parts.root_of(path, config)
        texts = label_texts.find(root, _fractions)
    if not texts:
        raise _no_texts(path, root, config)
    classes = Classes(config, root, faults)
    images = Images(root)
    named = [(text, images.name(text)) for text in texts]
    finder = ImageFinder(root, faults, near=root, names=[name for _, name in named])
    contents = [(text, name, label_texts.lines(text, faults)) for text, name in named]
    pose = yolo_lines.pose_of(config, [line for _, _, lines in contents for _, line in lines or ()])
    drafts = []
    for text, name, lines in contents:
        found = finder.image(name, regions=len(lines or ()))
        if found is None:
            continue
        regions = Regions(faults, found, in_pixels=True)
        if lines is None:
            regions.saw()  # its fault is noted: the image is skipped, not empty
        yolo_lines.draw(lines or [], classes.of(text.parent), pose, regions)
        drafts.append(Draft(found, regions, source=text))
    dataset = assemble(data_name(root), classes.used(drafts), drafts, "yolo", faults)
    dataset = replace(dataset, class_ids=classes.ids(dataset.names))
    if path.is_dir() or texts != [path]:
        dataset = label_texts.with_unlabeled(dataset, root, faults)
    return dataset if config is None else yolo_parts.apply(dataset, root, config, faults)


def _no_texts(path: Path, root: Path, config: yolo_config.Config | None) -> AnnotationError:
    if path.is_dir() and Head(path).images and _labels_beside(path):
        above = next((folder for folder in yolo_config.above(root) if not is_generic(folder.name)), root.parent)
        return AnnotationError(
            "the label files of these images lie in another folder", file=path, expected="images and labels",
            got="images", fix=f"name the folder of both: {above}",
        )  # fmt: skip
    elsewhere = None if config is None else yolo_parts.outside(config)
    if config is not None and elsewhere is not None:
        return AnnotationError(
            "its data lie outside of its folder", file=config.file, field="path", got=config.path,
            expected=f"a folder in {config.file.parent}",
            fix=f"copy {config.file.name} into {elsewhere} and name that folder; or name the file, with --follow-links",
        )  # fmt: skip
    return AnnotationError(
        "no label files of YOLO", file=path, expected="texts called like the images, beside them or in a folder labels",
        got="none", fix="put the folder labels beside the folder images",
    )  # fmt: skip


def class_names(path: Path, texts: Sequence[Path]) -> tuple[Path, dict[int, str]] | None:
    """Where the names of the classes stand, and id -> name; a classes.txt to be where there are none yet.

    None where they stand in several files.
    """
    config = yolo_parts.config_of(path)
    if config is not None and config.names:
        return config.names_file, dict(config.names)
    root = path if path.is_dir() else path.parent
    classes = Classes(None, root, Faults(root))
    files = {classes.file_of(text.parent) for text in texts} - {None}
    if len(files) > 1:
        return None
    for file in files:
        assert file is not None
        return file, yolo_config.read_names(file)
    return root / yolo_config.NAMES_FILES[0], {}


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A folder: data.yaml, and labels/<split>/<stem>.txt for images/<split>/<stem>.jpg, which are not copied.

    Images that lie in `path`/images already have their labels at the same way below labels.
    """
    if path.suffix.lower() in (".txt", ".yaml"):
        raise OutputError("YOLO is a folder of several files", file=path, fix="name a folder")
    texts: dict[Path, Record] = {}
    for record in dataset.records:
        if record.instances is None or record.skipped:
            losses.image(record)
            continue
        text = path / "labels" / _below(record, path / "images")
        if texts.setdefault(text, record) is not record:
            raise DatasetError("two images would share one label file", file=dataset.name,
                               got=percent_encoded(text.stem), expected="different names, folder and ending apart",
                               fix="rename one of them",
                               record=f'image "{percent_encoded(record.image.name)}"')  # fmt: skip
    for text, record in texts.items():
        assert record.instances is not None
        write_text(text, "".join(f"{line}\n" for line in yolo_lines.written(record.instances, record.size, losses)))
    write_text(path / "data.yaml", _yaml(dataset, losses))


def _below(record: Record, images: Path) -> Path:
    """The way of its text below `labels`."""
    if record.image.is_relative_to(images):
        way = record.image.relative_to(images)
    else:
        way = Path(record.split or "") / record.image.name
    return way.with_name(f"{percent_encoded(way.stem)}.txt")


def _yaml(dataset: Dataset, losses: Losses) -> str:
    splits = [split for split in ("train", "val", "test") if any(record.split == split for record in dataset)]
    ways = {split: f"images/{split}" for split in splits} or {"train": "images", "val": "images"}
    if not splits:
        losses.add(SPLIT_MISSING)
    names = [f"  {id}: {json.dumps(name, ensure_ascii=False)}" for id, name in enumerate(dataset.names)]
    lines = [*(f"{split}: {way}" for split, way in ways.items()), f"nc: {len(names)}", "names:", *names]
    return "\n".join(lines) + "\n"


def edited(file: Path, record: Record, before: Instances | None, ids: Mapping[str, int | str], losses: Losses) -> bytes:
    """The text of one image as it is to be: lines of objects that stay the same stay as they stand, but for the class.

    before  what the file holds
    """
    instances = record.instances
    assert instances is not None
    lines: list[str] = []
    if before is not None and file.is_file():
        lines = list(dict.fromkeys(line.strip() for line in read_text(file).splitlines() if line.strip()))
    rows = unchanged(before if before is not None and len(lines) == len(before) else None, instances)
    numbers = np.array([int(ids[name]) for name in instances.names], np.int64)
    numbered = replace(instances, classes=numbers[instances.classes])
    written = []
    for row, (id, old) in enumerate(zip(numbered.classes.tolist(), rows, strict=True)):
        if old is None:
            written += yolo_lines.written(numbered[row : row + 1], record.size, losses)
        else:
            same, *rest = lines[old].split(maxsplit=1)
            written.append(lines[old] if float(same) == id else " ".join([str(id), *rest]))
    return "".join(f"{line}\n" for line in written).encode()
