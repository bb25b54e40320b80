"""Masks as pictures: ids, one file an object, panoptic colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from maskwright.errors import AnnotationError
from maskwright.formats import mask_files, mask_images
from maskwright.formats.reading import Faults, Head
from maskwright.types import Dataset


def read(path: Path, allow_faulty: bool = False, **options) -> Dataset:
    faults = Faults(path, allow_faulty)
    return faults.into(mask_images.read(path, faults, **options))


def save(file: Path, pixels: np.ndarray | None = None, size: tuple[int, int] = (20, 30)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 99, np.uint8) if pixels is None else pixels).save(file)
    return file


def blocks(*corners: tuple[int, int, int], size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """3 x 3 blocks (row, column, value) on black."""
    pixels = np.zeros(size, np.uint8)
    for row, column, value in corners:
        pixels[row : row + 3, column : column + 3] = value
    return pixels


# --- ids --------------------------------------------------------------------------------------------
def test_a_black_mask_is_labelled_and_empty_a_missing_one_unlabelled(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png"), save(tmp_path / "c.png")
    save(tmp_path / "masks/a_mask.png", blocks())
    save(tmp_path / "masks/b_mask.png", blocks((0, 0, 1), (9, 9, 2)))
    assert [record.state for record in read(tmp_path)] == ["empty", "labelled", "unlabelled"]


def test_every_value_is_one_object_with_holes_and_parts(tmp_path):
    save(tmp_path / "PNGImages/a.jpg"), save(tmp_path / "PNGImages/b.jpg")
    save(tmp_path / "PedMasks/a_mask.png", blocks((0, 0, 1), (9, 9, 1), (0, 9, 2), (15, 20, 3)))
    save(tmp_path / "PedMasks/b_mask.png", blocks((0, 0, 1)))
    found = read(tmp_path)
    assert found.names == ("pedestrian",)
    assert found.records[0].instances.masks.area.tolist() == [18, 9, 9]
    assert found.records[0].instances.boxes.tolist() == [[0, 0, 12, 12], [9, 0, 12, 3], [20, 15, 23, 18]]


def test_sixteen_bit_ids_are_read_whole(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 1), (9, 9, 2)).astype(np.uint16))
    pixels = blocks((0, 0, 1), (9, 9, 2)).astype(np.uint16) * 300
    file = save(tmp_path / "deep.png", pixels)
    assert np.array_equal(mask_files.read_ids(file, Faults(file), "a"), pixels)
    assert read(tmp_path).instance_count == 2


def test_a_mask_of_another_size_is_a_fault_never_stretched(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 1), (9, 9, 2)))
    save(tmp_path / "masks/b.png", blocks((0, 0, 1), (9, 9, 2), size=(40, 60)))
    found = read(tmp_path, allow_faulty=True)
    assert [record.state for record in found] == ["labelled", "skipped"]
    assert (found.faults[0].wanted, found.faults[0].got) == ("20 x 30, the photo's own", "40 x 60")


def test_a_broken_mask_is_a_fault_by_name(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 1), (9, 9, 2)))
    file = save(tmp_path / "masks/b.png", np.random.default_rng(0).integers(0, 9, (20, 30), np.uint8))
    file.write_bytes(file.read_bytes()[:90])
    found = read(tmp_path, allow_faulty=True)
    assert found.records[1].state == "skipped"
    assert 'photo "b.png", mask "b.png"' in [fault.record for fault in found.faults]


# --- semantic ---------------------------------------------------------------------------------------
def test_one_value_in_one_piece_is_one_object(tmp_path):
    for stem in "ab":
        save(tmp_path / f"{stem}.png")
        save(tmp_path / f"masks/{stem}.png", blocks((4, 4, 255)))
    assert read(tmp_path).instance_count == 2


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        (blocks((0, 0, 255), (9, 9, 255)), "one value"),
        (blocks((0, 0, 48), (9, 9, 196)), "values that look like classes"),
        (blocks((0, 0, 1), (9, 9, 1), (0, 9, 2), (9, 0, 2)), "values that look like classes"),
    ],
)
def test_masks_that_tell_no_objects_apart_are_refused(tmp_path, mask, what):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", mask)
    with pytest.raises(AnnotationError) as caught:
        read(tmp_path)
    assert caught.value.headline == "these masks say what each pixel is, but not which object it belongs to"
    assert caught.value.parts["got"] == f"a.png: {what}, in separate parts"


def test_connected_parts_are_objects_where_that_is_asked_for(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 255), (9, 9, 255)))
    assert read(tmp_path, parts=True).records[0].instances.masks.area.tolist() == [9, 9]


def test_values_of_semantic_masks_are_classes_then(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 48), (9, 9, 48), (0, 9, 196)))
    assert read(tmp_path, parts=True).class_counts() == {"196": 1, "48": 2}


# --- one file an object -----------------------------------------------------------------------------
@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "P"])
def test_any_value_but_black_belongs(tmp_path, value, mode):
    save(tmp_path / "a.png")
    for number in range(2):
        file = tmp_path / f"masks/a_{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(blocks((9 * number, 0, value if mode != "1" else 255))).convert(mode).save(file)
    assert read(tmp_path).records[0].instances.masks.area.tolist() == [9, 9]


def test_an_object_in_two_parts_stays_one(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    save(tmp_path / "masks/a_0.png", blocks((0, 0, 255), (9, 9, 255)))
    save(tmp_path / "masks/b_0.png", blocks((0, 0, 255))), save(tmp_path / "masks/b_1.png", blocks((9, 0, 255)))
    assert [len(record.instances) for record in read(tmp_path)] == [1, 2]


def test_a_folder_for_each_photo_is_followed(tmp_path):
    for name, masks in (("x", 2), ("y", 0)):
        save(tmp_path / name / "images" / f"{name}.png")
        (tmp_path / name / "masks").mkdir()
        for number in range(masks):
            save(tmp_path / name / "masks" / f"{number:x}abc.png", blocks((9 * number, 3, 255)))
    assert mask_images.sniff(Head(tmp_path)) is not None
    assert [(record.state, record.photo.name) for record in read(tmp_path)] == [
        ("labelled", "x.png"),
        ("unlabelled", "y.png"),
    ]


def test_one_file_of_another_size_is_put_aside_and_the_others_stay(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a_0.png", blocks((0, 0, 255)))
    save(tmp_path / "masks/a_1.png", blocks((0, 0, 255), size=(9, 9)))
    found = read(tmp_path, allow_faulty=True)
    assert found.instance_count == 1
    assert found.faults[0].record == 'photo "a.png", region mask "a_1.png"'


# --- panoptic ---------------------------------------------------------------------------------------
def panoptic(folder: Path) -> Path:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:3, :3] = (10, 1, 0)  # 266
    pixels[9:12] = (0, 0, 1)  # 65536
    save(folder / "a.jpg")
    save(folder / "panoptic/a.png", pixels)
    segments = [{"id": 266, "category_id": 1, "iscrowd": 0}, {"id": 65536, "category_id": 2}]
    data = {
        "images": [{"id": 4, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 4, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "cup", "isthing": 1}, {"id": 2, "name": "table", "isthing": 0}],
    }
    file = folder / "panoptic.json"
    file.write_text(json.dumps(data))
    return file


def test_colours_are_ids_where_a_panoptic_file_says_so(tmp_path):
    file = panoptic(tmp_path)
    found = read(file)
    assert mask_images.sniff(Head(file)) is not None
    assert found.names == ("cup",) and found.records[0].instances.masks.area.tolist() == [9]
    assert found.remarks == ("1 stuff segment cannot be used here: left out",)


@pytest.mark.parametrize("data", [[], {"images": 3}, {"images": [], "annotations": [3], "categories": []}])
def test_a_json_that_is_no_panoptic_file_is_refused(tmp_path, data):
    (tmp_path / "panoptic.json").write_text(json.dumps(data))
    with pytest.raises(AnnotationError, match="not a panoptic file"):
        read(tmp_path / "panoptic.json")


# --- arithmetic -------------------------------------------------------------------------------------
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda size: arrays(np.int64, size, elements=st.integers(0, 4))
    )
)
def test_rows_of_an_id_picture_are_its_values(ids):
    """For every value but 0: the mask is exactly where the picture has it."""
    numbers, masks = mask_files.rows(ids)
    assert numbers == [value for value in np.unique(ids).tolist() if value]
    assert masks.size == ids.shape and len(masks) == len(numbers)
    for number, dense in zip(numbers, masks.dense(), strict=True):
        assert np.array_equal(dense, ids == number)
        assert sorted(mask_files.values_under(masks[numbers.index(number)], ids)) == [number] * int(dense.sum())


# --- real data --------------------------------------------------------------------------------------
def test_pennfudan_has_423_pedestrians(shared):
    found = read(shared / "data/pennfudan/PennFudanPed")
    assert (len(found), found.class_counts(), found.faults) == (170, {"pedestrian": 423}, ())
    counts = {
        kind: sum(len(record.instances) for record in found if record.photo.stem.startswith(kind))
        for kind in ("Fudan", "Penn")
    }
    assert counts == {"Fudan": 160, "Penn": 263}


def test_nuclei_have_one_file_each(shared):
    found = read(shared / "data/zoo/masks_one_file_per_instance/stage1_train")
    assert sorted(len(record.instances) for record in found) == [7, 16, 27, 36]


def test_semantic_pictures_of_coco_are_refused(shared):
    with pytest.raises(AnnotationError, match="not which object"):
        read(shared / "data/zoo/mask_semantic_png")


def test_panoptic_segments_have_the_areas_of_the_file(shared):
    file = shared / "data/zoo/mask_id_png_panoptic/annotations/panoptic_train2017.json"
    found = read(file)
    data = json.loads(file.read_text())
    things = {each["id"] for each in data["categories"] if each["isthing"]}
    assert (len(found), found.instance_count) == (3, 24)
    for record in found:
        (listed,) = [each for each in data["annotations"] if each["file_name"] == f"{record.photo.stem}.png"]
        areas = [each["area"] for each in listed["segments_info"] if each["category_id"] in things]
        assert record.instances.masks.area.tolist() == areas
