"""LVIS: which classes were looked for on an image, read from COCO JSON and written into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attacks.annotations import image, written
from reported import sentences

from maskwright import formats
from maskwright.types import Instances

BOX = {"image_id": 1, "bbox": [3, 4, 10, 6]}
NAMES = ("rust", "dent", "crack")


def page(folder: Path, *annotations: dict[str, Any], **said: Any) -> Path:
    image(folder / "train2017" / "000000000009.jpg")
    address = "http://images.cocodataset.org/train2017/000000000009.jpg"
    images = [{"id": 1, "coco_url": address, "height": 30, "width": 40} | said]
    categories = [{"id": number, "name": name, "synset": f"{name}.n.01"} for number, name in enumerate(NAMES, 1)]
    whole = [{"id": number} | item for number, item in enumerate(annotations, 1)]
    return written(folder / "lvis.json", {"images": images, "annotations": whole, "categories": categories})


def test_an_image_that_says_nothing_was_looked_at_for_all_classes(tmp_path):
    (record,) = formats.read(page(tmp_path, BOX | {"category_id": 1})).records
    assert (record.image.name, record.labelled_classes, record.incomplete) == ("000000000009.jpg", None, False)


def test_negative_classes_and_those_of_objects_were_looked_for(tmp_path):
    boxes = [BOX | {"category_id": number} for number in (1, 2, 3)]
    path = page(tmp_path, *boxes[:2], neg_category_ids=[3], not_exhaustive_category_ids=[2])
    data = formats.read(path)
    (record,) = data.records
    assert data.names == ("rust", "dent")  # nobody drew a crack
    assert (record.labelled_classes, record.incomplete) == ((0, 1), True)
    (record,) = formats.read(page(tmp_path, boxes[0], boxes[2], neg_category_ids=[2])).records
    assert (record.labelled_classes, record.incomplete) == ((0, 1), False)


def test_detections_of_classes_that_nobody_looked_for_are_left_out(tmp_path):
    path = page(tmp_path, BOX | {"category_id": 1}, neg_category_ids=[], not_exhaustive_category_ids=[])
    (record,) = formats.read(path).records
    found = Instances([[0, 0, 5, 5], [1, 1, 6, 6]], [0, 1], None, None, ("rust", "dent"))  # type: ignore[arg-type]
    assert record.of_labelled_classes(found).labels == ["rust"]


@pytest.mark.parametrize("wrong", [None, 3, [True, [], None, 99], ["3"]])
def test_lists_that_are_none_are_passed_over(tmp_path, wrong):
    (record,) = formats.read(page(tmp_path, BOX | {"category_id": 1}, neg_category_ids=wrong)).records
    assert record.labelled_classes in (None, (0,))


@pytest.mark.parametrize(("labelled", "incomplete"), [((0,), False), ((0, 1), True), ((1,), True), (None, True)])
def test_labelled_classes_are_written_and_read_again(tmp_path, labelled, incomplete):
    data = formats.read(page(tmp_path, *(BOX | {"category_id": number} for number in (1, 2))))
    (record,) = data.records
    assert record.instances is not None
    keep = record.instances if labelled is None else record.instances[[row in labelled for row in (0, 1)]]
    whole = replace(record.instances, annotations=None)
    other = replace(record, image=image(tmp_path / "b.jpg"), instances=whole, labelled_classes=None, id=2)
    record = replace(record, instances=keep, labelled_classes=labelled, incomplete=incomplete)
    assert formats.write(replace(data, records=(record, other)), tmp_path / "out.json", "coco") == ()
    again, all_classes = formats.read(tmp_path / "out.json").records
    assert (again.labelled_classes, again.incomplete) == (labelled or (0, 1), incomplete)
    assert (all_classes.labelled_classes, all_classes.incomplete) == (None, False)


def test_an_image_of_which_nothing_was_looked_for_and_not_all_drawn_is_counted_as_lost(tmp_path):
    data = formats.read(page(tmp_path, BOX | {"category_id": 1}))
    record = replace(data.records[0], instances=Instances.empty(data.names), labelled_classes=(), incomplete=True)
    lost = formats.write(replace(data, records=(record,)), tmp_path / "out.json", "coco")
    assert sentences(lost) == ("1 list of labelled classes cannot be kept",)
