"""KITTI MOTS: masks of tracked objects in pictures of 16 bits, or in lines of run lengths."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from attacks.annotations import image
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import MaskwrightError
from maskwright.formats import kitti_mots
from maskwright.formats.reading import Head
from maskwright.types import RleMasks


def frames(folder: Path, count: int = 2) -> Path:
    for number in range(count):
        image(folder / "image_02" / "0002" / f"{number:06}.png")
    return folder


def picture(folder: Path, frame: int, *values: int) -> None:
    """Each value in a block of 3 x 3 pixels of its own."""
    pixels = np.zeros((30, 40), np.uint16)
    for place, value in enumerate(values):
        pixels[2:5, 4 * place : 4 * place + 3] = value
    file = folder / "instances" / "0002" / f"{frame:06}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def text(folder: Path, *lines: str) -> None:
    (folder / "instances_txt").mkdir(parents=True, exist_ok=True)
    (folder / "instances_txt" / "0002.txt").write_text("\n".join(lines) + "\n", "utf-8")


def line(frame: int, value: int, kind: int, size: str = "30 40") -> str:
    drawn = np.zeros((1, 30, 40), bool)
    drawn[0, 2:5, 2:5] = True
    return f"{frame} {value} {kind} {size} {RleMasks.from_dense(drawn).to_coco()[0]['counts']}"


def test_a_picture_without_objects_is_an_empty_image_and_no_picture_an_unlabeled_one(tmp_path):
    picture(frames(tmp_path, 3), 0)
    picture(tmp_path, 2, 1005)
    assert [record.state for record in formats.read(tmp_path)] == ["empty", "unlabeled", "labeled"]


def test_values_are_class_and_number_and_sequences_groups(tmp_path):
    picture(frames(tmp_path), 0, 1005, 2001)
    data = formats.read(tmp_path)
    record = data.records[0]
    assert (data.format, data.names, {item.group for item in data}) == ("kitti_mots", ("car", "pedestrian"), {"0002"})
    assert record.instances is not None and record.instances.masks is not None
    assert record.instances.labels == ["car", "pedestrian"] and record.instances.masks.area.tolist() == [9, 9]
    notes = record.instances.annotations or ()
    assert [note.attributes["track_id"] for note in notes if note is not None] == [5, 1]


def test_ignored_regions_are_counted_and_their_images_labeled_in_part(tmp_path):
    picture(frames(tmp_path), 0, 1005, 10000)
    picture(tmp_path, 1, 1005)
    data = formats.read(tmp_path)
    assert [record.incomplete for record in data] == [True, False] and data.instance_count == 2
    assert sentences(data) == ("1 region in which objects are not labeled was left out",)


def test_lines_of_run_lengths_say_the_same_and_a_frame_without_lines_is_empty(tmp_path):
    text(frames(tmp_path, 3), line(0, 1005, 1), line(0, 10000, 10), line(2, 2001, 2))
    data = formats.read(tmp_path)
    assert [(record.state, record.incomplete) for record in data] == [
        ("labeled", True), ("empty", False), ("labeled", False),
    ]  # fmt: skip
    found = data.records[0].instances
    assert found is not None and found.boxes.tolist() == [[2, 2, 5, 5]] and found.labels == ["car"]


@pytest.mark.parametrize(
    ("bad", "subject", "field"),
    [
        (line(9, 1001, 1), 'file "0002.txt", line 2', "frame"),
        ("x", 'file "0002.txt", line 2', "frame"),
        ("0 1001 1 30", 'image "image_02/0002/000000.png", region in line 2', "line"),
        (line(0, 3001, 3), 'image "image_02/0002/000000.png", region in line 2', "class"),
        (line(0, 1001, 1, "40 30"), 'image "image_02/0002/000000.png", region in line 2', "segmentation.size"),
        ("0 1001 1 30 40 !!", 'image "image_02/0002/000000.png", region in line 2', "segmentation.counts"),
    ],
)
def test_a_broken_line_is_put_aside_by_name(tmp_path, bad, subject, field):
    text(frames(tmp_path), line(0, 1005, 1), bad)
    data = formats.read(tmp_path, allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == (subject, field) and data.instance_count == 1


def test_a_broken_picture_or_one_of_another_size_skips_its_image(tmp_path):
    picture(frames(tmp_path), 0, 1005)
    Image.fromarray(np.full((20, 40), 1005, np.uint16)).save(tmp_path / "instances" / "0002" / "000001.png")
    data = formats.read(tmp_path, allow_faulty=True)
    assert [record.state for record in data] == ["labeled", "skipped"]
    (tmp_path / "instances" / "0002" / "000001.png").write_bytes(b"\x89PNG\r\n")
    assert [record.state for record in formats.read(tmp_path, allow_faulty=True)] == ["labeled", "skipped"]


def test_values_of_no_class_are_faults(tmp_path):
    for frame in range(6):
        picture(frames(tmp_path, 6), frame, 1005, *[7] * (frame == 5))
    (issue,) = put_aside(formats.read(tmp_path, allow_faulty=True))
    assert issue.values["expected"] == "1000 x class + number, class 1 or 2"


def test_other_folders_of_masks_called_instances_stay_masks(tmp_path):
    picture(frames(tmp_path), 0, 1, 2)
    picture(tmp_path, 1, 3)
    assert kitti_mots.sniff(Head(tmp_path)) is None
    data = formats.read(tmp_path)
    assert (data.format, data.instance_count) == ("mask_images", 3)


@given(st.text("0123456789 -.x\n", max_size=40))
def test_any_text_gives_a_data_set_or_our_error(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("mots")
    text(frames(folder), line(0, 1005, 1), content)
    with contextlib.suppress(MaskwrightError):
        formats.read(folder, allow_faulty=True)
