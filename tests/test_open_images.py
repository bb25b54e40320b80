"""Open Images: boxes in fractions, codes and their names, which classes were looked for."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from attacks.annotations import image
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.formats import open_images
from maskwright.formats.faults import Faults
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


def test_labels_of_images_alone_are_their_classes_and_all_of_the_table_were_looked_for(tmp_path):
    for name in "bc":
        image(tmp_path / f"{name}.png")
    table(tmp_path, verified="a,x,/m/1,1\na,x,/m/9,0.4\nb,x,/m/9,1\nb,x,/m/1,0\nc,x,/m/1,0\n").unlink()
    data = formats.read(tmp_path)
    assert data.names == ("/m/9", "Rust") and {record.instances for record in data} == {None}
    assert [(record.labels, record.labelled_classes) for record in data] == [
        ((1,), (0, 1)), ((0,), (0, 1)), ((), (1,)),
    ]  # fmt: skip


def test_a_table_without_boxes_masks_and_labels_says_what_is_missing(tmp_path):
    path = table(tmp_path)
    path.write_text("ImageID,LabelName\na,/m/1\n", "utf-8")
    with pytest.raises(AnnotationError, match="a table without boxes"):
        open_images.read(path, Faults(path))


MASKS = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"


def masks(folder: Path, *rows: str, size: tuple[int, int] = (30, 40), name: str = "m.png") -> None:
    (folder / "train-annotations-object-segmentation.csv").write_text("\n".join([MASKS, *rows]) + "\n", "utf-8")
    drawn = np.zeros(size, np.uint8)
    drawn[size[0] // 10 : size[0] * 3 // 10, size[1] // 20 : size[1] * 3 // 10] = 255
    (folder / "masks").mkdir(exist_ok=True)
    Image.fromarray(drawn).save(folder / "masks" / name)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_mask_belongs_to_the_box_of_its_class_and_place_and_is_scaled_to_the_image(tmp_path, scale):
    table(tmp_path, row("/m/2"), row("/m/1", x1="0.2"), row("/m/1", more="0,0,1,0,0"))
    masks(tmp_path, "m.png,a,/m/1,x,0.05,0.3,0.1,0.3,0.9,", size=(30 // scale, 40 // scale))
    found = formats.read(tmp_path).records[0].instances
    assert found is not None and found.masks is not None and found.crowd is not None
    assert found.labels == ["/m/2", "Rust", "Rust"] and found.crowd.tolist() == [False, False, True]
    assert found.boxes.round(3).tolist() == [[2, 3, 12, 9], [8, 3, 12, 9], [2, 3, 12, 9]]
    assert found.masks.area[2] == 60 / scale * scale if scale == 1 else found.masks.area[2] in range(40, 61)


def test_masks_without_a_box_are_objects_and_absent_ones_are_boxes(tmp_path):
    table(tmp_path).unlink()
    masks(tmp_path, "m.png,a,/m/1,x,0.05,0.3,0.1,0.3,0.9,", "none.png,a,/m/9,x,0.5,0.75,0.1,0.3,0.9,")
    data = formats.read(tmp_path)
    found = data.records[0].instances
    assert found is not None and found.masks is not None and found.labels == ["Rust", "/m/9"]
    assert found.masks.area.tolist() == [60, 60] and found.boxes[1].tolist() == [20, 3, 30, 9]
    assert "1 mask is absent: its object was read as a box" in sentences(data)


@pytest.mark.parametrize(
    ("size", "twice", "got"),
    [((30, 20), False, "30 x 20"), ((300, 400), False, "300 x 400"), ((5, 7), True, "masks/m.png, other/m.png")],
)  # fmt: skip
def test_a_mask_of_another_shape_or_of_a_name_that_is_there_twice_is_put_aside(tmp_path, size, twice, got):
    path = table(tmp_path, row())
    masks(tmp_path, "m.png,a,/m/1,x,0.05,0.3,0.1,0.3,0.9,", size=size)
    if twice:
        image(tmp_path / "other" / "m.png", size)
    (issue,) = put_aside(formats.read(path, allow_faulty=True))
    assert (issue.subject, issue.values["field"]) == ('image "a", region in row 1', "MaskPath")
    assert issue.values["got"] == got


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
    found = data.records[0].instances
    assert found is not None and found.masks is not None and found.masks.area.tolist() == [4]
    assert not any("passed over" in sentence for sentence in sentences(data))
