"""Class folders: the folder says what the image shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import DatasetError
from maskwright.formats import class_folders
from maskwright.formats.reading import Faults, Head
from maskwright.types import Dataset


def read(path: Path, allow_faulty: bool = False) -> Dataset:
    faults = Faults(path, allow_faulty)
    return faults.into(class_folders.read(path, faults))


def save(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4)).save(folder / name)


def claimed(folder: Path) -> bool:
    return class_folders.sniff(Head(folder)) is not None


def test_an_empty_folder_is_no_class_folder(tmp_path):
    assert not claimed(tmp_path)
    with pytest.raises(DatasetError, match="no class folders"):
        read(tmp_path)


def test_each_folder_is_a_class_and_each_image_has_one(tmp_path):
    save(tmp_path, "rust/a.png", "rust/b.JPEG", "norust/c.png")
    found = read(tmp_path)
    assert (found.names, [record.labels for record in found]) == (("norust", "rust"), [(0,), (1,), (1,)])
    assert found.records[0].instances is None and found.records[0].size == (4, 6)
    assert found.class_counts() == {"norust": 1, "rust": 2} and found.state_counts()["labeled"] == 3


def test_the_claim_is_weak(tmp_path):
    save(tmp_path, "rust/a.png", "norust/c.png")
    assert class_folders.sniff(Head(tmp_path)).certainty < 0.5


def test_class_folders_one_level_down_are_found(tmp_path):
    save(tmp_path, "download/rust/a.png", "download/norust/b.png", "boxes/train/a.png")
    found = read(tmp_path)
    assert len(found) == 2 and sentences(found) == ('the class folders in "download" were read',)


def test_images_one_level_below_a_class_belong_to_it(tmp_path):
    save(tmp_path, "rust/north/a.png", "norust/b.png")
    assert read(tmp_path).class_counts() == {"norust": 1, "rust": 1}


@pytest.mark.parametrize(
    "names",
    [
        ("rust/a.png",),  # one class
        ("train/a.png", "val/b.png"),  # splits
        ("images/a.png", "masks/a.png"),  # images and what was drawn on them
        ("a.png", "b.png", "rust/a.png", "norust/b.png"),  # images beside
    ],
)
def test_other_folders_are_not_claimed(tmp_path, names):
    save(tmp_path, *names)
    assert not claimed(tmp_path)


@pytest.mark.parametrize(
    "stray",
    ["sheet.png", "rust/README.txt", "docs/notes.txt", ".cache/a.json", "__MACOSX/rust/a.png", "rust/Thumbs.db"],
)
def test_a_stray_file_or_folder_does_not_hide_the_class_folders(tmp_path, stray):
    save(tmp_path, "rust/a.png", "norust/b.png")
    if stray.endswith(".png"):
        save(tmp_path, stray)
    else:
        (tmp_path / stray).parent.mkdir(exist_ok=True)
        (tmp_path / stray).write_text("12 images")
    found = formats.read(tmp_path)
    assert (found.format, found.class_counts()) == ("class_folders", {"norust": 1, "rust": 1})
    told = "1 image beside the class folders, in no class: sheet.png"
    assert (told in sentences(found)) == (stray == "sheet.png")


def test_a_folder_of_masks_is_no_class(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    for number in range(3):
        save(tmp_path, f"original/p{number}.jpg", f"annotated/p{number}.png", f"rust/{number}.png")
        Image.fromarray(noise).save(tmp_path / f"original/p{number}.jpg")
    with pytest.raises(DatasetError, match='the pictures in "annotated" look like masks of the images in "original"'):
        formats.read(tmp_path)


def test_drawings_of_equal_names_are_classes_where_all_are_drawn(tmp_path):
    save(tmp_path, "zero/1.png", "zero/2.png", "one/1.png", "one/2.png")
    assert formats.read(tmp_path).class_counts() == {"one": 2, "zero": 2}


def test_two_pictures_of_one_name_tell_no_class(tmp_path):
    save(tmp_path, *(f"{kind}_{number}.{ending}" for kind in "ab" for number in (1, 2) for ending in ("bmp", "png")))
    assert not claimed(tmp_path)


def test_annotations_in_a_folder_say_that_it_is_no_class(tmp_path):
    save(tmp_path, "C0001/a.png", "C0002/b.png")
    (tmp_path / "C0001" / "ground_truth.txt").write_text("1 2 3 4 5")
    assert not claimed(tmp_path)


@pytest.mark.parametrize("splits", [("", ""), ("train", "val")])
def test_classes_that_differ_only_by_case_are_named(tmp_path, splits):
    save(tmp_path / splits[0], "Cat/a.png", "dog/b.png")
    save(tmp_path / splits[1], "cat/c.png", "dog/d.png")
    found = formats.read(tmp_path)
    assert found.class_counts() == {"Cat": 1, "cat": 1, "dog": 2}
    assert sentences(found) == ('classes "Cat" and "cat" differ only by case or blanks: are they one?',)


def test_two_unicode_forms_of_a_folders_name_are_one_class(tmp_path):
    save(tmp_path, "caf\u00e9/a.png", "cafe\u0301/b.png", "bar/c.png")
    found = formats.read(tmp_path)
    assert found.class_counts() == {"bar": 1, "caf\u00e9": 2}
    assert sentences(found) == ("a class name in two Unicode forms of the same letters was read as one",)


def test_a_broken_image_is_a_fault_by_name(tmp_path):
    save(tmp_path, *(f"rust/{index}.png" for index in range(30)), "norust/a.png")
    (tmp_path / "norust" / "b.png").write_bytes(b"nothing")
    found = read(tmp_path)
    assert (len(found), put_aside(found)[0].subject) == (31, 'image "norust/b.png"')


def test_file_names_tell_the_class(tmp_path):
    save(tmp_path, "rust.0.jpg", "rust.1.jpg", "norust.0.jpg", "norust.10.jpg")
    found = read(tmp_path)
    assert found.class_counts() == {"norust": 2, "rust": 2}
    assert sentences(found) == ("the classes were taken from the beginning of the file names",)


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_1.jpg", "IMG_2.jpg", "DSC_1.jpg", "DSC_2.jpg"),  # cameras
        ("rust.0.jpg", "rust.1.jpg"),  # one class
        ("rust.0.jpg", "rust.1.jpg", "dent.0.jpg"),  # a single image proves nothing
        ("rust.0.jpg", "rust.1.jpg", "dent.0.jpg", "dent.1.jpg", "other.jpg"),
    ],
)
def test_other_file_names_tell_nothing(tmp_path, names):
    save(tmp_path, *names)
    assert not claimed(tmp_path)


def test_rust_at_its_root_is_a_classification_set(shared):
    path = shared / "data/rust"
    found = read(path)
    assert claimed(path)
    assert (len(found), found.class_counts(), put_aside(found)) == (155, {"norust": 72, "rust": 83}, [])


@pytest.mark.parametrize(
    ("case", "classes"),
    [
        ("class_folders", {"bird": 1, "cat": 2, "dog": 1, "monkey": 1}),
        ("class_by_file_name", {"Bacterial_leaf_blight": 2, "Brown_spot": 2, "Leaf_smut": 2}),
    ],
)
def test_cases_of_the_zoo_have_their_counts(shared, case, classes):
    path = shared / "data/zoo" / case
    assert claimed(path) and read(path).class_counts() == classes


@pytest.mark.parametrize(
    "name", ["balloon", "bccd", "pennfudan", "gdxray", "corrosion_via", "rust/objDet", "rust/objDet/train"]
)
def test_other_sets_are_not_claimed(shared, name):
    assert not claimed(shared / "data" / name)
