"""Boxes as a CSV table: rows become boxes, an empty table says where the boxes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attacks.annotations import image
from attacks.tables import boxes_csv
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats import boxes_csv as module
from maskwright.formats.reading import Head
from maskwright.types import Dataset, Instances, Record, RleMasks


def boxes(data: Dataset) -> list[list[float]]:
    return [box for record in data if record.instances is not None for box in record.instances.boxes.tolist()]


# --- nothing there ------------------------------------------------------------------------------
def test_a_header_without_rows_says_where_the_xml_lies(tmp_path):
    path = boxes_csv(tmp_path, file="train_labels.csv")
    for folder in ("test", "train"):
        (tmp_path / "objDet" / folder).mkdir(parents=True)
        (tmp_path / "objDet" / folder / "a.xml").write_text("<annotation/>")
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert str(caught.value) == (
        f"AnnotationError: {path}: this table of boxes has no rows\n"
        "  expected  one row a box\n"
        "  got       a header only\n"
        "  fix       the script that made it found no XML; read the XML instead: name "
        f"{(tmp_path / 'objDet' / 'train').as_posix()}, {(tmp_path / 'objDet' / 'test').as_posix()}"
    )


def test_a_header_without_rows_and_no_xml_says_how_to_make_it(tmp_path):
    with pytest.raises(AnnotationError, match="make it anew from the XML"):
        formats.read(boxes_csv(tmp_path))


def test_an_empty_table_in_a_folder_is_passed_over(tmp_path):
    boxes_csv(tmp_path, file="empty.csv")
    boxes_csv(tmp_path, "a.jpg,40,30,rust,1,2,3,4")
    data = formats.read(tmp_path)
    assert data.instance_count == 1 and "empty.csv was passed over" in sentences(data)[0]


def test_an_image_in_no_row_is_unlabeled_not_empty(tmp_path):
    image(tmp_path / "b.jpg")
    data = formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,1,2,3,4"))
    assert [(record.image.name, record.state) for record in data] == [("a.jpg", "labeled"), ("b.jpg", "unlabeled")]


# --- what is there ------------------------------------------------------------------------------
def test_one_image_under_two_paths_has_the_rows_of_both(tmp_path):
    image(tmp_path / "images/b.jpg")
    names = ("images/b.jpg", "images\\b.jpg", "./images/b.jpg")
    rows = [f"{name},40,30,rust,{left},2,{left + 5},4" for left, name in enumerate(names)]
    data = formats.read(boxes_csv(tmp_path, *rows))
    assert boxes(data) == [[0, 2, 5, 4], [1, 2, 6, 4], [2, 2, 7, 4]]


def test_rows_are_edges_and_stay_as_they_are(tmp_path):
    data = formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,0,0,40,30", "a.jpg,40,30, dent ,1.5,2,3,4"))
    assert (data.names, boxes(data)) == (("dent", "rust"), [[0, 0, 40, 30], [1.5, 2, 3, 4]])
    assert data.records[0].instances.labels == ["rust", "dent"] and sentences(data) == ()


def test_columns_may_stand_in_another_order(tmp_path):
    header = "class,xmin,xmax,ymin,ymax,filename,photographer"
    data = formats.read(boxes_csv(tmp_path, "rust,1,3,2,4,a.jpg,me", header=header))
    assert boxes(data) == [[1, 2, 3, 4]]


def test_another_table_is_not_ours(tmp_path):
    assert module.sniff(Head(boxes_csv(tmp_path, "a.jpg,1", header="filename,class"))) is None


def test_images_may_lie_in_the_folder_beside_the_tables(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    path = boxes_csv(tmp_path / "data", "a.jpg,40,30,rust,1,2,3,4")
    (tmp_path / "data" / "a.jpg").unlink()
    assert len(formats.read(tmp_path).usable()) == len(formats.read(path).usable()) == 1


# --- bad rows -----------------------------------------------------------------------------------
def test_swapped_corners_are_put_in_order_and_told(tmp_path):
    data = formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,9,8,1,2"))
    assert boxes(data) == [[1, 2, 9, 8]]
    assert sentences(data) == ('boxes with swapped corners, put in order: 1 (image "a.jpg", row 1)',)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("a.jpg,40,30,rust,1,2,many,4", "xmax"),
        ("a.jpg,40,30,rust,nan,2,3,4", "xmin"),
        ("a.jpg,40,30,,1,2,3,4", "class"),
        ("a.jpg,40,30,rust,1,2,1,4", "box"),
        ("a.jpg,40,30,rust,50,2,60,4", "points"),
    ],
)
def test_a_faulty_row_is_put_aside_by_name(tmp_path, row, field):
    good = ["a.jpg,40,30,rust,1,2,3,4"] * 30
    data = formats.read(boxes_csv(tmp_path, *good, row))
    assert (data.instance_count, [fault.values["field"] for fault in put_aside(data)]) == (30, [field])
    assert "row 31" in put_aside(data)[0].subject


def test_an_image_of_another_size_is_skipped_never_stretched(tmp_path):
    data = formats.read(boxes_csv(tmp_path, "a.jpg,80,60,rust,1,2,3,4"), allow_faulty=True)
    assert data.records[0].state == "skipped" and put_aside(data)[0].values["field"] == "height x width"


def test_a_row_that_is_cut_off_is_an_error(tmp_path):
    with pytest.raises(AnnotationError, match="a row is too short"):
        formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,1,2"))


def test_no_image_outside_the_folder_is_named(tmp_path):
    image(tmp_path / "secret.jpg")
    data = formats.read(boxes_csv(tmp_path / "in", "../secret.jpg,40,30,rust,1,2,3,4", "a.jpg,40,30,rust,1,2,3,4"))
    assert [record.image.name for record in data] == ["a.jpg"]


# --- writing ------------------------------------------------------------------------------------
def test_what_was_written_is_read(tmp_path):
    data = formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,0,0.25,40,30", 'a.jpg,40,30,"dent, deep",1,2,3,4'))
    assert formats.write(data, tmp_path / "again.csv", "boxes_csv") == ()
    again = formats.read(tmp_path / "again.csv")
    assert (again.names, boxes(again)) == (data.names, boxes(data))


def test_what_a_table_cannot_hold_is_counted(tmp_path):
    masks = RleMasks.from_boxes(np.array([[1, 1, 5, 5]]), (30, 40))
    drawn = Instances(masks.boxes, np.zeros(1), np.ones(1), masks, ("rust",))
    files = [image(tmp_path / f"{name}.jpg") for name in "abc"]
    three = [Record(file, (30, 40), item) for file, item in zip(files, (drawn, drawn[:0], None), strict=True)]
    lost = formats.write(Dataset("some", ("rust",), tuple(three)), tmp_path / "some.csv", "boxes_csv")
    assert {*sentences(lost)} == {
        f"1 {what} cannot be kept" for what in ("outline", "score", "empty image", "unlabeled image")
    }


def test_two_images_of_one_name_are_not_mixed_up(tmp_path):
    box = Instances(np.array([[1, 1, 5, 5]]), np.zeros(1), None, None, ("rust",))
    two = [Record(image(tmp_path / folder / "a.jpg"), (30, 40), box) for folder in ("train", "val")]
    with pytest.raises(DatasetError, match="two images of one name"):
        formats.write(Dataset("some", ("rust",), tuple(two)), tmp_path / "out" / "some.csv", "boxes_csv")
    formats.write(Dataset("some", ("rust",), tuple(two)), tmp_path / "some.csv", "boxes_csv")
    assert [record.split for record in formats.read(tmp_path / "some.csv")] == ["train", "val"]


# --- real data ----------------------------------------------------------------------------------
def test_the_raccoons_are_read_and_the_absent_ones_counted(shared: Path):
    data = formats.read(shared / "data" / "zoo" / "csv_tf_boxes")
    assert (len(data), data.class_counts(), len(absent(data))) == (3, {"raccoon": 3}, 197)
    assert "197 of 200 named images are absent" in sentences(data)[0]


def test_the_empty_tables_of_the_rust_tutorial_point_to_the_xml(shared: Path):
    for split in ("train", "test"):
        with pytest.raises(AnnotationError, match=f"name .*objDet/{split}, "):
            formats.read(shared / "data" / "rust" / f"{split}_labels.csv")


# --- what spreadsheets make of a table ----------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "filename;width;height;class;xmin;ymin;xmax;ymax\na.jpg;40;30;rust;1;2,5;20;25\n",
        "sep=;\r\nFilename;Width;Height;Class;XMin;YMin;XMax;YMax\r\na.jpg;40;30;rust;1;2,5;20;25\r\n",
        "filename\twidth\theight\tclass\txmin\tymin\txmax\tymax\na.jpg\t40\t30\trust\t1\t2.5\t20\t25\n",
        '"FILENAME","WIDTH","HEIGHT","CLASS","XMIN","YMIN","XMAX","YMAX"\n"a.jpg","40","30","rust","1","2.5","20","25"\n',
    ],
)
@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", [".csv", ".TSV"])
def test_a_table_is_read_whatever_a_spreadsheet_made_of_it(tmp_path, text, code, ending):
    image(tmp_path / "a.jpg")
    (tmp_path / f"table{ending}").write_bytes(text.encode(code))
    assert boxes(formats.read(tmp_path)) == [[1, 2.5, 20, 25]]


def test_a_row_without_class_and_box_is_an_empty_image(tmp_path):
    image(tmp_path / "b.jpg")
    data = formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,1,2,3,4", "b.jpg,40,30,,,,,", "a.jpg,40,30,,,,,"))
    assert [(record.image.name, record.state) for record in data] == [("a.jpg", "labeled"), ("b.jpg", "empty")]
    assert not put_aside(data)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "@SUM(1)", "-2+3"])
def test_a_class_that_looks_like_a_formula_is_guarded_and_read_again(tmp_path, name):
    image(tmp_path / "a.jpg")
    drawn = Instances(np.array([[1, 2, 3, 4]]), np.array([0]), None, None, (name,))
    formats.write(
        Dataset("x", (name,), (Record(tmp_path / "a.jpg", (30, 40), drawn),)), tmp_path / "t.csv", "boxes_csv"
    )
    assert f"'{name}" in (tmp_path / "t.csv").read_text("utf-8")
    assert formats.read(tmp_path / "t.csv").names == (name,)


@pytest.mark.parametrize("mark", [",", ";"])
def test_fractions_are_scaled_to_pixels_and_told(tmp_path, mark):
    rows = ["a.jpg,40,30,rust,0.25,0.5,0.75,1.0", "a.jpg,40,30,rust,0,0,1,1"]
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    rows, header = [row.replace(",", mark) for row in rows], header.replace(",", mark)
    data = formats.read(boxes_csv(tmp_path, *rows, header=header))
    assert boxes(data) == [[10, 15, 30, 30], [0, 0, 40, 30]]
    assert sentences(data) == ("coordinates are fractions of width and height (0 to 1): they were scaled to pixels",)


def test_a_box_of_the_first_pixel_in_whole_numbers_is_no_fraction(tmp_path):
    data = formats.read(boxes_csv(tmp_path, "a.jpg,40,30,rust,0,0,1,1"))
    assert boxes(data) == [[0, 0, 1, 1]] and not sentences(data)
