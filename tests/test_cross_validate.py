"""k-fold cross-validation: every image is evaluated once, by a model that did not learn from it."""

from __future__ import annotations

import json
from dataclasses import replace as replace_record
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image
from reported import sentences
from tiny_runs import TINY, model_folder, party

from maskwright import formats
from maskwright.api.cross_validate import _started_from, cross_validate
from maskwright.api.data import relative
from maskwright.errors import DatasetError
from maskwright.issues import Issues
from maskwright.training.recipe_io import write_recipe
from maskwright.training.run_folder import RunFolder


@pytest.mark.slow
def test_every_image_is_evaluated_once_by_a_model_that_never_saw_it(tmp_path: Path):
    party(tmp_path / "party", 6)
    data = formats.read(tmp_path / "party")
    done = cross_validate(tmp_path / "party", k=2, bootstrap=20, out=tmp_path / "runs", recipe=TINY)
    assert sorted(done.pooled.image_names) == sorted(record.image.name for record in data)
    assert done.pooled.ground_truths == data.instance_count == sum(metrics.ground_truths for metrics in done.folds)
    for folder, metrics in zip(done.folders, done.folds, strict=True):
        taught = {Path(name).name for name in RunFolder(folder).facts()["images"]["train"]}
        assert taught and not taught & set(metrics.image_names)


def test_more_folds_than_images_are_refused(tmp_path: Path):
    party(tmp_path / "party", 3)
    with pytest.raises(DatasetError):
        cross_validate(tmp_path / "party", k=9, out=tmp_path / "runs", recipe=TINY)
    assert not (tmp_path / "runs").exists()


def test_images_that_stay_together_need_fewer_folds(tmp_path: Path):
    data = party(tmp_path / "party", 4)
    pairs = replace_record(
        data, records=tuple(replace_record(record, group=str(index % 2)) for index, record in enumerate(data))
    )
    with pytest.raises(DatasetError, match="too few groups") as caught:
        cross_validate(pairs, k=3, out=tmp_path)
    assert caught.value.parts["fix"] == "fewer folds (--k), or label images that are no copies and of no common group"


def test_images_with_boxes_only_may_teach_and_every_fold_needs_outlines_to_evaluate_by(tmp_path: Path):
    party(tmp_path / "party", 4)
    data = formats.read(tmp_path / "party")
    bare = tuple(
        replace_record(record, instances=replace_record(record.instances, masks=None)) for record in data.records[1:]
    )
    with pytest.raises(DatasetError, match="too few images with outlines"):
        cross_validate(replace_record(data, records=(data.records[0], *bare)), k=2, out=tmp_path / "runs", recipe=TINY)
    assert not (tmp_path / "runs").exists()


def test_the_model_or_the_recipe_says_what_the_task_is(tmp_path: Path):
    """Images with a class each, and no objects, are refused by every task but one."""
    for name in ("rust", "norust"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / "images" / name / f"{number}.png")
    objects: list[dict[str, Any]] = [{"model": "ssd300_vgg16"}, {"recipe": TINY}, {}]
    for options in objects:
        with pytest.raises(DatasetError, match="these images carry a class each"):
            cross_validate(tmp_path / "images", k=9, out=tmp_path / "runs", **options)
    whole: list[dict[str, Any]] = [{"model": "vgg16"}, {"recipe": replace(TINY, task="classify")}]
    for options in whole:
        with pytest.raises(DatasetError, match="fold"):
            cross_validate(tmp_path / "images", k=9, out=tmp_path / "runs", **options)


def test_every_fold_starts_from_the_run_that_was_newest_before_the_first(tmp_path: Path):
    """`last` would else be the fold before, which learned from the images that this one is evaluated by."""
    first = model_folder(tmp_path / "runs" / "first" / "last")
    data = party(tmp_path / "party", 4)
    said = Issues()
    assert _started_from(data, "last", tmp_path / "runs", said) == {"weights": first} and not said
    assert _started_from(data, "bundled", tmp_path / "runs", said) == {}


@pytest.mark.parametrize("file", [False, True])
def test_a_recipe_that_says_last_means_the_same_run_for_every_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: bool
):
    first = model_folder(tmp_path / "runs" / "first" / "last")
    taken: list[object] = []

    def learn(*_: object, weights: object, **__: object) -> None:
        taken.append(weights)
        raise KeyboardInterrupt

    monkeypatch.setattr("maskwright.api.cross_validate.train", learn)
    recipe = replace(TINY, weights="last")
    write_recipe(recipe, tmp_path / "recipe.toml")
    with pytest.raises(KeyboardInterrupt):
        cross_validate(
            party(tmp_path / "party", 4),
            k=2,
            out=tmp_path / "runs",
            recipe=tmp_path / "recipe.toml" if file else recipe,
        )
    assert taken == [first]


def test_a_start_that_saw_the_images_is_said(tmp_path: Path):
    first = model_folder(tmp_path / "runs" / "first" / "last")
    data = formats.read(party(tmp_path / "party", 4).records[0].image.parent.parent)
    root = data.records[0].image.parent.parent
    images = {"train": [relative(record.image, root) for record in data.records[:3]]}
    (first.parent / "run.json").write_text(json.dumps({"data": str(root), "images": images}))
    said = Issues()
    _started_from(data, first, tmp_path / "runs", said)
    assert sentences(said) == (
        "3 of these 4 images were training images of the initial weights: the metrics are optimistic",
    )
