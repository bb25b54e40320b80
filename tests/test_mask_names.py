"""Names of the values of semantic masks, from the lists that lie beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import sentences

from maskwright import formats
from maskwright.formats import mask_names

ADE = """Idx\tRatio\tTrain\tVal\tStuff\tName
1\t0.1576\t11664\t1172\t1\twall
13\t0.0223\t6678\t671\t0\tperson, individual, someone
21\t0.0112\t3163\t276\t0\tcar, auto, automobile
"""
NAMED = {13: "person", 21: "car"}


def semantic(folder: Path) -> Path:
    """Two images, each with a wall, two persons and a car."""
    random = np.random.default_rng(0)
    for split, number in (("training", 1), ("validation", 2)):
        values = np.zeros((40, 60), np.uint8)
        values[:10], values[20:25, 5:10], values[20:25, 20:25], values[35:, 30:40] = 1, 13, 13, 21
        for name, pixels in (("images", random.integers(0, 255, (40, 60, 3), np.uint8)), ("annotations", values)):
            (folder / name / split).mkdir(parents=True)
            ending = ".jpg" if name == "images" else ".png"
            Image.fromarray(pixels).save(folder / name / split / f"ADE_{number:08}{ending}")
    return folder


def test_without_a_list_the_values_are_the_names(tmp_path):
    data = formats.read(semantic(tmp_path), connected_components=True)
    assert data.class_counts() == {"1": 2, "13": 4, "21": 2} and mask_names.find(tmp_path).names == {}


@pytest.mark.parametrize(
    "text", [ADE, ADE.replace("\t", ",").replace("person, individual, someone", '"person;someone"')]
)
def test_ade_names_its_values_and_its_stuff_is_no_object(tmp_path, text):
    (semantic(tmp_path) / "objectInfo150.txt").write_text(text, "utf-8")
    data = formats.read(tmp_path, connected_components=True)
    assert data.class_counts() == {"car": 2, "person": 4}
    assert [record.split for record in data] == ["train", "val"]
    assert sentences(data)[:2] == (
        "the values of the masks are called as objectInfo150.txt says",
        "2 stuff segments cannot be used here: left out",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "config.yaml",
            "train: images\n# remark\nclasses:\n  0: unlabeled\n  1: void\n  13: person\n  21: 'car'\nother: 1\n",
        ),
        ("labels.txt", "0 background\n1 ignore\n13 person\n21 car\n"),
        ("classes.txt", "1: void\n13: person\n21: car\n"),
        ("id2label.json", '{"1": "void", "13": "person", "21": "car"}'),
    ],
)
def test_other_lists_with_numbers_are_read_and_void_is_no_object(tmp_path, name, text):
    (semantic(tmp_path) / name).write_text(text, "utf-8")
    assert formats.read(tmp_path, connected_components=True).class_counts() == {"car": 2, "person": 4}
    assert mask_names.find(tmp_path / "val").file == name


def test_values_without_a_name_keep_their_number_and_are_named(tmp_path):
    (semantic(tmp_path) / "labels.txt").write_text("13 person\n", "utf-8")
    data = formats.read(tmp_path, connected_components=True)
    assert data.names == ("1", "21", "person")
    assert "labels.txt has no names for 2 values of the masks, whose numbers are their names: 1, 21" in sentences(data)


@pytest.mark.parametrize("text", ["person\ncar\n", "13\n", "", "13 person\nx\n"])
def test_a_list_without_numbers_names_nothing(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text, "utf-8")
    assert mask_names.find(tmp_path) == mask_names.MaskNames()


@given(st.sampled_from(["objectInfo150.txt", "labels.txt", "a.yaml"]), st.text("0123 \t:,\nab'#", max_size=40))
def test_any_list_gives_names_that_are_texts(tmp_path_factory, name, text):
    folder = tmp_path_factory.mktemp("names")
    (folder / name).write_text(text, "utf-8")
    assert all(label.strip() for label in mask_names.find(folder).names.values())


def test_values_of_a_real_set_have_the_names_of_its_yaml(shared):
    data = formats.read(shared / "data/zoo/mask_semantic_png", connected_components=True)
    assert data.instance_count > 5 and not any(name.isdecimal() for name in data.names)
