"""Recipes: every choice of a run in one strict TOML file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import OutputError, RecipeError, UnknownName
from maskwright.models import registry
from maskwright.training.defaults import CLASSIFICATION_AUGMENT, from_options
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.recipe_io import read_recipe, read_written, write_recipe
from maskwright.transforms.augment import Augment
from maskwright.weights import sources

TWO = Recipe(stages=(Stage("heads", 10, 1e-3), Stage("all", 30, 5e-4)))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- the task -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "task"),
    [(None, "segment"), ("small", "segment"), ("ssd300_vgg16", "detect"), ("faster_rcnn_r50", "detect"),
     ("vgg16", "classify"), ("timm:resnet18", "classify")],
)  # fmt: skip
def test_the_model_says_what_the_task_is(model: str | None, task: str) -> None:
    assert from_options(None, model=model, weights="none").task == task


def test_a_task_that_is_said_counts() -> None:
    assert from_options(None, model="small", task="classify", weights="none").task == "classify"
    with pytest.raises(UnknownName):
        from_options(None, model="vgg16", task="detect")


def test_an_unknown_model_is_named_with_those_of_all_tasks() -> None:
    with pytest.raises(UnknownName, match="vgg19"):
        from_options(None, model="lenet")


# --- the file ---------------------------------------------------------------------------------------
def test_an_empty_file_is_the_default_recipe(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "")) == from_options()


stages = st.builds(
    Stage,
    layers=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20),
    epochs=st.integers(1, 500),
    lr=st.floats(1e-9, 9.9),
)
fractions = st.floats(0, 1)
recipes = st.builds(
    Recipe,
    weights=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30),
    size=st.integers(1, 64).map(lambda item: item * 64),
    seed=st.integers(0, 2**32 - 1),
    time_budget=st.floats(0, 1e6),
    weight_decay=fractions,
    train_bn=st.booleans(),
    stages=st.lists(stages, min_size=1, max_size=3).map(tuple),
    augment=st.builds(
        Augment, flip=fractions, color_jitter=fractions, zoom=st.tuples(st.floats(0.1, 1), st.floats(1, 3))
    ),
)


@given(recipes)
def test_a_recipe_comes_back_from_its_file_as_it_was(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    """read(write(recipe)) = recipe, whatever stands in names and numbers."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    write_recipe(recipe, path)
    assert read_recipe(path) == recipe


def test_the_file_names_every_choice(tmp_path: Path) -> None:
    """So that it alone repeats the run, also after a default has changed."""
    path = tmp_path / "recipe.toml"
    write_recipe(Recipe(), path)
    text = path.read_text(encoding="utf-8")
    for key in (*Recipe.__struct_fields__, *Stage.__struct_fields__, *Augment.__struct_fields__):
        assert key in text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("epoch = 3", "`epoch`"),
        ("[[stages]]\nlayer = 'all'", "`layer`"),
        ("[augment]\nflips = 0.5", "`flips`"),
        ("size = '512'", "$.size"),
        ("batch = 2.5", "$.batch"),
        ("batch = true", "$.batch"),
        ("stages = 3", "$.stages"),
        ("[[stages]]\nepochs = 'many'", "$.stages[0].epochs"),
        ("[augment]\nzoom = [1.0]", "$.augment.zoom"),
    ],
)
def test_a_misspelt_key_or_a_wrong_type_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert named in str(caught.value)
    assert caught.value.parts["file"] == str(path)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("size = 0", "size"),
        ("size = 100", "size"),
        ("batch = 0", "batch"),
        ("steps_per_epoch = 0", "steps_per_epoch"),
        ("workers = -1", "workers"),
        ("seed = -1", "seed"),
        ("time_budget = -5", "time_budget"),
        ("time_budget = nan", "time_budget"),
        ("patience = -1", "patience"),
        ("ema = 1.0", "ema"),
        ("grad_clip = 0", "grad_clip"),
        ("stages = []", "stages"),
        ("[[stages]]\nepochs = 0", "epochs"),
        ("[[stages]]\nlr = 0", "lr"),
        ("[[stages]]\nlr = nan", "lr"),
        ("[augment]\ncolor_jitter = -1", "augment.color_jitter"),
        ("[augment]\nzoom = [0, 0]", "augment.zoom"),
        ("[augment]\nzoom = [2, 1]", "augment.zoom"),
    ],
)
def test_a_number_out_of_range_is_named(tmp_path: Path, text: str, field: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert caught.value.parts["field"] == field
    assert caught.value.parts["file"] == str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task = 'segments'", 'Did you mean "segment"?'),
        ("model = 'smal'", 'Did you mean "small"?'),
        ("backbone = 'mobilenet_v3_larg'", 'Did you mean "mobilenet_v3_large"?'),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean") as caught:
        read_recipe(written(tmp_path, text))
    assert message in str(caught.value)
    assert "recipe.toml" in str(caught.value)


@pytest.mark.parametrize("model", list(registry.MODELS))
def test_a_file_that_names_a_model_takes_its_defaults(tmp_path: Path, model: str) -> None:
    assert read_recipe(written(tmp_path, f'model = "{model}"')) == from_options(model=model)


def test_a_path_may_stand_for_weights_beside_a_file(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, ""), weights=tmp_path / "run").weights == str(tmp_path / "run")


def test_options_go_on_top_of_a_file_and_the_defaults_are_those_of_what_was_named_last(tmp_path: Path) -> None:
    file = written(tmp_path, 'model = "mask_rcnn_r50"\nseed = 3\nweights = "none"')
    assert read_recipe(file, model="small", epochs=9) == from_options(model="small", weights="none", seed=3, epochs=9)
    assert read_recipe(file, weights="coco", size=None) == from_options(model="mask_rcnn_r50", weights="coco", seed=3)


def test_a_file_changes_a_single_value_of_how_images_are_varied(tmp_path: Path) -> None:
    plan = read_recipe(written(tmp_path, 'model = "vgg16"\n[augment]\nflip = 0.0'))
    assert plan.augment == msgspec.structs.replace(CLASSIFICATION_AUGMENT, flip=0.0)


def test_what_is_no_toml_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not TOML"):
        read_recipe(written(tmp_path, "size: 512"))
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not TOML"):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize(
    "text",
    [
        "size = " + "9" * 5000,
        "x = " + "[" * 5000,
        "x = " + "{a = " * 5000,
        "a." * 5000 + "a = 1",
        '"#".' + "a." * 5000 + "a = 1",
        '"\u2028".' + "a." * 5000 + "a = 1",
        "[" + "a." * 5000 + "a]",
        "size = 2024-13-45",
    ],
    ids=["digits", "brackets", "tables", "dots", "a mark of comments", "a break of lines", "header", "date"],
)
def test_huge_numbers_and_deep_nesting_are_no_toml_either(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match="the recipe is not TOML") as caught:
        read_recipe(written(tmp_path, text))
    assert len(str(caught.value)) < 500


def test_a_line_of_dots_in_a_comment_and_a_mark_of_byte_order_are_toml(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    file.write_bytes(b"\xef\xbb\xbf# " + b"." * 200 + b"\r\nsize = 320\r\n")
    assert read_recipe(file).size == 320


@pytest.mark.parametrize("epochs", ["1000001", "1" + "0" * 30, "0x" + "f" * 5000])
def test_no_stage_has_more_than_a_million_epochs(tmp_path: Path, epochs: str) -> None:
    with pytest.raises(RecipeError, match=r"out of range|wrong value"):
        read_recipe(written(tmp_path, f"[[stages]]\nepochs = {epochs}"))


def test_what_is_too_large_for_a_recipe_is_not_parsed(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="this is no recipe"):
        read_recipe(written(tmp_path, "#" * 64_001))


def test_a_recipe_that_is_absent_or_a_folder_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(RecipeError, match="cannot be read"):
            read_recipe(path)


def test_a_recipe_cannot_be_written_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_recipe(Recipe(), tmp_path / "file" / "recipe.toml")


# --- options on top ---------------------------------------------------------------------------------
def test_nothing_said_changes_nothing() -> None:
    assert from_options(TWO, epochs=None, lr=None, size=None) == TWO


def test_options_go_on_top_of_a_recipe() -> None:
    changed = from_options(TWO, size=256, seed=5)
    assert (changed.size, changed.seed) == (256, 5)
    assert changed.stages == TWO.stages


def test_without_a_recipe_the_models_own_size_batch_and_rate_are_taken() -> None:
    for name, network in registry.MODELS.items():
        recipe = from_options(model=name)
        assert (recipe.model, recipe.size, recipe.batch) == (name, network.size, network.batch)
        assert {stage.lr for stage in recipe.stages} == {network.lr}


def test_from_random_weights_every_layer_is_trained_from_the_start() -> None:
    """Heads on top of a random backbone would learn nothing."""
    assert [stage.layers for stage in from_options(weights="none").stages] == ["all"]


def test_epochs_are_divided_over_the_stages_as_before() -> None:
    assert [stage.epochs for stage in from_options(TWO, epochs=20).stages] == [5, 15]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(1, 200))
def test_the_stages_fraction_exactly_the_epochs_asked_for(lengths: list[int], epochs: int) -> None:
    """The sum is what was asked for, every stage that is left has at least one, and the last one stays the last."""
    base = Recipe(stages=tuple(Stage(str(index), length, 1e-3) for index, length in enumerate(lengths)))
    changed = from_options(base, epochs=epochs)
    assert changed.epochs == epochs
    assert all(stage.epochs >= 1 for stage in changed.stages)
    assert changed.stages[-1].layers == base.stages[-1].layers


def test_layers_give_one_stage_of_all_epochs() -> None:
    assert from_options(TWO, layers="4+").stages == (Stage("4+", 40, 5e-4),)


def test_one_rate_is_the_rate_of_all_stages() -> None:
    assert [stage.lr for stage in from_options(TWO, lr=0.02).stages] == [0.02, 0.02]


def test_a_path_of_weights_can_be_written_and_read(tmp_path: Path) -> None:
    recipe = from_options(weights=tmp_path / "a.pth")
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert read_recipe(tmp_path / "recipe.toml").weights == str(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", "ten"),
        ("epochs", 2.5),
        ("epochs", 0),
        ("size", "big"),
        ("size", 100),
        ("lr", "fast"),
        ("lr", 20),
        ("lr", math.nan),
        ("batch", 2.5),
        ("layers", 5),
        ("model", 3),
        ("seed", -1),
        ("augment", {"flips": 1}),
    ],
)
def test_an_option_that_makes_no_sense_is_a_recipe_error(option: str, value: Any) -> None:
    with pytest.raises(RecipeError):
        from_options(**{option: value})


def test_an_option_nobody_knows_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match='Did you mean "patience"'):
        from_options(patiense=3)


def test_the_range_of_seeds_is_what_the_generators_take() -> None:
    import torch

    torch.Generator().manual_seed((2**32 - 1) * 1_000_003 + 10**6)
    assert msgspec.structs.replace(Recipe(), seed=2**32 - 1).seed == 2**32 - 1


def test_a_backbone_without_bundled_weights_takes_what_is_at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    assert from_options(None, backbone="mobilenet_v2").weights == "none"
    assert from_options(None).weights == "bundled"


@pytest.mark.parametrize("backbone", ["mobilenet_v3_large", "mobilenet_v2"])
def test_imagenet_s_weights_are_preferred_where_those_of_the_named_backbone_lie_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backbone: str
) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    file = sources.published("imagenet", "small", backbone).cached
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    for task in ("segment", "detect"):
        assert (plan := from_options(None, task=task)).weights == "bundled" and not plan.backbone
        assert from_options(None, task=task, weights="bundled").weights == "bundled"
        assert from_options(None, task=task, backbone=backbone).weights == "imagenet"


def test_a_run_of_a_version_that_knew_less_is_completed_as_it_ran(tmp_path: Path) -> None:
    """Not by what that model takes nowadays."""
    file = written(tmp_path, 'task = "classify"\nmodel = "small"\nweights = "none"')
    assert read_written(file).cached_views == Recipe().cached_views != read_recipe(file).cached_views


@pytest.mark.parametrize(
    ("text", "near", "key"), [("modle = 'small'", "model", "weight_decay"), ("[augment]\nflipp = 1", "flip", "blur")]
)
def test_a_misspelt_key_gets_the_nearest_of_its_own_table(tmp_path: Path, text: str, near: str, key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(written(tmp_path, text))
    assert caught.value.parts["fix"] == f'did you mean "{near}"?' and key in caught.value.parts["expected"]


def test_a_wrong_type_is_told_without_a_list_of_keys(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(written(tmp_path, "size = '512'"))
    assert "expected" not in caught.value.parts
