"""What a folder of images and annotation files says: splits, lists, several files; nothing vanishes without a word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attacks import annotations as attacks
from attacks.annotations import SQUARE
from reported import put_aside, sentences

from maskwright import formats
from maskwright.cli.main import main
from maskwright.errors import AnnotationError, DatasetError
from maskwright.types import Dataset

POINT = {**SQUARE, "all_points_x": [2], "all_points_y": [2]}
links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def coco(path: Path, *names: str, label: str = "rust", images: bool = True, side: int = 8) -> Path:
    """COCO JSON with one box of `label` on each of these images, which lie beside it (or do not)."""
    if images:
        for number, name in enumerate(names):
            attacks.image(path.parent / name, (30, 40 + number))
    return attacks.written(path, {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": label}],
        "annotations": [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, side, side]}
                        for number in range(len(names))],
    })  # fmt: skip


def by_split(data: Dataset) -> dict[str | None, list[str]]:
    detections: dict[str | None, list[str]] = {}
    for record in data:
        detections.setdefault(record.split, []).append(record.image.name)
    return detections


# --- lists --------------------------------------------------------------------------------------
def test_a_list_names_images_with_their_folders(tmp_path):
    coco(tmp_path / "a.json", "a/1.jpg", "b/1.jpg", "c/2.jpg")
    (tmp_path / "train.txt").write_text("a/1.jpg\n", "utf-8")
    (tmp_path / "val.txt").write_text("c/2.jpg\n", "utf-8")
    data = formats.read(tmp_path)
    assert [record.split for record in data] == ["train", None, "val"]
    assert sentences(data) == ("1 labeled image is in no list and no folder of a split, and is not used for training: "
                            "1.jpg",)  # fmt: skip
    (tmp_path / "val.txt").write_text("b/1.jpg\n", "utf-8")
    assert [record.split for record in formats.read(tmp_path)] == ["train", "val", None]


def test_a_list_that_names_one_of_two_images_is_an_error(tmp_path):
    coco(tmp_path / "a.json", "a/1.jpg", "b/1.jpg")
    (tmp_path / "train.txt").write_text("1.jpg\n", "utf-8")
    with pytest.raises(DatasetError) as caught:
        formats.read(tmp_path)
    assert str(caught.value) == (
        f"DatasetError: {tmp_path / 'train.txt'}: a list names an image that is there more than once\n"
        '  record    line "1.jpg"\n'
        "  expected  one image\n"
        "  got       a/1.jpg, b/1.jpg\n"
        "  fix       name it with its folder"
    )


def test_names_of_absent_images_and_images_in_no_list_are_counted(tmp_path):
    coco(tmp_path / "a.json", *(f"{number}.jpg" for number in range(5)))
    (tmp_path / "train.txt").write_text("0.jpg\n1\ngone.jpg\n", "utf-8")
    (tmp_path / "val.txt").write_text("/home/other/2.jpg 1\n", "utf-8")
    data = formats.read(tmp_path)
    assert by_split(data) == {"train": ["0.jpg", "1.jpg"], "val": ["2.jpg"], None: ["3.jpg", "4.jpg"]}
    assert sentences(data) == (
        "train.txt names 3 images, 1 of them absent",
        "2 labeled images are in no list and no folder of a split, and are not used for training: 3.jpg, 4.jpg",
    )


@pytest.mark.parametrize(("lists", "left"), [
    ({"train": "0\n", "val": "1\n"}, True), ({"trainval": "0\n1\n"}, True), ({"val": "2\n"}, False),
])  # fmt: skip
def test_the_lists_of_voc_leave_no_image_out_in_silence(tmp_path, lists, left):
    """Where only val is listed the others are for training, as with a val folder."""
    voc = tmp_path / "voc"
    formats.write(formats.read(coco(tmp_path / "a.json", *(f"{number}.jpg" for number in range(3)))), voc, "voc")
    for number in range(3):
        attacks.image(voc / "JPEGImages" / f"{number}.jpg", (30, 40 + number))
    (voc / "ImageSets" / "Main").mkdir(parents=True)
    for name, text in lists.items():
        (voc / "ImageSets" / "Main" / f"{name}.txt").write_text(text, "utf-8")
    data = formats.read(voc)
    assert len(data) == 3 and any("no list" in remark for remark in sentences(data)) == left


def test_of_two_files_one_without_a_split_is_named(tmp_path):
    coco(tmp_path / "cars_training.json", "a.jpg")
    coco(tmp_path / "cars_dev.json", "b.jpg")
    (tmp_path / "b.jpg").unlink()
    attacks.image(tmp_path / "b.jpg", (31, 40))
    data = formats.read(tmp_path)
    assert by_split(data) == {"train": ["a.jpg"], None: ["b.jpg"]}
    assert sentences(data)[-1].endswith("is not used for training: b.jpg")


def test_images_beside_the_folders_of_splits_are_counted(tmp_path):
    coco(tmp_path / "train" / "a.json", "a.jpg")
    coco(tmp_path / "val" / "a.json", "b.jpg")
    attacks.image(tmp_path / "c.jpg")
    assert sentences(formats.read(tmp_path)) == ("1 image beside them was not read: only those in train, val were",)


# --- several files ------------------------------------------------------------------------------
def test_files_that_say_the_same_count_once(tmp_path):
    for split in ("train", "val"):
        path = attacks.via(tmp_path / split, (SQUARE, {"class": "rust"}), name=f"{split}.jpg")
        formats.write(formats.read(path), path.with_suffix(".csv").with_name("more.json"), "via")
    data = formats.read(tmp_path)
    assert by_split(data) == {"train": ["train.jpg"], "val": ["val.jpg"]} and data.instance_count == 2
    assert sentences(data) == tuple(f"{split}: more.json was read, not via.json: their contents agree"
                                 for split in ("train", "val"))  # fmt: skip


def test_one_file_name_is_chosen_for_all_splits_at_once(tmp_path):
    for split in ("train", "val"):
        coco(tmp_path / split / "rough.json", f"{split}.jpg")
        coco(tmp_path / split / "fine.json", f"{split}.jpg", label="scratch")
    with pytest.raises(DatasetError) as caught:
        formats.read(tmp_path)
    assert caught.value.parts["fix"] == "say which to use in all of them, for example --annotations fine.json"
    data = formats.read(tmp_path, annotations="rough.json")
    assert by_split(data) == {"train": ["train.jpg"], "val": ["val.jpg"]} and data.class_counts() == {"rust": 2}
    assert formats.read(tmp_path, annotations="f*.json").class_counts() == {"scratch": 2}
    with pytest.raises(DatasetError, match="no annotations found"):
        formats.read(tmp_path, annotations="nothing.json")


def test_the_fraction_of_faults_is_that_of_all_files_together(tmp_path):
    for number in range(30):
        shape = POINT if number == 7 else SQUARE
        attacks.via(tmp_path, (shape, {"class": "rust"}), name=f"{number}.jpg", file=f"{number}.json")
    data = formats.read(tmp_path)
    assert data.instance_count == 29 and len(put_aside(data)) == 1
    attacks.via(tmp_path, (POINT, {"class": "rust"}), name="8.jpg", file="8.json")
    with pytest.raises(AnnotationError, match="2 of 30 regions are faulty"):
        formats.read(tmp_path)


def test_coco_as_it_is_downloaded_is_read_by_its_instances(tmp_path):
    for split in ("train2017", "val2017"):
        for number in range(2):  # the same names on both sides
            attacks.image(tmp_path / split / f"{number}.jpg", (30 + number, 40 + len(split)))
        names = ("0.jpg", "1.jpg")
        coco(tmp_path / "annotations" / f"instances_{split}.json", *names, images=False)
        coco(tmp_path / "annotations" / f"person_keypoints_{split}.json", *names, images=False, label="person")
        images = [{"id": 0, "file_name": "0.jpg"}]
        captions = {"images": images, "annotations": [{"image_id": 0, "id": 1, "caption": "a cat"}]}
        attacks.written(tmp_path / "annotations" / f"captions_{split}.json", captions)
    data = formats.read(tmp_path)
    assert data.class_counts() == {"rust": 4}
    assert [(record.split, record.image.parent.name) for record in data] == [
        *[("train", "train2017")] * 2, *[("val", "val2017")] * 2]  # fmt: skip
    assert any(remark.startswith("captions_train2017.json was passed over") for remark in sentences(data))


def test_parts_of_one_record_file_are_one_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    for number in range(2):
        source = formats.read(coco(tmp_path / f"{number}" / "a.json", f"{number}.jpg"))
        formats.write(source, tmp_path / "data" / "one.record", "tfrecord")
        (tmp_path / "data" / "one.record").rename(tmp_path / "data" / f"train.record-0000{number}-of-00002")
    shard = tmp_path / "data" / "train.record-00001-of-00002"
    for named in (tmp_path / "data", shard):
        assert len(formats.read(named)) == 2, named
    shard.rename(shard.with_name("train.record-00002-of-00003"))
    (tmp_path / "data" / "train.record-00000-of-00002").unlink()
    data = formats.read(tmp_path / "data")
    assert len(data) == 1 and "train.record: 1 of 3 parts are there" in sentences(data)


# --- where annotations lie ----------------------------------------------------------------------
@pytest.mark.parametrize("labels", ["coco_annotations", "Annotations/train", "labels_json/north"])
def test_annotations_lie_in_a_folder_of_any_such_name(tmp_path, labels):
    folder = Path(labels).name if "/" in labels else ""
    coco(tmp_path / labels / "x.json", "a.jpg", "b.jpg", images=False)
    for number, name in enumerate(("a.jpg", "b.jpg")):
        attacks.image(tmp_path / "images" / folder / name, (30, 40 + number))
    data = formats.read(tmp_path)
    assert len(data) == 2 and data.instance_count == 2
    assert len(formats.read(tmp_path / labels / "x.json")) == 2


def test_xml_of_parts_lies_as_its_images_do(tmp_path):
    for part, side in (("train", 8), ("val", 9)):
        drawn = formats.read(coco(tmp_path / part / "a.json", "1.jpg", label=part, side=side))
        formats.write(drawn, tmp_path / "voc" / "Annotations" / part / "1.xml", "voc")
        image = attacks.image(tmp_path / "voc" / "images" / part / "1.jpg", (30, 40))
        image.write_bytes(image.read_bytes() + part.encode())  # two images of one name and one size
    data = formats.read(tmp_path / "voc")
    assert [(record.split, *record.instances.labels) for record in data if record.instances] == [
        ("train", "train"),
        ("val", "val"),
    ]


def test_data_two_folders_down_are_read(tmp_path):
    coco(tmp_path / "a" / "b" / "x.json", "a.jpg")
    assert len(formats.read(tmp_path)) == 1
    coco(tmp_path / "a" / "c" / "x.json", "a.jpg")
    with pytest.raises(DatasetError, match="several datasets in one folder") as caught:
        formats.read(tmp_path)
    assert caught.value.parts["got"] == "a/b, a/c"


# --- COCO ---------------------------------------------------------------------------------------
def test_one_image_under_two_ids_keeps_the_objects_of_both(tmp_path):
    attacks.image(tmp_path / "a.jpg")
    path = attacks.written(tmp_path / "a.json", {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "rust"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8]},
                        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [20, 9, 8, 8]}],
    })  # fmt: skip
    data = formats.read(path)
    assert len(data) == 1 and data.instance_count == 2 and not put_aside(data)
    assert sentences(data) == ("images listed under two ids, their objects joined: 1 (a.jpg)",)


@pytest.mark.parametrize("format", ["coco", "via"])
def test_two_images_of_one_name_are_not_written_as_one(tmp_path, format):
    data = formats.read(coco(tmp_path / "data" / "a.json", "a/1.jpg", "b/1.jpg"))
    with pytest.raises(DatasetError, match="two images of one name"):
        formats.write(data, tmp_path / "out" / "x.json", format)
    assert not (tmp_path / "out").exists()
    formats.write(data, tmp_path / "data" / "x.json", format)
    assert formats.read(tmp_path / "data" / "x.json").instance_count == 2


# --- links --------------------------------------------------------------------------------------
@links
@pytest.mark.parametrize("linked", ["images", "images/a.jpg", "x.json"])
def test_links_that_lead_out_are_named_and_followed_only_when_asked(tmp_path, linked):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    coco(data / "x.json", "images/a.jpg", "own.jpg")
    elsewhere.mkdir()
    (data / linked).rename(elsewhere / "moved")
    (data / linked).symlink_to(elsewhere / "moved")
    if linked == "x.json":
        with pytest.raises(DatasetError, match="no annotations found") as caught:
            formats.read(data)
        assert "1 link leads out of the folder, not followed: x.json" in caught.value.parts["fix"]
    else:
        read = formats.read(data)
        assert [record.image.name for record in read] == ["own.jpg"]
        assert f"1 link leads out of the folder, not followed: {linked} (--follow-links follows them)" in sentences(
            read
        )
    assert len(formats.read(data, follow_links=True)) == 2


@links
def test_links_that_stay_in_the_folder_are_followed(tmp_path):
    for part, name in (("train", "a.jpg"), ("val", "b.jpg")):
        attacks.via(tmp_path / part, (SQUARE, {"class": "rust"}), name=name)
        (tmp_path / "all").mkdir(exist_ok=True)
        (tmp_path / part / name).rename(tmp_path / "all" / name)
        (tmp_path / part / name).symlink_to(Path("..") / "all" / name)
    assert by_split(formats.read(tmp_path)) == {"train": ["a.jpg"], "val": ["b.jpg"]}
    with pytest.raises(DatasetError, match="none of the images") as caught:
        formats.read(tmp_path / "train")
    assert "leads out of the folder, not followed: a.jpg" in caught.value.parts["fix"]


@links
@pytest.mark.parametrize("follow", [False, True])
def test_links_in_a_circle_end(tmp_path, follow):
    coco(tmp_path / "x.json", "deep/a.jpg", "b.jpg")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "deep" / "round.jpg").symlink_to("round.jpg")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "images").symlink_to("deep")
    data = formats.read(tmp_path, follow_links=follow)
    assert len(data) == 2 and data.instance_count == 2


@links
def test_no_command_copies_what_a_link_brings_in_unless_it_is_asked_to(tmp_path, capsys):
    coco(tmp_path / "data" / "x.json", "images/a.jpg", "own.jpg")
    (tmp_path / "data" / "images").rename(tmp_path / "secret")
    (tmp_path / "data" / "images").symlink_to(tmp_path / "secret")
    for out, more, images in (("one", (), ["own.jpg"]), ("two", ("--follow-links",), ["a.jpg", "own.jpg"])):
        asked = ("convert", tmp_path / "data", tmp_path / out, "--to", "coco", "--copy-images", *more)
        with pytest.raises(SystemExit, match="0"):
            main([str(item) for item in asked])
        assert sorted(path.name for path in (tmp_path / out / "images").rglob("*.jpg")) == images
        assert ("not followed: images" in capsys.readouterr().err) == (not more)


def test_show_counts_what_no_split_has_and_takes_one_file_name_for_all_splits(tmp_path, capsys):
    coco(tmp_path / "a.json", "0.jpg", "1.jpg", "2.jpg")
    (tmp_path / "train.txt").write_text("0.jpg\n", "utf-8")
    (tmp_path / "val.txt").write_text("1.jpg\n", "utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["show", str(tmp_path), "--count", "0", "--annotations", "a.json"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:3]] == [["class", "train", "val", "no", "split", "all"],
                                                      ["rust", "1", "1", "1", "3"]]  # fmt: skip
