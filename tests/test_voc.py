"""Pascal VOC: XML beside images, palette masks, lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import absent, put_aside, sentences
from strategies import masks

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, OutputError
from maskwright.formats import voc, voc_shapes
from maskwright.formats.reading import Faults, Head, Losses
from maskwright.types import Dataset, Instances, Record, RleMasks


def read(path: Path, allow_faulty: bool = False) -> Dataset:
    faults = Faults(path, allow_faulty)
    return faults.into(voc.read(path, faults))


def box(label: str, *corners: object) -> str:
    tags = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(voc_shapes.CORNERS, corners, strict=True))
    return f"<object><name>{label}</name><bndbox>{tags}</bndbox></object>"


def page(folder: Path, stem: str, *objects: str, named: str | None = None, size: str = "", image: bool = True) -> Path:
    """One XML file and its 40 x 30 image."""
    folder.mkdir(parents=True, exist_ok=True)
    if image:
        Image.new("RGB", (40, 30)).save(folder / f"{stem}.png")
    file = folder / f"{stem}.xml"
    name = f"{stem}.png" if named is None else named
    file.write_text(f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>")
    return file


# --- what is there ----------------------------------------------------------------------------------
def test_a_file_without_objects_is_labeled_and_empty(tmp_path):
    page(tmp_path, "a")
    found = read(tmp_path)
    assert (found.names, found.state_counts()["empty"], put_aside(found)) == ((), 1, [])


def test_an_image_without_xml_is_unlabeled(tmp_path):
    page(tmp_path, "a", box("rust", 1, 2, 3, 4))
    Image.new("RGB", (9, 9)).save(tmp_path / "b.png")
    assert [(record.image.name, record.state) for record in read(tmp_path)] == [
        ("a.png", "labeled"),
        ("b.png", "unlabeled"),
    ]


def test_numbers_are_edges_and_stay_as_they_are(tmp_path):
    page(tmp_path, "a", box("rust", 0, 0, 40, 30), box("dent", "1.5", 2, " 3 ", 4))
    found = read(tmp_path)
    assert found.names == ("dent", "rust")
    assert found.records[0].instances.boxes.tolist() == [[0, 0, 40, 30], [1.5, 2, 3, 4]]
    assert found.records[0].instances.labels == ["rust", "dent"]
    assert found.records[0].instances.masks is None and sentences(found) == ()


def test_roboflow_writes_the_corners_in_another_order(tmp_path):
    corners = "<xmin>2</xmin><xmax>5</xmax><ymin>1</ymin><ymax>2</ymax>"
    page(tmp_path, "a", f"<object><name>rust</name><bndbox>{corners}</bndbox></object>")
    assert read(tmp_path).records[0].instances.boxes.tolist() == [[2, 1, 5, 2]]


def test_parts_of_a_person_are_no_objects(tmp_path):
    head = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    page(tmp_path, "a", box("person", 1, 1, 9, 9).replace("</object>", head + "</object>"))
    data = read(tmp_path)
    assert data.instance_count == 1
    assert sentences(data) == ("1 part of an object (<part>, such as a head) was not read",)


def test_actions_are_attributes_and_written_again(tmp_path):
    actions = "<actions><jumping>1</jumping><phoning>0</phoning></actions>"
    page(tmp_path, "a", box("person", 1, 1, 9, 9).replace("</object>", actions + "</object>"))
    data = read(tmp_path)
    (note,) = data.records[0].instances.annotations
    assert note.attributes == {"actions": {"jumping": 1}}
    assert formats.write(data, tmp_path / "out", "voc") == ()
    (text,) = (tmp_path / "out").rglob("*.xml")
    assert "<jumping>1</jumping>" in text.read_text("utf-8") and "phoning" not in text.read_text("utf-8")


def test_folders_of_another_machine_do_not_matter(tmp_path):
    page(tmp_path, "a (1)", box("rust", 1, 1, 2, 2), named=r"C:\Users\me\Training Images\a (1).png")
    assert len(read(tmp_path).usable()) == 1


def test_one_xml_file_can_be_named_alone(tmp_path):
    file = page(tmp_path, "a", box("rust", 1, 1, 2, 2))
    page(tmp_path, "b")
    assert [record.image.name for record in read(file)] == ["a.png"]


# --- what is mended ---------------------------------------------------------------------------------
def test_the_image_of_the_same_name_wins_over_the_name_inside(tmp_path):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2), named="b.png")
    page(tmp_path, "b", box("dent", 1, 1, 2, 2))
    found = read(tmp_path)
    assert {record.image.name: record.instances.labels for record in found} == {"a.png": ["rust"], "b.png": ["dent"]}
    assert sentences(found) == (
        'XML files that name another image, where the one of the XML\'s own name was taken: 1 ("a.xml" names "b.png")',
    )


def test_where_the_name_inside_is_an_image_without_xml_of_its_own_nobody_knows_which_is_meant(tmp_path):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2), named="b.png")
    Image.new("RGB", (40, 30)).save(tmp_path / "b.png")
    with pytest.raises(AnnotationError, match="1 of 1 regions are faulty") as caught:
        read(tmp_path)
    assert (caught.value.parts["record"], caught.value.parts["field"]) == ('file "a.xml"', "filename")
    assert '"a.png"' in caught.value.parts["expected"] and '"b.png"' in caught.value.parts["got"]
    assert {record.state for record in read(tmp_path, allow_faulty=True)} == {"unlabeled"}


def test_the_name_inside_is_used_when_there_is_no_other(tmp_path):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2), named="c.png", image=False)
    Image.new("RGB", (40, 30)).save(tmp_path / "c.png")
    assert read(tmp_path).records[0].image.name == "c.png"


def test_swapped_corners_are_put_in_order_and_told(tmp_path):
    page(tmp_path, "a", box("rust", 9, 8, 1, 2))
    found = read(tmp_path)
    assert found.records[0].instances.boxes.tolist() == [[1, 2, 9, 8]]
    assert sentences(found) == ('boxes with swapped corners, put in order: 1 (image "a.png", region 0)',)


def test_a_box_over_the_edge_is_cut_there(tmp_path):
    page(tmp_path, "a", box("rust", -3, 5, 41, 50))
    found = read(tmp_path)
    assert found.records[0].instances.boxes.tolist() == [[0, 5, 40, 30]]
    assert sentences(found) == ("1 box extended past the image edge: clipped",)


# --- what is put aside ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("objects", "field", "got"),
    [
        (box("rust", 50, 5, 60, 9), "points", "x 50 to 60, y 5 to 9"),
        (box("rust", 5, 5, 5, 9), "box", "0 x 4"),
        (box("rust", "one", 5, 5, 9), "bndbox", "one, 5, 5, 9"),
        ("<object><name>rust</name></object>", "bndbox", "nothing, nothing, nothing, nothing"),
        (box("rust", "nan", 5, 5, 9), "bndbox", "nan, 5, 5, 9"),
        (box(" ", 1, 5, 5, 9), "name", "none"),
    ],
)
def test_a_faulty_box_is_put_aside_by_name(tmp_path, objects, field, got):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2), objects)
    with pytest.raises(AnnotationError, match="1 of 2 regions are faulty"):
        read(tmp_path)
    found = read(tmp_path, allow_faulty=True)
    (fault,) = put_aside(found)
    assert (fault.subject, fault.values["field"], found.instance_count) == ('image "a.png", region 1', field, 1)
    assert fault.values["got"].startswith(got)


def test_half_a_file_is_a_fault_and_its_image_is_skipped(tmp_path):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2))
    file = page(tmp_path, "b", box("rust", 1, 1, 2, 2))
    file.write_text(file.read_text()[:60])
    found = read(tmp_path, allow_faulty=True)
    assert [record.state for record in found] == ["labeled", "skipped"]
    assert put_aside(found)[0].subject == 'file "b.xml"'


def test_another_size_than_the_images_is_a_fault(tmp_path):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2), size="<size><width>80</width><height>60</height></size>")
    found = read(tmp_path, allow_faulty=True)
    assert (put_aside(found)[0].values["expected"], put_aside(found)[0].values["got"]) == (
        "30 x 40, the image's own",
        "60 x 80",
    )
    assert found.records[0].state == "skipped"


def test_a_size_of_zeros_says_nothing(tmp_path):
    page(tmp_path, "a", box("rust", 1, 1, 2, 2), size="<size><width>0</width><height>0</height></size>")
    assert read(tmp_path).instance_count == 1


def test_entities_are_refused(tmp_path):
    file = page(tmp_path, "a")
    file.write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>&b;</filename></annotation>')
    assert put_aside(read(tmp_path, allow_faulty=True))[0].values["field"] == "XML"


# --- lists and masks --------------------------------------------------------------------------------
def test_lists_are_splits_but_those_of_a_class_are_not(tmp_path):
    for stem in "abc":
        page(tmp_path, stem)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nz\n")
    (lists / "val.txt").write_text("b\n")
    (lists / "rust_train.txt").write_text("c  1\n")
    found = read(tmp_path)
    assert [record.split for record in found] == ["train", "val", None]
    assert sentences(found) == ("ImageSets/Main/train.txt names 2 images, 1 of them absent",)


def palette(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels.astype(np.uint8), mode=None)
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(file)


def test_masks_that_fit_the_boxes_join_them(tmp_path):
    page(tmp_path, "a", box("rust", 0, 0, 4, 4), box("dent", 10, 10, 20, 20))
    ids = np.zeros((30, 40))
    ids[:4, :4] = 1
    ids[0, 0] = 255
    palette(tmp_path / "SegmentationObject" / "a.png", ids)
    instances = read(tmp_path).records[0].instances
    assert instances.masks.area.tolist() == [15, 100]  # the second has no mask of its own: its box, filled
    assert instances.labels == ["rust", "dent"]


def test_masks_alone_take_their_class_from_the_other_picture(tmp_path):
    (tmp_path / "JPEGImages").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "JPEGImages" / "a.jpg")
    (tmp_path / "class_names.txt").write_text("_background_\nrust\ndent\n")
    ids, kinds = np.zeros((30, 40)), np.zeros((30, 40))
    ids[:4, :4], kinds[:4, :4] = 3, 2
    ids[9, 9], kinds[9, 9] = 7, 1
    kinds[4, :4] = 255
    palette(tmp_path / "SegmentationObject" / "a.png", ids)
    palette(tmp_path / "SegmentationClass" / "a.png", kinds)
    found = read(tmp_path)
    assert voc.sniff(Head(tmp_path)) is not None
    assert found.records[0].instances.labels == ["dent", "rust"]
    assert found.records[0].instances.masks.area.tolist() == [16, 1]


# --- writing ----------------------------------------------------------------------------------------
def written(folder: Path, records: list[Record]) -> tuple[str, ...]:
    losses = Losses()
    names = next((record.instances.names for record in records if record.instances is not None), ())
    voc.write(Dataset("party", names, tuple(records)), folder, losses)
    return sentences(losses.issues)


@given(
    st.lists(st.tuples(*[st.floats(2, 19.75, width=32)] * 2, *[st.floats(0.25, 10, width=32)] * 2, st.integers(0, 1)))
)
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    """Boxes to the last bit, classes, empty images."""
    folder = tmp_path_factory.mktemp("voc")
    Image.new("RGB", (40, 30)).save(folder / "a.png")
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
    instances = Instances(boxes, np.array([row[4] for row in rows], np.int64), None, None, ("dent", "rust"))
    assert written(folder / "out", [Record(folder / "a.png", (30, 40), instances)]) == ()
    Image.new("RGB", (40, 30)).save(folder / "out" / "a.png")
    (again,) = read(folder / "out").records
    assert np.array_equal(again.instances.boxes, instances.boxes)
    assert again.instances.labels == instances.labels and again.state == ("labeled" if rows else "empty")


def test_what_cannot_be_kept_is_counted(tmp_path):
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3]])
    masks = RleMasks.from_boxes(boxes, (30, 40))
    instances = Instances(boxes, [0, 1], [0.5, 0.7], masks, ("rust", "dent"), np.array([True, False]))
    records = [Record(tmp_path / "a.png", (30, 40), instances), Record(tmp_path / "b.png", (30, 40), None)]
    assert written(tmp_path / "out", records) == (
        "1 unlabeled image cannot be kept",
        "2 outlines cannot be kept",
        "2 scores cannot be kept",
        "1 crowd mark cannot be kept",
        "the order of the classes cannot be kept: rust, dent will be read as dent, rust",
    )


@given(masks(size=(12, 20)))
def test_masks_that_do_not_overlap_come_back_to_the_pixel_and_others_are_counted(tmp_path_factory, dense):
    folder = tmp_path_factory.mktemp("voc")
    dense = dense[dense.any((1, 2))]
    found = RleMasks.from_dense(dense)
    instances = Instances(found.boxes, np.arange(len(dense)) % 2, None, found, ("dent", "rust"))
    lost = written(folder / "out", [Record(Path("a.png"), (12, 20), instances)])
    Image.new("RGB", (20, 12)).save(folder / "out" / "a.png")
    (again,) = read(folder / "out").records
    assert again.instances is not None and again.instances.labels == instances.labels
    if len(dense) and not (dense.sum(0) > 1).any():
        assert lost == () and again.instances.masks is not None
        assert np.array_equal(again.instances.masks.dense(), dense)
    else:
        assert len(lost) == int(len(dense) > 0) and (again.instances.masks is None or not len(dense))


def test_pictures_of_masks_have_the_kits_colors(tmp_path):
    found = RleMasks.from_boxes(np.array([[1, 1, 4, 4], [6, 6, 9, 9]]), (12, 20))
    instances = Instances(found.boxes, np.array([1, 0]), None, found, ("dent", "rust"))
    written(tmp_path / "out", [Record(Path("a.png"), (12, 20), instances)])
    objects, kinds = (
        Image.open(tmp_path / "out" / name / "a.png") for name in ("SegmentationObject", "SegmentationClass")
    )
    assert (objects.mode, objects.getpixel((7, 7)), kinds.getpixel((7, 7))) == ("P", 2, 1)
    assert objects.convert("RGB").getpixel((2, 2)) == (128, 0, 0)
    assert (tmp_path / "out" / "class_names.txt").read_text() == "_background_\ndent\nrust\n"


def test_splits_become_lists(tmp_path):
    empty = Instances.empty(("rust", "dent"))
    places = {"a": "train", "b": "val", "c": "val"}
    written(
        tmp_path / "out", [Record(Path(f"{stem}.png"), (9, 9), empty, split=place) for stem, place in places.items()]
    )
    assert (tmp_path / "out/ImageSets/Main/val.txt").read_text() == "b\nc\n"


def test_two_images_of_one_stem_cannot_share_a_file(tmp_path):
    empty = Instances.empty(("rust", "dent"))
    with pytest.raises(DatasetError, match="share one XML file"):
        written(tmp_path / "out", [Record(Path("x/a.png"), (9, 9), empty), Record(Path("y/a.jpg"), (9, 9), empty)])
    with pytest.raises(OutputError, match="one XML file holds one image"):
        written(tmp_path / "out.xml", [])


# --- real data --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("folder", "images", "classes"),
    [
        ("bccd", 100, {"Platelets": 128, "RBC": 1406, "WBC": 107}),
        ("rust/objDet/train", 39, {"rust": 153}),
        ("rust/objDet/test", 6, {"rust": 16}),
        ("zoo/voc_labelme_converter", 3, {"bus": 2, "car": 1, "person": 6}),
        ("zoo/voc_masks_and_imagesets_tiny", 2, {"cat": 1, "person": 1}),
        ("zoo/voc_palette_png", 3, {"bottle": 1, "bus": 2, "car": 1, "chair": 1, "person": 6, "sofa": 1}),
        ("zoo/voc_png_corrosion", 6, {"corrosion": 24}),
        ("zoo/voc_roboflow_tiny/train", 2, {"label_0": 1, "label_1": 1}),
        ("zoo/voc_roboflow_tiny/val", 1, {"label_0": 1, "label_1": 1}),
    ],
)
def test_real_sets_have_their_counts_without_a_fault(shared, folder, images, classes):
    path = shared / "data" / folder
    found = read(path)
    assert voc.sniff(Head(path)).certainty > 0.5
    assert (len(found), found.class_counts(), put_aside(found)) == (images, classes, [])


def test_the_lists_of_bccd_name_absent_images(shared):
    found = read(shared / "data/bccd")
    assert {name: len(part) for name, part in found.splits().items()} == {"train": 57, "val": 19, "test": 24}
    assert "ImageSets/Main/train.txt names 205 images, 148 of them absent" in sentences(found)


def test_two_of_labelimg_have_no_image(shared):
    found = read(shared / "data/zoo/voc_labelimg")
    assert (len(found), sorted(absent(found))) == (4, ["raccoon-100.jpg", "raccoon-63.jpg"])


def test_names_with_blanks_are_named_as_absent(shared):
    path = shared / "data/zoo/voc_names_with_blanks"
    faults = Faults(path)
    assert voc.read(path, faults).names == ("skystone", "stone")
    assert any("skystone-10-27 (11).jpg" in issue.images for issue in faults.issues)


def test_object_pictures_agree_with_their_own_pixels(shared):
    root = shared / "data/zoo/voc_palette_png"
    for record in read(root):
        ids = np.asarray(Image.open(root / "SegmentationObject" / f"{record.image.stem}.png"))
        numbers = sorted(set(np.unique(ids).tolist()) - {0, 255})
        assert record.instances.masks.area.tolist() == [(ids == number).sum() for number in numbers]


def test_fractions_are_scaled_to_pixels_and_told(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    corners = "<xmin>0.25</xmin><ymin>0.5</ymin><xmax>0.75</xmax><ymax>1</ymax>"
    (tmp_path / "a.xml").write_text(
        f"<annotation><filename>a.png</filename><object><name>rust</name><bndbox>{corners}</bndbox></object></annotation>",
        "utf-8",
    )
    data = read(tmp_path)
    assert data.records[0].instances is not None
    assert data.records[0].instances.boxes.tolist() == [[10, 15, 30, 30]]
    assert "fractions of width and height" in sentences(data)[0]
