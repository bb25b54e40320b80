"""Where the class of a VIA region stands: in one attribute for all files, or as an attribute of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attacks import annotations as attacks
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError
from maskwright.formats import via_classes

SQUARE = {"name": "polygon", "all_points_x": [2, 12, 12, 2], "all_points_y": [2, 2, 12, 12]}


def split_set(folder: Path, train: list[Any], val: list[Any]) -> Path:
    for split, several in (("train", train), ("val", val)):
        attacks.via(folder / split, *((SQUARE, item) for item in several))
    return folder


# --- nothing there ------------------------------------------------------------------------------
def test_without_regions_there_is_no_attribute():
    assert via_classes.find([]) == via_classes.Location(None)
    assert via_classes.find([{}, None, {"class": " "}]) == via_classes.Location(None)


def test_one_whole_number_is_one_class_however_it_is_written(tmp_path):
    data = formats.read(attacks.via(tmp_path, *((SQUARE, {"class": value}) for value in (1, "1", 1.0))))
    assert data.class_counts() == {"1": 3}


# --- one attribute for all files ----------------------------------------------------------------
def test_all_files_of_a_data_set_take_the_class_from_one_attribute(tmp_path):
    """By itself the second file would take "side", which more of its regions have."""
    train = [{"animal": "cat", "side": "left"}] * 8
    val = [{"animal": "dog", "side": "left"}, {"side": "right"}, {"side": "right"}]
    data = formats.read(split_set(tmp_path, train, val[:1] * 1 + val[1:]), allow_faulty=True)
    assert set(data.names) in ({"cat", "dog"}, {"left", "right"})
    told = [remark.split(" (")[0].split(": ", 1)[1] for remark in sentences(data) if "the class is taken" in remark]
    assert len(told) == 2 and len(set(told)) == 1


def test_an_attribute_in_other_case_is_the_same_attribute(tmp_path):
    train, val = [{"class": "cat"}, {"class": "dog"}], [{"Class": "cat"}, {"Class ": "dog"}]
    data = formats.read(split_set(tmp_path, train, val))
    assert data.class_counts() == {"cat": 2, "dog": 2}


def test_a_file_without_attributes_has_the_one_class_of_the_others(tmp_path):
    data = formats.read(split_set(tmp_path, [{"insect": "kudzu"}] * 2, [{}, {}]))
    assert data.class_counts() == {"kudzu": 4}
    assert any('read as "kudzu", the only class of the other files' in remark for remark in sentences(data))


def test_a_file_without_attributes_beside_several_classes_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match="regions are faulty"):
        formats.read(split_set(tmp_path, [{"insect": "kudzu"}, {"insect": "ant"}], [{}, {}]))


def test_where_no_file_knows_a_class_all_are_named_after_the_folder(tmp_path):
    data = formats.read(split_set(tmp_path / "kites", [{}], [{}]))
    assert data.class_counts() == {"kites": 2}


# --- each class an attribute of its own ---------------------------------------------------------
@pytest.mark.parametrize(
    ("cat", "dog"),
    [
        ({"cat": "cat"}, {"dog": "dog"}),
        ({"cat": "yes", "dog": ""}, {"cat": "", "dog": "Yes"}),
        ({"cat": "1", "dog": "0"}, {"cat": "0", "dog": "1"}),
        ({"cat": True, "dog": False}, {"cat": False, "dog": True}),
        ({"cat": {"cat": True}}, {"dog": {"dog": True}}),
        ({"cat": {"tick": True}, "dog": {}}, {"cat": {}, "dog": {"tick": True}}),
    ],
)
def test_where_each_class_is_an_attribute_the_filled_one_is_the_class(tmp_path, cat, dog):
    data = formats.read(attacks.via(tmp_path, *[(SQUARE, cat)] * 2, (SQUARE, dog)))
    assert data.class_counts() == {"cat": 2, "dog": 1}
    assert sentences(data)[0].startswith("each class is an attribute of its own")


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ([{"head": "head"}, {"head": "head"}], {"head"}),
        ([{"damaged": "yes"}, {"damaged": "no"}], {"yes", "no"}),
        ([{"kind": "cat", "ripe": "yes"}, {"kind": "dog", "ripe": "no"}], {"cat", "dog"}),
        ([{"ripe": "yes", "clean": "yes"}, {"ripe": "no", "clean": "yes"}], {"yes", "no"}),
    ],
)
def test_attributes_whose_values_say_more_are_no_classes(tmp_path, attributes, names):
    data = formats.read(attacks.via(tmp_path, *[(SQUARE, attribute) for attribute in attributes]))
    assert set(data.names) <= names


def test_two_names_of_classes_on_many_regions_are_faults_and_no_choice(tmp_path):
    both = [(SQUARE, {"cat": "cat", "dog": "dog"}), (SQUARE, {"dog": "dog"})]
    with pytest.raises(AnnotationError, match="1 of 2 regions are faulty"):
        formats.read(attacks.via(tmp_path, *both))


def test_two_ticks_of_yes_and_no_are_no_classes(tmp_path):
    ticks = [(SQUARE, {"kind": "cat", "cut": True, "far": True}), (SQUARE, {"kind": "dog", "cut": True})]
    assert formats.read(attacks.via(tmp_path, *ticks)).class_counts() == {"cat": 1, "dog": 1}


def test_a_region_with_two_of_the_classes_is_a_fault(tmp_path):
    regions = [(SQUARE, {"cat": "yes"})] * 30 + [(SQUARE, {"dog": "yes"}), (SQUARE, {"cat": "yes", "dog": "yes"})]
    data = formats.read(attacks.via(tmp_path, *regions))
    assert data.class_counts() == {"cat": 30, "dog": 1} and put_aside(data)[0].values["got"] == "cat and dog"
