"""LabelMe JSON: every kind of shape, groups, flags, embedded images, image paths."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strategies
from attacks import annotations
from hypothesis import assume, given
from PIL import Image
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SIZE = (30, 40)
SQUARE = [[2, 2], [12, 2], [12, 12], [2, 12]]


def shape(kind: str | None = "polygon", points: Any = SQUARE, label: Any = "rust", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def page(folder: Path, *shapes: Any, name: str = "a", image: bool = True, **more: Any) -> Path:
    """<name>.json of a 40 x 30 image beside it."""
    if image:
        annotations.image(folder / f"{name}.png", SIZE)
    data = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": f"{name}.png", "imageData": None,
            "imageHeight": SIZE[0], "imageWidth": SIZE[1]}  # fmt: skip
    return annotations.written(folder / f"{name}.json", data | more)


def png(mask: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def only(dataset: Dataset) -> Instances:
    (record,) = dataset
    assert record.instances is not None
    return record.instances


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- shapes -----------------------------------------------------------------------------------------
def test_a_file_without_shapes_is_labeled_and_empty_and_an_image_without_a_file_unlabeled(tmp_path):
    page(tmp_path)
    annotations.image(tmp_path / "b.png")
    read = formats.read(tmp_path)
    assert [(record.image.name, record.state) for record in read] == [("a.png", "empty"), ("b.png", "unlabeled")]
    assert (read.format, sentences(read)) == ("labelme", ())


def test_polygons_keep_their_vertices_with_or_without_a_type(tmp_path):
    read = only(formats.read(page(tmp_path, shape(), shape(None, [[1.5, 1], [9, 1], [9, 9]]))))
    assert [parts[0].tolist() for parts in read.outlines()] == [SQUARE, [[1.5, 1], [9, 1], [9, 9]]]


@pytest.mark.parametrize("points", [[[3, 4], [20, 25.5]], [[20, 25.5], [3, 4]], [[3, 25.5], [20, 4]],
                                    [[3, 4], [20, 4], [20, 25.5], [3, 25.5]]])  # fmt: skip
def test_rectangles_are_boxes_whichever_corners_they_name(tmp_path, points):
    read = formats.read(page(tmp_path, shape("rectangle", points)))
    assert only(read).boxes.tolist() == [[3, 4, 20, 25.5]] and only(read).masks is None and sentences(read) == ()


def test_circles_are_a_center_and_a_point_of_the_rim(tmp_path):
    read = only(formats.read(page(tmp_path, shape("circle", [[15, 12], [18, 16]]))))
    assert np.abs(read.annotations[0].outlines[0] - [15, 12]).max() == 5


@pytest.mark.parametrize("kind", ["oriented_rectangle", "rotation"])
def test_oriented_rectangles_are_outlines_of_four_corners(tmp_path, kind):
    corners = [[10, 2], [18, 10], [10, 18], [2, 10]]
    assert only(formats.read(page(tmp_path, shape(kind, corners)))).outlines()[0][0].tolist() == corners


def test_a_mask_lies_where_its_first_point_says(tmp_path):
    crop = np.array([[1, 0, 1], [1, 1, 1]], bool)
    read = only(formats.read(page(tmp_path, shape("mask", [[5.4, 7], [7.4, 8]], mask=png(crop)))))
    expected = np.zeros(SIZE, bool)
    expected[7:9, 5:8] = crop
    assert (read.masks.dense()[0] == expected).all()


def test_points_and_lines_are_left_out_and_alone_leave_the_image_unlabeled(tmp_path):
    shapes = [shape("point", [[3, 3]]), shape("line", [[1, 1], [5, 5]]), shape("linestrip", SQUARE)]
    read = formats.read(page(tmp_path, *shapes))
    assert [record.state for record in read] == ["unlabeled"]
    assert sentences(read)[-2:] == (
        "1 point cannot be used here: left out",
        "2 lines cannot be used here: left out",
    ) or {"1 point cannot be used here: left out", "2 lines cannot be used here: left out"} <= {*sentences(read)}


def test_shapes_of_one_label_and_one_group_are_one_object(tmp_path):
    crop = np.ones((3, 3), bool)
    shapes = [
        shape(group_id=1), shape("rectangle", [[20, 20], [30, 28]], group_id=1), shape(group_id=2),
        shape(label="dent", group_id=1), shape("mask", [[30, 1], [32, 3]], group_id=2, mask=png(crop)), shape(),
    ]  # fmt: skip
    read = formats.read(page(tmp_path, *shapes))
    assert only(read).labels == ["rust", "rust", "dent", "rust"]
    assert len(only(read).outlines()[0]) == 2 and only(read).masks.area.tolist()[1] == 100 + 9
    assert "2 shapes were joined to others of their groups (group_id)" in sentences(read)


def test_what_is_to_be_ignored_is_left_out_and_counted(tmp_path):
    read = formats.read(page(tmp_path, shape(), shape(label="__ignore__")))
    assert (read.names, sentences(read)) == (
        ("rust",), ("1 region marked __ignore__ cannot be used here: left out",)
    )  # fmt: skip


def test_flags_and_description_of_a_shape_are_kept(tmp_path):
    read = only(formats.read(page(tmp_path, shape(flags={"old": True, "wet": False}, description="deep"), shape())))
    assert [dict(note.attributes) for note in read.annotations] == [
        {"old": True, "wet": False, "description": "deep"}, {}
    ]  # fmt: skip


def test_flags_alone_are_the_classes_of_images(tmp_path):
    page(tmp_path, flags={"__ignore__": False, "cat": True, "dog": False})
    page(tmp_path, name="b", flags={"cat": True, "dog": True})
    page(tmp_path, name="c", flags={"cat": False})
    page(tmp_path, name="d", flags={"__ignore__": True, "cat": True})
    read = formats.read(tmp_path)
    assert [record.labels for record in read] == [(0,), (0, 1), None, None] and read.names == ("cat", "dog")


def test_flags_beside_shapes_are_counted(tmp_path):
    read = formats.read(page(tmp_path, shape(), flags={"cat": True}))
    assert read.class_counts() == {"rust": 1} and len(sentences(read)) == 1


# --- which image ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("a.png", "C:\\Users\\me\\pics\\a.png"),
        ("a.png", "..\\images\\a.png"),
        ("a.png", "A.PNG"),
        ("images/a.png", "../images/a.png"),
        ("a.jpg", "a.png"),
        ("a.png", "IMG_0001.png"),
        ("a.png", ""),
        ("a.png", None),
    ],
)
def test_images_are_found_by_path_of_any_kind_and_by_the_name_of_the_file(tmp_path, image, named):
    annotations.image(tmp_path / image, SIZE)
    page(tmp_path / "labels" if "/" in image else tmp_path, shape(), image=False, imagePath=named)
    read = formats.read(tmp_path)
    assert (len(read), read.instance_count, absent(read)) == (1, 1, [])


def test_a_file_that_may_mean_two_images_is_put_aside(tmp_path):
    page(tmp_path, shape(), imagePath="b.png")
    annotations.image(tmp_path / "b.png", SIZE)
    page(tmp_path, shape(), name="c")
    read = formats.read(tmp_path, allow_faulty=True)
    assert read.instance_count == 1 and put_aside(read)[0].subject == 'file "a.json"'
    assert put_aside(read)[0].values["got"].startswith('"b.png", which is there too')


def test_files_that_name_each_others_images_have_their_own(tmp_path):
    page(tmp_path, shape(), imagePath="b.png")
    page(tmp_path, shape(label="dent"), name="b", imagePath="a.png")
    read = formats.read(tmp_path)
    assert {record.image.name: record.instances.labels for record in read} == {"a.png": ["rust"], "b.png": ["dent"]}
    assert any(sentence.startswith("JSON files that name another image") for sentence in sentences(read))


def test_an_absent_image_is_named_and_one_of_another_folder_not_taken(tmp_path):
    page(tmp_path / "train", shape())
    page(tmp_path / "val", shape(), name="b", image=False)
    annotations.image(tmp_path / "train/b.png", SIZE)
    assert absent(formats.read(tmp_path)) == ["b.png"]


def test_an_embedded_image_is_unpacked_where_the_file_is_absent(tmp_path, cache):
    data = base64.b64encode(annotations.image(tmp_path / "x.png", SIZE).read_bytes()).decode()
    file = page(tmp_path / "data", shape(), image=False, imageData=data, imagePath="a.json")
    for _ in range(2):
        read = formats.read(file)
        assert cache in read.records[0].image.parents and read.instance_count == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a.json"]
    page(tmp_path / "data", shape(), imageData=data)
    assert formats.read(tmp_path / "data").records[0].image == tmp_path / "data/a.png"


def test_embedded_images_are_not_held_in_memory(tmp_path):
    from maskwright.formats.labelme import _Page

    kept = _Page.of(page(tmp_path, shape(), imageData="A" * 1000))
    assert kept.embeds and "imageData" not in kept.data


@pytest.mark.parametrize("data", ["not base64 !", "aGVsbG8=", ""])
def test_an_embedded_image_that_is_none_is_a_fault_or_absent(tmp_path, cache, data):
    page(tmp_path, shape(), image=False, imageData=data)
    page(tmp_path, shape(), name="b")
    assert len(formats.read(tmp_path, allow_faulty=True).usable()) == 1
    assert len(put_aside(formats.read(tmp_path, allow_faulty=True))) == 1


def test_an_image_of_another_size_than_stated_is_put_aside(tmp_path):
    page(tmp_path, shape(), imageHeight=300)
    page(tmp_path, shape(), name="b")
    read = formats.read(tmp_path, allow_faulty=True)
    assert [record.state for record in read] == ["skipped", "labeled"]


@pytest.mark.parametrize("layout", ["", "json", "annotations", "annotations/train"])
def test_files_lie_beside_the_images_or_in_a_folder_of_annotations(tmp_path, layout):
    annotations.image(tmp_path / "images/a.png", SIZE)
    page(tmp_path / layout, shape(), image=False)
    assert formats.read(tmp_path).instance_count == 1


def test_other_json_beside_them_stays_what_it_is(tmp_path):
    page(tmp_path, shape())
    annotations.written(tmp_path / "package.json", {"name": "x", "flags": {}})
    assert formats.read(tmp_path).format == "labelme"
    coco = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "dent"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}]}  # fmt: skip
    annotations.written(tmp_path / "instances.json", coco)
    with pytest.raises(DatasetError, match="several annotation files for the same images"):
        formats.read(tmp_path)


# --- bad input --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (shape(points=[[1, 1], [2, 2]]), "points"),
        (shape(points=[[1, 1], [2, 2], [3]]), "points"),
        (shape(points=[[1, 1], [2, "2"], [3, 3]]), "points"),
        (shape(points=None), "points"),
        (shape(points=[[90, 90], [99, 90], [99, 99]]), "points"),
        (shape("rectangle", [[1, 1]]), "points"),
        (shape("rectangle", [[1, 1], [True, 2]]), "points"),
        (shape("rectangle", [[1, 1], [1, 5]]), "box"),
        (shape("circle", [[5, 5], [5, 5]]), "points"),
        (shape("circle", [[5, 5], [1e300, 5]]), "points"),
        (shape("oriented_rectangle", [[1, 1], [5, 5]]), "points"),
        (shape("mask", [[1, 1], [2, 2]]), "mask"),
        (shape("mask", [[1, 1], [2, 2]], mask="!"), "mask"),
        (shape("mask", [[1, 1], [9, 9]], mask=png(np.ones((3, 3), bool))), "mask"),
        (shape("mask", [[38, 1], [40, 3]], mask=png(np.ones((3, 3), bool))), "mask"),
        (shape("mask", [[0, 0], [499, 499]], mask=png(np.ones((500, 500), bool))), "mask"),
        (shape("spiral"), "shape_type"),
        (shape([]), "shape_type"),
        (shape(label=""), "label"),
        (shape(label=7), "label"),
        ("rust", "shape"),
        (None, "shape"),
    ],
)
def test_a_shape_that_is_no_object_is_put_aside_by_image_and_number(tmp_path, broken, field):
    read = formats.read(page(tmp_path, shape(), broken), allow_faulty=True)
    (fault,) = put_aside(read)
    assert (fault.subject, fault.values["field"]) == ('image "a.png", region 1', field) and read.instance_count == 1
    with pytest.raises(AnnotationError, match="1 of 2 regions are faulty"):
        formats.read(tmp_path / "a.json")


def test_a_broken_file_among_many_is_put_aside_and_alone_an_error(tmp_path):
    page(tmp_path, shape()), page(tmp_path, shape(), name="b")
    annotations.half(tmp_path / "b.json")
    read = formats.read(tmp_path, allow_faulty=True)
    assert [record.image.name for record in read.usable()] == ["a.png"]
    assert put_aside(read)[0].subject == 'file "b.json"'
    with pytest.raises(AnnotationError, match="the file ends in the middle"):
        formats.read(tmp_path / "b.json")


@pytest.mark.parametrize("shapes", [{"0": {}}, "none", 3])
def test_shapes_that_are_no_list_are_refused(tmp_path, shapes):
    file = page(tmp_path, shapes=shapes)
    with pytest.raises(AnnotationError, match="not a LabelMe file"):
        formats.read(file)


# --- writing ----------------------------------------------------------------------------------------
def dataset(folder: Path, instances: Instances) -> Dataset:
    image = annotations.image(folder / "train" / "a.png", SIZE)
    return Dataset("party", instances.names, (Record(image, SIZE, instances, split="train"),))


@given(strategies.solid_boxes(size=SIZE))
def test_boxes_are_read_as_they_were_written(tmp_path_factory, boxes):
    folder = tmp_path_factory.mktemp("labelme")
    boxes = np.clip(boxes, 0, [40, 30, 40, 30]).astype(np.float32)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)]
    boxes = boxes[(boxes[:, 2:] > 2).any(1)]  # smaller ones at the corner are taken for fractions
    drawn = Instances(boxes, np.arange(len(boxes)) % 2, None, None, ('"dent"', "rust"))
    assert formats.write(dataset(folder, drawn), folder, "labelme") == ()
    read = formats.read(folder)
    assert only(read).boxes.tolist() == boxes.tolist() and only(read).labels == drawn.labels
    assert read.records[0].split == "train"


@given(strategies.masks(size=SIZE))
def test_masks_are_read_as_they_were_written(tmp_path_factory, dense):
    folder = tmp_path_factory.mktemp("labelme")
    masks = RleMasks.from_dense(dense[dense.any((1, 2))])
    drawn = Instances(masks.boxes, np.zeros(len(masks), np.int64), None, masks, ("rust",))
    assert formats.write(dataset(folder, drawn), folder, "labelme") == ()
    read = only(formats.read(folder))
    assert len(read) == len(masks) and (not len(masks) or (read.masks.dense() == masks.dense()).all())


@given(strategies.objects(SIZE, most=2))
def test_outlines_keep_their_vertices_and_their_parts(tmp_path_factory, objects):
    assume(objects and all(len(np.unique(part, axis=0)) > 2 for parts in objects for part in parts))
    masks = RleMasks.from_polygons(objects, SIZE)
    every = [np.concatenate(parts) for parts in objects]
    assume(all((points.min(0) < SIZE[::-1]).all() and (points.max(0) > 0).all() for points in every))
    assume(all((points.max(0) > 2).any() for points in every))  # smaller ones at the corner are taken for fractions
    assume((masks.area > 0).all())
    folder = tmp_path_factory.mktemp("labelme")
    notes = tuple(Annotation(tuple(parts)) for parts in objects)
    drawn = Instances(masks.boxes, np.zeros(len(objects), np.int64), None, masks, ("rust",), None, notes)
    assert formats.write(dataset(folder, drawn), folder, "labelme") == ()
    read = only(formats.read(folder))
    for note, parts in zip(read.annotations, objects, strict=True):
        assert all((one == other).all() for one, other in zip(note.outlines, parts, strict=True))


def test_what_it_cannot_hold_is_counted_and_flags_are_kept(tmp_path):
    notes = (Annotation((), None, {"old": True, "description": "deep", "pose": "left"}),)
    drawn = Instances(np.array([[1, 1, 5, 5]], np.float32), np.zeros(1, np.int64), np.ones(1, np.float32), None,
                      ("rust",), None, notes)  # fmt: skip
    records = (*dataset(tmp_path, drawn).records, Record(annotations.image(tmp_path / "train/b.png", SIZE), SIZE, None))
    lost = formats.write(Dataset("party", ("rust",), records), tmp_path, "labelme")
    assert sorted(map(str, lost)) == [
        "1 attribute cannot be kept", "1 score cannot be kept", "1 unlabeled image cannot be kept"
    ]  # fmt: skip
    assert dict(formats.read(tmp_path).records[0].instances.annotations[0].attributes) == {
        "old": True, "description": "deep"
    }  # fmt: skip


def test_classes_of_images_are_flags_and_single_files_hold_one_image(tmp_path):
    images = [annotations.image(tmp_path / f"{name}.png", SIZE) for name in "ab"]
    data = Dataset("pets", ("cat", "dog"), tuple(Record(image, SIZE, None, labels=(1,)) for image in images))
    with pytest.raises(DatasetError, match="one JSON file holds one image"):
        formats.write(data, tmp_path / "one.json", "labelme")
    formats.write(data, tmp_path, "labelme")
    assert json.loads((tmp_path / "a.json").read_text())["flags"] == {"dog": True}
    assert formats.read(tmp_path).class_counts() == {"dog": 2}


# --- real files -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("case", "images", "classes"),
    [
        ("labelme_all_primitives", 1, {"circle": 1, "octagon": 1, "polygon": 1, "rectangle": 2}),
        ("labelme_embedded_photo", 1, {"highland_6539_self_stick_notes": 1, "kong_air_dog_squeakair_tennis_ball": 1,
                                       "mead_index_cards": 1, "shelf": 1}),
        ("labelme_flags_classification", 2, {"cat": 1, "dog": 1}),
        ("labelme_polygon_group_id", 3, {"bottle": 1, "bus": 2, "car": 1, "chair": 1, "person": 6, "sofa": 1}),
        ("labelme_rectangles", 3, {"bus": 2, "car": 1, "person": 6}),
    ],
)  # fmt: skip
def test_real_sets_have_the_objects_that_are_stated(shared, cache, case, images, classes):
    read = formats.read(shared / "data/zoo" / case)
    assert (read.format, len(read), read.class_counts(), put_aside(read)) == ("labelme", images, classes, [])


def test_the_octagon_of_every_shape_has_its_pixels(shared):
    read = only(formats.read(shared / "data/zoo/labelme_all_primitives"))
    data = json.loads((shared / "data/zoo/labelme_all_primitives/primitives.json").read_text())
    drawn = Image.open(io.BytesIO(base64.b64decode(data["shapes"][-1]["mask"])))
    mask = read.masks.dense()[read.labels.index("octagon")]
    assert (mask[305:405, 417:517] == np.asarray(drawn).astype(bool)).all() and mask.sum() == np.count_nonzero(drawn)


def test_what_the_tutorials_make_of_labelme_files_is_read_from_the_files(shared):
    read = formats.read(shared / "data/faults/mask_labelme_dataset")
    assert (read.format, len(read), read.instance_count) == ("labelme", 4, 8)
    assert formats.read(shared / "data/faults/intake-labelme-advice/data").format == "labelme"
