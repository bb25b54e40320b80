"""Checking data: what would make a metric wrong is serious, everything else is a note; each names its images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.check import check as check_data
from maskwright.api.data import open_data
from maskwright.cli.main import main
from maskwright.curate.check import check
from maskwright.issues import Issue, Issues
from maskwright.types import Dataset, Instances, Record


def picture(path: Path, seed: int, size: tuple[int, int] = (48, 64), turn: int = 0) -> Path:
    """An image that is like no other of another seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(np.rot90(blocks, turn)).resize(size[::-1], Image.Resampling.NEAREST).save(path)
    return path


def classes(folder: Path, **images: list[int]) -> Dataset:
    """Class folders: the seeds of the images of each class."""
    for label, seeds in images.items():
        for number, seed in enumerate(seeds):
            picture(folder / label / f"{label}.{number}.png", seed)
    return formats.read(folder)


def boxed(folder: Path, seeds: dict[str, int], boxes: int = 1, split: str | None = None) -> list[Record]:
    drawn = Instances(np.array([[1, 1, 9, 9]] * boxes).reshape(-1, 4), np.zeros(boxes), None, None, ("rust",))
    return [Record(picture(folder / name, seed), (48, 64), drawn, split=split) for name, seed in seeds.items()]


def found(dataset: Dataset, *codes: str) -> list[Issue]:
    return [issue for issue in check(dataset) if not codes or issue.code in codes]


# --- nothing ------------------------------------------------------------------------------------
def test_no_images_give_no_issues():
    assert check(Dataset("none", (), ())) == ()


def test_images_that_differ_in_classes_of_one_size_give_no_issues(tmp_path):
    assert check(classes(tmp_path, clean=[1, 2, 3], rust=[4, 5, 6])) == ()


# --- serious ------------------------------------------------------------------------------------
def test_an_image_on_both_sides_of_a_split_is_serious(tmp_path):
    sides = boxed(tmp_path / "train", {"a.png": 1, "b.png": 2}, split="train")
    sides += boxed(tmp_path / "val", {"c.png": 1, "d.png": 3}, split="val")
    first = check(Dataset("some", ("rust",), tuple(sides)))[0]
    assert (first.code, first.severity) == ("split_leak", "error")
    assert str(first) == "train and val share 1 image: a.png = c.png; metrics on val would be too good"
    assert [image.name for image in first.images] == ["a.png", "c.png"]


def test_images_of_one_name_are_told_with_their_folders(tmp_path):
    sides = boxed(tmp_path / "train", {"a.png": 1}, split="train") + boxed(
        tmp_path / "test", {"a.png": 1}, split="test"
    )
    (leak,) = found(Dataset("some", ("rust",), tuple(sides)), "split_leak")
    assert "train/a.png = test/a.png" in str(leak)


def test_a_turned_copy_on_the_other_side_is_a_leak_too(tmp_path):
    one = boxed(tmp_path, {"a.png": 1}, split="train")[0]
    drawn = one.instances
    other = Record(picture(tmp_path / "b.png", 1, (64, 48), turn=1), (64, 48), drawn, split="test")
    (leak,) = found(Dataset("some", ("rust",), (one, other)), "split_leak")
    assert "a.png ~ b.png (turned 270)" in str(leak)


def test_an_image_in_two_classes_is_serious(tmp_path):
    (conflict,) = found(classes(tmp_path, clean=[1, 2], rust=[3, 1]), "label_conflict")
    assert conflict.severity == "error"
    assert str(conflict) == "1 image is labeled in two ways (clean and rust): clean.0.png = rust.1.png"


def test_a_copy_without_the_boxes_is_a_conflict(tmp_path):
    two = boxed(tmp_path, {"a.png": 1}) + boxed(tmp_path, {"b.png": 1}, boxes=0)
    (conflict,) = found(Dataset("some", ("rust",), tuple(two)), "label_conflict")
    assert "(empty and rust): a.png = b.png" in str(conflict)


# --- notes --------------------------------------------------------------------------------------
def test_copies_in_one_class_are_named_by_class(tmp_path):
    notes = found(classes(tmp_path, clean=[1, 2, 1], rust=[3, 4, 3, 3]))
    assert [str(note) for note in notes] == [
        "1 pair of images in clean is the same picture: clean.0.png = clean.2.png",
        "3 pairs of images in rust are the same picture: rust.0.png = rust.2.png, rust.0.png = rust.3.png, "
        "rust.2.png = rust.3.png",
    ]
    assert not any(note.severity == "error" for note in notes)


def test_a_class_with_one_image_and_uneven_classes(tmp_path):
    notes = found(classes(tmp_path, clean=[1, 2, 3, 4], rust=[5]))
    assert [note.code for note in notes] == ["class_on_one_image", "classes_uneven"]
    assert "(rust.0.png)" in str(notes[0]) and str(notes[1]) == "the classes are uneven, 4 to 1: clean 4, rust 1"


def test_one_class_only_is_nothing_to_learn(tmp_path):
    records = [Record(picture(tmp_path / f"{n}.png", n), (48, 64), None, labels=(0,)) for n in range(2)]
    assert [note.code for note in found(Dataset("some", ("rust",), tuple(records)))] == ["one_class_only"]


def test_tiny_unlabeled_and_broken_images_are_named(tmp_path):
    records = boxed(tmp_path, {"a.png": 1, "b.png": 2})
    records.append(Record(picture(tmp_path / "tiny.png", 3, (2, 2)), (2, 2), None))
    broken = tmp_path / "broken.png"
    broken.write_bytes(records[0].image.read_bytes()[:60])
    records.append(Record(broken, (48, 64), records[0].instances))
    notes = {note.code: str(note) for note in found(Dataset("some", ("rust",), tuple(records)))}
    assert "the smallest 2 x 2): tiny.png" in notes["images_tiny"]
    assert notes["images_unlabeled"] == "1 image is unlabeled and not used for training: tiny.png"
    assert notes["images_unreadable"] == "1 image cannot be opened: broken.png"


def test_many_empty_images_in_a_via_file_are_asked_about(tmp_path):
    records = boxed(tmp_path, {"a.png": 1}) + boxed(tmp_path, {f"e{n}.png": n + 2 for n in range(6)}, boxes=0)
    via, coco = (Dataset("some", ("rust",), tuple(records), format) for format in ("via", "coco"))
    (note,) = found(via, "images_empty")
    assert str(note).startswith("6 of 7 images are in the VIA file without an outline, and count as empty: e0.png")
    assert found(coco, "images_empty") == []


def test_one_class_under_two_names_is_serious_and_told_once(tmp_path):
    (duplicates,) = found(classes(tmp_path, Rust=[1, 2], rust=[3, 4, 5]), "class_duplicates", "class_names_alike")
    assert duplicates.severity == "error"
    assert str(duplicates) == (
        'classes "rust" (3) and "Rust" (2, on Rust.0.png, Rust.1.png) differ only by case or blanks: '
        'rename "Rust" to "rust" among the folders'
    )


# --- several datasets --------------------------------------------------------------------------
def test_images_of_the_boxes_that_the_class_folders_hold_too(tmp_path):
    classes(tmp_path / "root" / "classes", clean=[1, 2, 3], rust=[4, 5, 6])
    inside = tmp_path / "root" / "boxes"
    drawn = Dataset("boxes", ("rust",), tuple(boxed(inside, {"x.png": 4, "y.png": 6})))
    formats.write(drawn, inside / "labels.csv", "boxes_csv")
    checked = check_data(tmp_path / "root")
    assert [(record.name, len(record)) for record in checked.data] == [("root (class_folders)", 6), ("boxes", 2)]
    (shared,) = checked.issues[""]
    assert str(shared).startswith("all 2 images of boxes are contained in root (class_folders), equal")
    assert not checked.serious


def test_too_many_faults_are_an_issue_not_the_end(tmp_path):
    picture(tmp_path / "a.png", 1)
    rows = ["a.png,64,48,rust,1,1,9,9", "a.png,64,48,rust,1,1,many,9"]
    (tmp_path / "labels.csv").write_text("\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows]))
    (issues,) = check_data(tmp_path).issues.values()
    codes = [issue.code for issue in issues]
    assert codes.count("too_many_faults") == 1 and issues[codes.index("faulty_record")].values["field"] == "xmax"


# --- the command --------------------------------------------------------------------------------
def maskwright(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code, capsys.readouterr().out


def test_the_command_ends_with_0_and_notes(tmp_path, capsys):
    classes(tmp_path / "steel", clean=[1, 2, 1], rust=[3, 4, 5])
    code, out = maskwright(capsys, "check", tmp_path / "steel")
    assert code == 0
    assert out.splitlines() == [
        "steel (class_folders): 6 images; clean 3, rust 3",
        "  format: class_folders, for its sub-folders hold nothing but images: clean, rust",
        "  images: 6 labeled; 64 x 48 pixels",
        "  note: 1 pair of images in clean is the same picture: clean.0.png = clean.2.png",
    ]


def test_the_command_ends_with_1_where_a_metric_would_be_wrong(tmp_path, capsys):
    classes(tmp_path / "steel", clean=[1, 2, 3], rust=[1, 4, 5])
    code, out = maskwright(capsys, "check", tmp_path / "steel")
    assert code == 1 and "  PROBLEM: 1 image is labeled in two ways" in out
    code, out = maskwright(capsys, "check", tmp_path / "steel", "--json")
    facts = json.loads(out)
    assert (code, facts["serious"]) == (1, True)
    assert {issue["code"] for issue in facts["data"][0]["issues"]} == {"label_conflict", "duplicates"}


# --- training says it too -----------------------------------------------------------------------
def test_training_is_told_of_a_leak_between_named_splits(tmp_path):
    sides = boxed(tmp_path / "train", {"a.png": 1, "b.png": 2}, split="train")
    sides += boxed(tmp_path / "val", {"c.png": 1}, split="val")
    issues = Issues()
    open_data(Dataset("some", ("rust",), tuple(sides)), "detect", log=issues)
    assert [str(issue) for issue in issues] == [
        "some: train and val share 1 image: a.png = c.png; metrics on val would be too good"
    ]


def test_a_division_made_here_keeps_copies_together_and_names_them(tmp_path):
    seeds = {f"{name}.png": seed for name, seed in zip("abcdefgh", [1, 2, 1, 3, 4, 3, 5, 6], strict=True)}
    data = Dataset("some", ("rust",), tuple(boxed(tmp_path, seeds)))
    for seed in range(5):
        issues = Issues()
        parts = open_data(data, "detect", seed=seed, log=issues)
        side = {record.image.name: name for name, part in parts.items() for record in part}
        assert side["a.png"] == side["c.png"] and side["d.png"] == side["f.png"]
        assert str(issues[-1]) == "some: the same picture, kept in one part: a.png = c.png, d.png = f.png"


# --- real data ----------------------------------------------------------------------------------
def test_the_rust_tutorials_images_hold_what_is_known_of_them(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    checked = check_data(shared / "data" / "rust")
    assert [(record.name, len(record)) for record in checked.data] == [("rust (class_folders)", 155), ("objDet", 45)]
    duplicates = {str(issue) for issue in checked.issues["rust (class_folders)"] if issue.code == "duplicates"}
    assert duplicates == {
        "5 pairs of images in norust are the same picture: norust.1.jpg = norust.56.jpg, norust.2.jpg = norust.57.jpg, "
        "norust.37.jpg = norust.6.jpg, norust.4.jpg = norust.55.jpg, norust.47.jpg = norust.8.jpg",
        "1 pair of images in rust is the same picture: rust.29.jpg = rust.76.jpg",
    }
    contained = [str(issue).partition(",")[0] for issue in checked.issues[""]]
    assert "all 45 images of objDet are contained in rust (class_folders)" in contained
    assert checked.issues["objDet"] == () and not checked.serious
