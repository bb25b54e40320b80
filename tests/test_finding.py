"""A label never lands on another image: names in annotation files, and the images they mean."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from attacks import annotations as attacks
from hypothesis import assume, given
from hypothesis import strategies as st
from reported import sentences

from maskwright.formats import lists
from maskwright.formats.naming import read_names
from maskwright.formats.reading import Faults, ImageFinder


def meant(folder: Path, names: Sequence[str], near: Path | None = None, file: str = "a.json") -> list[str | None]:
    """What each name of one annotation file is found to mean, by its way down from the folder."""
    finder = ImageFinder(folder, Faults(near / file if near else folder / file), near, names)
    found = [finder.find(name) for name in names]
    return [None if path is None else path.relative_to(folder).as_posix() for path in found]


def images(folder: Path, *names: str) -> Path:
    """Images of these names, no two with the same bytes."""
    for number, name in enumerate(names):
        attacks.image(folder / name, (30, 40 + number))
    return folder


# --- laws ---------------------------------------------------------------------------------------
FOLDERS = st.sampled_from(["", "a", "b", "A", "a/b", "b/a", "images", "images/a", "train", "val", "masks", "my photos"])
LASTS = st.sampled_from(["1.jpg", "2.jpg", "1.png", "1.JPG", "01.jpg", "x%201.jpg", "x 1.jpg", "é.jpg", "strasse.jpg"])
PATHS = st.builds(lambda folder, last: f"{folder}/{last}".lstrip("/"), FOLDERS, LASTS)
WRITTEN = {
    "relative": lambda path: path,
    "dotted": lambda path: "./" + path,
    "backslashes": lambda path: path.replace("/", "\\"),
    "absolute": lambda path: "/home/other/party/" + path,
    "windows": lambda path: "C:\\Users\\other\\party\\" + path.replace("/", "\\"),
    "address": lambda path: "https://there.example/party/" + quote(path),
    "quoted": quote,
}


@given(
    st.lists(PATHS, min_size=1, max_size=7, unique_by=str.lower),  # what every system can have in one folder
    st.sets(st.integers(0, 6), max_size=4),
    st.sampled_from(sorted(WRITTEN)),
)
def test_a_name_means_its_own_image_or_none_whatever_has_gone_missing(paths, gone, how):
    """The file names images of one tree; some were lost since. No label may move to an image that is left."""
    assume(how != "quoted" or not any("%" in path for path in paths))  # then nobody can know which is meant
    with tempfile.TemporaryDirectory() as top:
        folder = images(Path(top) / "data", *paths)
        for number in gone:
            if number < len(paths):
                (folder / paths[number]).unlink()
        left = [None if number in gone else path for number, path in enumerate(paths)]
        for path, own, found in zip(paths, left, meant(folder, [WRITTEN[how](item) for item in paths]), strict=True):
            assert found in (own, None), f"{path} -> {found}"
            assert found == own or how not in ("relative", "dotted", "backslashes", "quoted"), f"{path} not found"


@given(st.lists(PATHS, max_size=6, unique_by=str.lower), st.lists(PATHS, min_size=1, max_size=6, unique=True))
def test_an_image_is_found_for_one_name_only_and_folders_that_differ_are_told(paths, names):
    """Of any names and any images: no two names share one, and a found path ends as its name, or an issue says so."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "data"
        folder.mkdir()
        images(folder, *paths)
        faults = Faults(folder / "a.json")
        finder = ImageFinder(folder, faults, names=names)
        found = {name: path for name in names if (path := finder.find(name)) is not None}
        assert len(set(found.values())) == len(found)
        for name, path in found.items():
            way = path.relative_to(folder).as_posix().lower()
            ends = any(
                f"/{way}".endswith("/" + "/".join([*read_name.folders, read_name.last]).lower())
                for read_name in read_names(name)
            )
            assert ends or any('"' in remark and "found" in remark for remark in sentences(faults.issues)), (name, way)


# --- cases --------------------------------------------------------------------------------------
def test_the_label_of_an_absent_image_does_not_go_to_one_of_equal_name(tmp_path):
    images(tmp_path, "a/1.jpg", "c/2.jpg")
    assert meant(tmp_path, ["b/1.jpg", "a/1.jpg", "c/2.jpg"]) == [None, "a/1.jpg", "c/2.jpg"]
    assert meant(tmp_path, ["b/1.jpg"]) == [None]


def test_what_lies_in_another_folder_is_named_as_such(tmp_path):
    images(tmp_path, "a/1.jpg")
    faults = Faults("a.json")
    assert ImageFinder(tmp_path, faults).image("b/1.jpg") is None
    assert faults.issues[0].values["elsewhere"] == {"b/1.jpg": "a/1.jpg"}


def test_of_another_machines_path_the_longest_end_that_agrees_counts(tmp_path):
    images(tmp_path, "1.jpg", "sub/1.jpg")
    assert meant(tmp_path, ["/x/sub/1.jpg"]) == ["sub/1.jpg"]
    assert meant(tmp_path, ["/x/sub/1.jpg", "/x/1.jpg"]) == ["sub/1.jpg", None]  # x is nowhere here


def test_of_other_machines_paths_as_much_must_agree_as_tells_them_apart(tmp_path):
    images(tmp_path, "a/img/1.jpg", "b/img/2.jpg")
    assert meant(tmp_path, ["/x/a/img/1.jpg", "/x/b/img/1.jpg"]) == ["a/img/1.jpg", None]


@pytest.mark.parametrize("name", ["my%20photo%20(1).jpg", "MY%20PHOTO%20(1).JPG", "https://host/data/my%20photo%20(1).jpg?token=a/b.jpg",
                                  "/data/local-files/?d=party/my%20photo%20(1).jpg"])  # fmt: skip
def test_a_name_in_percent_signs_is_decoded(tmp_path, name):
    images(tmp_path, "my photo (1).jpg")
    assert meant(tmp_path, [name]) == ["my photo (1).jpg"]


def test_an_image_that_is_really_called_so_comes_before_the_decoded_name(tmp_path):
    images(tmp_path, "a%20b.jpg", "a b.jpg")
    assert meant(tmp_path, ["a%20b.jpg"]) == ["a%20b.jpg"]
    assert meant(tmp_path, ["a b.jpg", "a%20b.jpg"]) == ["a b.jpg", "a%20b.jpg"]


@pytest.mark.parametrize("name", ["%2e%2e%2fsecret.jpg", "..%5csecret.jpg", "a%00.jpg", "%2Fetc%2Fsecret.jpg"])
def test_decoding_leads_no_way_out(tmp_path, name):
    images(tmp_path, "secret.jpg", "data/own.jpg")
    assert meant(tmp_path / "data", [name]) == [None]


def test_two_names_that_differ_by_case_are_two_images(tmp_path):
    images(tmp_path, "images/a.jpg")
    assert meant(tmp_path, ["a.jpg", "A.jpg"]) == ["images/a.jpg", None]
    assert meant(tmp_path, ["A.JPG"]) == ["images/a.jpg"]


def test_another_ending_is_told_and_never_that_of_a_mask(tmp_path):
    images(tmp_path, "images/b.png", "masks/a.png")
    faults = Faults("a.json")
    finder = ImageFinder(tmp_path, faults, names=["a.jpg", "b.jpg", "a.png"])
    assert [finder.find(name) for name in ("a.jpg", "a.png")] == [None, None]
    assert finder.find("b.jpg") == tmp_path / "images" / "b.png"
    assert sentences(faults.issues) == ('images found under another ending: 1 ("b.jpg" is images/b.png)',)


def test_a_folder_called_masks_may_hold_the_images(tmp_path):
    images(tmp_path, "mask/1.jpg")
    assert meant(tmp_path, ["1.jpg"]) == ["mask/1.jpg"]


def test_the_first_folders_of_all_names_may_be_external(tmp_path):
    images(tmp_path, "train/1.jpg", "val/2.jpg", "2.jpg")
    assert meant(tmp_path, ["party/train/1.jpg", "party/val/2.jpg", "party/val/1.jpg"]) == [
        "train/1.jpg", "val/2.jpg", None]  # fmt: skip
    assert meant(tmp_path, ["images/2.jpg"]) == [None]  # one of two
    images(tmp_path, "3.jpg")
    assert meant(tmp_path, ["images/3.jpg"]) == ["3.jpg"]


@pytest.mark.parametrize("file", ["instances_Val.json", "instances_val2017.json", "validation.csv"])
def test_the_files_split_decides_which_folder_is_searched(tmp_path, file):
    images(tmp_path, "Train/1.jpg", "Val/1.jpg", "Train/2.jpg", "images/val/3.jpg")
    near = tmp_path / "annotations"
    assert meant(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], near, file) == ["Val/1.jpg", None, "images/val/3.jpg"]


def test_annotations_in_folders_of_their_own_have_images_in_folders_of_that_name(tmp_path):
    images(tmp_path, "images/north/1.jpg", "images/south/1.jpg", "images/south/2.jpg")
    near = tmp_path / "annotations" / "north"
    assert meant(tmp_path, ["1.jpg", "2.jpg"], near) == ["images/north/1.jpg", None]


def test_a_way_up_from_the_annotations_is_gone(tmp_path):
    images(tmp_path, "images/1.jpg", "more/1.jpg")
    assert meant(tmp_path, ["../images/1.jpg"], tmp_path / "annotations") == ["images/1.jpg"]


def test_letters_that_no_file_system_takes_for_one_are_two(tmp_path):
    images(tmp_path, "strasse.jpg")
    assert meant(tmp_path, ["straße.jpg"]) == [None]


@pytest.mark.parametrize("folder", ["a" * 300, "http::" + ":" * 5000], ids=["long", "very long"])
def test_a_folder_that_no_disk_can_hold_is_a_folder_that_is_not_there(tmp_path, folder):
    images(tmp_path, "a.jpg", "images/b.jpg")
    assert meant(tmp_path, [f"{folder}/a.jpg", "c/b.jpg"]) == ["a.jpg", "images/b.jpg"]
    assert meant(tmp_path, [f"{folder}/a.jpg", "b.jpg"])[1] == "images/b.jpg"


def test_what_is_longer_than_any_path_names_nothing(tmp_path):
    """25 million characters in one line of a list: nothing is taken apart, compared or kept a second time."""
    images(tmp_path, "a.jpg")
    endless = "b" * 25_000_000
    assert read_names(endless) == [] and read_names("b" * 32_000 + "/a.jpg") != []
    assert meant(tmp_path, [endless, f"{endless}/a.jpg", "a.jpg"]) == [None, None, "a.jpg"]


@pytest.mark.parametrize(
    ("line", "ways"),
    [
        ("a 1", ("a 1", "a")),
        ("a  -1", ("a  -1", "a")),
        ("my photo 1", ("my photo 1", "my photo", "my")),
        ("a 10", ("a 10", "a")),
        ("1", ("1",)),
        ("my photo", ("my photo", "my")),
    ],
)
def test_a_line_of_a_list_is_meant_with_and_without_its_mark(tmp_path, line, ways):
    (tmp_path / "train.txt").write_text(line, "utf-8")
    assert lists._lines(tmp_path / "train.txt") == [ways]


def test_a_line_of_blanks_takes_no_time_that_grows_with_its_square(tmp_path):
    """A pattern that begins anew at every blank would look at 5 thousand million of them."""
    (tmp_path / "train.txt").write_text("a" + " " * 100_000 + "b", "utf-8")
    assert lists._lines(tmp_path / "train.txt")[0][1] == "a"
