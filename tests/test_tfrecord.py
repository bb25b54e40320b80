"""TFRecord: images and boxes in one file, with checksums, without TensorFlow."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from attacks.annotations import half, image
from attacks.tables import example, floats, label_map, tfrecord
from hypothesis import given
from hypothesis import strategies as st
from reported import put_aside, sentences

from maskwright import formats, tfrecord_io
from maskwright.errors import AnnotationError, DatasetError, MaskwrightError
from maskwright.formats import label_map as maps
from maskwright.formats import tf_example
from maskwright.images.decode import decode
from maskwright.types import Dataset, Instances, Record, RleMasks


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def boxes(data: Dataset) -> list[list[float]]:
    return [box for record in data if record.instances is not None for box in record.instances.boxes.tolist()]


# --- nothing there ------------------------------------------------------------------------------
def test_a_file_without_records_is_an_error(tmp_path):
    with pytest.raises(AnnotationError, match="the file holds no records"):
        formats.read(tfrecord(tmp_path))


def test_an_image_without_boxes_is_empty(tmp_path):
    none = dict.fromkeys(("xmin", "ymin", "xmax", "ymax", "text", "label"))
    assert formats.read(tfrecord(tmp_path, example(tmp_path, **none))).state_counts()["empty"] == 1


# --- what is there ------------------------------------------------------------------------------
def test_the_image_is_unpacked_into_the_cache_and_this_is_told(tmp_path, cache):
    data = formats.read(tfrecord(tmp_path / "data", example(tmp_path)))
    record = data.records[0]
    assert cache in record.image.parents and record.image.name == "a.png"
    assert record.image.read_bytes() == (tmp_path / "elsewhere" / "image.png").read_bytes()
    assert (record.size, boxes(data), data.names) == ((30, 40), [[10, 15, 20, 30]], ("rust",))
    assert sentences(data) == (f"1 image lies in the file and was unpacked into {record.image.parent}",)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["train.record"]


def test_the_same_image_beside_the_file_is_used_as_it_is(tmp_path, cache):
    path = tfrecord(tmp_path / "data", example(tmp_path))
    image(tmp_path / "data" / "a.png")
    data = formats.read(path)
    assert [record.image for record in data] == [tmp_path / "data" / "a.png"]
    assert not cache.exists() and sentences(data) == ()


def test_another_image_of_that_name_is_not_taken_for_it(tmp_path, cache):
    path = tfrecord(tmp_path / "data", example(tmp_path))
    image(tmp_path / "data" / "a.png", (10, 10))
    data = formats.read(path)
    assert [(record.state, cache in record.image.parents) for record in data] == [
        ("labeled", True),
        ("unlabeled", False),
    ]


def test_two_records_of_one_name_stay_two_images(tmp_path):
    data = formats.read(tfrecord(tmp_path, example(tmp_path), example(tmp_path)))
    assert [record.image.name for record in data] == ["a.png", "2_a.png"]


def test_without_the_image_in_it_one_beside_the_file_is_looked_for(tmp_path):
    path = tfrecord(tmp_path / "data", example(tmp_path, encoded=[b""]))
    with pytest.raises(DatasetError, match="none of the images it names is in the folder"):
        formats.read(path)
    image(tmp_path / "data" / "images" / "a.png")
    assert boxes(formats.read(path)) == [[10, 15, 20, 30]]


@pytest.mark.parametrize(
    "name", [b"../../a.png", b"C:\\images\\a.png", b"/etc/a.png", b"con.png", b"\0", b"x" * 400, b""]
)
def test_a_name_never_leads_out_of_the_cache(tmp_path, cache, name):
    data = formats.read(tfrecord(tmp_path / "data", example(tmp_path, filename=[name])))
    assert data.records[0].image.resolve().parent.parent == (cache / "tfrecord").resolve()


def test_train_and_test_files_are_splits(tmp_path):
    for split in ("train", "test"):
        tfrecord(tmp_path / "data", example(tmp_path, filename=[split.encode()]), file=f"{split}.record")
    assert [record.split for record in formats.read(tmp_path / "data")] == ["test", "train"]


# --- classes ------------------------------------------------------------------------------------
def test_a_number_is_looked_up_in_the_label_map(tmp_path):
    path = tfrecord(tmp_path / "data", example(tmp_path, text=None, label=[2]))
    label_map(tmp_path / "data", "item {\n name: 'dent' # old\n id: 1\n}\nitem { id: 2 display_name: \"deep rust\" }")
    assert formats.read(path).class_counts() == {"deep rust": 1}


def test_a_class_that_nothing_names_is_a_fault(tmp_path):
    with pytest.raises(AnnotationError, match="regions are faulty") as caught:
        formats.read(tfrecord(tmp_path, example(tmp_path, text=None)))
    assert "label map" in caught.value.parts["fix"]


@pytest.mark.parametrize("text", ["item { id: 1 }", "item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "rust"])
def test_a_faulty_label_map_is_an_error(tmp_path, text):
    with pytest.raises(AnnotationError):
        maps.read(label_map(tmp_path, text))


def test_fields_in_braces_of_their_own_and_commas_are_passed_over(tmp_path):
    text = "item: { keypoints { id: 9 label: 'x' }, id: 1, name: 'a' }\nother { id: 2 name: 'b' }"
    assert maps.read(label_map(tmp_path, text)) == {1: "a"}


@pytest.mark.parametrize("text", ["item" + " " * 300_000 + "x", "\n" * 300_000, "item {" * 60_000, "item { id" * 40_000,
                                  "item { name: '" * 30_000, "#" * 300_000])  # fmt: skip
def test_a_label_map_of_many_blanks_is_refused(tmp_path, text):
    """Where a pattern takes the square of its length this test takes minutes."""
    with pytest.raises(AnnotationError):
        maps.read(label_map(tmp_path, text))


@pytest.mark.parametrize(
    "names", [("rust",), ("it's rust", 'a "dent"', "{brace}", "päint # 2", "both ' and \"", "back\\slash")]
)
def test_a_label_map_is_read_as_written(tmp_path, names):
    maps.write(names, tmp_path / "map.pbtxt")
    assert maps.read(tmp_path / "map.pbtxt") == dict(enumerate(names, 1))


# --- damaged ------------------------------------------------------------------------------------
def test_half_a_file_names_the_record_where_it_ends(tmp_path):
    with pytest.raises(AnnotationError, match="the file ends in the middle of a record") as caught:
        formats.read(half(tfrecord(tmp_path, *[example(tmp_path)] * 3)))
    assert caught.value.parts["record"] == "record 2"


def test_a_bad_checksum_names_the_record(tmp_path):
    path = tfrecord(tmp_path, example(tmp_path), example(tmp_path))
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match="the checksum of a record is wrong") as caught:
        formats.read(path)
    assert caught.value.parts["record"] == "record 2"


def test_an_image_that_cannot_be_opened_is_a_fault(tmp_path):
    broken = example(tmp_path, encoded=[b"GIF89a and so on"], filename=[b"broken.png"])
    data = formats.read(tfrecord(tmp_path, *[example(tmp_path)] * 30, broken))
    assert (len(data), [fault.subject for fault in put_aside(data)]) == (30, ['image "broken.png"'])


@pytest.mark.parametrize("changed", [{"xmax": floats()}, {"xmin": floats(float("nan"))}, {"xmax": floats(0.2)},
                                     {"xmin": floats(7), "xmax": floats(8)}, {"ymin": [b"text"]}])  # fmt: skip
def test_a_faulty_box_is_put_aside(tmp_path, changed):
    data = formats.read(tfrecord(tmp_path, *[example(tmp_path)] * 30, example(tmp_path, **changed)))
    assert (data.instance_count, len(put_aside(data))) == (30, 1)


def test_sizes_that_do_not_fit_put_the_image_aside(tmp_path):
    data = formats.read(tfrecord(tmp_path, example(tmp_path, height=[60])), allow_faulty=True)
    assert data.records[0].state == "skipped"


def test_records_of_something_else_are_refused(tmp_path):
    with pytest.raises(AnnotationError, match="a record holds no image"):
        formats.read(tfrecord(tmp_path, tf_example.written({"weight": [7]})))
    with pytest.raises(AnnotationError, match=r"a record is no tf\.Example"):
        formats.read(tfrecord(tmp_path, b"\x0a\xff"))


@given(st.binary(max_size=80), st.integers(0, 400))
def test_whatever_stands_in_a_record_is_read_or_refused_with_words(tmp_path_factory, noise, place):
    folder = tmp_path_factory.mktemp("noise")
    body = example(folder)
    place = min(place, len(body))
    path = tfrecord(folder, body[:place] + noise + body[place + len(noise) :])
    with contextlib.suppress(MaskwrightError):
        formats.read(path, allow_faulty=True)


# --- writing ------------------------------------------------------------------------------------
def some(tmp_path: Path, suffix: str = ".png", orientation: int | None = None) -> Dataset:
    drawn = Instances(np.array([[0, 0, 30, 40], [3, 4.5, 17, 31]]), np.array([1, 0]), None, None, ("dent", "rust"))
    file = image(tmp_path / f"images/a{suffix}", (40, 30) if orientation is None else (30, 40), orientation)
    return Dataset("some", ("dent", "rust"), (Record(file, (40, 30), drawn),))


def test_what_was_written_is_read(tmp_path):
    data = some(tmp_path)
    assert formats.write(data, tmp_path / "out" / "train.record", "tfrecord") == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["label_map.pbtxt", "train.record"]
    again = formats.read(tmp_path / "out")
    assert (again.names, boxes(again)) == (data.names, boxes(data))
    assert again.records[0].instances.labels == ["rust", "dent"]
    assert again.records[0].image.read_bytes() == data.records[0].image.read_bytes()


@pytest.mark.parametrize(("suffix", "orientation"), [(".bmp", None), (".jpg", 6)])
def test_what_tensorflow_would_not_read_or_turn_goes_out_as_png(tmp_path, suffix, orientation):
    data = some(tmp_path, suffix, orientation)
    formats.write(data, tmp_path / "out.record", "tfrecord")
    again = formats.read(tmp_path / "out.record")
    assert again.records[0].image.read_bytes()[:4] == b"\x89PNG"
    assert (decode(again.records[0].image).pixels == decode(data.records[0].image).pixels).all()
    assert boxes(again) == boxes(data)


def test_a_label_map_of_other_classes_stays_as_it_is(tmp_path):
    label_map(tmp_path, "item { id: 1 name: 'cake' }")
    formats.write(some(tmp_path), tmp_path / "train.record", "tfrecord")
    assert maps.read(tmp_path / "label_map.pbtxt") == {1: "cake"}
    assert maps.read(tmp_path / "train_label_map.pbtxt") == {1: "dent", 2: "rust"}


def test_what_a_record_cannot_hold_is_counted(tmp_path):
    masks = RleMasks.from_boxes(np.array([[1, 1, 5, 5]]), (40, 30))
    drawn = Instances(masks.boxes, np.zeros(1), np.ones(1), masks, ("rust",))
    files = [image(tmp_path / f"{name}.png", (40, 30)) for name in "ab"]
    two = Dataset("some", ("rust",), (Record(files[0], (40, 30), drawn), Record(files[1], (40, 30), None)))
    lost = formats.write(two, tmp_path / "some.record", "tfrecord")
    assert {*sentences(lost)} == {f"1 {what} cannot be kept" for what in ("outline", "score", "unlabeled image")}


# --- real data ----------------------------------------------------------------------------------
def test_the_corrosion_records_hold_45_images_and_822_boxes(shared):
    data = formats.read(shared / "data" / "zoo" / "tfrecord_corrosion")
    assert (len(data), data.class_counts(), put_aside(data)) == (45, {"corrosion": 822}, [])


def test_the_images_in_the_tutorials_records_are_those_beside_the_xml(shared):
    rust = shared / "data" / "rust"
    drawn = {record.image.name: record for record in formats.read(rust / "objDet")}
    for file, images, count in (("train.record", 39, 153), ("test.record", 6, 16)):
        data = formats.read(rust / file)
        assert (len(data), data.class_counts(), put_aside(data)) == (images, {"rust": count}, [])
        for record in data:
            duplicate = drawn[record.image.name]
            assert record.image.read_bytes() == duplicate.image.read_bytes()
            assert sorted(record.instances.boxes.tolist()) == sorted(duplicate.instances.boxes.tolist())


def test_roboflows_test_files_name_images_that_are_not_there(shared):
    for split, count in (("train", 2), ("val", 1)):
        file = shared / "data" / "zoo" / "tfrecord_roboflow_tiny" / split / f"{split}.tfrecord"
        with pytest.raises(DatasetError, match="none of the images it names") as caught:
            formats.read(file)
        assert caught.value.parts["expected"] == f"{count} images"
        features = [tf_example.read(file, 1, body) for body in tfrecord_io.read_records(file)]
        assert all(tf_example.stated(feature) == (5, 10) for feature in features)


def test_records_beside_class_folders_are_an_export_of_them(shared):
    """The rust set reads as its class folders; the records at its top are named in a remark."""
    found = formats.read(shared / "data" / "rust")
    assert found.format == "class_folders" and found.class_counts() == {"norust": 72, "rust": 83}
    assert any("train.record was passed over" in remark for remark in sentences(found))


def test_names_of_images_with_commas_and_marks_are_kept(tmp_path):
    names = ["c,d.jpg", "c#d.jpg", "c_d.jpg", "é (1)!.jpg"]
    bodies = [example(tmp_path, filename=[name.encode()]) for name in names]
    data = formats.read(tfrecord(tmp_path / "data", *bodies))
    assert [record.image.name for record in data] == names


def test_names_that_no_disk_takes_are_changed_and_told(tmp_path):
    data = formats.read(tfrecord(tmp_path / "data", example(tmp_path, filename=[b"a:b?.jpg"])))
    assert [record.image.name for record in data] == ["a_b_.jpg"]
    assert sentences(data)[-1] == "1 of them could not keep their names: a:b?.jpg is a_b_.jpg"


def test_a_label_map_as_long_as_a_dataset_is_refused_before_it_is_taken_apart(tmp_path):
    """A hundred million brackets became a list of as many texts: gigabytes for a file that names two classes."""
    path = tmp_path / "label_map.pbtxt"
    path.write_text("item { id: 1 name: 'rust' }" + "[" * maps.LARGEST, "utf-8")
    with pytest.raises(AnnotationError, match="too long for a label map"):
        maps.read(path)
    path.write_text("".join(f"item {{ id: {id} name: 'class {id}' }}\n" for id in range(1, 10_000)), "utf-8")
    assert len(maps.read(path)) == 9_999
