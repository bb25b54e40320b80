"""Labels of whole photos as a CSV table: one column of labels, or one of 0 and 1 for each class."""

from __future__ import annotations

from pathlib import Path

import pytest
from attacks.annotations import photo

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats import labels_csv
from maskwright.formats.reading import Head
from maskwright.types import Dataset


def table(folder: Path, *rows: str, header: str = "file,labels", photos: str = "abc") -> Path:
    for name in photos:
        photo(folder / f"{name}.jpg")
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def said(data: Dataset) -> dict[str, tuple[str, ...] | None]:
    return {
        record.photo.stem: None if record.labels is None else tuple(data.names[label] for label in record.labels)
        for record in data
    }


# --- nothing there ------------------------------------------------------------------------------
def test_a_header_without_rows_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match="this table has no labels of photos"):
        formats.read(table(tmp_path), format="labels_csv")


def test_an_empty_cell_says_nothing_and_none_says_none(tmp_path):
    assert said(formats.read(table(tmp_path, "a.jpg,rust", "b.jpg,", "c.jpg,none"))) == {
        "a": ("rust",), "b": None, "c": (),
    }  # fmt: skip


def test_a_photo_in_no_row_is_unlabelled(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,rust", "b.jpg,dent"))
    assert data.state_counts() == {"labelled": 2, "empty": 0, "unlabelled": 1, "skipped": 0}


# --- what is there ------------------------------------------------------------------------------
@pytest.mark.parametrize("between", [";", "|", " ; "])
def test_several_labels_a_photo(tmp_path, between):
    data = formats.read(table(tmp_path, f"a.jpg,rust{between}dent", "b.jpg, rust ", "c.jpg,dent"))
    assert (data.format, data.names) == ("labels_csv", ("dent", "rust"))
    assert said(data) == {"a": ("dent", "rust"), "b": ("rust",), "c": ("dent",)}


def test_a_column_a_class(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,1,0", "b.jpg,1,1", "c.jpg,0,False", header="filename,rust,dent"))
    assert said(data) == {"a": ("rust",), "b": ("dent", "rust"), "c": ()}


def test_a_class_without_any_photo_is_still_a_class(tmp_path):
    assert formats.read(table(tmp_path, "a.jpg,1,0", header="image,rust,dent")).names == ("dent", "rust")


def test_several_rows_of_a_photo_are_joined(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,rust", "a.jpg,dent", "b.jpg,dent", "c.jpg,dent"))
    assert said(data)["a"] == ("dent", "rust")
    assert "some photos stand in several rows: their labels were joined" in data.remarks


def test_split_and_group_are_read(tmp_path):
    path = table(tmp_path, "a.jpg,rust,train,1", "b.jpg,dent,valid,1", "c.jpg,dent,,", header="file,label,split,group")
    assert [(each.split, each.group) for each in formats.read(path)] == [("train", "1"), ("val", "1"), (None, None)]


def test_a_folder_with_such_a_table_is_read_by_it(tmp_path):
    table(tmp_path, "a.jpg,rust", "b.jpg,dent", "c.jpg,dent")
    assert formats.read(tmp_path).format == "labels_csv"


# --- what is wrong ------------------------------------------------------------------------------
def test_a_cell_that_is_neither_0_nor_1_is_named(tmp_path):
    path = table(tmp_path, "a.jpg,1,0", "b.jpg,maybe,1", "c.jpg,0,1", header="file,rust,dent")
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert (caught.value.parts["record"], caught.value.parts["field"]) == ('photo "b.jpg", row 2', "rust")
    data = formats.read(path, allow_faulty=True)
    assert said(data) == {"a": ("rust",), "c": ("dent",), "b": None}


def test_photos_that_are_not_there_are_named(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,rust", "z.jpg,dent", "c.jpg,dent"))
    assert '1 of 3 named photos are absent: "z.jpg"' in data.remarks
    with pytest.raises(DatasetError, match="none of the photos it names is in the folder"):
        formats.read(table(tmp_path / "other", "y.jpg,rust", "z.jpg,dent", photos="a"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,4,4,rust,0,0,1,1"),
        ("photo,label,score norust,score rust", "a.jpg,rust,0.1,0.9"),  # what `predict --save-csv` writes
        ("photo,truth,said,score rust", "a.jpg,rust,rust,0.9"),
        ("file,size", "a.jpg,1200"),
        ("name,labels", "a.jpg,rust"),
        ("file,labels", '"a.jpg,rust'),
    ],
)
def test_other_tables_are_not_ours(tmp_path, header, row):
    assert labels_csv.sniff(Head(table(tmp_path, row, header=header))) is None
