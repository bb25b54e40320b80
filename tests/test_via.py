"""VIA files, of both versions and all their shapes; real ones with the counts that stand beside them."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks import annotations as attacks
from attacks.annotations import SQUARE
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, MaskwrightError
from maskwright.formats import via
from maskwright.formats.faults import Faults
from maskwright.types import Dataset, Instances, Record, RleMasks


def only(dataset: Dataset) -> Instances:
    (record,) = dataset.records
    assert record.instances is not None
    return record.instances


def with_images(case: Path, folder: Path, size: tuple[int, int] = (6000, 6000)) -> Path:
    """A case of real annotations whose images are absent, with black images in their place."""
    file = Path(shutil.copy(next(path for path in case.iterdir() if path.suffix in (".json", ".csv")), folder))
    for name in IMAGE_NAMES[file.suffix](file.read_text("utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("1", size[::-1]).save(path, format="png", compress_level=1)
    return folder


IMAGE_NAMES = {
    ".json": lambda text: [record["filename"] for record in json.loads(text).values()],
    ".csv": lambda text: [line.split(",")[0] for line in text.splitlines()[1:]],
}


# --- what a file may hold -----------------------------------------------------------------------
def test_an_image_without_regions_is_labeled_as_empty(tmp_path):
    data = formats.read(attacks.via(tmp_path))
    assert data.state_counts() == {"labeled": 0, "empty": 1, "unlabeled": 0, "skipped": 0}
    assert data.names == () and data.format == "via"


def test_a_file_without_images_is_refused(tmp_path):
    path = attacks.written(tmp_path / "via.json", {"_via_settings": {}, "_via_img_metadata": {}})
    with pytest.raises(DatasetError, match="it holds no images"):
        formats.read(path)


def test_a_polygon_covers_its_area(tmp_path):
    found = only(formats.read(attacks.via(tmp_path, SQUARE)))
    assert found.masks is not None
    assert found.masks.area.tolist() == [100] and found.boxes.tolist() == [[2, 2, 12, 12]]


def test_a_polyline_is_closed(tmp_path):
    found = only(formats.read(attacks.via(tmp_path, {**SQUARE, "name": "polyline"})))
    assert found.masks is not None and found.masks.area.tolist() == [100]


def test_rectangles_alone_give_boxes_without_masks(tmp_path):
    found = only(formats.read(attacks.via(tmp_path, {"name": "rect", "x": 3, "y": 4.5, "width": 10, "height": 6})))
    assert found.masks is None and found.boxes.tolist() == [[3, 4.5, 13, 10.5]]


def test_a_rectangle_beside_an_outline_becomes_a_mask_and_is_told(tmp_path):
    data = formats.read(attacks.via(tmp_path, {"name": "rect", "x": 3, "y": 4, "width": 10, "height": 6}, SQUARE))
    found = only(data)
    assert found.masks is not None and found.masks.area.tolist() == [60, 100]
    assert sentences(data) == ("1 box became a rectangular mask, beside outlines in the same image",)


def test_a_circle_covers_its_area(tmp_path):
    found = only(formats.read(attacks.via(tmp_path, {"name": "circle", "cx": 20, "cy": 15, "r": 10})))
    assert found.masks is not None and abs(found.masks.area[0] - math.pi * 100) < 4


def test_an_ellipse_is_turned_by_theta(tmp_path):
    shape = {"name": "ellipse", "cx": 20, "cy": 15, "rx": 12, "ry": 4, "theta": math.pi / 2}
    found = only(formats.read(attacks.via(tmp_path, shape)))
    assert found.boxes[0].tolist() == [16, 3, 24, 27]


def test_points_are_left_out_and_counted(tmp_path):
    data = formats.read(attacks.via(tmp_path, SQUARE, {"name": "point", "cx": 3, "cy": 3}))
    assert len(only(data)) == 1 and sentences(data) == ("1 point cannot be used here: left out",)


def test_all_four_spellings_of_a_file_read_the_same(tmp_path):
    """VIA 1 (regions as an object), a VIA 2 export, a project, CSV."""
    shape, attributes = json.dumps(SQUARE).replace('"', '""'), '{""kind"":""rust""}'
    region = {"shape_attributes": SQUARE, "region_attributes": {"kind": "rust"}}
    export = {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [region], "file_attributes": {}}}
    first = {"a.jpg1": {**export["a.jpg1"], "regions": {"0": region}}}
    project = {"_via_settings": {}, "_via_img_metadata": export, "_via_attributes": {"region": {}, "file": {}}}
    table = (
        f"#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
        f'a.jpg,1,"{{}}",1,0,"{shape}","{attributes}"\n'
    )
    for index, content in enumerate((first, export, project, table)):
        folder = tmp_path / str(index)
        attacks.image(folder / "a.jpg")
        if isinstance(content, str):
            (folder / "via.csv").write_text(content, "utf-8")
        else:
            attacks.written(folder / "via.json", content)
        data = formats.read(folder)
        assert data.class_counts() == {"rust": 1} and only(data).boxes.tolist() == [[2, 2, 12, 12]]


def test_a_csv_row_without_a_shape_is_an_empty_image(tmp_path):
    attacks.image(tmp_path / "a.jpg")
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    (tmp_path / "via.csv").write_text(header + 'a.jpg,1,"{}",0,0,"{}","{}"\n', "utf-8")
    assert formats.read(tmp_path).state_counts()["empty"] == 1


# --- classes ------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["rust", " rust ", {"rust": True}, {"rust": True, "hole": False}])
def test_a_class_is_a_text_a_choice_or_a_ticked_box(tmp_path, value):
    assert formats.read(attacks.via(tmp_path, (SQUARE, {"kind": value}))).class_counts() == {"rust": 1}


def test_a_number_is_a_class_too(tmp_path):
    assert formats.read(attacks.via(tmp_path, (SQUARE, {"kind": 7}))).names == ("7",)


def test_without_attributes_the_class_is_named_after_the_folder(tmp_path):
    assert formats.read(attacks.via(tmp_path / "bolts_via" / "train", SQUARE)).names == ("bolts",)


def test_of_several_attributes_the_one_called_like_a_class_is_taken_and_told(tmp_path):
    path = attacks.via(
        tmp_path, (SQUARE, {"shape": "round", "Class": "rust"}), (SQUARE, {"shape": "flat", "Class": "rust"})
    )
    data = formats.read(path)
    assert data.names == ("rust",)
    assert sentences(data) == (
        'the class is taken from attribute "Class" (2 of 2 regions have it), not from "shape": '
        "--class-attribute names another",
    )


def test_the_attribute_that_holds_the_class_can_be_named(tmp_path):
    """Nobody can guess that `Gender` was meant and not `Age`."""
    people = [(SQUARE, {"Age": age, "Gender": gender}) for age, gender in [("old", "f"), ("old", "m"), ("young", "f")]]
    path = attacks.via(tmp_path, *people)
    assert formats.read(path).class_counts() == {"old": 2, "young": 1}
    for named in (path, tmp_path):
        data = formats.read(named, class_attribute="Gender")
        assert data.class_counts() == {"f": 2, "m": 1}
        assert sentences(data) == (
            'the class is taken from attribute "Gender" (3 of 3 regions have it), not from "Age"',
        )


def test_an_attribute_that_no_region_has_is_an_error_that_lists_those_they_have(tmp_path):
    path = attacks.via(tmp_path, (SQUARE, {"Age": "old", "Gender": "f"}))
    with pytest.raises(AnnotationError) as caught:
        formats.read(path, class_attribute="gender")
    assert str(caught.value) == (
        f'AnnotationError: {path}: no region has an attribute "gender"\n'
        "  field     --class-attribute\n"
        "  expected  Age or Gender\n"
        "  got       gender\n"
        '  fix       --class-attribute "Gender"'
    )
    with pytest.raises(AnnotationError, match="its regions have no attributes") as caught:
        formats.read(attacks.via(tmp_path, SQUARE), class_attribute="gender")
    assert "fix" not in caught.value.parts


def test_a_part_without_regions_lacks_no_attribute(tmp_path):
    attacks.via(tmp_path / "train", (SQUARE, {"Age": "old", "Gender": "f"}))
    attacks.via(tmp_path / "val")
    assert formats.read(tmp_path, class_attribute="Gender").names == ("f",)


def test_an_attribute_that_differs_everywhere_is_no_class(tmp_path):
    regions = [(SQUARE, {"name": f"no. {n}", "sort": "rust"}) for n in range(30)]
    assert formats.read(attacks.via(tmp_path, *regions)).names == ("rust",)


def test_blanks_around_a_class_do_not_count_and_are_told(tmp_path):
    data = formats.read(attacks.via(tmp_path, (SQUARE, {"name": "Right "}), (SQUARE, {"name": "Right"})))
    assert data.class_counts() == {"Right": 2}
    assert sentences(data) == ('class "Right " was read as "Right": blanks around a name do not count',)


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_of_two_records_of_one_name_the_size_says_which_image_is_here(tmp_path, ending):
    """VIA knows an image by its name and its size in bytes: the other record is of an image that is not here."""
    image = attacks.image(tmp_path / "a.jpg")
    here = image.stat().st_size
    if ending == "json":
        records = {
            str(size): {
                "filename": "a.jpg",
                "size": size,
                "regions": [{"shape_attributes": SQUARE, "region_attributes": {"class": label}}],
            }
            for size, label in ((here, "rust"), (99_999, "dent"))
        }
        (tmp_path / "via.json").write_text(json.dumps(records))
    else:
        shape = json.dumps(SQUARE).replace('"', '""')
        rows = [f'a.jpg,{size},{{}},1,0,"{shape}","{{""class"": ""{label}""}}"' for size, label in
                ((here, "rust"), (99_999, "dent"))]  # fmt: skip
        header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
        (tmp_path / "via.csv").write_text("\n".join([header, *rows]))
    data = formats.read(tmp_path)
    assert data.class_counts() == {"rust": 1}
    (missing,) = put_aside(data)
    assert missing.values["elsewhere"] == {"a.jpg of 99,999 bytes": f"a.jpg of {here:,} bytes"}


def test_two_unicode_forms_of_a_name_are_one_class(tmp_path):
    """Nobody could see the difference, or mend it in VIA."""
    one, other = (SQUARE, {"name": "gr\u00fcn"}), (SQUARE, {"name": "gru\u0308n"})
    data = formats.read(attacks.via(tmp_path, one, other))
    assert data.class_counts() == {"gr\u00fcn": 2}
    assert sentences(data) == ("a class name in two Unicode forms of the same letters was read as one",)


def test_classes_that_differ_by_case_stay_two_and_are_named(tmp_path):
    data = formats.read(attacks.via(tmp_path, (SQUARE, {"name": "Gun"}), (SQUARE, {"name": "gun"})))
    assert data.names == ("Gun", "gun")
    assert sentences(data) == ('classes "Gun" and "gun" differ only by case or blanks: are they one?',)


@pytest.mark.parametrize(("value", "got"), [("", "none"), ({"a": True, "b": True}, "a and b"), (None, "none")])
def test_a_region_without_one_class_is_a_fault_where_others_have_one(tmp_path, value, got):
    regions = [(SQUARE, {"name": "rust"})] * 19
    data = formats.read(attacks.via(tmp_path, *regions, (SQUARE, {"name": value})))
    assert data.class_counts() == {"rust": 19}
    assert str(put_aside(data)[0]) == (
        f'image "a.jpg", region 19: region_attributes.name: expected one class, as other regions have, got {got}'
    )


# --- faults -------------------------------------------------------------------------------------
def test_an_outline_with_a_lost_coordinate_is_refused_word_for_word(tmp_path):
    path = attacks.via(tmp_path, {**SQUARE, "all_points_y": [2, 2, 12]})
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert str(caught.value) == (
        f"AnnotationError: {path}: 1 of 1 regions are faulty\n"
        '  record    image "a.jpg", region 0\n'
        "  field     shape_attributes.all_points_y\n"
        "  expected  4 numbers, as many as all_points_x\n"
        "  got       3\n"
        "  fix       draw that region again in VIA and save; or put the faulty ones aside with --allow-faulty"
    )


BAD = [
    {},
    {"name": "polygon"},
    {"name": "blob"},
    {**SQUARE, "all_points_x": [2, 12, 2, 12], "all_points_y": [2, 12, 2, 12]},
    {**SQUARE, "all_points_x": ["2", 12, 12, 2]},
    {**SQUARE, "all_points_x": [1e300, 12, 12, 2]},
    {**SQUARE, "all_points_x": [102, 112, 112, 102]},
    {**SQUARE, "all_points_x": [-12, -2, -2, -12]},
    {**SQUARE, "all_points_x": [], "all_points_y": []},
    {"name": "rect", "x": 3, "y": 4, "width": -10, "height": 6},
    {"name": "rect", "x": 3, "y": 4, "width": 0, "height": 6},
    {"name": "rect", "x": 3, "y": 4, "width": "10", "height": 6},
    {"name": "rect", "x": 41, "y": 4, "width": 10, "height": 6},
    {"name": "circle", "cx": 3, "cy": 4, "r": 0},
    {"name": "ellipse", "cx": 3, "cy": 4, "rx": 3, "ry": None},
    None,
    7,
]


@pytest.mark.parametrize("shape", BAD)
def test_a_bad_shape_is_put_aside_by_name_and_the_others_stay(tmp_path, shape):
    data = formats.read(attacks.via(tmp_path, *[SQUARE] * 19, shape))
    assert len(only(data)) == 19
    assert [fault.subject for fault in put_aside(data)] == ['image "a.jpg", region 19']


def test_an_image_whose_every_region_is_bad_is_skipped_not_empty(tmp_path):
    data = formats.read(attacks.via(tmp_path, {"name": "blob"}), allow_faulty=True)
    assert data.state_counts()["skipped"] == 1


def test_outlines_over_the_edge_are_cut_and_counted(tmp_path):
    low, far = {**SQUARE, "all_points_x": [-1, 12, 12, -1]}, {**SQUARE, "all_points_x": [30, 60, 60, 30]}
    data = formats.read(attacks.via(tmp_path, low, far, {**SQUARE, "all_points_x": [20, 40, 40, 20]}, SQUARE))
    assert only(data).boxes.tolist() == [[0, 2, 12, 12], [30, 2, 40, 12], [20, 2, 40, 12], [2, 2, 12, 12]]
    assert sentences(data) == ("3 outlines extended past the image edge: clipped",)


def second_record(path: Path, *shapes: Any) -> Path:
    """The file once more, with a second record of its image."""
    records = json.loads(path.read_text("utf-8"))
    regions = [{"shape_attributes": shape, "region_attributes": {}} for shape in shapes]
    records["a.jpg2"] = {"filename": "a.jpg", "regions": regions}
    return attacks.written(path, records)


def test_the_regions_of_two_records_of_one_image_are_joined_and_equal_ones_count_once(tmp_path):
    other = {"name": "rect", "x": 20, "y": 20, "width": 5, "height": 5}
    data = formats.read(second_record(attacks.via(tmp_path, SQUARE, SQUARE), SQUARE, other))
    assert len(data) == 1 and data.instance_count == 3 and not put_aside(data)
    assert sentences(data)[0] == "1 second record of an image: the regions were joined, equal ones once"


@pytest.mark.parametrize(("first", "second"), [([SQUARE], []), ([], [SQUARE]), ([SQUARE], [SQUARE])])
def test_a_record_without_regions_beside_a_drawn_one_does_not_count(tmp_path, first, second):
    data = formats.read(second_record(attacks.via(tmp_path, *first), *second))
    assert [record.state for record in data] == ["labeled"] and data.instance_count == 1


@pytest.mark.parametrize("shape", [{"name": "point", "cx": 3, "cy": 3},
                                   {"name": "polyline", "all_points_x": [1, 9], "all_points_y": [1, 9]}])  # fmt: skip
def test_an_image_with_nothing_but_points_or_lines_is_unlabeled(tmp_path, shape):
    data = formats.read(attacks.via(tmp_path, shape))
    assert [record.state for record in data] == ["unlabeled"]
    assert "1 image with nothing but points or lines, taken as unlabeled, not as empty" in sentences(data)
    assert [record.state for record in formats.read(attacks.via(tmp_path, shape, SQUARE))] == ["labeled"]


def test_outlines_in_fractions_are_scaled_and_among_pixels_they_are_faults(tmp_path):
    fraction = {"name": "polygon", "all_points_x": [0.25, 0.75, 0.75, 0.25], "all_points_y": [0.5, 0.5, 1, 1]}
    data = formats.read(attacks.via(tmp_path, fraction))
    assert only(data).boxes.tolist() == [[10, 15, 30, 30]]
    assert "fractions of width and height" in sentences(data)[0]
    mixed = formats.read(attacks.via(tmp_path, fraction, *[SQUARE] * 30))
    assert mixed.instance_count == 30 and put_aside(mixed)[0].values["got"] == "places within 0 and 1"


def test_an_outline_to_and_fro_over_all_the_image_is_a_fault(tmp_path):
    count = 60_000
    zigzag = {"name": "polygon", "all_points_x": [300 * (index % 2) for index in range(count)],
              "all_points_y": [index * 200 / count for index in range(count)]}  # fmt: skip
    with pytest.raises(AnnotationError, match="60,000 points to and fro"):
        formats.read(attacks.via(tmp_path, zigzag, size=(200, 300)))


@pytest.mark.parametrize("record", [7, None, {}, {"filename": 3}, {"filename": "a.jpg", "regions": "x"}])
def test_a_bad_record_is_a_fault_by_name(tmp_path, record):
    path = attacks.via(tmp_path, *[SQUARE] * 30)
    data = formats.read(attacks.written(path, {**json.loads(path.read_text("utf-8")), "bad": record}))
    assert len(data) == 1 and len(put_aside(data)) == 1


def test_attribute_definitions_are_refused_by_what_they_are(tmp_path):
    path = attacks.written(tmp_path / "attributes.json", {"region": {"name": {"type": "text"}}, "file": {}})
    with pytest.raises(AnnotationError, match="VIA's attribute definitions, not annotations"):
        formats.read(path)


def test_a_project_of_via_3_is_refused_by_what_it_is_where_via_2_was_asked_for(tmp_path):
    data = {"project": {"vid_list": ["1"]}, "config": {}, "attribute": {}, "file": {}, "metadata": {}, "view": {}}
    with pytest.raises(AnnotationError, match="a VIA 3 project, which is another format"):
        via.read(attacks.written(tmp_path / "via.json", data), Faults("via.json"))


# --- images turned by EXIF ----------------------------------------------------------------------
def test_a_turned_image_has_its_turned_size(tmp_path):
    path = attacks.via(tmp_path, {**SQUARE, "all_points_y": [22, 22, 38, 38]})
    attacks.image(tmp_path / "a.jpg", (30, 40), orientation=6)
    (record,) = formats.read(path).records
    assert record.size == (40, 30) and record.instances is not None
    assert record.instances.boxes.tolist() == [[2, 22, 12, 38]]
    assert sentences(formats.read(path)) == ("1 image with an EXIF rotation, read as annotated after the rotation",)


def test_coordinates_that_fit_only_the_unturned_image_are_a_fault(tmp_path):
    path = attacks.via(tmp_path, SQUARE, {**SQUARE, "all_points_x": [22, 38, 38, 22]})
    attacks.image(tmp_path / "a.jpg", (30, 40), orientation=6)
    with pytest.raises(AnnotationError, match="places that fit only the unturned image"):
        formats.read(path)
    assert formats.read(path, allow_faulty=True).state_counts()["skipped"] == 1


# --- writing ------------------------------------------------------------------------------------
def test_what_is_written_reads_the_same(tmp_path):
    masks = np.zeros((3, 30, 40), bool)
    masks[0, 3:9, 4:20] = True
    masks[1, 10:29, 30:40] = True
    masks[1, 12:14, 33:35] = False  # a hole
    masks[2, 0:2, 0:2] = masks[2, 20:22, 20:24] = True  # two parts
    image = attacks.image(tmp_path / "images" / "a.jpg")
    runs = RleMasks.from_dense(masks)
    full = Instances(runs.boxes, np.array([0, 1, 0]), np.ones(3), runs, ("hole", "rust"))
    rows = (Record(image, (30, 40), full), Record(attacks.image(tmp_path / "b.jpg"), (30, 40), None),
            Record(attacks.image(tmp_path / "c.jpg"), (30, 40), Instances.empty(full.names)))  # fmt: skip
    told = formats.write(Dataset("party", full.names, rows), tmp_path / "out.json", "via")
    assert sentences(told) == ("1 unlabeled image cannot be kept", "3 scores cannot be kept", "1 hole cannot be kept",
                    "1 union of several parts cannot be kept")  # fmt: skip
    again = formats.read(tmp_path / "out.json")
    assert again.state_counts() == {"labeled": 1, "empty": 1, "unlabeled": 1, "skipped": 0}
    found = again.records[0].instances
    assert found is not None and found.masks is not None and found.labels == ["hole", "rust", "hole", "hole"]
    dense = found.masks.dense()
    assert (
        (dense[0] == masks[0]).all()
        and (dense[2] | dense[3] == masks[2]).all()
        and dense[1].sum() == masks[1].sum() + 4
    )


def test_boxes_are_written_as_rectangles(tmp_path):
    image = attacks.image(tmp_path / "a.jpg")
    found = Instances(np.array([[1, 2.5, 11, 12]]), np.array([0]), None, None, ("rust",))
    assert (
        formats.write(Dataset("party", ("rust",), (Record(image, (30, 40), found),)), tmp_path / "out.json", "via")
        == ()
    )
    again = only(formats.read(tmp_path / "out.json"))
    assert again.masks is None and again.boxes.tolist() == [[1, 2.5, 11, 12]]


# --- anything at all ----------------------------------------------------------------------------
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-50, 50) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["filename", "regions", "shape_attributes", "region_attributes", "name", "all_points_x",
                         "all_points_y", "x", "y", "width", "height", "cx", "cy", "r", "0"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
SHAPES = st.fixed_dictionaries(
    {"name": st.sampled_from(["polygon", "polyline", "rect", "circle", "ellipse", "point", "x"])},
    optional={key: ANYTHING | st.lists(st.integers(-5, 45), max_size=6) for key in ("all_points_x", "all_points_y")}
    | dict.fromkeys(("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "theta"), ANYTHING),
)


@given(st.lists(SHAPES | ANYTHING, max_size=4), ANYTHING)
def test_any_file_gives_a_data_set_or_our_error(tmp_path_factory, shapes: list[Any], other: Any):
    folder = tmp_path_factory.mktemp("any")
    path = attacks.via(folder, *[(shape, other) for shape in shapes])
    for content in (
        json.loads(path.read_text("utf-8")),
        {"_via_img_metadata": other},
        {"a": other, "filename": "regions"},
    ):
        attacks.written(path, content)
        try:
            data = formats.read(path, format="via", allow_faulty=True)
        except MaskwrightError:
            continue
        assert isinstance(data, Dataset)


# --- real data ----------------------------------------------------------------------------------
def test_the_balloons_are_read_without_decoding_an_image(shared, monkeypatch):
    loaded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: loaded.append(image.filename))
    data = formats.read(shared / "data" / "balloon")
    assert loaded == []
    assert data.names == ("balloon",) and data.name == "balloon"
    assert {split: (len(part), part.instance_count) for split, part in data.splits().items()} == {
        "train": (61, 255), "val": (13, 50)}  # fmt: skip
    assert sentences(data) == ("train: 13 outlines extended past the image edge: clipped",) and not put_aside(data)
    counts = sorted(len(record.instances or ()) for record in data.splits()["val"])
    assert counts == [1] * 5 + [3] * 2 + [4] + [6] * 2 + [7] * 2 + [9]


def test_the_weapons_have_their_class_in_a_checkbox(shared):
    data = formats.read(shared / "data" / "weapons")
    assert (len(data), data.class_counts()) == (80, {"sword": 44, "gun": 46})
    assert sentences(data) == ("3 outlines extended past the image edge: clipped",)


def test_corrosion_is_read_by_its_split_folders_not_by_the_file_above(shared):
    data = formats.read(shared / "data" / "corrosion_via")
    assert {split: (len(part), part.instance_count) for split, part in data.splits().items()} == {
        "train": (64, 272), "val": (3, 8), "test": (4, 14)}  # fmt: skip
    assert data.names == ("corrosion",)
    assert any("at the top was not counted" in remark for remark in sentences(data))
    alone = formats.read(shared / "data" / "corrosion_via" / "via_region_data.json")
    assert (len(alone), alone.instance_count) == (23, 90)


@pytest.mark.parametrize(
    ("file", "images", "counts"),
    [("train/via_region_data.json", 62, {"damage": 152}), ("train/car-damage-train.json", 62, {"damage": 152}),
     ("train/via_region_data.csv", 62, {"damage": 152}), ("val/via_region_data.json", 8, {"damage": 12}),
     ("train/train_multiclass.json", 62,
      {"door": 38, "front_bumper": 33, "headlamp": 66, "hood": 28, "rear_bumper": 26}),
     ("val/val_multiclass.json", 8, {"door": 4, "front_bumper": 4, "headlamp": 10, "hood": 3, "rear_bumper": 3})],
)  # fmt: skip
def test_car_damage_is_read_by_naming_one_file(shared, file, images, counts):
    data = formats.read(shared / "data" / "car_damage_via" / file)
    assert (len(data), data.class_counts(), len(put_aside(data))) == (images, counts, 0)


@pytest.mark.parametrize(
    ("case", "images", "counts", "faults"),
    [("via1_json_dict_regions", 98, {"bacteria": 112, "brown_spot": 376, "leaf_smut": 137}, 2),
     ("via2_json_circle_polyline", 41, {"1": 39, "2": 41, "3": 35, "5": 8}, 0),
     ("via_csv_hash_header", 5, {"object": 5}, 0),
     ("via_csv_class_twins", 121, {"Back": 3, "Down": 15, "DownLeft": 9, "DownRight": 5, "Front": 18, "Left": 11,
                                   "Right": 14, "Up": 17, "UpLeft": 19, "UpRight": 16}, 1),
     ("via_csv_receipts", 6, {"Date": 6, "Header": 6, "Total": 6}, 0)],
)  # fmt: skip
def test_real_files_of_many_hands_are_counted_right(shared, tmp_path, case, images, counts, faults):
    """The published annotations, with black images in the place of those that were left out."""
    (tmp_path / "data").mkdir()
    folder = with_images(shared / "data" / "zoo" / case, tmp_path / "data", (2000, 2000))
    data = formats.read(folder)
    expected = counts if "object" not in counts else {data.names[0]: counts["object"]}
    assert (len(data), data.class_counts(), len(put_aside(data))) == (images, expected, faults)


def test_one_project_an_image_is_joined(shared):
    data = formats.read(shared / "data" / "zoo" / "via2_project_one_per_photo")
    assert (len(data), data.instance_count, len(data.names)) == (2, 432, 13)


def test_an_image_in_no_project_is_unlabeled(shared):
    folder = shared / "data" / "zoo" / "via2_project_unlabelled_photos"
    data = formats.read(folder, allow_faulty=True)
    assert data.state_counts() == {"labeled": 1, "empty": 0, "unlabeled": 1, "skipped": 1}
    with pytest.raises(AnnotationError, match="1 of 2 regions are faulty"):  # an outline of a single point
        formats.read(folder)
