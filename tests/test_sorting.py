"""Images into folders by prediction: nothing replaced, none lost."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import class_images
import numpy as np
import pytest
from class_images import Taster
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import Seer

from maskwright.api.predict import predict
from maskwright.api.sorting import Sorter, folder_name
from maskwright.errors import OutputError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier

FIND = ImageClassifier(Taster())  # type: ignore[arg-type]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two red, two green, one broken, all in one folder."""
    made = class_images.save(tmp_path / "made", 2)
    (tmp_path / "images").mkdir()
    for path in made.rglob("*.png"):
        path.rename(tmp_path / "images" / path.name)
    (tmp_path / "images" / "torn.jpg").write_bytes(b"no image")
    return tmp_path / "images"


SORTED = ["green/green_0.png", "green/green_1.png", "red/red_0.png", "red/red_1.png", "unreadable/torn.jpg"]


def test_images_are_copied_into_a_folder_an_image_labels(images: Path, tmp_path: Path) -> None:
    before = tree(images)
    done = predict(FIND, images, sort_into=tmp_path / "sorted", log=Issues())
    assert tree(tmp_path / "sorted") == SORTED
    assert tree(images) == before
    assert {str(image.sorted) for image in done.images} == {str(tmp_path / "sorted" / name) for name in SORTED[:4]}


def test_moved_images_are_the_same_to_the_byte(images: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    predict(FIND, images, sort_into=tmp_path / "sorted", move=True, log=Issues())
    assert tree(images) == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "sorted").rglob("*.*")} == before


def test_a_name_that_is_taken_is_left_alone(images: Path, tmp_path: Path) -> None:
    there = tmp_path / "sorted" / "red" / "red_0.png"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"another image")
    predict(FIND, images, sort_into=tmp_path / "sorted", move=True, log=Issues())
    assert there.read_bytes() == b"another image"
    assert (there.parent / "red_0_2.png").is_file()


def test_copying_twice_makes_no_second_copy(images: Path, tmp_path: Path) -> None:
    for _ in range(2):
        predict(FIND, images, sort_into=tmp_path / "sorted", log=Issues())
    assert tree(tmp_path / "sorted") == SORTED


def test_two_equal_images_that_are_moved_are_two_afterwards(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(b"the same")
        Sorter(tmp_path / "sorted", move=True).sort(tmp_path / folder / "x.png", "red")
    assert tree(tmp_path / "sorted") == ["red/x.png", "red/x_2.png"]


def test_an_image_that_lies_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "x.png").write_bytes(b"an image")
    assert Sorter(tmp_path, move=True).sort(tmp_path / "red" / "x.png", "red") == tmp_path / "red" / "x.png"
    assert tree(tmp_path) == ["red/x.png"]


def test_images_of_one_size_and_one_time_are_told_apart(tmp_path: Path) -> None:
    for content in (b"one image", b"two image"):
        (tmp_path / "x.png").write_bytes(content)
        os.utime(tmp_path / "x.png", (1_000_000_000, 1_000_000_000))
        for _ in range(2):  # the second time the answer might be remembered
            assert Sorter(tmp_path / "sorted").sort(tmp_path / "x.png", "red").read_bytes() == content
    assert tree(tmp_path / "sorted") == ["red/x.png", "red/x_2.png"]


def test_a_copy_that_is_not_whole_costs_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"an image")
    (tmp_path / "half.png").write_bytes(b"a ph")
    Sorter(tmp_path / "sorted", move=True).leave(tmp_path / "x.png", tmp_path / "half.png")
    assert (tmp_path / "x.png").is_file()


def test_a_full_disk_leaves_the_image_and_no_empty_file(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.png").write_bytes(b"an image")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskwright.api.sorting.shutil.copyfile", full)
    with pytest.raises(OutputError, match="the disk is full"):
        Sorter(tmp_path / "sorted", move=True).sort(tmp_path / "x.png", "red")
    assert tree(tmp_path) == ["x.png"]


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"an image")
    (tmp_path / "red").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot be written|there is a file where a folder is needed"):
        Sorter(tmp_path).sort(tmp_path / "x.png", "red")


def test_what_is_no_file_cannot_be_sorted(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="only images in files can be sorted"):
        predict(FIND, np.zeros((4, 4, 3), np.uint8), sort_into=tmp_path)


def test_a_detector_sorts_by_what_it_found(images: Path, tmp_path: Path) -> None:
    predict(Detector(Seer()), images / "red_0.png", sort_into=tmp_path / "s")
    predict(Detector(Seer(), threshold=1.0), images / "red_1.png", sort_into=tmp_path / "s")
    assert tree(tmp_path / "s") == ["balloon+cake/red_0.png", "nothing/red_1.png"]


@given(st.text(max_size=20))
def test_every_image_labels_names_one_folder(called: str) -> None:
    name = folder_name(called)
    assert name and name not in (".", "..") and not set(name) & set('<>:"/\\|?*\0\n')
    assert name == name.rstrip(" .")
    assert folder_name(name) == name


@pytest.mark.parametrize("called", ["CON", "nul", "com1", "aux.txt"])
def test_names_that_windows_keeps_for_itself_are_avoided(called: str) -> None:
    assert folder_name(called) == f"_{called}"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.binary(min_size=1, max_size=2)), max_size=8), st.booleans())
def test_no_content_is_ever_lost(drops: list[tuple[str, bytes]], move: bool) -> None:
    """Images of few names and contents, one after the other: as many arrive as were moved; each content is there."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        sorter, image = Sorter(Path(folder) / "sorted", move), Path(folder)
        for name, content in drops:
            (image / f"{name}.png").write_bytes(content)
            assert sorter.sort(image / f"{name}.png", "red").read_bytes() == content
        there = Counter(path.read_bytes() for path in (Path(folder) / "sorted").rglob("*.png"))
        assert there == Counter(content for _, content in drops) if move else set(there) == {c for _, c in drops}


def test_the_time_of_an_image_goes_with_it(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"an image")
    os.utime(tmp_path / "x.png", (1_000_000_000, 1_000_000_000))
    assert Sorter(tmp_path / "s").sort(tmp_path / "x.png", "red").stat().st_mtime == 1_000_000_000


def test_an_unreadable_link_is_left_alone(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "ph").mkdir()
    try:
        (tmp_path / "ph" / "x.jpg").symlink_to(tmp_path / "secret")
    except OSError:
        pytest.skip("no links here")
    for move in (False, True):
        assert Sorter(tmp_path / "sorted", move).set_aside(tmp_path / "ph" / "x.jpg") is None
    assert not (tmp_path / "sorted").exists() and (tmp_path / "ph" / "x.jpg").is_symlink()
