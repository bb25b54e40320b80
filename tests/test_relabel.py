"""Classes renamed, joined and dropped; datasets merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.merge import merge
from maskwright.api.relabel import relabel
from maskwright.cli.main import main
from maskwright.curate.relabel import relabelled
from maskwright.errors import RecipeError, UnknownName
from maskwright.issues import Issue
from maskwright.types import Dataset, Instances, Record

SIZE = (48, 64)
BOXES = np.array([[1, 2, 30, 40], [3, 4, 60, 44], [10, 10, 20, 20]])


def drawn(folder: Path, name: str = "steel", seed: int = 0) -> Dataset:
    """One image with a rust, a Rust and a dent, one with a dent."""
    names = ("rust", "dent", "Rust")
    records = []
    for number, classes in enumerate([[0, 2, 1], [1]]):
        path = folder / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, number]).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        records.append(Record(path, SIZE, Instances(BOXES[: len(classes)], np.array(classes), None, None, names)))
    return Dataset(name, names, tuple(records), class_ids=(7, 8, 9))


def counts(data: Dataset) -> dict[str, int]:
    return data.class_counts()


def ignored(_: object) -> None:
    """A log that nobody reads."""


def test_nothing_asked_for_changes_nothing(tmp_path):
    assert relabelled(Dataset("none", (), ()), {}).names == ()
    data = drawn(tmp_path)
    same = relabelled(data, {})
    assert (same.names, counts(same), same.class_ids) == (data.names, counts(data), data.class_ids)


def test_classes_of_one_new_name_are_joined(tmp_path):
    joined = relabelled(drawn(tmp_path), {"Rust": "rust", "dent": "hole"})
    assert joined.names == ("rust", "hole") and counts(joined) == {"rust": 2, "hole": 2}
    assert joined.class_ids == (7, 8)


def test_names_can_be_exchanged(tmp_path):
    exchanged = relabelled(drawn(tmp_path), {"rust": "dent", "dent": "rust"})
    assert counts(exchanged) == {"dent": 1, "rust": 2, "Rust": 1}


def test_an_image_without_other_objects_becomes_an_empty_one(tmp_path):
    left = relabelled(drawn(tmp_path), {}, drop=["dent"])
    assert [record.state for record in left] == ["labeled", "empty"] and counts(left) == {"rust": 1, "Rust": 1}


def test_labels_of_whole_images_follow():
    records = (Record(Path("a.png"), SIZE, None, labels=(0, 1)), Record(Path("b.png"), SIZE, None, labels=(2,)))
    data = Dataset("steel", ("rust", "dent", "Rust"), records)
    moved = relabelled(data, {"Rust": "rust"}, drop=["dent"])
    assert [record.labels for record in moved] == [(0,), (0,)] and moved.names == ("rust",)


def test_a_class_that_is_not_there_is_an_error(tmp_path):
    data = drawn(tmp_path)
    with pytest.raises(UnknownName, match='no class "rost"'):
        relabelled(data, {"rost": "dent"})
    with pytest.raises(RecipeError, match="renamed and dropped"):
        relabelled(data, {"rust": "dent"}, drop=["rust"])


def test_the_command_writes_the_new_classes(tmp_path, capsys):
    formats.write(drawn(tmp_path), tmp_path / "steel" / "all.json", "coco")
    out = tmp_path / "new"
    with pytest.raises(SystemExit) as end:
        main(["relabel", str(tmp_path / "steel"), str(out), "--rename", "Rust=rust", "--drop", "dent", "--copy-images"])
    assert end.value.code == 0 and capsys.readouterr().out == f"2 images with 2 objects: {out}\n"
    assert counts(formats.read(out)) == {"rust": 2}
    with pytest.raises(SystemExit) as end:
        main(["relabel", str(tmp_path / "steel"), str(tmp_path / "x"), "--rename", "Rust"])
    assert end.value.code != 0 and "OLD=NEW" in capsys.readouterr().err


def test_relabel_takes_a_dataset(tmp_path):
    assert relabel(drawn(tmp_path), tmp_path / "out", {"dent": "rust"}, copy_images=True, log=ignored).objects == 4


def test_merged_data_hold_all_images_and_all_classes(tmp_path):
    one, other = drawn(tmp_path, "steel"), relabelled(drawn(tmp_path, "iron", seed=1), {"dent": "hole"})
    told: list[Issue] = []
    result = merge([one, other], tmp_path / "both", log=told.append)
    assert (result.images, result.objects) == (4, 8) and [issue.code for issue in told] == [
        "copies_renamed",
        "class_ids_lost",
    ]
    read = formats.read(tmp_path / "both")
    assert counts(read) == {"rust": 2, "dent": 2, "Rust": 2, "hole": 2}
    assert sorted(record.image.name for record in read) == ["0.png", "1.png", "iron_0_2.png", "iron_1_2.png"]


def test_images_in_both_are_reported(tmp_path):
    codes: list[str] = []
    merge([drawn(tmp_path, "steel"), drawn(tmp_path, "iron")], tmp_path / "both",
          log=lambda issue: codes.append(issue.code))  # fmt: skip
    assert codes[0] == "dataset_contained"


def test_what_was_not_looked_for_is_kept(tmp_path):
    one, other = drawn(tmp_path, "steel"), relabelled(drawn(tmp_path, "iron", seed=1), {"dent": "hole"})
    merge([one, other], tmp_path / "both", partial=True, log=ignored)
    read = formats.read(tmp_path / "both")
    looked = {record.image.name: record.labelled_classes for record in read}
    assert looked["0.png"] == (0, 1, 2) and looked["iron_0_2.png"] == (0, 2, 3)


def test_one_dataset_is_nothing_to_merge(tmp_path):
    with pytest.raises(RecipeError, match="two datasets or more"):
        merge([drawn(tmp_path)], tmp_path / "both")
