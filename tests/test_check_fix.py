"""A cleaned copy: what can be put right without a guess is, the rest is left and named, the data stay as they are."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.check import CheckResult, check
from maskwright.cli.main import main
from maskwright.errors import OutputError, RecipeError
from maskwright.types import Dataset

SQUARE = [4, 4, 30, 4, 30, 30, 4, 30]
BEYOND = [30, 10, 80, 10, 80, 40, 30, 40]


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST).save(path)
    return path


def coco(folder: Path, seeds: dict[str, int], drawn: Sequence[tuple[str, str, Sequence[float]]]) -> Path:
    """Images by name and seed; objects by image, class and outline."""
    names = [*seeds]
    classes = [*dict.fromkeys(label for _, label, _ in drawn)]
    for name, seed in seeds.items():
        picture(folder / name, seed)
    content = {
        "images": [{"id": number, "file_name": name, "width": 64, "height": 48} for number, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": names.index(image), "category_id": classes.index(label), "iscrowd": 0,
             "segmentation": [points]} for number, (image, label, points) in enumerate(drawn)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes)],
    }  # fmt: skip
    (folder / "annotations.json").write_text(json.dumps(content), "utf-8")
    return folder


@pytest.fixture
def messy(tmp_path) -> Path:
    """Three sound images, a copy, a broken image, two spellings, an object drawn twice, one past the edge."""
    seeds = {"a.png": 1, "b.png": 2, "c.png": 3, "copy.png": 1, "broken.png": 4}
    drawn = [("a.png", "rust", SQUARE), ("copy.png", "rust", SQUARE), ("b.png", "rust", SQUARE),
             ("b.png", "rust", SQUARE), ("c.png", "Rust", BEYOND), ("broken.png", "rust", SQUARE)]  # fmt: skip
    folder = coco(tmp_path / "messy", seeds, drawn)
    whole = (folder / "broken.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    return folder


def clean(data: Path | Dataset, out: Path, **options) -> tuple[Dataset, CheckResult]:
    checked = check(data, fix=out, **options)
    return formats.read(out), checked


def codes(result: CheckResult) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for change in result.changes or ():
        found.setdefault(change.action, Counter())[change.code] += 1
    return found


# --- what is done -------------------------------------------------------------------------------
def test_what_is_sure_is_put_right_and_logged(messy, tmp_path):
    before = {path: path.read_bytes() for path in messy.iterdir()}
    cleaned, checked = clean(messy, tmp_path / "clean")
    assert cleaned.format == "coco" and cleaned.names == ("rust",)
    assert sorted(record.image.name for record in cleaned) == ["a.png", "b.png", "c.png"]
    assert cleaned.instance_count == 3 and not cleaned.issues
    done = codes(checked)
    assert done["removed"] == {"images_unreadable": 1, "duplicates": 1, "objects_repeated": 1}
    assert done["changed"]["class_duplicates"] == 1 and done["changed"]["outlines_clipped"] == 1
    assert {path: path.read_bytes() for path in messy.iterdir()} == before


def test_a_second_check_of_the_copy_finds_nothing_serious(messy, tmp_path):
    clean(messy, tmp_path / "clean")
    (issues,) = check(tmp_path / "clean").issues.values()
    assert {issue.code for issue in issues} == set()


def test_the_log_is_in_the_copy_a_change_a_line(messy, tmp_path):
    _, checked = clean(messy, tmp_path / "clean")
    lines = [json.loads(line) for line in (tmp_path / "clean" / "changes.jsonl").read_text("utf-8").splitlines()]
    assert lines == [change.to_dict() for change in checked.changes or ()]
    spelling = next(line for line in lines if line["code"] == "class_duplicates")
    assert (
        spelling["what"] == '"Rust" to "rust"' and Path(spelling["image"]).name == "c.png" and spelling["object"] == 1
    )


def test_faulty_records_and_absent_images_are_in_the_log(tmp_path):
    sound = [("a.png", "rust", [4 + step, 4, 30 + step, 4, 30, 30]) for step in range(30)]
    folder = coco(tmp_path / "data", {"a.png": 1, "b.png": 2}, [*sound, ("a.png", "rust", [99, 99, 120, 99, 120, 120])])
    (folder / "b.png").unlink()
    _, checked = clean(folder, tmp_path / "clean")
    assert codes(checked)["removed"]["faulty_record"] == 1 and codes(checked)["removed"]["images_absent"] == 1


# --- what is not --------------------------------------------------------------------------------
def test_copies_labeled_differently_are_left(tmp_path):
    drawn = [("a.png", "rust", SQUARE), ("b.png", "dent", SQUARE), ("c.png", "dent", SQUARE)]
    cleaned, checked = clean(coco(tmp_path / "data", {"a.png": 1, "b.png": 1, "c.png": 3}, drawn), tmp_path / "clean")
    assert len(cleaned) == 3
    assert codes(checked)["left"]["label_conflict"] == 1 and checked.serious


def test_copies_in_two_splits_are_left(tmp_path):
    for split, name in (("train", "a.png"), ("val", "b.png")):
        coco(tmp_path / "data" / split, {name: 1}, [(name, "rust", SQUARE)])
    cleaned, checked = clean(tmp_path / "data", tmp_path / "clean")
    assert {name: len(part) for name, part in cleaned.splits().items()} == {"train": 1, "val": 1}
    assert codes(checked)["left"]["split_leak"] == 1


def test_the_log_numbers_objects_as_the_data_do(tmp_path):
    drawn = [("a.png", "rust", SQUARE), ("a.png", "rust", SQUARE), ("a.png", "Rust", BEYOND)]
    _, checked = clean(coco(tmp_path / "data", {"a.png": 1}, drawn), tmp_path / "clean")
    found = {(change.code, change.object) for change in checked.changes or () if change.object is not None}
    assert found == {("objects_repeated", 2), ("outlines_clipped", 3), ("class_duplicates", 3)}


def test_an_object_is_removed_where_any_earlier_one_is_the_same(tmp_path):
    nearly = [4, 4, 30, 4, 30, 29.4, 4, 29.4]
    drawn = [("a.png", "rust", SQUARE), ("a.png", "rust", nearly), ("a.png", "rust", nearly)]
    cleaned, checked = clean(coco(tmp_path / "data", {"a.png": 1}, drawn), tmp_path / "clean")
    repeated = {change.object: (change.action, change.what) for change in checked.changes or ()}
    assert repeated[2] == ("left", "nearly the same as object 1") and repeated[3] == ("removed", "the same as object 2")
    assert cleaned.instance_count == 2


def test_objects_and_copies_of_other_attributes_are_left(tmp_path):
    drawn = [
        ("a.png", "rust", SQUARE),
        ("copy.png", "rust", SQUARE),
        ("b.png", "rust", SQUARE),
        ("b.png", "rust", SQUARE),
    ]
    folder = coco(tmp_path / "data", {"a.png": 1, "copy.png": 1, "b.png": 2}, drawn)
    content = json.loads((folder / "annotations.json").read_text("utf-8"))
    for number in (1, 3):
        content["annotations"][number]["attributes"] = {"deep": True}
    (folder / "annotations.json").write_text(json.dumps(content), "utf-8")
    cleaned, checked = clean(folder, tmp_path / "clean")
    assert len(cleaned) == 3 and cleaned.instance_count == 4
    assert codes(checked) == {"left": Counter(duplicates=1, objects_repeated=1)}


def test_outlines_that_cross_themselves_are_left(tmp_path):
    bow_tie = [10, 10, 40, 40, 40, 10, 10, 40]
    _, checked = clean(coco(tmp_path / "data", {"a.png": 1}, [("a.png", "rust", bow_tie)]), tmp_path / "clean")
    assert codes(checked)["left"]["outlines_self_crossing"] == 1


# --- formats and images -------------------------------------------------------------------------
def test_class_folders_stay_class_folders(tmp_path):
    for label, seeds in {"clean": [1, 2, 1], "rust": [3, 4]}.items():
        for number, seed in enumerate(seeds):
            picture(tmp_path / "steel" / label / f"{number}.png", seed)
    cleaned, _ = clean(tmp_path / "steel", tmp_path / "out")
    assert cleaned.format == "class_folders" and cleaned.class_counts() == {"clean": 2, "rust": 2}


def test_a_format_that_is_only_read_becomes_coco(messy, tmp_path):
    dataset = formats.read(messy)
    cleaned, _ = clean(replace(dataset, format="panoptic"), tmp_path / "clean")
    assert cleaned.format == "coco"


def test_linked_images_are_the_same_files_and_their_mode_stays(messy, tmp_path):
    (messy / "a.png").chmod(0o640)
    cleaned, _ = clean(messy, tmp_path / "clean", images="link")
    linked = next(record.image for record in cleaned if record.image.name == "a.png")
    assert linked.samefile(messy / "a.png") and (messy / "a.png").stat().st_mode & 0o777 == 0o640


# --- refusals -----------------------------------------------------------------------------------
def test_a_copy_within_the_data_is_refused_and_nothing_is_written(messy):
    before = sorted(messy.iterdir())
    with pytest.raises(RecipeError, match="written into the data"):
        check(messy, fix=messy / "clean")
    assert sorted(messy.iterdir()) == before


def test_a_filled_folder_is_refused(messy, tmp_path):
    shutil.copytree(messy, tmp_path / "there")
    with pytest.raises(OutputError, match="is there already"):
        check(messy, fix=tmp_path / "there")


def test_several_datasets_are_refused(messy, tmp_path, monkeypatch):
    both = tmp_path / "both"
    shutil.copytree(messy, both / "one")
    shutil.copytree(messy, both / "two")
    monkeypatch.setattr("maskwright.api.check.find_duplicates", pytest.fail)  # refused before images are compared
    with pytest.raises(RecipeError, match="one dataset at a time"):
        check(both, fix=tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


# --- the command --------------------------------------------------------------------------------
def test_the_command_says_how_much_was_done(messy, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["check", str(messy), "--fix", str(tmp_path / "clean")])
    assert "cleaned copy: 3 removed, 2 changed, " in capsys.readouterr().out
