"""KITTI: a text an image, and areas in which nothing is labeled."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from attacks.annotations import image
from hypothesis import given
from hypothesis import strategies as st
from reported import absent, put_aside, sentences
from zoo import with_images

from maskwright import formats
from maskwright.errors import MaskwrightError

CAR = "Car 0.00 0 -1.57 2 3 12 9 2.85 2.63 12.34 0.47 1.49 69.44 -1.56"
AREA = "DontCare -1 -1 -10 20 3 30 9 -1 -1 -1 -1000 -1000 -1000 -10"


def labeled(folder: Path, *lines: str, name: str = "000000") -> Path:
    image(folder / "image_2" / f"{name}.png")
    (folder / "label_2").mkdir(exist_ok=True)
    (folder / "label_2" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def test_a_text_without_lines_is_an_empty_image_and_an_image_without_text_unlabeled(tmp_path):
    image(labeled(tmp_path) / "image_2" / "000001.png")
    data = formats.read(labeled(tmp_path, CAR, name="000002"))
    assert {record.image.stem: record.state for record in data} == {
        "000000": "empty", "000001": "unlabeled", "000002": "labeled"}  # fmt: skip


def test_a_line_is_a_box_with_what_hides_it(tmp_path):
    found = formats.read(labeled(tmp_path, CAR, CAR.replace("0.00 0", "0.25 2") + " 0.9")).records[0].instances
    assert found is not None and found.boxes.tolist() == [[2, 3, 12, 9]] * 2 and found.labels == ["Car", "Car"]
    assert found.annotations is not None and found.annotations[0] is None and found.annotations[1] is not None
    assert found.annotations[1].attributes == {"truncated": 0.25, "occluded": 2}


def test_areas_that_nobody_labeled_are_counted_and_their_image_is_labeled_in_part(tmp_path):
    labeled(tmp_path, CAR, AREA)
    data = formats.read(labeled(tmp_path, CAR, name="000001"))
    assert [record.incomplete for record in data] == [True, False] and data.names == ("Car",)
    assert sentences(data) == ("1 area (DontCare) in which objects are not labeled was left out",)


@pytest.mark.parametrize(
    ("bad", "field"),
    [("Car 0 0", "line"), (CAR.replace(" 12 ", " x "), "line"), (CAR.replace(" 12 ", " nan "), "line"),
     (CAR.replace(" 12 ", " 1 "), "box"), (CAR + " 1 2", "line")],
)  # fmt: skip
def test_a_broken_line_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(labeled(tmp_path, CAR, bad), allow_faulty=True)
    (issue,) = put_aside(data)
    assert issue.subject == 'image "000000", region in line 2' and issue.values["field"] == field
    assert data.instance_count == 1


def test_a_link_that_leads_nowhere_is_put_aside(tmp_path):
    labeled(tmp_path, CAR)
    image(tmp_path / "image_2" / "000001.png")
    (tmp_path / "label_2" / "000001.txt").symlink_to(tmp_path / "label_2" / "nowhere.txt")
    data = formats.read(tmp_path, allow_faulty=True)
    assert {record.image.stem: record.state for record in data} == {"000000": "labeled", "000001": "skipped"}


@given(st.binary(max_size=60))
def test_any_bytes_give_a_data_set_or_our_error(tmp_path_factory, junk):
    folder = labeled(tmp_path_factory.mktemp("kitti"), CAR)
    (folder / "label_2" / "000000.txt").write_bytes(CAR.encode() + b"\n" + junk)
    with contextlib.suppress(MaskwrightError):
        formats.read(folder, allow_faulty=True)


def test_real_labels_are_counted_right(shared):
    data = formats.read(shared / "data/zoo/kitti")
    assert data.class_counts() == {"Car": 1, "Cyclist": 1, "Pedestrian": 1, "Truck": 1} and absent(data) == ["000002"]
    assert {name: len(part) for name, part in data.splits().items()} == {"train": 2}
    assert "4 areas (DontCare)" in sentences(data)[0]


def test_real_labels_with_all_their_images_have_all_boxes(shared, tmp_path):
    case = shared / "data/zoo/kitti"
    data = formats.read(with_images(case, tmp_path, {"training/image_2/000002.png": (375, 1242)}))
    assert data.class_counts() == {"Car": 2, "Cyclist": 1, "Misc": 1, "Pedestrian": 1, "Truck": 1}
    assert not put_aside(data) and sum(record.incomplete for record in data) == 1
