"""CVAT XML: images and tracks of videos, each shape, key frames, subsets; what is no object is counted."""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from attacks import annotations as attacks
from attacks.annotations import image
from hypothesis import given
from hypothesis import strategies as st
from reported import absent, put_aside, sentences
from strategies import masks, outlines, solid_boxes
from zoo import with_images

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, MaskwrightError
from maskwright.formats.cvat_tracks import FRAMES_BY_ORDER, SHAPES_INTERPOLATED, SHAPES_NOT_INTERPOLATED, TRACKS_OPEN
from maskwright.formats.image_classes import IMAGE_CLASSES_UNUSED
from maskwright.types import Dataset, Instances, Record, RleMasks

BOX = '<box label="rust" xtl="2" ytl="3" xbr="12" ybr="9"/>'


def page(folder: Path, *images: str, meta: str = "", file: str = "annotations.xml") -> Path:
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{"".join(images)}'
    (folder / file).write_text(text + "</annotations>", "utf-8")
    return folder / file


def one(folder: Path, *shapes: str, name: str = "a.png", size: str = 'width="40" height="30"', **more: str) -> Path:
    image(folder / name)
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in more.items())
    return page(folder, f'<image id="0" name="{name}" {size}{attributes}>{"".join(shapes)}</image>')


def objects(data: Dataset) -> Instances:
    (record,) = [record for record in data if record.instances is not None and len(record.instances)]
    assert record.instances is not None
    return record.instances


# --- images -------------------------------------------------------------------------------------
def test_an_image_without_shapes_is_empty_and_one_in_no_record_unlabeled(tmp_path):
    image(tmp_path / "b.png")
    data = formats.read(one(tmp_path))
    assert {record.image.name: record.state for record in data} == {"a.png": "empty", "b.png": "unlabeled"}


def test_a_box_has_the_corners_and_attributes_that_the_file_says(tmp_path):
    box = BOX.replace("/>", ' occluded="1" z_order="3"><attribute name="age">old</attribute></box>')
    found = objects(formats.read(one(tmp_path, box)))
    assert found.boxes.tolist() == [[2, 3, 12, 9]] and found.labels == ["rust"] and found.masks is None
    assert found.annotations is not None and found.annotations[0] is not None
    assert found.annotations[0].attributes == {"age": "old", "occluded": 1, "z_order": 3}


def test_the_order_of_shapes_that_overlap_is_written_again(tmp_path):
    data = formats.read(one(tmp_path, BOX.replace("/>", ' z_order="-2"/>')))
    assert formats.write(data, tmp_path / "out.xml", "cvat") == ()
    assert 'z_order="-2"' in (tmp_path / "out.xml").read_text("utf-8")


def test_a_box_rotated_by_a_right_angle_stands_upright_around_its_center(tmp_path):
    data = formats.read(one(tmp_path, BOX.replace("/>", ' rotation="90.0"/>')))
    found = objects(data)
    assert found.masks is not None and found.masks.area.tolist() == [60]
    assert found.masks.boxes.tolist() == [[4, 1, 10, 11]]
    assert sentences(data) == ("1 rotated box was read as an outline of four corners",)


def test_polygons_and_ellipses_are_outlines(tmp_path):
    polygon = '<polygon label="rust" points="2.00,3.00;12.00,3.00;12.00,9.00;2.00,9.00"/>'
    ellipse = '<ellipse label="dent" cx="20" cy="15" rx="6" ry="3" rotation="90"/>'
    found = objects(formats.read(one(tmp_path, polygon, ellipse)))
    assert found.masks is not None and found.masks.area[0] == 60
    assert abs(found.masks.area[1] - np.pi * 18) < 3 and found.masks.boxes[1].tolist() == [17, 9, 23, 21]
    assert found.labels == ["rust", "dent"]


@given(masks(n=1, size=(8, 11)), st.integers(0, 22), st.integers(0, 29))
def test_run_lengths_are_read_along_rows_at_their_place(tmp_path_factory, crop, top, left):
    flat = crop[0].reshape(-1)
    edges = [0, *np.flatnonzero(np.diff(flat)) + 1, len(flat)]
    runs = [*[0] * bool(flat[0]), *np.diff(edges).tolist()]
    shape = f'<mask label="rust" rle="{", ".join(map(str, runs))}" left="{left}" top="{top}" width="11" height="8"/>'
    path = one(tmp_path_factory.mktemp("cvat"), shape)
    if not flat.any():
        assert formats.read(path, allow_faulty=True).instance_count == 0
        return
    expected = np.zeros((30, 40), bool)
    expected[top : top + 8, left : left + 11] = crop[0]
    found = objects(formats.read(path))
    assert found.masks is not None and (found.masks.dense()[0] == expected).all()


def test_points_open_lines_cuboids_and_skeletons_are_counted_and_leave_the_image_unlabeled(tmp_path):
    data = formats.read(one(
        tmp_path, '<points label="a" points="1,1"/>', '<polyline label="a" points="1,1;9,9;3,5"/>',
        '<cuboid label="a" xtl1="1"/>', '<skeleton label="a"><points label="b" points="2,2"/></skeleton>',
    ))  # fmt: skip
    assert [record.state for record in data] == ["unlabeled"] and data.names == ()
    assert [sentence.split(" cannot")[0] for sentence in sentences(data)[:4]] == [
        "1 point", "1 line", "1 cuboid", "1 set of key points"]  # fmt: skip


def test_a_polyline_that_ends_where_it_begins_is_an_outline(tmp_path):
    line = '<polyline label="rust" points="2,3;12,3;12,9;2,9;2,3"/>'
    found = objects(formats.read(one(tmp_path, line)))
    assert found.masks is not None and found.masks.area.tolist() == [60]


def test_classes_are_in_the_order_in_which_the_task_declares_them(tmp_path):
    image(tmp_path / "a.png")
    meta = "<meta><task><labels>" + "".join(f"<label><name>{name}</name></label>" for name in ("z", "unused", "a"))
    shapes = BOX.replace("rust", "a") + BOX.replace("rust", "z")
    path = page(tmp_path, f'<image name="a.png">{shapes}</image>', meta=meta + "</labels></task></meta>")
    assert formats.read(path).names == ("z", "a")


def test_tags_are_classes_of_whole_images_where_nothing_is_drawn(tmp_path):
    image(tmp_path / "b.png")
    data = formats.read(one(tmp_path, '<tag label="rust"/>', '<tag label="dent"/>'))
    assert data.names == ("dent", "rust")
    assert {record.image.name: record.labels for record in data} == {"a.png": (0, 1), "b.png": None}


def test_tags_beside_shapes_are_counted(tmp_path):
    data = formats.read(one(tmp_path, '<tag label="blurred"/>', BOX))
    assert data.names == ("rust",) and [issue.values["count"] for issue in IMAGE_CLASSES_UNUSED.among(data.issues)] == [
        1
    ]


def test_subsets_are_splits_and_tell_images_of_one_name_apart(tmp_path):
    listed = []
    for split, corner in (("Train", 5), ("Validation", 9)):
        image(tmp_path / "images" / split / "a.png")
        box = f'<box label="rust" xtl="1" ytl="1" xbr="{corner}" ybr="8"/>'
        listed.append(f'<image id="0" name="a.png" subset="{split}" width="40" height="30">{box}</image>')
    data = formats.read(page(tmp_path, *listed))
    found = {record.split: record.instances.boxes[0, 2] for record in data if record.instances is not None}
    assert found == {"train": 5, "val": 9}
    assert all(
        record.image.parent.name == {"train": "Train", "val": "Validation"}[record.split or ""] for record in data
    )


def test_shapes_of_a_group_stay_apart_and_are_counted(tmp_path):
    data = formats.read(one(tmp_path, BOX.replace("/>", ' group_id="4"/>'), BOX))
    assert data.instance_count == 2 and sentences(data) == ("1 shape of a group was read as an object of its own",)


def test_a_page_in_a_folder_of_annotations_finds_the_images_beside_it(tmp_path):
    (tmp_path / "annotations").mkdir()
    image(tmp_path / "images" / "a.png")
    page(
        tmp_path / "annotations", f'<image id="0" name="a.png" width="40" height="30">{BOX}</image>', file="task_1.xml"
    )
    assert formats.read(tmp_path).instance_count == 1


# --- writing ------------------------------------------------------------------------------------
@given(masks(size=(30, 40)), st.data())
def test_masks_come_back_pixel_for_pixel(tmp_path_factory, dense, data):
    folder = tmp_path_factory.mktemp("cvat")
    dense = dense[dense.any((1, 2))]
    found = RleMasks.from_dense(dense)
    labels = np.array([data.draw(st.integers(0, 1)) for _ in dense], np.int64)
    instances = Instances(found.boxes, labels, None, found if len(dense) else None, ("rust", "dent"))
    record = Record(image(folder / "a.png"), (30, 40), instances, split="val")
    assert formats.write(Dataset("x", ("rust", "dent"), (record,)), folder / "out.xml", "cvat") == ()
    again = formats.read(folder / "out.xml").records[0]
    assert again.instances is not None and again.split == "val"
    assert again.instances.labels == instances.labels
    if len(dense):
        assert again.instances.masks is not None and (again.instances.masks.dense() == dense).all()


@given(st.lists(outlines(size=(30, 40)), max_size=3), solid_boxes(size=(30, 40), n=2))
def test_outlines_come_back_point_for_point_and_boxes_to_the_last_bit(tmp_path_factory, drawn, corners):
    folder = tmp_path_factory.mktemp("cvat")
    listed = [{"segmentation": [part.reshape(-1).tolist()], "attributes": {"age": "old"}} for part in drawn]
    first = formats.read(attacks.coco(folder, *listed), allow_faulty=True)
    lost = formats.write(first, folder / "out.xml", "cvat")
    codes = {issue.code for issue in lost}
    # Where all that was drawn is faulty no image is left; where some of it is, the ids of the rest have gaps.
    assert codes <= {"skipped_images_lost", "annotation_ids_lost"}
    again = first if "skipped_images_lost" in codes else formats.read(folder / "out.xml", allow_faulty=True)
    assert again.instance_count == first.instance_count
    for mine, other in zip(first, again, strict=True):
        if mine.instances is not None and len(mine.instances) and other.instances is not None:
            assert mine.instances.masks is not None and other.instances.masks is not None
            assert (mine.instances.masks.dense() == other.instances.masks.dense()).all()
            for one, two in zip(mine.instances.annotations or (), other.instances.annotations or (), strict=True):
                assert one is not None and two is not None and two.attributes == {"age": "old"}
                assert np.array_equal(one.outlines[0], two.outlines[0])
    boxes = np.clip(corners, 0, [40, 30, 40, 30]).astype(np.float32)
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    boxes = boxes[(boxes[:, 2:] > 2).any(axis=1)]  # smaller ones at the corner are taken for fractions
    instances = Instances(boxes, np.zeros(len(boxes), np.int64), None, None, ("rust",))
    formats.write(Dataset("x", ("rust",), (Record(folder / "a.jpg", (30, 40), instances),)), folder / "b.xml", "cvat")
    found = formats.read(folder / "b.xml", allow_faulty=True).records[0].instances
    assert found is None or found.boxes.tolist() == boxes.tolist()


def test_what_a_file_cannot_hold_is_counted(tmp_path):
    box, score = np.array([[2, 3, 12, 9]], np.float32), np.ones(1, np.float32)
    scored = Instances(box, np.zeros(1, np.int64), score, None, ("rust",), np.ones(1, bool))
    records = (Record(image(tmp_path / "a.png"), (30, 40), scored), Record(image(tmp_path / "b.png"), (30, 40), None))
    lost = formats.write(Dataset("x", ("rust",), records), tmp_path / "out.xml", "cvat")
    assert sentences(lost) == ("1 unlabeled image cannot be kept", "1 score cannot be kept",
                               "1 crowd mark cannot be kept")  # fmt: skip


def test_classes_of_whole_images_are_tags(tmp_path):
    record = Record(image(tmp_path / "a.png"), (30, 40), None, labels=(1,))
    formats.write(Dataset("x", ("dent", "rust"), (record,)), tmp_path / "out.xml", "cvat")
    data = formats.read(tmp_path / "out.xml")
    assert data.names == ("rust",) and data.records[0].labels == (0,)


def test_a_class_that_xml_cannot_hold_is_refused(tmp_path):
    record = Record(image(tmp_path / "a.png"), (30, 40), Instances.empty(("a\x01",), (30, 40)))
    with pytest.raises(DatasetError, match="cannot stand in XML"):
        formats.write(Dataset("x", ("a\x01",), (record,)), tmp_path / "out.xml", "cvat")
    assert not (tmp_path / "out.xml").exists()


# --- bad input ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "field", "got"),
    [
        (BOX.replace('xtl="2"', ""), "xtl", "None"),
        (BOX.replace('xtl="2"', 'xtl="nan"'), "xtl", "nan"),
        (BOX.replace('xtl="2"', 'xtl="20"'), "box", "-8 x 6"),
        (BOX.replace("/>", ' rotation="much"/>'), "rotation", "much"),
        (BOX.replace('label="rust"', ""), "label", "none"),
        ('<polygon label="rust" points="1,1;2"/>', "points", "1,1;2"),
        ('<polygon label="rust" points="1,1;2,2"/>', "points", "2"),
        ('<ellipse label="rust" cx="9" cy="9" rx="0" ry="4"/>', "ellipse", "0 x 4"),
        ('<mask label="rust" rle="4" left="0" top="0" width="2" height="2"/>', "rle", "none"),
        ('<mask label="rust" rle="1,2" left="0" top="0" width="2" height="2"/>', "rle", "3 pixels"),
        ('<mask label="rust" rle="1,x" left="0" top="0" width="2" height="2"/>', "rle", "no whole numbers"),
        ('<mask label="rust" rle="0,4" left="39" top="0" width="2" height="2"/>', "mask",
         "left 39, top 0, width 2, height 2"),
        ('<mask label="rust" rle="0,4" left="0" top="0" width="2"/>', "height", "None"),
        ('<mask label="rust" rle="0,9" left="0" top="0" width="999999999" height="999999999"/>', "mask",
         "left 0, top 0, width 999999999, height 999999999"),
    ],
)  # fmt: skip
def test_a_broken_shape_is_put_aside_by_name(tmp_path, shape, field, got):
    data = formats.read(one(tmp_path, BOX, shape), allow_faulty=True)
    (issue,) = put_aside(data)
    assert issue.subject == 'image "a.png", region 1' and (issue.values["field"], issue.values["got"]) == (field, got)
    assert data.instance_count == 1


def test_an_image_of_another_size_than_the_file_states_is_skipped(tmp_path):
    data = formats.read(one(tmp_path, BOX, size='width="80" height="60"'), allow_faulty=True)
    assert [record.state for record in data] == ["skipped"]


def test_an_image_without_a_name_is_a_fault(tmp_path):
    image(tmp_path / "a.png")
    path = page(tmp_path, f'<image id="7">{BOX}</image>', f'<image name="a.png">{BOX}</image>')
    assert put_aside(formats.read(path, allow_faulty=True))[0].subject == "image 7"


def test_two_records_of_one_image_are_never_taken_for_two_images(tmp_path):
    image(tmp_path / "a.png")
    listed = f'<image id="0" name="a.png">{BOX}</image>'
    data = formats.read(page(tmp_path, listed, listed), allow_faulty=True)
    assert data.instance_count == 1 and "a second record of the same" in str(put_aside(data)[0])


def test_an_absent_image_is_counted(tmp_path):
    image(tmp_path / "a.png")
    path = page(tmp_path, f'<image name="a.png">{BOX}</image>', f'<image name="c.png">{BOX}</image>')
    assert absent(formats.read(path)) == ["c.png"]


def test_images_and_tracks_in_one_file_are_refused(tmp_path):
    path = page(tmp_path, '<image name="a.png"/>', '<track id="0" label="rust"/>')
    with pytest.raises(AnnotationError, match="export each task by itself"):
        formats.read(path)


def test_half_a_page_is_named_as_such(tmp_path):
    path = one(tmp_path, BOX)
    path.write_text(path.read_text("utf-8")[:-30], "utf-8")
    with pytest.raises(AnnotationError, match="not well-formed XML"):
        formats.read(path)


@given(st.sampled_from(["xtl", "points", "rle", "left", "width", "frame", "outside", "rotation", "label", "name"]),
       st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=12))  # fmt: skip
def test_any_text_in_any_attribute_gives_a_data_set_or_our_error(tmp_path_factory, attribute, text):
    folder = tmp_path_factory.mktemp("cvat")
    shapes = [BOX, '<polygon label="rust" points="1,1;9,1;9,9"/>',
              '<mask label="rust" rle="0,4" left="0" top="0" width="2" height="2"/>']  # fmt: skip
    path = one(folder, *shapes)
    whole = path.read_text("utf-8")
    broken = re.sub(rf'{attribute}="[^"]*"', lambda _: f"{attribute}={quoteattr(text)}", whole)
    path.write_text(broken, "utf-8")
    try:
        formats.read(path, allow_faulty=True)
    except MaskwrightError as error:
        assert str(error)


# --- video --------------------------------------------------------------------------------------
def task(start: int = 0, stop: int = 9, step: int = 1, size: int = 10) -> str:
    filter = f"<frame_filter>step={step}</frame_filter>" if step > 1 else "<frame_filter></frame_filter>"
    return (f"<meta><task><size>{size}</size><mode>interpolation</mode><start_frame>{start}</start_frame>"
            f"<stop_frame>{stop}</stop_frame>{filter}</task></meta>")  # fmt: skip


def shape(frame: int, x: float, outside: int = 0, **more: str) -> str:
    extra = "".join(f' {name}="{value}"' for name, value in more.items())
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="{x}" ytl="2" xbr="{x + 6}" ybr="8"{extra}/>'


def frames(folder: Path, *numbers: int, name: str = "frame_{:06d}.png") -> Path:
    for number in numbers:
        image(folder / "images" / name.format(number))
    return folder


def track(*shapes: str, id: int = 0, label: str = "car") -> str:
    return f'<track id="{id}" label="{label}">{"".join(shapes)}</track>'


def lefts(data: Dataset) -> dict[str, list[float]]:
    return {record.image.stem: record.instances.boxes[:, 0].tolist() for record in data if record.instances is not None}


def test_a_track_is_on_the_frames_that_it_names_and_not_where_it_is_outside(tmp_path):
    path = page(frames(tmp_path, 0, 1, 2, 12), track(shape(0, 1), shape(1, 3), shape(2, 5, outside=1)), meta=task())
    data = formats.read(path)
    assert lefts(data) == {"frame_000000": [1], "frame_000001": [3], "frame_000002": []}
    assert [record.state for record in data][-1] == "unlabeled"  # frame 12 is none of the task
    note = data.records[0].instances
    assert note is not None and note.annotations is not None and note.annotations[0] is not None
    assert note.annotations[0].attributes == {"track_id": 0}


def test_boxes_between_key_frames_are_interpolated(tmp_path):
    path = page(frames(tmp_path, *range(6)), track(shape(0, 1), shape(4, 9), shape(5, 9, outside=1)), meta=task())
    data = formats.read(path)
    assert lefts(data) == {f"frame_{frame:06d}": [1 + 2 * frame] for frame in range(5)} | {"frame_000005": []}
    assert [issue.values["count"] for issue in SHAPES_INTERPOLATED.among(data.issues)] == [3]


def test_a_track_that_leaves_stays_where_it_was_until_it_is_gone(tmp_path):
    path = page(frames(tmp_path, *range(4)), track(shape(0, 1), shape(3, 9, outside=1)), meta=task())
    assert lefts(formats.read(path)) == {f"frame_{frame:06d}": [1] for frame in range(3)} | {"frame_000003": []}


def test_only_every_so_manieth_frame_belongs_to_a_task_with_a_step(tmp_path):
    path = page(frames(tmp_path, 10, 11, 13, 16), track(shape(10, 1), shape(16, 7), shape(19, 7, outside=1)),
                meta=task(10, 19, 3, 4))  # fmt: skip
    data = formats.read(path)
    assert lefts(data) == {"frame_000010": [1], "frame_000013": [4], "frame_000016": [7]}
    assert [record.image.stem for record in data if record.state == "unlabeled"] == ["frame_000011"]


def test_rotation_goes_the_shorter_way(tmp_path):
    path = page(frames(tmp_path, 0, 1, 2), track(
        shape(0, 5, rotation="350"), shape(2, 5, rotation="10"), shape(3, 5, outside=1)), meta=task())  # fmt: skip
    found = [record.instances for record in formats.read(path)]
    assert found[1] is not None and found[1].boxes.tolist() == [[5, 2, 11, 8]]  # at 360 degrees


def test_outlines_of_other_points_are_not_interpolated(tmp_path):
    square, more = "{0},1;{1},1;{1},9;{0},9", "3,1;11,1;11,9;7,9;3,9"
    polygons = [f'<polygon frame="{frame}" outside="{outside}" points="{points}"/>' for frame, outside, points in (
        (0, 0, square.format(1, 9)), (2, 0, square.format(3, 11)), (4, 0, more), (5, 1, more))]  # fmt: skip
    data = formats.read(page(frames(tmp_path, *range(6)), track(*polygons), meta=task()))
    assert [len(values) for values in lefts(data).values()] == [1, 1, 1, 0, 1, 0]
    assert lefts(data)["frame_000001"] == [2]
    assert [issue.values["count"] for issue in SHAPES_NOT_INTERPOLATED.among(data.issues)] == [1]


def test_a_track_without_an_end_ends_at_its_last_shape(tmp_path):
    data = formats.read(page(frames(tmp_path, 0, 1, 2), track(shape(0, 1), shape(1, 1)), meta=task()))
    assert lefts(data) == {"frame_000000": [1], "frame_000001": [1], "frame_000002": []}
    assert TRACKS_OPEN.among(data.issues)


def test_images_called_otherwise_are_the_frames_in_order_where_their_number_is_right(tmp_path):
    meta = task(0, 2, size=3)
    for name in ("a.png", "b.png", "c.png"):
        image(tmp_path / name)
    data = formats.read(page(tmp_path, track(shape(0, 1), shape(1, 3), shape(2, 3, outside=1)), meta=meta))
    assert lefts(data) == {"a": [1], "b": [3], "c": []} and FRAMES_BY_ORDER.among(data.issues)


@pytest.mark.parametrize(
    "names", [("a.png", "b.png"), ("a.png", "b.png", "c.png", "d.png"), ("9.jpg.png", "x10.png", "x9.png")]
)
def test_images_whose_order_or_number_is_in_doubt_are_no_frames(tmp_path, names):
    for name in names:
        image(tmp_path / name)
    with pytest.raises(DatasetError, match="ffmpeg -i VIDEO -start_number 0"):
        formats.read(page(tmp_path, track(shape(0, 1), shape(1, 3)), meta=task(0, 2, size=3)))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("{:04d}.png", range(1, 11)), ("{}.png", range(5)), ("frame_{:04d}.png", range(1, 11)),
     ("frame_{:06d}.png", range(1, 11))],
)  # fmt: skip
def test_images_that_may_count_from_one_are_never_moved_by_a_frame(tmp_path, name, numbers):
    path = page(frames(tmp_path, *numbers, name=name), track(shape(0, 1), shape(1, 3)), meta=task())
    with pytest.raises(DatasetError, match="not certain which image is which frame"):
        formats.read(path)


def test_other_numbers_count_where_they_are_all_of_the_task(tmp_path):
    path = page(frames(tmp_path, *range(10), name="{}.png"), track(shape(0, 1), shape(1, 3, outside=1)), meta=task())
    found = lefts(formats.read(path))
    assert found["0"] == [1] and len(found) == 10


def test_two_shapes_of_a_track_on_one_frame_are_a_fault(tmp_path):
    path = page(frames(tmp_path, 0, 1), track(shape(0, 1), shape(0, 3), shape(1, 3, outside=1)), meta=task())
    data = formats.read(path, allow_faulty=True)
    assert lefts(data)["frame_000000"] == [1] and put_aside(data)[0].values["got"] == "frame 0 twice"


def test_tracks_of_several_videos_are_refused(tmp_path):
    meta = "<meta><project><tasks><task><id>1</id></task><task><id>2</id></task></tasks></project></meta>"
    with pytest.raises(AnnotationError, match="export each task by itself in CVAT"):
        formats.read(page(frames(tmp_path, 0), track(shape(0, 1)), meta=meta))


# --- real data ----------------------------------------------------------------------------------
def test_real_boxes_of_images_are_counted_right(shared):
    data = formats.read(shared / "data/zoo/cvat_images_boxes")
    assert data.class_counts() == {"Car": 71, "Person": 29, "Road": 14, "Roof": 7, "Building": 4}
    assert data.state_counts()["labeled"] == 12 and not put_aside(data)


@pytest.mark.parametrize("case", ["cvat_mask_rle", "cvat_points", "cvat_video_tracks"])
def test_real_files_without_their_images_say_so(shared, case):
    with pytest.raises(DatasetError, match="none of"):
        formats.read(shared / "data/zoo" / case)


def test_real_masks_and_outlines_of_one_task_are_counted_right(shared, tmp_path):
    case = shared / "data/zoo/cvat_mask_rle"
    names = re.findall(r'<image id="\d+" name="([^"]+)"', (case / "annotations.xml").read_text("utf-8"))
    data = formats.read(with_images(case, tmp_path, dict.fromkeys(names, (1704, 2272))))
    assert data.class_counts() == {"talk": 55}
    assert data.state_counts() == {"labeled": 4, "empty": 11, "unlabeled": 0, "skipped": 0} and not put_aside(data)
    drawn = [note for record in data if record.instances is not None for note in record.instances.annotations or ()]
    assert sum(note is not None and bool(note.outlines) for note in drawn) == 46


def test_real_points_are_counted_and_no_objects(shared, tmp_path):
    case = shared / "data/zoo/cvat_points"
    found = re.findall(r'name="([^"]+)" width="(\d+)" height="(\d+)"', (case / "annotations.xml").read_text("utf-8"))
    copy = with_images(case, tmp_path, {name: (int(height), int(width)) for name, width, height in found})
    data = formats.read(copy)
    assert data.instance_count == 0 and data.state_counts()["unlabeled"] == 15
    assert "225 points cannot be used here: left out" in sentences(data)


def test_a_real_video_of_three_frames(shared):
    data = formats.read(shared / "data/zoo/cvat_video_tiny")
    assert {record.image.name: record.state for record in data} == {
        "frame_000010.png": "labeled", "frame_000013.png": "unlabeled", "frame_000016.png": "empty"}  # fmt: skip
    assert data.class_counts() == {"II": 1} and len(sentences(data)) == 3


def test_real_tracks_are_counted_right(shared, tmp_path):
    case = shared / "data/zoo/cvat_video_tracks"
    sizes = {f"images/frame_{number:06d}.png": (720, 1280) for number in range(221)}
    data = formats.read(with_images(case, tmp_path, sizes))
    assert data.class_counts() == {"person": 1726, "car": 14}
    assert data.state_counts()["labeled"] == 221 and not data.issues
