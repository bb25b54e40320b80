"""A resumed run learns what it began to learn: the same images, the same labels, the same order of classes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import SIZE, TINY, records

from maskwright.api import train as jobs
from maskwright.api.train import train
from maskwright.errors import RecipeError
from maskwright.models import registry
from maskwright.training.contents import label_hash
from maskwright.training.recipe_io import write_recipe
from maskwright.types import Instances, RleMasks

CHANGED = "the data have changed since this run began"


def rows(names: list[str], classes: tuple[str, str]) -> dict[str, Any]:
    """A VIA file: on each image one square of each class."""

    def region(name: str, left: int) -> dict[str, Any]:
        shape = {"name": "polygon", "all_points_x": [left, left + 30, left + 30, left], "all_points_y": [8, 8, 40, 40]}
        return {"shape_attributes": shape, "region_attributes": {"class": name}}

    return {
        name: {"filename": name, "size": -1, "regions": [region(classes[0], 8), region(classes[1], 60)]}
        for name in names
    }


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pets/ and a run on it that came to its end: cats and dogs."""
    folder, random = tmp_path_factory.mktemp("begun"), np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 1)):
        (folder / "pets" / part).mkdir(parents=True)
        names = [f"{part}_{number}.png" for number in range(count)]
        for name in names:
            Image.fromarray(random.integers(0, 255, (*SIZE, 3), np.uint8)).save(folder / "pets" / part / name)
        (folder / "pets" / part / "via_region_data.json").write_text(json.dumps(rows(names, ("cat", "dog"))))
    recipe = folder / "recipe.toml"
    write_recipe(replace_stage(), recipe)
    train(folder / "pets", recipe=recipe, out=folder, name="run")
    return folder


def replace_stage() -> Any:
    import msgspec

    from maskwright.training.recipe import Stage

    return msgspec.structs.replace(TINY, steps_per_epoch=1, stages=(Stage("all", 1, 1e-3),))


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> tuple[Path, Path]:
    """(run, its data), both to change."""
    shutil.copytree(begun / "run", tmp_path / "run")
    shutil.copytree(begun / "pets", tmp_path / "pets")
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    facts["data"] = str(tmp_path / "pets")
    (tmp_path / "run" / "run.json").write_text(json.dumps(facts))
    return tmp_path / "run", tmp_path / "pets"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(registry, "build", lambda *_: pytest.fail("no network is built from data that have changed"))
    with pytest.raises(RecipeError, match=CHANGED) as caught:
        train(resume=run)
    return caught.value.parts


def test_unchanged_data_go_on(run: tuple[Path, Path]) -> None:
    assert train(resume=run[0]).epochs == 1


def test_a_class_that_was_renamed_is_refused_with_both_lists(
    run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """cat, dog -> dog, zebra: index 0 would have been both cat and dog."""
    for part in ("train", "val"):
        edit(run[1] / part / "via_region_data.json", '"cat"', '"zebra"')
    parts = refused(run[0], monkeypatch)
    assert (parts["field"], parts["expected"], parts["got"]) == ("classes", "cat, dog", "dog, zebra")


def test_two_classes_that_were_exchanged_are_refused(run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file = run[1] / "train" / "via_region_data.json"
    edit(file, '"cat"', '"was cat"')
    edit(file, '"dog"', '"cat"')
    edit(file, '"was cat"', '"dog"')
    parts = refused(run[0], monkeypatch)
    assert parts["field"] == "train, labels" and parts["got"].startswith("3 of 3 are others: train/train_0.png")


@pytest.mark.parametrize("part", ["train", "val"])
def test_an_outline_that_was_moved_is_refused_with_its_image(
    run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    file = run[1] / part / "via_region_data.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[8, 38, 38, 8]", "[8, 37, 38, 8]", 1), encoding="utf-8")
    parts = refused(run[0], monkeypatch)
    assert parts["field"] == f"{part}, labels" and f"{part}/{part}_0.png" in parts["got"] and "1 of " in parts["got"]


def test_an_image_that_was_replaced_is_refused_by_its_name(
    run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", SIZE[::-1], "red").save(run[1] / "train" / "train_1.png")
    parts = refused(run[0], monkeypatch)
    assert parts["field"] == "train, images" and parts["got"] == "1 of 3 are others: train/train_1.png"


def test_two_images_that_exchanged_their_names_are_refused(
    run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (run[1] / "train" / f"train_{number}.png" for number in (0, 2))
    aside = one.rename(one.with_name("aside.png"))
    other.rename(one)
    aside.rename(other)
    assert refused(run[0], monkeypatch)["got"] == "2 of 3 are others: train/train_0.png, train/train_2.png"


def test_what_is_written_anew_with_the_same_content_goes_on(run: tuple[Path, Path]) -> None:
    """Other blanks, other times: nothing that is learned has changed."""
    file = run[1] / "train" / "via_region_data.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")), indent=4), encoding="utf-8")
    for path in (run[1] / "train").glob("*.png"):
        path.touch()
    assert train(resume=run[0]).epochs == 1


def test_a_run_that_cannot_begin_leaves_its_name_free(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_run", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(begun / "pets", recipe=begun / "recipe.toml", out=tmp_path, name="run")
    assert not list(tmp_path.iterdir())


# --- the hash of labels -----------------------------------------------------------------------------
def test_everything_that_is_learnt_from_changes_the_hash_and_nothing_else() -> None:
    record, names = records(1, ("cat", "dog"))[0], ("cat", "dog")
    drawn = record.instances
    assert drawn is not None
    moved = RleMasks.from_boxes(np.array([[8, 8, 40, 41]]), SIZE)
    others = [
        replace(record, skipped=True),
        replace(record, instances=None),
        replace(record, labels=(0,)),
        replace(record, labels=(1,)),
        replace(record, labels=()),
        replace(record, labelled_classes=(0,)),
        replace(record, incomplete=True),
        replace(record, size=(97, 128)),
        replace(record, instances=drawn[:0]),
        replace(record, instances=replace(drawn, masks=None)),
        replace(record, instances=replace(drawn, masks=moved)),
        replace(record, instances=replace(drawn, boxes=drawn.boxes + 1)),
        replace(record, instances=replace(drawn, classes=np.array([1]))),
        replace(record, instances=replace(drawn, crowd=np.array([True]))),
    ]
    hashes = [label_hash(item, names) for item in (record, *others)]
    assert len(set(hashes)) == len(hashes) and all(len(item) == 8 for item in hashes)
    elsewhere = replace(record, image=Path("other.jpg"), group="g", split="val", id=7)
    assert label_hash(elsewhere, names) == hashes[0]


def test_classes_count_by_name_not_by_index() -> None:
    record = records(1, ("cat", "dog"))[0]
    assert record.instances is not None
    other = replace(record, instances=Instances(
        record.instances.boxes, np.array([1]), None, record.instances.masks, ("ant", "cat")))  # fmt: skip
    assert label_hash(other, ("ant", "cat")) == label_hash(record, ("cat", "dog"))
