"""Open Images: boxes in fractions, codes and their names, which classes were looked for."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from attacks.annotations import image
from hypothesis import given
from hypothesis import strategies as st
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.formats.open_images import CLASSES_UNNAMED, CLASSES_UNVERIFIED

HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"


def row(code: str = "/m/1", x1: str = "0.05", more: str = "0,0,0,0,0", name: str = "a") -> str:
    return f"{name},xclick,{code},1,{x1},0.3,0.1,0.3,{more}"


def table(folder: Path, *rows: str, named: bool = True, verified: str = "") -> Path:
    image(folder / "a.png")
    if named:
        (folder / "class-descriptions-boxable.csv").write_text("/m/1,Rust\n/m/2,Dent\n/m/3,Dent\n", "utf-8")
    if verified:
        labels = "ImageID,Source,LabelName,Confidence\n" + verified
        (folder / "train-annotations-human-imagelabels.csv").write_text(labels, "utf-8")
    path = folder / "train-annotations-bbox.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    return path


def test_an_image_in_no_row_is_unlabeled_not_empty(tmp_path):
    image(tmp_path / "b.png")
    data = formats.read(table(tmp_path, row()))
    assert [record.state for record in data] == ["labeled", "unlabeled"]


def test_a_box_is_in_fractions_and_has_its_marks(tmp_path):
    found = formats.read(table(tmp_path, row(), row(more="1,0,1,-1,0"))).records[0].instances
    assert found is not None and found.boxes.round(4).tolist() == [[2, 3, 12, 9]] * 2
    assert found.labels == ["Rust", "Rust"] and found.crowd is not None and found.crowd.tolist() == [False, True]
    assert found.annotations is not None and found.annotations[1] is not None
    assert found.annotations[1].attributes == {"occluded": 1}


def test_codes_without_a_name_of_their_own_stay_codes(tmp_path):
    data = formats.read(table(tmp_path, row(), row("/m/2"), row("/m/9")))
    assert data.names == ("/m/2", "/m/9", "Rust") and CLASSES_UNNAMED.among(data.issues)


def test_only_classes_that_were_verified_are_labeled_on_an_image(tmp_path):
    data = formats.read(table(tmp_path, row()))
    assert data.records[0].labelled_classes is None and CLASSES_UNVERIFIED.among(data.issues)
    image(tmp_path / "b.png")
    data = formats.read(table(tmp_path, row(), row("/m/9", name="b"), verified="a,x,/m/1,1\nb,x,/m/1,0\n"))
    assert data.names == ("/m/9", "Rust") and [record.labelled_classes for record in data] == [(1,), (0, 1)]


def test_a_table_of_image_labels_alone_says_what_is_missing(tmp_path):
    table(tmp_path, row(), verified="a,x,/m/1,1\n")
    with pytest.raises(AnnotationError, match="a table without boxes"):
        formats.read(tmp_path / "train-annotations-human-imagelabels.csv")


@pytest.mark.parametrize(
    ("bad", "field"),
    [(row(x1="x"), "XMin, YMin, XMax, YMax"), (row(x1="nan"), "XMin, YMin, XMax, YMax"),
     (row(x1="120"), "XMin, YMin, XMax, YMax"), (row(x1="0.3"), "box"), (row(""), "LabelName")],
)  # fmt: skip
def test_a_broken_row_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(table(tmp_path, row(), bad), allow_faulty=True)
    (issue,) = put_aside(data)
    assert issue.subject == 'image "a", region in row 2' and issue.values["field"] == field and data.instance_count == 1


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6), min_size=4, max_size=4))
def test_any_text_in_any_cell_gives_a_data_set_or_our_error(tmp_path_factory, cells):
    bad = ",".join([cells[0], "x", cells[1], "1", cells[2], "0.3", cells[3], "0.3", "0,0,0,0,0"])
    with contextlib.suppress(MaskwrightError):
        formats.read(table(tmp_path_factory.mktemp("oi"), row(), bad), allow_faulty=True)


def test_real_tables_are_counted_right(shared):
    data = formats.read(shared / "data/zoo/openimages_tiny")
    assert data.class_counts() == {"Generic label #0": 1, "Generic label #3": 1} and not absent(data)
    assert {name: len(part) for name, part in data.splits().items()} == {"train": 2, "test": 1}
    assert [record.labelled_classes for record in data] == [(0,), (1,), None]
    assert any("annotations-object-segmentation.csv was passed over" in sentence for sentence in sentences(data))
