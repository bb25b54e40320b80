"""Annotations of COCO JSON taken in block by block: the same as one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reported import sentences

from maskwright import formats
from maskwright.errors import AnnotationError
from maskwright.formats import coco, json_records
from maskwright.types import Dataset, RleMasks

WIDTH, HEIGHT = 40, 30
NUMBERS = st.integers(-3, 45) | st.floats(-3, 45, width=16)
PART = st.lists(NUMBERS, min_size=5, max_size=10)
RUNS = RleMasks.from_boxes(np.array([[3, 3, 9, 9]]), (HEIGHT, WIDTH)).to_coco()[0]
ANNOTATION = st.fixed_dictionaries(
    {
        "image_id": st.sampled_from([1, 1, 2, 2, 2, "2", 9]),
        "category_id": st.sampled_from([4, 4, 4, 2, 7]),
        "segmentation": st.lists(PART, min_size=1, max_size=2) | st.sampled_from([RUNS, [], [[1, 1, 9, 1, 9, 9]]]),
        "bbox": st.lists(NUMBERS, min_size=4, max_size=4) | st.sampled_from([[1, 1, 8, 8], [0, 0, 1e12, 3], []]),
    },
    optional={
        "iscrowd": st.sampled_from([0, 0, 1, 2]),
        "area": st.integers(0, 99),
        "attributes": st.just({"wet": True}),
        "track_id": st.integers(0, 3),
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    for name in "ab":
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / f"{name}.png")
    return folder


def written(folder: Path, annotations: list[dict[str, Any]]) -> Path:
    images = [{"id": number, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
              for number, name in enumerate("ab", 1)]  # fmt: skip
    categories = [{"id": 4, "name": "rust", "supercategory": "damage"}, {"id": 2, "name": "dent"}]
    rows = [{"id": number} | annotation for number, annotation in enumerate(annotations, 11)]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": rows}))
    return path


def content(data: Dataset) -> list[Any]:
    """Everything a dataset says, in an order that can be compared."""
    told: list[Any] = [data.names, data.class_ids, data.class_attributes, sorted(sentences(data))]
    for record in data:
        drawn = record.instances
        told.append((record.image.name, record.state, record.id))
        if drawn is not None:
            notes = [(note.id, dict(note.attributes), [part.tolist() for part in note.outlines]) if note else None
                     for note in drawn.annotations or ()]  # fmt: skip
            masks = None if drawn.masks is None else (drawn.masks.counts.tolist(), drawn.masks.offsets.tolist())
            crowd = None if drawn.crowd is None else drawn.crowd.tolist()
            told.append((drawn.boxes.tolist(), drawn.labels, masks, crowd, notes))
    return told


@settings(max_examples=60)
@given(st.lists(ANNOTATION, max_size=12), st.sampled_from([60, 400, 1 << 20]))
def test_blocks_give_what_single_annotations_give(folder, annotations, size):
    """Plain outlines among run lengths, faulty ones, unknown images and fields of people's own, in the file's order."""
    path = written(folder, annotations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "BLOCK_BYTES", size)
        streamed = formats.read(path, allow_faulty=True)
        patch.setattr(coco, "read_records", lambda *_: None)
        assert content(streamed) == content(formats.read(path, allow_faulty=True))


@pytest.mark.parametrize("number", ["1e999", "-1e400"])
@pytest.mark.parametrize("field", ["area", "bbox", "other"])
def test_a_number_beyond_all_is_refused_with_its_place(folder, number, field):
    square = {"image_id": 1, "category_id": 4, "segmentation": [[2, 2, 12, 2, 12, 12]], "bbox": [2, 2, 10, 10]}
    path = written(folder, [{**square, field: "HUGE"}])
    path.write_text(path.read_text().replace('"HUGE"', number))
    with pytest.raises(AnnotationError, match="not JSON"):
        formats.read(path)


def test_plain_annotations_are_not_looked_at_one_by_one(folder, monkeypatch):
    """The twin of the property above: that blocks are taken in as blocks."""
    single = []
    monkeypatch.setattr(coco.coco_annotations.Drawing, "_one", lambda *args: single.append(args))
    square = {"image_id": 1, "category_id": 4, "segmentation": [[2, 2, 12, 2, 12, 12]], "bbox": [2, 2, 10, 10]}
    data = formats.read(written(folder, [square, {**square, "iscrowd": 0, "area": 50}]))
    assert data.instance_count == 2 and not single
