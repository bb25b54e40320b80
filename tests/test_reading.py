"""Bounded reading, faults by name, and where the images lie."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from pathlib import Path

import pytest
from attacks import annotations as attacks
from hypothesis import given
from hypothesis import strategies as st
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, InputError, MaskwrightError
from maskwright.formats import reading
from maskwright.formats.losses import SCORES_LOST
from maskwright.formats.reading import Faults, Head, ImageFinder, Losses, data_name, data_root
from maskwright.formats.region_rows import BOXES_CLIPPED, OUTLINES_CLIPPED
from maskwright.formats.shapes import POINTS_UNUSED
from maskwright.formats.via import HOLES_LOST
from maskwright.types import Dataset


# --- JSON, XML, CSV -----------------------------------------------------------------------------
@pytest.mark.parametrize("content", [b"", b"  \n", b"\0\0\0", b"\xef\xbb\xbf"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match="the file is empty"):
        reading.read_json(path)


def test_half_a_file_says_where_it_ends(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [\n{"id": 1, "file_na', "utf-8")
    with pytest.raises(AnnotationError) as caught:
        reading.read_json(path)
    assert str(caught.value) == (
        f"AnnotationError: {path}: the file ends in the middle\n"
        "  record    line 2, column 19\n"
        "  expected  a complete JSON file\n"
        """  got       the end after 31 bytes, behind '{"id": 1, "file_na'\n"""
        "  fix       it was cut off: copy, download or export it again"
    )


def test_broken_json_is_pointed_at_in_characters(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"größe": 1,\n "ü": , "b": 2}', "utf-8")
    with pytest.raises(AnnotationError) as caught:
        reading.read_json(path)
    assert str(caught.value) == (
        f"AnnotationError: {path}: not JSON\n"
        "  record    line 2, column 7\n"
        "  expected  strict JSON\n"
        """  got       ': 1,\\n "ü": , "b": 2}'\n"""
        "  fix       correct the file there, or export it again"
    )


def test_json_that_is_not_utf_8_names_the_byte(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('{"a":\n "größe"}'.encode("latin-1"))
    with pytest.raises(AnnotationError, match="not UTF-8 text") as caught:
        reading.read_json(path)
    assert caught.value.parts["record"] == "line 2"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "undefined", "1e999", "'text'", "01"])
def test_what_is_not_strict_json_is_refused_with_its_place(tmp_path, value):
    with pytest.raises(AnnotationError, match="not JSON") as caught:
        reading.read_json(attacks.not_a_number(tmp_path, value))
    assert "line 1, column" in str(caught.value) or "out of range" in str(caught.value)


def test_the_parser_gives_up_on_deep_nesting_without_dying(tmp_path):
    with pytest.raises(AnnotationError, match="nested deeper"):
        reading.read_json(attacks.deep(tmp_path))


def test_a_file_too_big_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "big.json"
    with path.open("wb") as stream:
        stream.truncate(reading.MOST_BYTES + 1)  # sparse: takes no room
    with pytest.raises(AnnotationError, match="too big"):
        reading.read_json(path)


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_in_any_unicode_is_read(tmp_path, code):
    path = tmp_path / "a.json"
    path.write_bytes('{"größe": 1}'.encode(code))
    assert reading.read_json(path) == {"größe": 1}


def test_text_in_another_code_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("filename\ngröße.jpg\n".encode("latin-1"))
    with pytest.raises(AnnotationError, match="line 2"):
        reading.read_table(path)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"x": [3, {"a" : {"b": 1}, "a" : {"b": 2}}]}'])
def test_one_key_with_two_values_is_refused(tmp_path, text):
    """The parser keeps the last one: an image's regions would be gone without a word."""
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    with pytest.raises(AnnotationError, match="one key stands twice"):
        reading.read_json(path)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '{"a": {"a": 1}, "b": "\\": "}', '{"a" : [1, {"b" : 2}]}'])
def test_equal_values_and_texts_that_look_like_keys_are_read(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    assert reading.read_json(path) == json.loads(text)


@pytest.mark.parametrize("code", ["gb2312", "GBK", "gb18030", "shift_jis", "utf-16", "UTF-8"])
def test_xml_is_decoded_by_its_declaration(tmp_path, code):
    path = tmp_path / "a.xml"
    path.write_bytes(f"<?xml version='1.0' encoding='{code}'?>\n<annotation><name>犬</name></annotation>".encode(code))
    assert reading.read_xml(path).findtext("name") == "犬"
    assert "犬" in Head(path).text


@pytest.mark.parametrize(("code", "said"), [("klingon", "not known"), ("hex", "not known"), ("punycode", "not known"),
                                            ("big5", "not BIG5 text")])  # fmt: skip
def test_xml_in_a_code_that_cannot_be_read_says_so(tmp_path, code, said):
    path = tmp_path / "a.xml"
    path.write_bytes(f"<?xml version='1.0' encoding='{code}'?><annotation>\xff\xff</annotation>".encode("latin-1"))
    with pytest.raises(AnnotationError, match=said) as caught:
        reading.read_xml(path)
    assert caught.value.parts["fix"] == "save the file as UTF-8"


@pytest.mark.parametrize("attack", [attacks.entities, attacks.outside_entity])
def test_xml_entities_are_never_expanded(tmp_path, attack):
    with pytest.raises(AnnotationError, match="entities is refused"):
        reading.read_xml(attack(tmp_path))


def test_half_an_xml_file_says_where_it_ends(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<annotation>\n<object>", "utf-8")
    with pytest.raises(AnnotationError, match="line 2"):
        reading.read_xml(path)


def test_a_table_names_its_columns_without_the_hash(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('#filename, size\na.jpg,"1"\n\nb.jpg,2\n', "utf-8")
    assert reading.read_table(path).rows == [{"filename": "a.jpg", "size": "1"}, {"filename": "b.jpg", "size": "2"}]


@pytest.mark.parametrize(("text", "said"), [("a,b\n", "a column is missing"), ("filename,x\na.jpg\n", "too short"),
                                            ('filename\n"a', "not a CSV file")])  # fmt: skip
def test_a_bad_table_is_refused(tmp_path, text, said):
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(AnnotationError, match=said):
        reading.read_table(path, ["filename"])


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_data_or_our_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "a"
    path.write_bytes(data)
    for read in (reading.read_json, reading.read_xml, reading.read_table, reading.read_text):
        with contextlib.suppress(MaskwrightError):
            read(path)


def test_a_name_too_long_for_any_disk_is_an_error_of_ours():
    with pytest.raises(DatasetError, match="there is no such file or folder"):
        formats.read("x" * 5000)


def test_a_head_shows_names_and_first_letters(tmp_path):
    attacks.image(tmp_path / "a.JPG")
    attacks.written(tmp_path / "inside" / "b.json", {"x": 1})
    (tmp_path / ".hidden").mkdir()
    head = Head(tmp_path)
    assert head.entries == ("a.JPG", "inside/") and head.images == ("a.JPG",) and head.folders == ("inside",)
    inside = head.child("inside").child("b.json")
    assert (inside.text, inside.ending, inside.entries) == ('{"x": 1}', ".json", ())
    assert Head(tmp_path / "nowhere").text == ""


# --- faults and losses --------------------------------------------------------------------------
EMPTY = Dataset("party", (), ())


def test_no_faults_change_nothing():
    done = Faults("a.json").into(EMPTY)
    assert put_aside(done) == [] and sentences(done) == ()


def test_one_fault_in_twenty_is_put_aside_and_told():
    faults = Faults("a.json")
    faults.saw(20)
    faults.add('image "b.jpg", region 3', "points", "at least 3 different points", "2")
    done = faults.into(EMPTY)
    assert [str(fault) for fault in put_aside(done)] == [
        'image "b.jpg", region 3: points: expected at least 3 different points, got 2'
    ]
    assert sentences(done)[0].startswith("1 faulty record was put aside: image")


def test_two_faults_in_twenty_stop_the_reading_unless_allowed():
    def two(allow: bool) -> Dataset:
        faults = Faults("a.json", allow_faulty=allow)
        faults.saw(20)
        faults.add('image "b.jpg", region 3', "points", "3 points", "2", "draw it again")
        faults.add('image "b.jpg", region 4', "points", "3 points", "1", "draw it again")
        return faults.into(EMPTY)

    assert len(put_aside(two(True))) == 2
    with pytest.raises(AnnotationError) as caught:
        two(False)
    assert str(caught.value) == (
        "AnnotationError: a.json: 2 of 20 regions are faulty\n"
        '  record    image "b.jpg", region 3\n'
        "  field     points\n"
        "  expected  3 points\n"
        "  got       2; the first ones:\n"
        '          image "b.jpg", region 3: points: expected 3 points, got 2\n'
        '          image "b.jpg", region 4: points: expected 3 points, got 1\n'
        "  fix       draw it again; or put the faulty ones aside with --allow-faulty"
    )


def test_absent_images_are_named_but_are_no_faults_of_the_annotations():
    faults = Faults("a.json")
    faults.absent("b.jpg")
    faults.found()
    done = faults.into(EMPTY)
    assert sentences(done) == ('1 of 2 named images are absent: "b.jpg"',)
    assert absent(done) == ["b.jpg"] and not done.issues[0].values["elsewhere"]


def test_all_images_absent_is_an_error():
    faults = Faults("a.json")
    faults.absent("b.jpg")
    with pytest.raises(DatasetError, match="none of the images it names is in the folder"):
        faults.into(EMPTY)


def test_counts_are_told_in_words():
    faults = Faults("a.json")
    for _ in range(13):
        faults.count(OUTLINES_CLIPPED)
    faults.count(BOXES_CLIPPED)
    faults.count(POINTS_UNUSED)
    assert sentences(faults.issues) == (
        "13 outlines extended past the image edge: clipped",
        "1 box extended past the image edge: clipped",
        "1 point cannot be used here: left out",
    )


def test_losses_are_told_with_their_number():
    losses = Losses()
    losses.add(HOLES_LOST, 0)
    assert sentences(losses.issues) == ()
    losses.add(SCORES_LOST, 2)
    losses.add(HOLES_LOST)
    assert sentences(losses.issues) == ("2 scores cannot be kept", "1 hole cannot be kept")


# --- finding images -----------------------------------------------------------------------------
def found(folder: Path, name: str, near: Path | None = None) -> str | None:
    path = ImageFinder(folder, Faults("a.json"), near).find(name)
    return None if path is None else path.relative_to(folder).as_posix()


@pytest.mark.parametrize(
    "name",
    ["images/B (1).JPG", "B (1).JPG", "b (1).jpg", "b (1).png", "B (1)", "images\\B (1).JPG", "/home/other/B (1).JPG",
     "C:\\Users\\other\\B (1).JPG", "elsewhere/B (1).JPG", "https://there.example/B (1).JPG", "./images/B (1).JPG"],
)  # fmt: skip
def test_an_image_is_found_under_any_of_its_names(tmp_path, name):
    attacks.image(tmp_path / "images" / "B (1).JPG")
    assert found(tmp_path, name) == "images/B (1).JPG"


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "images", "b.jpg", "x" * 5000, "../a.jpg/.."])
def test_names_of_nothing_find_nothing(tmp_path, name):
    attacks.image(tmp_path / "images" / "a.jpg")
    assert found(tmp_path, name) is None


@pytest.mark.parametrize("name", ["../secret.jpg", "..\\secret.jpg", "x/../../secret.jpg", "secret.jpg"])
def test_no_image_is_found_outside_the_folder(tmp_path, name):
    attacks.image(tmp_path / "secret.jpg")
    (tmp_path / "data").mkdir()
    assert found(tmp_path / "data", name) is None


def test_the_absolute_path_of_a_secret_is_not_followed(tmp_path):
    secret = attacks.image(tmp_path / "secret.jpg")
    (tmp_path / "data").mkdir()
    assert found(tmp_path / "data", str(secret)) is None


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    secret = attacks.image(tmp_path / "secret.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").symlink_to(secret)
    assert found(tmp_path / "data", "a.jpg") is None and reading.images_in(tmp_path / "data") == []


def test_of_several_the_nearest_is_taken(tmp_path):
    for index in ("a.jpg", "images/a.jpg", "deep/down/a.jpg"):
        attacks.image(tmp_path / index)
    assert found(tmp_path, "a.jpg") == "a.jpg"
    assert found(tmp_path, "down/a.jpg") == "deep/down/a.jpg"  # what is named with its folder lies in that folder
    assert found(tmp_path, "deep/down/a.jpg") == "deep/down/a.jpg"


def test_of_several_as_near_none_is_taken_and_all_are_named(tmp_path):
    attacks.image(tmp_path / "one" / "a.jpg")
    attacks.image(tmp_path / "two" / "a.jpg", (31, 40))
    faults = Faults("a.json")
    finder = ImageFinder(tmp_path, faults)
    assert finder.find("two/a.jpg") == tmp_path / "two" / "a.jpg" and not faults.records
    assert ImageFinder(tmp_path, faults).image("a.jpg", regions=2) is None and faults.fraction == 1
    assert str(faults.records[0]) == 'image "a.jpg": image: expected one image, got one/a.jpg, two/a.jpg'


def test_copies_that_are_the_same_to_the_last_byte_are_one_image(tmp_path):
    attacks.image(tmp_path / "one" / "a.jpg")
    attacks.image(tmp_path / "two" / "a.jpg")
    assert found(tmp_path, "a.jpg") == "one/a.jpg"


def test_another_ending_counts_only_when_it_is_the_only_one(tmp_path):
    attacks.image(tmp_path / "a.jpg")
    attacks.image(tmp_path / "a.png")
    assert found(tmp_path, "a.bmp") is None


def test_accents_composed_or_taken_apart_are_the_same(tmp_path):
    attacks.image(tmp_path / "images" / "caf\u00e9.jpg")
    assert found(tmp_path, "cafe\u0301.jpg") is not None


def test_images_of_another_machine_are_found_by_their_last_folder(tmp_path):
    attacks.image(tmp_path / "x" / "one" / "a.jpg")
    attacks.image(tmp_path / "x" / "two" / "a.jpg")
    assert found(tmp_path, "D:\\images\\two\\a.jpg") == "x/two/a.jpg"


def test_a_broken_image_is_a_fault_by_name(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    faults = Faults("a.json")
    assert ImageFinder(tmp_path, faults).image("a.jpg", regions=4) is None
    assert faults.faulty_regions == 4 and faults.records[0].subject == 'image "a.jpg"'


def test_annotations_in_their_own_folder_have_images_beside_it(tmp_path):
    attacks.image(tmp_path / "images" / "a.jpg")
    path = attacks.written(tmp_path / "annotations" / "a.json", {})
    assert data_root(path) == tmp_path and data_root(tmp_path) == tmp_path
    attacks.image(path.parent / "b.jpg")
    assert data_root(path) == path.parent


@pytest.mark.parametrize(
    ("path", "name"),
    [("balloon/train/via.json", "balloon"), ("corrosion_via/x.json", "corrosion"), ("rust-dataset/data/x.json", "rust"),
     ("car_damage_via/val/x.json", "car_damage"), ("my dataset/x.json", "my"),
     ("Bolts_coco_annotations/x.json", "Bolts")],
)  # fmt: skip
def test_data_are_called_by_their_folder(tmp_path, path, name):
    assert data_name(attacks.written(tmp_path / path, {})) == name


def test_the_root_of_the_disk_has_no_name():
    assert data_name(Path(Path.cwd().anchor) / "train") == "object"


# --- what is no file ----------------------------------------------------------------------------------
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("name", ["x.json", "labels.csv", "a.xml", "train.record", "train.txt", "label_map.pbtxt"])
def test_devices_and_pipes_among_annotations_are_not_read(name, tmp_path):
    for number, make in enumerate((os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / name)
        for named in (folder, folder / name):
            with pytest.raises(InputError):
                formats.read(named)


def test_an_image_beyond_the_limit_is_put_aside_by_its_header(tmp_path):
    """57 bytes may say ten million times ten million pixels."""
    header = struct.pack(">IIBBBBB", 10**7, 10**7, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    square = {"name": "polygon", "all_points_x": [1, 9**7, 9**7, 1], "all_points_y": [1, 1, 9**7, 9**7]}
    region = {"shape_attributes": square, "region_attributes": {"c": "rust"}}
    attacks.written(tmp_path / "via.json", {"a": {"filename": "a.png", "regions": [region]}})
    with pytest.raises(AnnotationError) as caught:
        formats.read(tmp_path)
    assert caught.value.parts["expected"] == "at most 300 megapixels"


def test_data_named_by_two_dots_have_the_name_of_their_folder(tmp_path, monkeypatch):
    (tmp_path / "party" / "train").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "party" / "train")
    assert data_name(Path("..")) == data_name(Path()) == "party"
