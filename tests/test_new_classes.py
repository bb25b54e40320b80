"""Classes that the initial weights do not know: their scores are learned at a higher rate."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import model_folder, party

from maskwright import train
from maskwright.models import registry
from maskwright.training.defaults import from_options
from maskwright.training.optimizer import make_optimizer
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import read_recipe
from maskwright.weights.transfer import scores_classes

SHORT = {"size": 64, "batch": 2, "epochs": 1, "layers": "heads", "steps_per_epoch": 1, "workers": 0, "validate": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder, 4)
    return folder


def test_the_layer_of_class_scores_has_a_rate_of_its_own():
    network = registry.find("small").build(2)
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    for group in make_optimizer(network, Recipe(new_class_lr_scale=10.0, backbone_lr_scale=0.5), True).param_groups:
        names = [named.pop(id(parameter)) for parameter in group["params"]]
        expected = {10.0: scores_classes, 0.5: lambda name: name.startswith("backbone.")}
        kind = expected.get(group["factor"], lambda name: not name.startswith("backbone.") and not scores_classes(name))
        assert names and all(map(kind, names))
    assert not named  # every parameter is in one group


@pytest.mark.parametrize(
    ("known", "scale"), [(("cake", "bolt"), 10.0), (("cake", "balloon"), 1.0), (("cake",), 1.0), (None, 1.0)]
)
def test_a_run_keeps_the_rate_that_its_start_calls_for(data, tmp_path, known, scale):
    """One class on each side keeps its row, so ("cake",) knows the balloons; None: random weights."""
    weights = "none" if known is None else model_folder(tmp_path / "start", known)
    trained = train(data, weights=weights, out=tmp_path / "runs", **SHORT)
    assert read_recipe(trained.folder / "recipe.toml").new_class_lr_scale == scale


def test_what_the_recipe_says_goes(data, tmp_path):
    weights = model_folder(tmp_path / "start", ("cake", "bolt"))
    trained = train(data, weights=weights, out=tmp_path / "runs", new_class_lr_scale=3.0, **SHORT)
    assert read_recipe(trained.folder / "recipe.toml").new_class_lr_scale == 3.0


def test_only_small_has_it_by_default():
    assert from_options(model="small").new_class_lr_scale == 10.0
    assert from_options(model="mask_rcnn_r50", weights="none").new_class_lr_scale == 1.0
