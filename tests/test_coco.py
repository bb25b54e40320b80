"""COCO JSON: run lengths, crowds, odd ids; real files with their counts, and agreement with pycocotools."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks import annotations as attacks
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pycocotools.coco import COCO
from reported import put_aside, sentences
from strategies import masks

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.formats.faults import IMAGES_ABSENT
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

THEIR_NUMPY = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SQUARE = {"segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]]}
BOX = {"bbox": [3, 4.5, 10, 6], "segmentation": []}


def only(dataset: Dataset) -> Instances:
    (record,) = dataset.records
    assert record.instances is not None
    return record.instances


def areas(dataset: Dataset) -> list[int]:
    found = only(dataset)
    assert found.masks is not None
    return found.masks.area.tolist()


# --- what a file may hold -----------------------------------------------------------------------
def test_an_image_without_annotations_is_labeled_as_empty(tmp_path):
    data = formats.read(attacks.coco(tmp_path))
    assert data.state_counts()["empty"] == 1 and data.format == "coco"
    assert data.names == ("rust",)  # nothing is drawn, so every listed class may be meant


def test_a_file_without_a_list_of_annotations_is_unlabeled(tmp_path):
    path = attacks.coco(tmp_path)
    data = json.loads(path.read_text("utf-8"))
    del data["annotations"]
    assert formats.read(attacks.written(path, data)).state_counts()["unlabeled"] == 1


def test_polygons_boxes_and_run_lengths(tmp_path):
    plain = {"segmentation": {"size": [30, 40], "counts": [30, 60, 1110]}}
    packed = {"segmentation": RleMasks.from_boxes(np.array([[0, 0, 5, 5]]), (30, 40)).to_coco()[0]}
    data = formats.read(attacks.coco(tmp_path, SQUARE, plain, packed, BOX))
    assert areas(data)[:3] == [100, 60, 25]
    assert only(data).boxes.tolist() == [[2, 2, 12, 12], [1, 0, 3, 30], [0, 0, 5, 5], [3, 4.5, 13, 10.5]]
    assert sentences(data) == ("1 box became a rectangular mask, beside outlines in the same image",)


def test_boxes_alone_give_no_masks(tmp_path):
    found = only(formats.read(attacks.coco(tmp_path, BOX)))
    assert found.masks is None and found.boxes.tolist() == [[3, 4.5, 13, 10.5]]


def test_several_parts_are_one_object(tmp_path):
    parts = [[2, 2, 12, 2, 12, 12, 2, 12], [20, 20, 22, 20, 22, 22, 20, 22], [1, 1, 2, 2]]
    data = formats.read(attacks.coco(tmp_path, {"segmentation": parts}))
    assert areas(data) == [104]
    assert sentences(data) == ("1 part of an outline with fewer than 3 points cannot be used here: left out",)


def test_a_flat_polygon_is_one_part(tmp_path):
    assert areas(formats.read(attacks.coco(tmp_path, {"segmentation": SQUARE["segmentation"][0]}))) == [100]


def test_a_crowd_is_marked(tmp_path):
    found = only(formats.read(attacks.coco(tmp_path, {**SQUARE, "iscrowd": 1}, {**SQUARE, "iscrowd": 0}, SQUARE)))
    assert found.crowd is not None and found.crowd.tolist() == [True, False, False]


def test_the_files_own_box_is_kept_beside_a_mask(tmp_path):
    found = only(formats.read(attacks.coco(tmp_path, {**SQUARE, "bbox": [1.75, 2, 10.5, 10]})))
    assert found.boxes.tolist() == [[1.75, 2, 12.25, 12]]


@pytest.mark.parametrize("box", [[2, 2, 12, 12], [0.1, 0.1, 0.4, 0.4], [12, 2, 2, 12]])
@pytest.mark.parametrize("drawn", ["outline", "runs"])
def test_a_box_that_lies_elsewhere_than_its_outline_is_passed_over_and_told(tmp_path, box, drawn):
    """Corners where sides were meant ([x1, y1, x2, y2]), fractions beside pixels."""
    small = {"segmentation": [[2, 2, 8, 2, 8, 8, 2, 8]]}
    if drawn == "runs":
        size = formats.read(attacks.coco(tmp_path, small)).records[0].size
        mask = RleMasks.from_polygons([[np.array([[2, 2], [8, 2], [8, 8], [2, 8]], float)]], size)
        small = {"segmentation": mask.to_coco()[0]}
    read = formats.read(attacks.coco(tmp_path, {**small, "bbox": box}))
    assert only(read).boxes.tolist() == [[2, 2, 8, 8]]
    assert any("1 box beside an outline that lies elsewhere" in remark for remark in sentences(read))


def test_boxes_that_are_corners_are_refused_where_nothing_is_drawn_beside_them(tmp_path):
    """Else they would be cut at the edge, and each would be a box that nobody drew."""
    corners = [{"bbox": box} for box in ([5, 5, 38, 28], [20, 10, 39, 30], [15, 3, 40, 29], [2, 2, 9, 9])]
    with pytest.raises(AnnotationError, match="the boxes are corners") as caught:
        formats.read(attacks.coco(tmp_path, *corners))
    assert "3 of 4 boxes" in caught.value.parts["got"]
    assert len(only(formats.read(attacks.coco(tmp_path, *corners), allow_faulty=True))) == 4
    beyond = [{"bbox": box} for box in ([5, 5, 38, 28], [20, 10, 39, 30], [15, 3, 40, 29], [30, 20, 9, 9])]
    assert len(only(formats.read(attacks.coco(tmp_path, *beyond)))) == 4  # no corners: the last one's would be swapped


def test_ids_may_be_texts_and_have_gaps(tmp_path):
    images = [{"id": "7", "file_name": "a.jpg"}]
    categories = [{"id": 90, "name": "rust"}, {"id": 3, "name": "hole "}, {"id": 4, "name": "hole"}]
    rows = [{**SQUARE, "image_id": 7, "category_id": str(n)} for n in (90, 3, 4)]
    data = formats.read(attacks.coco(tmp_path, *rows, images=images, categories=categories))
    assert data.class_counts() == {"rust": 1, "hole": 2}


def test_a_category_without_objects_is_left_out(tmp_path):
    categories = [{"id": 0, "name": "things", "supercategory": "none"}, {"id": 1, "name": "rust"}]
    assert formats.read(attacks.coco(tmp_path, SQUARE, categories=categories)).names == ("rust",)


# --- faults -------------------------------------------------------------------------------------
BAD = [
    {"segmentation": []},
    {"bbox": [1, 2, 3]},
    {"bbox": [1, 2, -3, 4]},
    {"bbox": [100, 100, 5, 5]},
    {"bbox": ["1", 2, 3, 4]},
    {"segmentation": [[1, 2, 3, 4]]},
    {"segmentation": [[1, 2, 9, 4, 5, 8, 7]]},
    {"segmentation": [["a"] * 6]},
    {"segmentation": [5, [1, 2, 3, 4, 5, 6]]},
    {"segmentation": {"size": [30, 40]}},
    {"segmentation": {"size": [40, 30], "counts": [1200]}},
    {"segmentation": {"size": [30, 40], "counts": [1, 2, 3]}},
    {"segmentation": {"size": [30, 40], "counts": [-1, 1201]}},
    {"segmentation": {"size": [30, 40], "counts": "QQQ"}},
    {"segmentation": {"size": [30, 40], "counts": "\u00ff"}},
    {"segmentation": {"size": [30, 40], "counts": [1200]}},
    {"segmentation": {"size": "30", "counts": [1200]}},
    {**SQUARE, "category_id": 5},
    {**SQUARE, "image_id": 5},
]


@pytest.mark.parametrize("annotation", BAD)
def test_a_bad_annotation_is_put_aside_by_name_and_the_others_stay(tmp_path, annotation):
    data = formats.read(attacks.coco(tmp_path, *[SQUARE] * 19, annotation))
    assert len(only(data)) == 19
    assert len(put_aside(data)) == 1 and put_aside(data)[0].subject.endswith(("region 20", "annotation 20"))


def test_run_lengths_of_another_size_are_never_stretched(tmp_path):
    path = attacks.coco(tmp_path, {"segmentation": {"size": [15, 20], "counts": [0, 300]}})
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert str(caught.value) == (
        f"AnnotationError: {path}: 1 of 1 regions are faulty\n"
        '  record    image "a.jpg", region 1\n'
        "  field     segmentation.size\n"
        "  expected  30 x 40 (height x width of the image)\n"
        "  got       15 x 20\n"
        "  fix       export the mask again at the image's size; or put the faulty ones aside with --allow-faulty"
    )


def test_an_image_of_another_size_than_stated_is_put_aside(tmp_path):
    path = attacks.coco(tmp_path, SQUARE)
    attacks.image(tmp_path / "a.jpg", (60, 80))
    with pytest.raises(AnnotationError, match="30 x 40"):
        formats.read(path)
    assert formats.read(path, allow_faulty=True).state_counts()["skipped"] == 1


def framed(folder: Path, *sizes: tuple[int, int], stated: tuple[int, int] | None, box: list[float]) -> Path:
    """Images of these sizes (height, width), each with one box, all stated at one size, or exchanged (None)."""
    images, listed = [], []
    for number, size in enumerate(sizes, 1):
        attacks.image(folder / f"{number}.jpg", size)
        height, width = size[::-1] if stated is None else stated
        images.append({"id": number, "file_name": f"{number}.jpg", "height": height, "width": width})
        listed.append({"id": number, "image_id": number, "category_id": 1, "bbox": box})
    return attacks.written(folder / "a.json", {"images": images, "annotations": listed,
                                               "categories": [{"id": 1, "name": "rust"}]})  # fmt: skip


def test_width_and_height_exchanged_are_read_where_what_is_drawn_proves_it(tmp_path):
    data = formats.read(framed(tmp_path, (30, 40), (30, 40), stated=None, box=[20, 5, 20, 20]))
    assert data.instance_count == 2 and sentences(data)[0].startswith("width and height are swapped in the file")


def test_width_and_height_exchanged_are_refused_where_nothing_proves_it(tmp_path):
    with pytest.raises(AnnotationError, match="width and height exchanged") as caught:
        formats.read(framed(tmp_path, (30, 40), stated=None, box=[5, 5, 20, 20]))
    assert caught.value.parts["fix"].startswith("exchange them in the file where that is all")


def test_one_size_stated_of_all_images_does_not_count_where_what_is_drawn_proves_it(tmp_path):
    data = formats.read(framed(tmp_path, (30, 40), (50, 60), stated=(8, 8), box=[20, 5, 20, 20]))
    assert data.instance_count == 2 and sentences(data)[0].startswith("the file gives 8 x 8 for every image")
    with pytest.raises(AnnotationError, match="28 x 28"):
        formats.read(framed(tmp_path / "small", (30, 40), (50, 60), stated=(28, 28), box=[1, 5, 20, 20]))


@pytest.mark.parametrize("empty", [{}, [], [[]], [[], []], None])
def test_an_empty_segmentation_leaves_the_box(tmp_path, empty):
    assert only(formats.read(attacks.coco(tmp_path, {**BOX, "segmentation": empty}))).boxes.tolist() == [
        [3, 4.5, 13, 10.5]
    ]


@pytest.mark.parametrize(
    "segmentation",
    [
        [[True, 2, 12, 2, 12, 12]],
        {"size": 5, "counts": "x"},
        {"size": [30, True], "counts": "x"},
        {"size": [30, 40], "counts": [True, 1199]},
        {"size": [30, 40], "counts": {}},
        {"size": None},
        "[[2, 2, 12, 2, 12, 12]]",
        7,
    ],
)
def test_a_segmentation_of_another_kind_is_a_fault(tmp_path, segmentation):
    data = formats.read(attacks.coco(tmp_path, {**BOX, "segmentation": segmentation}, *[SQUARE] * 30))
    assert data.instance_count == 30 and len(put_aside(data)) == 1


def test_key_points_alone_do_not_make_an_image_an_empty_one(tmp_path):
    data = formats.read(attacks.coco(tmp_path, {"keypoints": [3, 3, 2]}))
    assert [record.state for record in data] == ["unlabeled"]
    assert "1 set of key points cannot be used here: left out" in sentences(data)


def test_one_image_under_two_ids_is_one_record(tmp_path):
    image = {"file_name": "a.jpg", "height": 30, "width": 40}
    listed = [{"id": number, "image_id": number, "category_id": 1, "bbox": [number, 2, 9, 9]} for number in (1, 2)]
    data = formats.read(attacks.coco(tmp_path, images=[{"id": 1, **image}, {"id": 2, **image}], annotations=listed))
    assert len(data) == 1 and data.instance_count == 2 and "joined" in sentences(data)[0]


def test_a_results_list_is_refused_by_what_it_is(tmp_path):
    path = attacks.written(
        tmp_path / "results.json", [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]
    )
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert str(caught.value) == (
        f"AnnotationError: {path}: a COCO results list, not a dataset\n"
        "  expected  images, annotations and categories\n"
        "  got       a list of 1 detections: no images, no class names\n"
        "  fix       name the ground truth file that these results belong to"
    )


@pytest.mark.parametrize(
    ("parts", "said"),
    [({"images": 7}, "not a COCO file"), ({"images": [7]}, "an image without id"),
     ({"categories": [{"id": 1}]}, "a category without id or name"),
     ({"images": [{"id": 1, "file_name": "a.jpg"}, {"id": "1", "file_name": "b.jpg"}]}, "two images with one id"),
     ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "two categories with one id"),
     ({"annotations": [{"segments_info": [], "image_id": 1, "category_id": 1}]}, "panoptic")],
)  # fmt: skip
def test_a_bad_list_is_refused_by_name(tmp_path, parts, said):
    with pytest.raises(AnnotationError, match=said):
        formats.read(attacks.coco(tmp_path, SQUARE, **parts))


# --- images turned by EXIF ----------------------------------------------------------------------
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_what_was_drawn_unturned_is_turned_where_the_file_proves_it(tmp_path, orientation):
    """Outlines, boxes and run lengths go the way that the pixels go."""
    mask = np.zeros((1, 30, 40), bool)
    mask[0, 2:5, 6:26] = True
    polygon, box = [6, 2, 26, 2, 26, 5, 6, 5], [6, 2, 20, 3]
    rows = ({"segmentation": [polygon]}, {"segmentation": RleMasks.from_dense(mask).to_coco()[0]}, {"bbox": box})
    path = attacks.coco(tmp_path, *rows)
    attacks.image(tmp_path / "a.jpg", (30, 40), orientation)
    image = Image.fromarray(mask[0].astype(np.uint8) * 255)
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image)) > 0
    data = formats.read(path)
    found = only(data)
    assert found.masks is not None and data.records[0].size == (40, 30)
    assert all((item == upright).all() for item in found.masks.dense())
    assert sentences(data)[0] == '"a.jpg" is rotated by EXIF and was annotated unrotated: its regions were rotated too'


def test_a_large_turned_image_is_turned_though_pillow_has_its_own_limit(tmp_path, monkeypatch):
    """Pillow refuses twice MAX_IMAGE_PIXELS; the orientation of a larger image is asked for, too."""
    path = attacks.coco(tmp_path, {"bbox": [6, 2, 20, 3]})
    attacks.image(tmp_path / "a.jpg", (30, 40), 6)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    data = formats.read(path)
    assert data.records[0].size == (40, 30) and "is rotated by EXIF" in sentences(data)[0]


@pytest.mark.parametrize(
    ("start", "what"), [(b"GIF89a", "a GIF"), (b"\0\0\0\x18ftypheic", "a HEIC image, as phones save them")]
)
def test_an_image_of_a_kind_that_is_not_read_is_called_what_it_is(tmp_path, start, what):
    path = attacks.coco(tmp_path, {"bbox": [6, 2, 20, 3]})
    (tmp_path / "a.jpg").write_bytes(start + bytes(40))
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert what in caught.value.parts["got"] and "save it as JPEG or PNG" in caught.value.parts["fix"]


def test_what_was_drawn_turned_stays(tmp_path):
    path = attacks.coco(tmp_path, SQUARE, size=(40, 30))
    attacks.image(tmp_path / "a.jpg", (30, 40), 6)
    assert only(formats.read(path)).boxes.tolist() == [[2, 2, 12, 12]]


# --- writing ------------------------------------------------------------------------------------
@given(masks(size=(6, 9)))
def test_masks_come_back_bit_for_bit(tmp_path_factory, dense):
    folder = tmp_path_factory.mktemp("coco")
    image = attacks.image(folder / "images" / "a.png", (6, 9))
    dense = dense[dense.any(axis=(1, 2))]
    runs = RleMasks.from_dense(dense)
    crowd = np.arange(len(dense)) % 2 == 1
    there = Instances(runs.boxes, np.zeros(len(dense), int), None, runs, ("rust",), crowd if crowd.any() else None)
    assert formats.write(Dataset("x", ("rust",), (Record(image, (6, 9), there),)), folder / "out.json", "coco") == ()
    back = only(formats.read(folder / "out.json"))
    assert len(back) == len(dense)
    if len(dense):
        assert back.masks is not None and (back.masks.dense() == dense).all() and (back.boxes == there.boxes).all()
        assert (back.crowd is None) == (there.crowd is None)


def test_each_object_is_written_as_it_was_drawn(tmp_path):
    """An outline, a mask without one and a crowd on one image: none gets what is another's."""
    bars = np.zeros((3, 20, 30), bool)
    bars[0, 2:6, 2:6] = bars[1, 8:12, 8:20] = bars[2, 14:19, 1:29] = True
    runs = RleMasks.from_dense(bars)
    square = np.array([[2, 2], [6, 2], [6, 6], [2, 6]], np.float64)
    notes = (Annotation((square,), 7), Annotation(), Annotation((square,), 9))
    there = Instances(runs.boxes, np.zeros(3, int), None, runs, ("rust",), np.array([False, False, True]), notes)
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    dataset = Dataset("x", ("rust",), (Record(tmp_path / "a.png", (20, 30), there),))
    formats.write(dataset, tmp_path / "a.json", "coco")
    rows = json.loads((tmp_path / "a.json").read_text())["annotations"]
    coded = runs.to_coco()
    assert [row["segmentation"] for row in rows] == [[square.reshape(-1).tolist()], coded[1], coded[2]]
    assert [row["id"] for row in rows] == [7, 1, 9]


def test_what_coco_cannot_hold_is_counted(tmp_path):
    images = [attacks.image(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    boxes = Instances(np.array([[1, 2, 11, 12]]), np.array([0]), np.array([0.5]), None, ("rust",))
    rows = (Record(images[0], (30, 40), boxes), Record(images[1], (30, 40), None),
            Record(images[2], (30, 40), None, skipped=True))  # fmt: skip
    told = formats.write(Dataset("x", ("rust",), rows), tmp_path / "out.json", "coco")
    assert sentences(told) == (
        "1 unlabeled image cannot be kept",
        "1 skipped image cannot be kept",
        "1 score cannot be kept",
    )


def test_images_and_classes_keep_the_ids_of_the_file(tmp_path):
    """However they are joined or renamed, as long as each has one."""
    images = [{"id": "7", "file_name": "a.jpg"}]
    categories = [{"id": 5, "name": "rust"}, {"id": 9, "name": "rust"}, {"id": 4, "name": "dent"}]
    rows = [{**SQUARE, "image_id": "7", "category_id": item} for item in (4, 5, 9)]
    data = formats.read(attacks.coco(tmp_path, *rows, images=images, categories=categories))
    assert (data.names, data.class_ids, data.records[0].id) == (("rust", "dent"), (5, 4), "7")
    assert data.with_names(("dent", "rust")).class_ids == (4, 5)
    assert data.with_names(("dent", "rust", "new")).class_ids == ()
    assert Dataset.join("two", [data, data.with_names(("dent", "rust"))]).class_ids == (5, 4)
    other = replace(data, class_ids=(6, 4))
    assert Dataset.join("two", [data, other]).class_ids == ()


@THEIR_NUMPY
def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    data = formats.read(attacks.coco(tmp_path, SQUARE, {"segmentation": {"size": [30, 40], "counts": [30, 60, 1110]}}))
    formats.write(data, tmp_path / "out.json", "coco")
    theirs = COCO(str(tmp_path / "out.json"))
    found = theirs.loadAnns(theirs.getAnnIds())
    assert [item["area"] for item in found] == [int(theirs.annToMask(item).sum()) for item in found] == areas(data)


# --- anything at all ----------------------------------------------------------------------------
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-50, 2000) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(
        st.sampled_from(["size", "counts", "id", "file_name", "image_id", "category_id", "bbox"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
RUNS = st.fixed_dictionaries({"size": st.just([30, 40]) | ANYTHING, "counts": ANYTHING | st.text(max_size=20)})
ROWS = st.fixed_dictionaries({}, optional={"segmentation": ANYTHING | RUNS, "bbox": ANYTHING, "iscrowd": ANYTHING,
                                           "category_id": ANYTHING, "id": ANYTHING})  # fmt: skip


@given(st.lists(ROWS, max_size=4), st.sampled_from(["images", "annotations", "categories", "info"]), ANYTHING)
def test_any_file_gives_a_data_set_or_our_error(tmp_path_factory, rows: list[dict[str, Any]], part: str, other: Any):
    folder = tmp_path_factory.mktemp("any")
    for parts in ({}, {part: other}, {part: [other]}):
        try:
            data = formats.read(attacks.coco(folder, *rows, **parts), format="coco", allow_faulty=True)
        except MaskwrightError:
            continue
        assert isinstance(data, Dataset)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [("images", "id"), ("images", "file_name"), ("images", "width"), ("images", "height"), ("categories", "id"),
          ("categories", "name"), *(("annotations", field) for field in (
              "id", "image_id", "category_id", "bbox", "segmentation", "iscrowd", "attributes"))]  # fmt: skip


@given(st.sampled_from(FIELDS), JSON, st.sampled_from([None, "size", "counts"]))
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, field, value, inside):
    path = attacks.coco(tmp_path_factory.mktemp("coco"), {**SQUARE, **BOX}, SQUARE)
    data = json.loads(path.read_text("utf-8"))
    runs = {"size": [30, 40], "counts": [1200]}
    data[field[0]][0][field[1]] = value if inside is None else {**runs, inside: value}
    with contextlib.suppress(MaskwrightError):
        formats.read(attacks.written(path, data), allow_faulty=True)


# --- real data ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("case", "images", "counts"),
    [("coco_crowd_and_gaps_tiny", 2, {"a": 1, "b": 2}), ("coco_cvat_boxes", 12, {"Car": 71, "Person": 29}),
     ("coco_labelme_converter", 3, {"bottle": 1, "bus": 2, "car": 1, "chair": 1, "person": 6, "sofa": 1}),
     ("coco_roboflow", 9, {"shuttlecock": 36}), ("via_coco_export", 1, {"Date": 1, "Header": 1, "Total": 1}),
     ("coco_results_and_truth", 1, {"Scratch": 4})],
)  # fmt: skip
def test_real_files_of_many_hands_are_counted_right(shared, case, images, counts):
    data = formats.read(shared / "data" / "zoo" / case)
    assert (len(data), data.class_counts()) == (images, counts)
    assert len(put_aside(data)) == len(IMAGES_ABSENT.among(data.issues))


def test_a_real_crowd_in_plain_run_lengths(shared):
    data = formats.read(shared / "data" / "zoo" / "coco_crowd_and_gaps_tiny")
    assert {split: len(part) for split, part in data.splits().items()} == {"train": 1, "val": 1}
    crowds = [
        record.instances.crowd.tolist() for record in data if record.instances and record.instances.crowd is not None
    ]
    assert sum(map(sum, crowds)) == 1


def test_a_results_list_beside_its_ground_truth_is_passed_over(shared):
    data = formats.read(shared / "data" / "zoo" / "coco_results_and_truth")
    assert any(remark.startswith("coco_instances_results.json was passed over") for remark in sentences(data))


def test_real_run_lengths_of_another_size_are_a_fault_by_name(shared):
    path = shared / "data" / "zoo" / "coco_rle_minimal"
    with pytest.raises(AnnotationError, match="250 x 360"):
        formats.read(path)
    data = formats.read(path, allow_faulty=True)
    assert {record.image.stem: record.state for record in data} == {
        "dog": "labeled", "kitchen": "skipped", "dashcam": "empty"}  # fmt: skip
    (dog,) = [record.instances for record in data if record.image.stem == "dog"]
    assert dog is not None and dog.masks is not None and dog.masks.area.tolist() == [17717]


@THEIR_NUMPY
def test_a_real_polygon_covers_what_pycocotools_says(shared, capsys):
    path = shared / "data" / "zoo" / "coco_labelme_converter" / "annotations.json"
    theirs = COCO(str(path))
    data = formats.read(path)
    for image, record in zip(theirs.loadImgs(theirs.getImgIds()), data, strict=True):
        found = record.instances
        assert found is not None and found.masks is not None
        for loadAnn, mask in zip(theirs.loadAnns(theirs.getAnnIds(image["id"])), found.masks.dense(), strict=True):
            their = theirs.annToMask(loadAnn).astype(bool)
            assert (their & mask).sum() / (their | mask).sum() > 0.97  # they draw the line half a pixel wide


@pytest.mark.parametrize("size", [7, None, "30", {"a": 1}, [[30, 40]], [30], [30, 40, 1], ["30", "40"]])
def test_a_size_of_run_lengths_that_is_no_pair_of_numbers_is_a_fault(size, tmp_path):
    mask = {"size": size, "counts": [40, 200, 960]}
    data = formats.read(attacks.coco(tmp_path, {"bbox": [2, 2, 9, 9], "segmentation": mask}), allow_faulty=True)
    assert data.instance_count == 0
