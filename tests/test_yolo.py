"""YOLO: boxes, outlines, oriented boxes and pose; data.yaml, Darknet and classes.txt; images and texts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import strategies
from attacks import annotations
from hypothesis import assume, given
from hypothesis import strategies as st
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, MaskwrightError, OutputError
from maskwright.formats import yolo, yolo_config, yolo_lines
from maskwright.formats.reading import Head
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

BOX = "0 0.5 0.5 0.25 0.5"
OTHER = "1 0.5 0.5 0.1 0.1"
OUTLINE = "1 0.1 0.1 0.5 0.1 0.5 0.5"
NAMES = "names: [rust, dent]\n"


def data(folder: Path, texts: dict[str, str | None], config: str | None = NAMES, file: str = "data.yaml") -> Path:
    """images/<name>.png of 40 x 30 with labels/<name>.txt (None: no text), and data.yaml with train: images."""
    for name, text in texts.items():
        annotations.image(folder / "images" / f"{name}.png", (30, 40))
        if text is not None:
            write(folder / "labels" / f"{name}.txt", text)
    if config is not None:
        write(folder / file, f"train: images\n{config}")
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def states(dataset: Dataset) -> dict[str, str]:
    return {record.image.name: record.state for record in dataset}


def only(dataset: Dataset) -> Instances:
    (instances,) = (record.instances for record in dataset if record.instances is not None and len(record.instances))
    return instances


def got(dataset: Dataset) -> list[tuple[str, object]]:
    return [(issue.values["field"], issue.values["got"]) for issue in put_aside(dataset)]


# --- images and texts -------------------------------------------------------------------------------
def test_an_empty_text_is_an_empty_image_and_no_text_an_unlabeled_one(tmp_path):
    read = formats.read(data(tmp_path, {"a": "", "b": "\ufeff \r\n", "c": BOX, "d": None}))
    assert states(read) == {"a.png": "empty", "b.png": "empty", "c.png": "labeled", "d.png": "unlabeled"}
    assert any("1 image without a label file, taken as unlabeled (Ultralytics takes it as empty)" in sentence
               for sentence in sentences(read))  # fmt: skip


def test_a_box_is_its_center_and_its_sides(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n1.0 0.1 0.2 .2 4e-1\n"}))
    assert only(read).boxes.tolist() == [[15, 7.5, 25, 22.5], [0, 0, 8, 12]] and only(read).masks is None
    assert only(read).labels == ["rust", "dent"] and read.class_ids == (0, 1) and sentences(read) == ()


def test_pairs_of_numbers_are_an_outline_and_four_pairs_an_oriented_box(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{OUTLINE}\n0 0.25 0 0.5 0.5 0.25 1 0 0.5\n"}))
    first, second = only(read).outlines()
    assert first[0].tolist() == [[4, 3], [20, 3], [20, 15]]
    assert second[0].tolist() == [[10, 0], [20, 15], [10, 30], [0, 15]]


def test_boxes_and_outlines_in_one_text_are_both_read(tmp_path):
    assert formats.read(data(tmp_path, {"a": f"{BOX}\n{OUTLINE}"})).class_counts() == {"rust": 1, "dent": 1}


@pytest.mark.parametrize(
    "layout",
    [
        ("images/train/a.png", "labels/train/a.txt"),
        ("train/images/a.png", "train/labels/a.txt"),
        ("images/a.png", "labels/a.txt"),
        ("a.png", "a.txt"),
        ("a.png", "labels/a.txt"),
        ("obj_train_data/a.png", "obj_train_data/a.txt"),
        ("train_images/a.png", "train_labels/a.txt"),
        ("JPEGImages/a.png", "labels/a.txt"),
        ("cats/old/a.png", "cats/old/a.txt"),
    ],
)
def test_texts_lie_beside_their_images_or_in_a_folder_like_theirs(tmp_path, layout):
    image, text = layout
    annotations.image(tmp_path / image), write(tmp_path / text, BOX)
    for config in (None, NAMES + "nc: 2\n"):
        if config is not None:
            write(tmp_path / "data.yaml", config)
        read = formats.read(tmp_path)
        assert (read.format, len(read), read.instance_count, absent(read)) == ("yolo", 1, 1, [])


def test_a_text_is_never_given_an_image_of_another_folder(tmp_path):
    data(tmp_path, {"train/a": BOX, "val/b": OUTLINE})
    write(tmp_path / "labels/train/b.txt", BOX), write(tmp_path / "labels/val/a.txt", BOX)
    read = formats.read(tmp_path)
    assert {record.image.name: record.instances.labels for record in read} == {"a.png": ["rust"], "b.png": ["dent"]}
    assert sorted(absent(read)) == ["images/train/b", "images/val/a"]


def test_of_two_images_of_one_stem_neither_is_taken(tmp_path):
    data(tmp_path, {"a": BOX, "b": BOX})
    annotations.image(tmp_path / "images/a.jpg", (30, 50))
    read = formats.read(tmp_path, allow_faulty=True)
    assert len(read.usable()) == 1 and ("image", "images/a.jpg, images/a.png") in got(read)


def test_an_image_with_two_texts_keeps_one_and_says_so(tmp_path):
    data(tmp_path, {"a": BOX, "b": BOX})
    write(tmp_path / "images/a.txt", OUTLINE)
    assert ("image", "a second record of the same") in got(formats.read(tmp_path, allow_faulty=True))


def test_dots_blanks_and_letters_of_names_do_not_matter(tmp_path):
    names = ["6_jpg.rf.a500b4", "a b (1)", "é", "100%", "IMG.JPG"]
    read = formats.read(data(tmp_path, dict.fromkeys(names, BOX)))
    assert len(read.usable()) == 5 and absent(read) == []


def test_texts_without_images_are_named_as_absent(tmp_path):
    data(tmp_path, {"a": BOX})
    write(tmp_path / "labels/gone.txt", BOX)
    assert absent(formats.read(tmp_path)) == ["images/gone"]


def test_images_alone_are_refused_with_the_folder_to_name(tmp_path):
    data(tmp_path / "party", {"train/cat_1": BOX, "train/cat_2": BOX, "train/dog_1": BOX, "train/dog_2": BOX})
    for folder in ("images", "images/train"):
        with pytest.raises(AnnotationError, match="label files of these images lie in another folder") as caught:
            formats.read(tmp_path / "party" / folder)
        assert caught.value.parts["fix"] == f"name the folder of both: {tmp_path / 'party'}"


def test_one_text_or_the_data_yaml_can_be_named(tmp_path):
    data(tmp_path, {"train/a": BOX, "train/b": OUTLINE})
    assert len(formats.read(tmp_path / "data.yaml")) == 2
    one = formats.read(tmp_path / "labels/train/b.txt")
    assert [record.image.name for record in one] == ["b.png"] and only(one).labels == ["dent"]


def test_one_folder_of_a_split_has_the_names_of_the_data_yaml_above(tmp_path):
    for split in ("train", "valid"):
        data(tmp_path / split, {split: BOX}, None)
    write(tmp_path / "data.yaml", NAMES + "train: ../train/images\nval: ../valid/images\n")
    read = formats.read(tmp_path / "valid")
    assert (len(read), only(read).labels, sentences(read)) == (
        1,
        ["rust"],
        ("1 category without objects left out: dent",),
    )


def test_two_sets_in_one_folder_are_not_joined(tmp_path):
    for name in ("old", "new"):
        data(tmp_path / name, {"a": BOX})
    with pytest.raises(DatasetError, match="several datasets in one folder"):
        formats.read(tmp_path)


def test_a_list_of_classes_that_cannot_be_opened_is_our_own_error(tmp_path):
    data(tmp_path, {"a": BOX}, None)
    (tmp_path / "classes.txt").symlink_to(tmp_path / "nowhere.txt")
    with pytest.raises(MaskwrightError, match="cannot be read"):
        formats.read(tmp_path)


def test_links_that_lead_out_are_not_followed(tmp_path):
    data(tmp_path / "other", {"b": BOX})
    data(tmp_path / "own", {"a": BOX})
    (tmp_path / "own/labels/more").symlink_to(tmp_path / "other/labels")
    (tmp_path / "own/labels/round").symlink_to(tmp_path / "own")
    read = formats.read(tmp_path / "own")
    assert len(read) == 1 and any("leads out" in sentence for sentence in sentences(read))


# --- classes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "config",
    [
        "names: ['rust', \"dent\"]\n",
        "names:\n- rust\n- dent\n",
        "names:\n  0: rust\n  1: dent\n",
        "names: {1: dent, 0: rust}\n",
    ],
)
def test_names_are_a_list_or_a_mapping(tmp_path, config):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n{OUTLINE}"}, config))
    assert (read.names, read.class_ids) == (("rust", "dent"), (0, 1))


def test_names_are_texts_whatever_yaml_makes_of_them(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n{OUTLINE}\n2 0.5 0.5 0.1 0.1"}, "names: [no, 1e3, 2024-01-01]\n"))
    assert read.names == ("no", "1e3", "2024-01-01")


def test_ids_may_have_gaps_and_classes_without_objects_are_left_out(tmp_path):
    config = "names:\n  7: rust\n  90: dent\n  4: hole\n"
    read = formats.read(data(tmp_path, {"a": "90 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.2 0.2"}, config))
    assert (read.names, read.class_ids) == (("rust", "dent"), (7, 90))
    assert sentences(read) == ("1 category without objects left out: hole",)


def test_an_id_beyond_the_names_is_a_fault(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n2 0.5 0.5 0.1 0.1"}, NAMES + "nc: 2\n"), allow_faulty=True)
    (fault,) = put_aside(read)
    assert (fault.subject, fault.values["got"]) == ('image "images/a.png", region in line 2', "2")
    assert fault.values["expected"] == "an id that data.yaml or classes.txt names (0 to 1)"


def test_a_count_that_differs_from_the_names_is_named(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n{OTHER}"}, NAMES + "nc: 3\n"))
    assert sentences(read) == ("data.yaml says nc: 3, and names 2 classes: the names were taken",)


def test_without_any_name_classes_are_called_by_their_ids_and_said_so(tmp_path):
    read = formats.read(data(tmp_path, {"a": "10 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.2 0.2"}, None))
    assert (read.names, read.class_ids) == (("2", "10"), (2, 10))
    assert any(sentence.startswith("no names of classes were found") for sentence in sentences(read))


@pytest.mark.parametrize("where", ["classes.txt", "labels/classes.txt", "obj.names"])
def test_classes_txt_and_obj_names_name_them(tmp_path, where):
    data(tmp_path, {"a": f"{BOX}\n{OTHER}"}, None)
    write(tmp_path / where, "rust\ndent\n\n")
    read = formats.read(tmp_path)
    assert (read.names, sentences(read)) == (("rust", "dent"), ())


def test_each_folder_of_texts_has_its_own_classes_txt(tmp_path):
    for split, names in (("train", "rust\ndent\n"), ("val", "dent\nrust\n")):
        data(tmp_path / split, {split: BOX}, None)
        write(tmp_path / split / "labels/classes.txt", names)
    read = formats.read(tmp_path)
    assert {record.split: record.instances.labels for record in read} == {"train": ["rust"], "val": ["dent"]}
    assert read.class_ids == ()  # each class has two


def test_data_yaml_counts_where_classes_txt_says_something_else(tmp_path):
    data(tmp_path, {"a": f"{BOX}\n{OTHER}"})
    write(tmp_path / "classes.txt", "rsut\ndent\n")
    read = formats.read(tmp_path)
    assert sentences(read) == ('classes.txt calls class 0 "rsut", data.yaml calls it "rust": that was taken',)


def test_two_files_that_name_the_classes_differently_are_refused(tmp_path):
    data(tmp_path, {"a": BOX}, "names: [rust]\n", "one.yaml")
    write(tmp_path / "two.yaml", "names: [dent]\nnc: 1\n")
    with pytest.raises(AnnotationError, match="several files name the classes, and differently"):
        formats.read(tmp_path)


# --- splits -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "paths",
    [
        "train: images/a\nval: images/b\n",
        "train: [images/a]\nval:\n- images/b\n",
        "path: .\ntrain: ./images/a/\nvalid: images/b\n",
        "train: ../images/a\nval: ../images/b\n",
        "path: /home/me/sets/party\ntrain: images/a\nval: images/b\n",
        "train: /home/me/sets/party/images/a\nval: D:/sets/party/images/b\n",
        "path: 'C:\\Users\\me\\party'\ntrain: images\\a\nval: images\\b\n",
        "train: a.txt\nval: lists/b.txt\n",
        "train: a.txt\nval: images/b/b.png\n",
    ],
)
def test_paths_of_all_kinds_lead_to_the_images_of_a_split(tmp_path, paths):
    data(tmp_path, {"a/a": BOX, "b/b": OUTLINE}, None)
    write(tmp_path / "data.yaml", paths + NAMES)
    write(tmp_path / "a.txt", "./images/a/a.png\n"), write(tmp_path / "lists/b.txt", "/home/me/party/images/b/b.png\n")
    read = formats.read(tmp_path)
    assert {record.image.name: record.split for record in read} == {"a.png": "train", "b.png": "val"}
    assert sentences(read) == ()


def test_a_path_that_leads_nowhere_is_named(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n{OTHER}"}, NAMES + "val: images/val2017\ntest:\n"))
    (sentence,) = sentences(read)
    assert sentence.startswith('data.yaml names "images/val2017" for val, which is not there')


def test_images_that_train_and_val_both_name_are_in_neither(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n{OTHER}"}, NAMES + "val: images\n"))
    assert [record.split for record in read] == [None]
    assert sentences(read) == ("data.yaml names 1 image for train and val: the name of its folder decides",)


def test_an_image_in_two_lists_is_an_error(tmp_path):
    data(tmp_path, {"a": BOX}, None)
    write(tmp_path / "data.yaml", NAMES + "train: sets/one.txt\nval: sets/two.txt\n")
    for name in ("one", "two"):
        write(tmp_path / f"sets/{name}.txt", "images/a.png\n")
    with pytest.raises(DatasetError, match="an image stands in two lists"):
        formats.read(tmp_path)


def test_darknet_names_its_lists_in_obj_data(tmp_path):
    for name in ("a", "b"):
        annotations.image(tmp_path / f"obj_train_data/{name}.png"), write(tmp_path / f"obj_train_data/{name}.txt", BOX)
        write(tmp_path / f"{name}.txt", f"data/obj_train_data/{name}.png\n")
    write(tmp_path / "obj.names", "rust\n")
    write(tmp_path / "obj.data", "classes = 1\ntrain = data/a.txt\nvalid = data/b.txt\nnames = data/obj.names\n")
    read = formats.read(tmp_path)
    assert {record.image.name: record.split for record in read} == {"a.png": "train", "b.png": "val"}
    assert (read.names, sentences(read)) == (("rust",), ())


def test_data_outside_of_the_folder_are_read_where_links_may_be_followed(tmp_path):
    data(tmp_path / "there", {"a": BOX}, None)
    config = write(tmp_path / "cfg/data.yaml", f"path: {tmp_path / 'there'}\ntrain: images\n{NAMES}")
    for path in (config, config.parent):
        with pytest.raises(AnnotationError, match="its data lie outside of its folder"):
            formats.read(path)
    read = formats.read(config, follow_links=True)
    assert [(record.image.name, record.split) for record in read] == [("a.png", "train")]


# --- pose, scores, repeated lines -------------------------------------------------------------------
@pytest.mark.parametrize("config", [NAMES + "kpt_shape: [2, 3]\n", NAMES, None])
def test_key_points_are_left_out_and_their_boxes_kept(tmp_path, config):
    lines = f"{BOX} 0.1 0.1 2 0.3 0.3 0\n0 0.5 0.5 0.1 0.1 0.5 0.2 1.000 0.3 0.3 2\n"
    read = formats.read(data(tmp_path, {"a": lines}, config))
    assert only(read).boxes.tolist()[0] == [15, 7.5, 25, 22.5] and only(read).masks is None
    assert "2 sets of key points cannot be used here: left out" in sentences(read)


def test_pairs_of_key_points_are_known_by_kpt_shape(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX} 0.1 0.1 0.3 0.3"}, "names: [rust]\nkpt_shape: [2, 2]\n"))
    assert only(read).masks is None and sentences(read) == ("1 set of key points cannot be used here: left out",)


def test_a_score_behind_a_box_is_left_out_and_said(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX} 0.913"}, "names: [rust]\n"))
    assert sentences(read) == (
        "1 line has a score behind its box, which was left out: are these a model's detections?",
    )


def test_a_line_that_stands_twice_counts_once(tmp_path):
    read = formats.read(data(tmp_path, {"a": f"{BOX}\n{BOX}\n"}, "names: [rust]\n"))
    assert (read.instance_count, sentences(read)) == (1, ("1 line that stands twice in its file counts once",))


def test_an_object_drawn_twice_is_written_once_and_counted(tmp_path):
    """Two equal lines would be read as one: it is said when they are written."""
    twice = f"{BOX}\n{BOX.replace('0.5', '0.50', 1)}\n"
    first = formats.read(data(tmp_path / "first", {"a": twice}, "names: [rust]\n"))
    assert first.instance_count == 2
    lost = formats.write(first, tmp_path / "second", "yolo")
    (text,) = (tmp_path / "second" / "labels").rglob("*.txt")
    assert text.read_text() == f"{BOX}\n"
    assert "1 object drawn twice was written once, as equal lines count once" in sentences(lost)


# --- bad input --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "field", "wrong"),
    [
        ("0 0.5 0.5 0.25", "numbers", "4 numbers"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2 0.3", "numbers", "8 numbers"),
        ("0 0.5 0.5 nan 0.25", "numbers", "nan"),
        ("0 0.5 0.5 1e999 0.25", "numbers", "inf"),
        ("0 0,5 0,5 0,25 0,25", "numbers", "0,5"),
        ("0 240 120 30 40", "numbers", "240"),
        ("rust 0.5 0.5 0.25 0.25", "class", "rust"),
        ("-1 0.5 0.5 0.25 0.25", "class", "-1"),
        ("٣ 0.5 0.5 0.25 0.25", "class", "٣"),
        ("0 ٠.٥ 0.5 0.25 0.25", "numbers", "٠.٥"),
        ("0", "numbers", "1 numbers"),
        ("1234567890 0.5 0.5 0.25 0.25", "class", "1234567890"),
        ("0.5 0.5 0.5 0.25 0.25", "class", "0.5"),
        ("0 0.5 0.5 0 0.25", "box", "0 x 7.5"),
        ("0 0.5 0.5 -0.2 0.25", "box", "-8 x 7.5"),
        ("0 1.4 0.5 0.1 0.1", "points", "x 54 to 58, y 13.5 to 16.5, wholly outside"),
        ("0 0.1 0.1 0.2 0.2 0.1 0.1", "points", "2"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_object_is_put_aside_by_file_line_and_number(tmp_path, line, field, wrong):
    data(tmp_path, {"a": f"{BOX}\n{line}\n", "b": OUTLINE})
    read = formats.read(tmp_path, allow_faulty=True)
    assert got(read) == [(field, wrong)] and read.instance_count == 2
    assert put_aside(read)[0].subject == 'image "images/a.png", region in line 2'
    with pytest.raises(AnnotationError, match="1 of 3 regions are faulty"):
        formats.read(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"0 0.5 \xe9", b"\0\0\0\0"])
def test_a_broken_text_leaves_its_image_skipped_not_empty(tmp_path, content):
    data(tmp_path, {"a": BOX, "b": BOX})
    (tmp_path / "labels/b.txt").write_bytes(content)
    assert states(formats.read(tmp_path, allow_faulty=True)) == {"a.png": "labeled", "b.png": "skipped"}


def test_pixels_in_a_folder_of_labels_are_refused_with_what_was_wanted(tmp_path):
    with pytest.raises(AnnotationError, match="regions are faulty") as caught:
        formats.read(data(tmp_path, {"a": "0 240 120 30 40"}, None))
    assert caught.value.parts["expected"] == "fractions of width and height, 0 to 1"


@pytest.mark.parametrize(
    ("config", "headline"),
    [
        ("names: [rust\n", "not plain YAML"),
        ("a: &a [x]\nnames: *a\nnc: 1\n", "not plain YAML"),
        ("names: [rust]\nnames: [dent]\n", "one key stands twice, with two values"),
        ("names:\n  0: rust\n  0: dent\n", "one key stands twice, with two values"),
        ("names:\n  0: rust\n  00: dent\n", "two classes of one id"),
        ("names: [rust, '']\n", "a class without a name"),
        ("names:\n  rust: 0\n", "not a class id"),
        ("names: 3\nnc: 1\n", "class names that are no list"),
        ("names: [rust]\nnc: many\n", "not a number of classes"),
        ("names: [rust]\nval: {a: b}\n", "a split that is no path"),
        ("names: [rust]\nkpt_shape: 17\n", "not a shape of key points"),
        ("names: " + "[" * 5000 + "]" * 5000 + "\n", "nested deeper than any YAML file"),
        ("names: [rust]\n#" + "a" * 2**20, "too big for a list of classes"),
    ],
)
def test_a_data_yaml_that_is_wrong_is_refused_by_name(tmp_path, config, headline):
    with pytest.raises(AnnotationError) as caught:
        formats.read(data(tmp_path, {"a": BOX}, config))
    assert caught.value.headline == headline and caught.value.parts["file"].endswith("data.yaml")


def test_a_data_yaml_without_texts_is_refused_and_other_annotations_beside_it_are_read(tmp_path):
    annotations.via(tmp_path, (annotations.SQUARE, {"class": "rust"}))
    write(tmp_path / "data.yaml", NAMES + "nc: 2\n")
    assert formats.read(tmp_path).format == "via"
    (tmp_path / "via.json").unlink()
    with pytest.raises(AnnotationError, match="no label files of YOLO"):
        formats.read(tmp_path)


def test_a_row_of_digits_without_end_is_not_searched_twice():
    for before in ("0 ", "1 " * 8):
        assert yolo_lines.LINE.fullmatch(before + "4" * 300_000 + "x") is None


def test_ordinary_texts_beside_images_are_no_labels(tmp_path):
    annotations.image(tmp_path / "a.png"), write(tmp_path / "a.txt", "12 images of 3 bridges\n")
    assert yolo.sniff(Head(tmp_path)) is None
    write(tmp_path / "a.txt", "1 2 3 4 5\n")  # whole numbers may be anything
    assert yolo.sniff(Head(tmp_path)) is None
    assert yolo_config.is_config(Head(write(tmp_path / "x.yaml", "names: 3\n"))) is False


# --- writing ----------------------------------------------------------------------------------------
SIZE = (30, 40)


def dataset(folder: Path, instances: Instances, split: str | None = None) -> Dataset:
    image = annotations.image(folder / "images" / (split or "") / "a.png", SIZE)
    return Dataset("party", instances.names, (Record(image, SIZE, instances, split=split),))


@given(strategies.solid_boxes(size=SIZE), st.sampled_from(["train", "val", None]), st.data())
def test_what_is_written_is_read_again(tmp_path_factory, boxes, split, drawn):
    """Boxes to a thousandth of a pixel, classes, names, splits."""
    folder = tmp_path_factory.mktemp("yolo")
    boxes = np.clip(boxes, 0, [40, 30, 40, 30]).astype(np.float32)
    boxes = np.unique(boxes[(boxes[:, 2:] - boxes[:, :2] > 0.01).all(1)], axis=0)
    names = ("a: b", "#no", '"é"')
    classes = np.array(drawn.draw(st.lists(st.integers(0, 2), min_size=len(boxes), max_size=len(boxes))), np.int64)
    lost = formats.write(dataset(folder, Instances(boxes, classes, None, None, names), split), folder, "yolo")
    read = formats.read(folder)
    assert [issue.code for issue in lost] == ([] if split else ["split_missing"])
    assert read.records[0].split == split
    instances = read.records[0].instances
    assert np.abs(instances.boxes - boxes).max(initial=0) < 2e-3
    assert instances.labels == [names[index] for index in classes]


def written(outline: np.ndarray) -> np.ndarray:
    """As exact as the texts are: points closer than that become one."""
    return np.unique(np.round(outline, 2), axis=0)


@given(strategies.outlines(SIZE), strategies.outlines(SIZE))
def test_outlines_keep_their_vertices(tmp_path_factory, first, second):
    """To a thousandth of a pixel, those past the edge too."""
    masks = RleMasks.from_polygons([[first], [second]], SIZE)
    one, other = written(first), written(second)
    for points in (one, other):  # what has no three points, or lies wholly outside, is no region
        assume(len(points) > 2 and (points.max(0) > 0).all() and (points.min(0) < SIZE[::-1]).all())
    assume((masks.area > 0).all() and not np.array_equal(one, other))
    folder = tmp_path_factory.mktemp("yolo")
    notes = (Annotation((first,)), Annotation((second,)))
    drawn = Instances(masks.boxes, np.array([1, 0]), None, masks, ("rust", "dent"), None, notes)
    assert formats.write(dataset(folder, drawn, "train"), folder, "yolo") == ()
    read = only(formats.read(folder))
    assert read.labels == ["dent", "rust"]
    for note, outline in zip(read.annotations, (first, second), strict=True):
        assert np.abs(note.outlines[0] - outline).max() < 1e-3


def test_parts_are_joined_by_lines_and_holes_are_counted(tmp_path):
    mask = np.zeros((1, *SIZE), bool)
    mask[0, 2:12, 2:12], mask[0, 5:9, 5:9], mask[0, 20:28, 20:38] = True, False, True
    masks = RleMasks.from_dense(mask)
    drawn = Instances(masks.boxes, np.zeros(1, np.int64), np.ones(1, np.float32), masks, ("rust",))
    lost = formats.write(dataset(tmp_path, drawn, "train"), tmp_path, "yolo")
    assert [str(issue) for issue in lost] == [
        "1 score cannot be kept",
        "1 hole cannot be kept",
        "1 object of several parts was written as one outline, its parts joined by lines",
    ]
    mask[0, 5:9, 5:9] = True
    assert (only(formats.read(tmp_path)).masks.dense() == mask).all()


def test_ids_count_from_0_and_others_are_counted_as_lost(tmp_path):
    drawn = Instances(np.array([[1, 1, 5, 5]], np.float32), np.ones(1, np.int64), None, None, ("rust", "dent"))
    given_ids = Dataset("party", drawn.names, dataset(tmp_path, drawn, "train").records, class_ids=(7, 90))
    assert [str(issue) for issue in formats.write(given_ids, tmp_path, "yolo")] == ["2 class ids cannot be kept"]
    assert (tmp_path / "labels/train/a.txt").read_text() == "1 0.075 0.1 0.1 0.1333333333\n"
    assert (tmp_path / "data.yaml").read_text() == 'train: images/train\nnc: 2\nnames:\n  0: "rust"\n  1: "dent"\n'


def test_unlabeled_images_have_no_text_and_empty_ones_an_empty_text(tmp_path):
    images = [annotations.image(tmp_path / f"images/{name}.png", SIZE) for name in "ab"]
    records = (Record(images[0], SIZE, None), Record(images[1], SIZE, Instances.empty(("rust",), SIZE)))
    lost = formats.write(Dataset("party", ("rust",), records), tmp_path, "yolo")
    assert "1 unlabeled image cannot be kept" in [str(issue) for issue in lost]
    assert states(formats.read(tmp_path)) == {"a.png": "unlabeled", "b.png": "empty"}


def test_images_that_would_share_a_text_and_single_files_are_refused(tmp_path):
    drawn = Instances(np.array([[1, 1, 5, 5]], np.float32), np.zeros(1, np.int64), None, None, ("rust",))
    first = dataset(tmp_path, drawn)
    other = Record(annotations.image(tmp_path / "images/a.jpg", SIZE), SIZE, drawn)
    with pytest.raises(DatasetError, match="two images would share one label file"):
        formats.write(Dataset("party", ("rust",), (*first.records, other)), tmp_path, "yolo")
    with pytest.raises(OutputError, match="YOLO is a folder"):
        formats.write(first, tmp_path / "a.txt", "yolo")


# --- real files -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("case", "missing", "classes"),
    [
        ("yolo_roboflow", 3, {"dumping": 6}),
        ("yolo_labelstudio_mixed", 6, {"keyboard": 9, "mouse": 22}),
        ("yolo_segments_gappy_ids", 0, {"person": 5, "bus": 1, "handbag": 1, "fork": 2, "knife": 5, "spoon": 11,
                                        "broccoli": 1, "cake": 1, "microwave": 1, "oven": 1, "refrigerator": 1,
                                        "clock": 2}),
        ("yolo_obb_dota8", 6, {"plane": 2, "ship": 105, "baseball diamond": 4, "tennis court": 8,
                               "basketball court": 3, "harbor": 5, "small vehicle": 4, "soccer ball field": 1,
                               "swimming pool": 1}),
    ],
)  # fmt: skip
def test_real_sets_have_the_objects_that_are_stated(shared, tmp_path, case, missing, classes):
    shutil.copytree(shared / "data/zoo" / case, tmp_path / case, copy_function=shutil.copyfile)
    read = formats.read(tmp_path / case)
    assert read.format == "yolo" and len(absent(read)) == missing and put_aside(read)[:-1] == []
    for name in absent(read):  # images that were left out: their size does not matter for fractions
        annotations.image(tmp_path / case / f"{name}.png", (1024, 1024))
    read = formats.read(tmp_path / case)
    assert {name: count for name, count in read.class_counts().items() if count} == classes
    assert put_aside(read) == [] and not read.state_counts()["skipped"]


def test_images_beside_labels_are_no_class_folders(shared):
    read = formats.read(shared / "data/faults/intake-yolo-as-classes/data")
    assert (read.format, read.instance_count) == ("yolo", 6)


def test_a_broken_set_gives_our_own_errors_only(tmp_path):
    data(tmp_path, {"a": BOX})
    (tmp_path / "data.yaml").write_bytes(b"names: [ru\xffst]")
    with pytest.raises(MaskwrightError):
        formats.read(tmp_path)
