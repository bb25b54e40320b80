"""Which format, which split, which file: folders are read without a flag, and nothing is guessed."""

from __future__ import annotations

import builtins
import importlib
import os
import shutil
from pathlib import Path

import pytest
from attacks import annotations as attacks
from attacks.annotations import SQUARE
from reported import absent, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, UnknownName
from maskwright.formats import registry


# --- the table ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", registry.FORMATS)
def test_every_format_in_the_table_is_there(name):
    module = importlib.import_module(registry.FORMATS[name].module)
    assert callable(module.sniff) and callable(module.read) and module.__doc__
    assert hasattr(module, "write") == registry.FORMATS[name].writes


def test_an_unknown_format_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match='no format "voa"'):
        formats.read(".", format="voa")


def test_a_format_that_is_only_read_says_so(tmp_path):
    data = formats.read(attacks.via(tmp_path, SQUARE))
    only_read = next(name for name, item in registry.FORMATS.items() if not item.writes)
    with pytest.raises(DatasetError, match="is only read, not written"):
        formats.write(data, tmp_path / "out", only_read)


# --- which format -------------------------------------------------------------------------------
def test_a_file_says_which_format_it_is_and_why(tmp_path):
    claim = formats.identify(attacks.via(tmp_path, SQUARE))[0]
    assert (claim.format, claim.evidence.because) == ("via", 'its records have "filename" and "regions"')
    assert formats.identify(attacks.coco(tmp_path))[0].format == "coco"


def test_nothing_is_claimed_in_an_empty_folder(tmp_path):
    assert formats.identify(tmp_path) == []


@pytest.mark.parametrize("name", ["nowhere", "via.jso"])
def test_a_path_that_does_not_exist_is_an_error(tmp_path, name):
    attacks.via(tmp_path, SQUARE)
    with pytest.raises(DatasetError, match="there is no such file or folder") as caught:
        formats.read(tmp_path / name)
    assert ("did you mean" in str(caught.value)) == (name == "via.jso")


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    with pytest.raises(DatasetError) as caught:
        formats.read(tmp_path)
    assert str(caught.value) == (
        f"DatasetError: {tmp_path}: no annotations found\n"
        f"  expected  one of the formats {', '.join(registry.FORMATS)}\n"
        "  got       nothing\n"
        "  fix       name the folder (or the file) with the annotations; where there are none yet: draw "
        "outlines in VIA, or put the images into one folder a class"
    )


def test_a_folder_without_annotations_says_what_it_holds(tmp_path):
    attacks.image(tmp_path / "a.jpg")
    (tmp_path / "notes.txt").write_text("hello", "utf-8")
    with pytest.raises(DatasetError, match=r"got       1 images, 1 \.txt file"):
        formats.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("a.json", "", "the file is empty"), ("a.json", '{"x": 1}', "no known"), ("a.csv", "x,y\n", "no known"),
     ("a.jpg", "", "this is an image")],
)  # fmt: skip
def test_a_file_of_no_format_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises((AnnotationError, DatasetError), match=said):
        formats.read(tmp_path / name)


def test_half_a_file_is_named_in_a_folder_too(tmp_path):
    attacks.half(attacks.via(tmp_path, *[SQUARE] * 9))
    with pytest.raises(AnnotationError, match="the file ends in the middle"):
        formats.read(tmp_path)


@pytest.mark.parametrize("kept", [15, 30, 45])
def test_of_a_file_that_is_nearly_all_gone_it_is_said_that_it_was_cut_off(tmp_path, kept):
    """Too little is left to know VIA by: still it is half a file, not a strange format."""
    path = attacks.via(tmp_path, SQUARE)
    path.write_bytes(path.read_bytes()[:kept])
    for named in (path, tmp_path):
        with pytest.raises(AnnotationError, match="the file ends in the middle") as caught:
            formats.read(named)
        assert caught.value.parts["file"] == str(path) and "cut off" in caught.value.parts["fix"]


@pytest.mark.parametrize("name", ["a.json", "a.xml"])
def test_a_broken_file_of_no_known_format_says_what_is_broken(tmp_path, name):
    (tmp_path / name).write_text("{'images': <1>}", "utf-8")
    with pytest.raises(AnnotationError, match=r"not JSON|not well-formed XML") as caught:
        formats.read(tmp_path / name)
    assert caught.value.parts["record"].startswith("line 1, column")


def test_half_an_xml_file_named_alone_is_no_matter_of_faulty_regions(tmp_path):
    attacks.image(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text("<annotation><object>", "utf-8")
    with pytest.raises(AnnotationError, match="not well-formed XML"):
        formats.read(tmp_path / "a.xml")


def test_what_may_not_be_read_is_not_called_empty(tmp_path, monkeypatch):
    """Rights cannot be taken away from everybody who runs tests: here the system is made to refuse."""
    path = attacks.via(tmp_path / "data", SQUARE)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    for named in (path, path.parent):
        with pytest.raises(DatasetError, match=r"cannot be read \(Permission denied\)"):
            formats.read(named)


def test_an_annotation_file_that_may_not_be_read_is_not_passed_over(tmp_path, monkeypatch):
    """The images of its part would count as unlabeled."""
    for part in ("train", "val"):
        attacks.via(tmp_path / part, SQUARE)
    real = open

    def refuse(path: Path | str, *arguments, **more):
        if Path(path).parent.name == "train" and Path(path).suffix == ".json":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(DatasetError, match="cannot be read") as caught:
        formats.read(tmp_path)
    assert caught.value.parts["file"] == str(tmp_path / "train" / "via.json")


def test_no_image_outside_the_folder_is_ever_read(tmp_path):
    data = formats.read(attacks.escaping(tmp_path))
    assert [record.image.name for record in data] == ["own.jpg"]
    assert absent(data) == ["../secret.jpg"]


# --- folders ------------------------------------------------------------------------------------
def test_annotations_in_a_folder_of_their_own(tmp_path):
    attacks.image(tmp_path / "images" / "a.jpg")
    path = attacks.via(tmp_path / "annotations", SQUARE)
    (path.parent / "a.jpg").unlink()
    assert len(formats.read(tmp_path)) == len(formats.read(path)) == 1


def test_three_states_of_an_image_are_three_things(tmp_path):
    path = attacks.via(tmp_path)
    attacks.image(tmp_path / "b.jpg")
    assert formats.read(path).state_counts() == {"labeled": 0, "empty": 1, "unlabeled": 1, "skipped": 0}


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_split_folders_are_read_as_splits(tmp_path, val):
    attacks.via(tmp_path / "train", SQUARE, SQUARE)
    attacks.via(tmp_path / val, SQUARE)
    attacks.image(tmp_path / "test" / "deep" / "c.jpg")
    data = formats.read(tmp_path)
    assert [(record.split, record.state) for record in data] == [
        ("train", "labeled"), ("val", "labeled"), ("test", "unlabeled")]  # fmt: skip
    assert data.name == data.names[0]


def test_one_file_above_split_folders_of_images_names_their_splits(tmp_path):
    attacks.image(tmp_path / "train" / "a.jpg")
    attacks.image(tmp_path / "val" / "b.jpg")
    records = {name: {"filename": name, "regions": []} for name in ("a.jpg", "b.jpg")}
    attacks.written(tmp_path / "via.json", records)
    assert [record.split for record in formats.read(tmp_path)] == ["train", "val"]


def test_list_files_name_the_splits(tmp_path):
    path = attacks.via(tmp_path)
    attacks.image(tmp_path / "b.jpg")
    (tmp_path / "train.txt").write_text("images/a.jpg\n\n", "utf-8")
    (tmp_path / "valid.txt").write_text("b\n", "utf-8")
    assert [record.split for record in formats.read(path)] == ["train", "val"]


def test_an_image_in_two_lists_is_an_error(tmp_path):
    path = attacks.via(tmp_path)
    for name in ("train.txt", "val.txt"):
        (tmp_path / name).write_text("a.jpg\n", "utf-8")
    with pytest.raises(DatasetError, match="an image stands in two lists"):
        formats.read(path)


def test_files_of_different_images_are_joined(tmp_path):
    attacks.via(tmp_path, SQUARE, file="one_train.json")
    attacks.via(tmp_path, SQUARE, SQUARE, name="b.jpg", file="one_val.json")
    data = formats.read(tmp_path)
    assert [(record.split, len(record.instances or ())) for record in data] == [("train", 1), ("val", 2)]
    assert sentences(data) == ("2 annotation files of different images were joined: one_train.json, one_val.json",)


def test_files_of_the_same_images_are_listed_not_guessed_among(tmp_path):
    attacks.via(tmp_path, (SQUARE, {"name": "rust"}), file="one.json")
    attacks.via(tmp_path, (SQUARE, {"name": "hole"}), (SQUARE, {"name": "hole"}), file="two.json")
    with pytest.raises(DatasetError) as caught:
        formats.read(tmp_path)
    assert str(caught.value) == (
        f"DatasetError: {tmp_path}: several annotation files for the same images\n"
        "  expected  one\n"
        "  got       2:\n"
        "          one.json  (via: 1 images, 1 instances; rust 1)\n"
        "          two.json  (via: 1 images, 2 instances; hole 2)\n"
        f"  fix       name the one to use, for example {tmp_path / 'one.json'}"
    )
    assert formats.read(tmp_path / "two.json").class_counts() == {"hole": 2}


def test_of_a_folder_of_xml_and_a_file_beside_it_the_file_can_be_named(tmp_path):
    path = attacks.via(tmp_path, (SQUARE, {"name": "rust"}))
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.jpg</filename><object><name>dent</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"
    )
    with pytest.raises(DatasetError, match="several annotation files") as caught:
        formats.read(tmp_path)
    assert caught.value.parts["fix"] == f"name the one to use, for example {path}"


def test_a_name_that_no_annotation_file_has_is_in_the_error(tmp_path):
    attacks.via(tmp_path, SQUARE)
    with pytest.raises(DatasetError, match="no annotations found") as caught:
        formats.read(tmp_path, annotations="*.xml")
    assert caught.value.parts["expected"] == "annotation files called *.xml"


def test_an_unpacked_archive_may_hold_one_more_folder(tmp_path):
    attacks.via(tmp_path / "inside" / "train", SQUARE)
    attacks.via(tmp_path / "inside" / "val", SQUARE)
    assert len(formats.read(tmp_path)) == 2


def test_several_data_sets_in_one_folder_are_not_guessed_among(tmp_path):
    attacks.via(tmp_path / "one", SQUARE)
    attacks.via(tmp_path / "two", SQUARE)
    with pytest.raises(DatasetError, match="several datasets in one folder"):
        formats.read(tmp_path)


def test_a_format_can_be_asked_for(tmp_path):
    attacks.via(tmp_path, SQUARE)
    attacks.coco(tmp_path, {"bbox": [1, 2, 3, 4]})
    with pytest.raises(DatasetError, match="several annotation files"):
        formats.read(tmp_path)
    assert formats.read(tmp_path, format="coco").format == "coco"


def test_a_format_without_attributes_refuses_one_and_names_those_that_have_them(tmp_path):
    path = attacks.coco(tmp_path, {"bbox": [1, 2, 3, 4]})
    with pytest.raises(DatasetError) as caught:
        formats.read(path, class_attribute="kind")
    assert str(caught.value) == (
        f"DatasetError: {path}: this format has no attributes to choose the class from\n"
        "  field     --class-attribute\n"
        "  expected  data of via, via3\n"
        "  got       coco, and 'kind'\n"
        "  fix       leave --class-attribute out"
    )


# --- real data ----------------------------------------------------------------------------------
def test_car_damage_holds_several_label_sets_and_lists_them(shared):
    with pytest.raises(DatasetError) as caught:
        formats.read(shared / "data" / "car_damage_via")
    said = str(caught.value)
    assert "train/via_region_data.json  (via: 62 images, 152 instances; damage 152)" in said
    assert "train/train_multiclass.json  (via: 62 images, 191 instances; door 38" in said
    assert "val/via_region_data.csv  (via: 8 images, 12 instances; damage 12)" in said
    assert "attributes" not in said


def test_car_damage_with_one_label_set_has_an_unlabeled_test_part(shared, tmp_path):
    source = shared / "data" / "car_damage_via"
    for split in ("train", "val", "test"):
        shutil.copytree(source / split, tmp_path / split, ignore=_all_but("via_region_data.json"))
    data = formats.read(tmp_path)
    assert {split: (len(part), part.instance_count) for split, part in data.splits().items()} == {
        "train": (62, 152), "val": (8, 12), "test": (8, 0)}  # fmt: skip
    assert data.state_counts() == {"labeled": 70, "empty": 0, "unlabeled": 8, "skipped": 0}


def _all_but(kept: str):
    def ignore(_: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(name).suffix in (".json", ".csv") and name != kept]

    return ignore
