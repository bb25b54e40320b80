"""Written and read again: all pairs of formats, up to the losses that are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.convert import TARGETS, convert
from maskwright.curate.read_back import (
    ANNOTATION_IDS_DIFFER,
    ATTRIBUTES_DIFFER,
    BOXES_DIFFER,
    CLASS_ATTRIBUTES_DIFFER,
    CLASS_IDS_DIFFER,
    CLASS_ORDER_DIFFERS,
    DATASET_ATTRIBUTES_DIFFER,
    IMAGE_ATTRIBUTES_DIFFER,
    IMAGE_IDS_DIFFER,
    IMAGES_DIFFER,
    LABELS_DIFFER,
    MASKS_DIFFER,
    OBJECTS_DIFFER,
    READ_BACK,
    VERTICES_DIFFER,
    differences,
)
from maskwright.errors import RecipeError
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SIZE = (48, 64)
OBJECTS = [to for to in TARGETS if to not in ("labels-csv", "class-folders")]
OUTLINE = np.array([[4.25, 3.5], [30.75, 5], [28, 30.5], [6, 24.25]])
PARTS = (np.array([[40.0, 4], [50, 4], [50, 14]]), np.array([[52.0, 20], [60, 20], [60, 30], [52, 30]]))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))


def image(folder: Path, number: int) -> Path:
    path = folder / f"image_{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(path)
    return path


def party(folder: Path) -> Dataset:
    """Outlines, several parts and a hole on one image, boxes on another, nothing on a third; with all that an
    annotation file can say besides."""
    hole = np.zeros((1, *SIZE), bool)
    hole[0, 30:44, 4:24] = True
    hole[0, 34:38, 8:16] = False
    drawn = RleMasks.from_polygons([[OUTLINE], list(PARTS)], SIZE)
    masks = RleMasks.join([drawn, RleMasks.from_dense(hole)])
    told = {"occluded": True, "state": "wet", "parts": [1, 2]}
    notes = (Annotation((OUTLINE,), 77, told), Annotation(PARTS, 3), None)
    names = ("rust", "dent")
    finer = masks.boxes + np.array([[0.25, 0, -0.25, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    outlined = Instances(finer, np.array([0, 1, 0]), None, masks, names, None, notes)
    boxed = Instances(np.array([[2.25, 3.5, 20.5, 30.75], [30, 5, 60, 40]]), np.array([1, 0]), None, None, names)
    contents = (outlined, boxed, Instances.empty(names))
    facts: list[dict[str, object]] = [{"license": 3, "source": {"database": "steel"}}, {"caption": "a plate"}, {}]
    records = tuple(Record(image(folder, number), SIZE, content, id=10 * number + 7, attributes=facts[number])
                    for number, content in enumerate(contents))  # fmt: skip
    of_classes = ({"supercategory": "damage", "frequency": "r"}, {"supercategory": "damage"})
    return Dataset("party", names, records, class_ids=(4, 2), class_attributes=of_classes,
                   attributes={"info": {"year": 2026}, "licenses": [{"id": 3, "name": "CC BY 4.0"}]})  # fmt: skip


def codes(data: Dataset, other: Dataset) -> list[str]:
    return [issue.code for issue in differences(data, other)[1:]]


def test_the_same_data_do_not_differ(tmp_path):
    data = party(tmp_path)
    (issue,) = differences(data, data)
    assert (issue.code, issue.values) == (READ_BACK.code, {"count": 3, "objects": 5})
    empty = Dataset("party", ("rust",), ())
    assert differences(empty, empty)[0].values == {"count": 0, "objects": 0}


def changed(data: Dataset, number: int, **fields: object) -> Dataset:
    """The data with other fields of one image's objects."""
    record = data.records[number]
    assert record.instances is not None
    records = [*data.records]
    records[number] = replace(record, instances=replace(record.instances, **fields))
    return replace(data, records=tuple(records))


def test_every_kind_of_difference_is_told(tmp_path):
    data = party(tmp_path)
    outlined, boxed = data.records[0].instances, data.records[1].instances
    assert outlined and boxed and outlined.masks and outlined.annotations
    assert codes(data, changed(data, 1, boxes=boxed.boxes + 0.5)) == [BOXES_DIFFER.code]
    dense = outlined.masks.dense().copy()
    dense[0, 10, 10] ^= True
    other = changed(data, 0, masks=RleMasks.from_dense(dense), annotations=None)
    assert codes(data, other) == [
        MASKS_DIFFER.code,
        VERTICES_DIFFER.code,
        ATTRIBUTES_DIFFER.code,
        ANNOTATION_IDS_DIFFER.code,
    ]
    notes = (replace(outlined.annotations[0], attributes={}), *outlined.annotations[1:])
    assert codes(data, changed(data, 0, annotations=notes)) == [ATTRIBUTES_DIFFER.code]
    notes = (replace(outlined.annotations[0], id=78), *outlined.annotations[1:])
    assert codes(data, changed(data, 0, annotations=notes)) == [ANNOTATION_IDS_DIFFER.code]
    records = (replace(data.records[0], id="other", attributes={}), *data.records[1:])
    assert codes(data, replace(data, records=records)) == [IMAGE_IDS_DIFFER.code, IMAGE_ATTRIBUTES_DIFFER.code]
    assert codes(data, replace(data, class_ids=(4, 3))) == [CLASS_IDS_DIFFER.code]
    assert codes(data, replace(data, class_attributes=())) == [CLASS_ATTRIBUTES_DIFFER.code]
    (issue,) = differences(data, replace(data, attributes={"info": {"year": 2026}}))[1:]
    assert (issue.code, issue.values) == (DATASET_ATTRIBUTES_DIFFER.code, {"names": ["licenses"]})
    records = (replace(data.records[0], instances=outlined[1:]), *data.records[1:])
    assert codes(data, replace(data, records=records)) == [OBJECTS_DIFFER.code]
    assert codes(data, data.where(lambda record: len(record.instances or ()) > 0)) == [IMAGES_DIFFER.code]
    assert codes(data, data.with_names(("dent", "rust"))) == [CLASS_ORDER_DIFFERS.code]
    assert codes(data, replace(data, names=("rust", "tear"))) == []  # objects bring their names
    labeled = replace(data, records=tuple(replace(record, labels=(0,), instances=None) for record in data))
    relabeled = replace(data, records=tuple(replace(record, labels=(1,), instances=None) for record in data))
    assert LABELS_DIFFER.code in codes(labeled, relabeled)


@pytest.mark.parametrize("first", OBJECTS)
def test_what_a_pair_of_formats_does_not_keep_is_reported(tmp_path, first):
    """Data in one format, read and converted to each other one, differ by nothing for which no loss is told."""
    begun = convert(party(tmp_path / "images"), tmp_path / first, first, copy_images=True, verify=True, log=ignored)
    assert begun.differences == ()
    read = formats.read(tmp_path / first)
    for second in OBJECTS:
        done = convert(read, tmp_path / f"{first}-{second}", second, copy_images=True, verify=True, log=ignored)
        assert done.differences == (), (first, second)


@pytest.mark.parametrize("to", ["coco", "datumaro"])
def test_what_a_file_says_besides_survives_where_the_format_holds_it(tmp_path, to):
    """Ids, licenses, supercategories, attributes of images and objects, and boxes finer than their outlines."""
    told: list[str] = []
    convert(party(tmp_path / "images"), tmp_path / "out", to, copy_images=True, verify=True,
            log=lambda issue: told.append(issue.code))  # fmt: skip
    lost = {"coco": set(), "datumaro": {"class_attributes_lost", "class_ids_lost", "class_attributes_differ",
                                        "class_ids_differ"}}  # fmt: skip
    assert {*told} - {"read_back"} == lost[to]


CLASSIFIED = ["labels-csv", "class-folders", "labelme", "cvat", "datumaro", "label-studio", "via", "open-images"]


@pytest.mark.parametrize("to", CLASSIFIED)
def test_classes_of_whole_images_are_written_where_the_format_holds_them(tmp_path, to):
    images = [image(tmp_path / "images", number) for number in range(4)]
    splits = ("train", "train", "val", "val")
    records = tuple(Record(path, SIZE, None, labels=(number % 2,), split=split)
                    for number, (path, split) in enumerate(zip(images, splits, strict=True)))  # fmt: skip
    data = Dataset("party", ("dent", "rust"), records)
    done = convert(data, tmp_path / "out", to, copy_images=True, verify=True, log=ignored)
    assert done.differences == ()
    read = formats.read(tmp_path / "out")
    found = {
        record.image.stem: (*(read.names[label] for label in record.labels or ()), record.split) for record in read
    }
    assert found == {"image_0": ("dent", "train"), "image_1": ("rust", "train"), "image_2": ("dent", "val"),
                     "image_3": ("rust", "val")}  # fmt: skip


def test_class_folders_hold_one_class_and_are_the_images(tmp_path):
    records = (Record(image(tmp_path / "images", 0), SIZE, None, labels=(0, 1)),
               Record(image(tmp_path / "images", 1), SIZE, None, labels=(1,)),
               Record(image(tmp_path / "images", 2), SIZE, None))  # fmt: skip
    data = Dataset("party", ("dent", "rust"), records)
    told: list[str] = []
    with pytest.raises(RecipeError, match="--copy-images"):
        convert(data, tmp_path / "out", "class-folders", log=ignored)
    convert(data, tmp_path / "out", "class-folders", copy_images=True, log=lambda issue: told.append(str(issue)))
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")) == \
        ["dent/image_0.png", "rust/image_1.png"]  # fmt: skip
    assert told == ["out: 1 further class of an image cannot be kept", "out: 1 unlabeled image cannot be kept"]


def test_images_of_one_name_are_matched_by_their_place(tmp_path):
    """Each split has its image_0: a swap of their objects is seen."""
    names = ("rust",)
    drawn = [Instances(np.array([[1.0, 1, 9 + number, 9]]), np.array([0]), None, None, names) for number in range(2)]
    records = [Record(image(tmp_path / split, 0), SIZE, content, split=split)
               for split, content in zip(("train", "val"), drawn, strict=True)]  # fmt: skip
    data = Dataset("party", names, tuple(records))
    assert codes(data, data) == []
    swapped = [replace(record, instances=content) for record, content in zip(records, reversed(drawn), strict=True)]
    assert codes(data, replace(data, records=tuple(swapped))) == [BOXES_DIFFER.code]


def ignored(_: object) -> None:
    """A log that nobody reads."""


@pytest.mark.parametrize("to", ["coco", "cvat", "datumaro", "via", "labelme", "yolo"])
def test_vertices_survive_where_the_format_has_outlines(tmp_path, to):
    told: list[str] = []
    convert(
        party(tmp_path / "images"), tmp_path / "out", to, copy_images=True, log=lambda issue: told.append(issue.code)
    )
    read = formats.read(tmp_path / "out")
    instances = next(record.instances for record in read if record.image.stem == "image_0")
    found = [parts for parts in instances.outlines() if parts]
    assert any(len(parts) == 1 and parts[0].shape == (4, 2) and np.abs(parts[0] - OUTLINE).max() < 0.01
               for parts in found)  # fmt: skip


def test_verifying_needs_the_images(tmp_path):
    with pytest.raises(RecipeError, match="needs the images beside it"):
        convert(party(tmp_path / "images"), tmp_path / "out", "coco", verify=True, log=ignored)
    assert not (tmp_path / "out").exists()
