"""Features of a frozen backbone, kept: the same training as without, and neither image nor backbone touched again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from tiny_runs import TINY, TinyNetwork, party, trainer

from maskwright.training import trainer as training_loop
from maskwright.training.estimate import seconds_per_step
from maskwright.training.feature_cache import FeatureCache
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.trainer import Trainer

HELD = msgspec.structs.replace(TINY, cached_views=2, stages=(Stage("heads", 4, 1e-2),))  # 6 images: 3 steps an epoch


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


class Counting(TinyNetwork):
    """Counts the images that its backbone looks at while it is trained."""

    looked = 0

    def __init__(self) -> None:
        super().__init__()
        self.backbone.register_forward_hook(self._count)

    def _count(self, _body: Any, network_inputs: tuple[torch.Tensor], _maps: Any) -> None:
        if self.training and not self.backbone[1].training:
            self.looked += len(network_inputs[0])


def trained(data: Path, folder: Path, recipe: Recipe = HELD) -> Trainer:
    torch.manual_seed(0)
    run = trainer(data, folder, recipe, Counting())
    run.val = run.val.where(lambda record: False)  # validation looks too
    run.run()
    return run


def weights(run: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in run.network.state_dict().values()])


def test_the_backbone_sees_each_view_once(data, tmp_path):
    run = trained(data, tmp_path / "run")
    assert len(run.cache) == run.network.looked == 2 * 6


def test_without_views_it_sees_every_image_every_time(data, tmp_path):
    run = trained(data, tmp_path / "run", msgspec.structs.replace(HELD, cached_views=0))
    assert len(run.cache) == 0 and run.network.looked == 4 * 6


def test_what_the_trial_step_looks_at_serves_the_run(data, tmp_path):
    torch.manual_seed(0)
    run = trainer(data, tmp_path / "run", HELD, Counting())
    run.val = run.val.where(lambda record: False)
    assert seconds_per_step(run) > 0
    assert len(run.cache) == run.network.looked == 2  # one batch
    run.run()
    assert len(run.cache) == run.network.looked == 2 * 6
    torch.testing.assert_close(weights(run), weights(trained(data, tmp_path / "without")), rtol=1e-3, atol=1e-5)


def test_the_trial_step_keeps_nothing_where_a_stage_changes_the_backbone(data, tmp_path):
    stages = (Stage("all", 2, 1e-2), Stage("heads", 2, 1e-2))
    run = trainer(data, tmp_path / "run", msgspec.structs.replace(HELD, stages=stages), Counting())
    assert seconds_per_step(run) > 0 and len(run.cache) == 0


def test_what_does_not_fit_into_memory_is_computed_anew_to_the_same_weights(data, tmp_path, monkeypatch):
    kept = trained(data, tmp_path / "kept")
    monkeypatch.setattr(training_loop, "MEMORY", 0)
    anew = trained(data, tmp_path / "anew")
    assert len(anew.cache) == 0 and anew.network.looked == 4 * 6
    torch.testing.assert_close(weights(kept), weights(anew), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_nothing(data, tmp_path, workers):
    one = trained(data, tmp_path / "one")
    two = trained(data, tmp_path / "two", msgspec.structs.replace(HELD, workers=workers))
    torch.testing.assert_close(weights(one), weights(two), rtol=1e-3, atol=1e-5)


def test_a_stage_that_trains_the_backbone_keeps_nothing(data, tmp_path):
    run = trained(data, tmp_path / "run", msgspec.structs.replace(HELD, stages=(Stage("all", 2, 1e-2),)))
    assert len(run.cache) == 0


def test_what_was_kept_is_forgotten_when_the_backbone_learns(data, tmp_path):
    """Heads, all, heads again: the last stage must not learn from maps of the first one's backbone."""
    stages = tuple(Stage(layers, 1, 1e-2) for layers in ("heads", "all", "heads"))
    run = trained(data, tmp_path / "run", msgspec.structs.replace(HELD, cached_views=1, stages=stages))
    keys = list(run.cache._views)
    assert len(keys) == 6
    fresh = FeatureCache()
    batch = next(run.loader.cached_epoch(0, 0, 1, fresh))
    run.network.eval()
    for key, network_inputs in batch.missing.items():
        network_input = run.objective.normalized(network_inputs)[0]
        with torch.no_grad():
            now = run.network.backbone(network_input)
        assert torch.allclose(run.cache._views[key].features[0], now[0][0], atol=1e-6)


def test_a_stop_and_a_resume_change_nothing(data, tmp_path):
    whole = trained(data, tmp_path / "whole")
    half = trained(data, tmp_path / "half", msgspec.structs.replace(HELD, stages=(Stage("heads", 2, 1e-2),)))
    for fraction in ("run", "resumed"):
        torch.manual_seed(0)
        run = trainer(data, tmp_path / "half", HELD, Counting())
        run.val = run.val.where(lambda record: False)
        if fraction == "resumed":
            run.resume()
            assert run.position.step == 6
            run.run()
            # the first half had a shorter schedule, so only the views are compared: the same keys, computed again
            assert set(run.cache._views) == set(whole.cache._views) == set(half.cache._views)
            for key, kept in run.cache._views.items():
                assert all(map(torch.equal, kept.features, whole.cache._views[key].features))


def test_a_full_cache_takes_no_more():
    cache = FeatureCache(max_bytes=100)
    small, large = [torch.zeros(1, 2, 3, 3)], [torch.zeros(1, 9, 9, 9)]
    cache.fill((0, 0), None, lambda: small)  # type: ignore[arg-type]
    cache.fill((1, 0), None, lambda: large)  # type: ignore[arg-type]
    assert cache.get((0, 0)) is not None and cache.get((1, 0)) is None and cache.bytes == 72


def timed() -> tuple[Counting, list[float]]:
    """A network, and its clock: it stands still but for the frozen backbone, which takes a second an image."""
    seconds, network = [0.0], Counting()

    def tick(*_: Any) -> None:
        if network.training and not network.backbone[1].training:
            seconds[0] += 1.0

    network.backbone.register_forward_hook(tick)
    return network, seconds


def test_the_first_pass_over_the_images_ends_with_the_time_budget(data: Path, tmp_path: Path) -> None:
    """The clock stands still but for the backbone, which takes a second an image: after the first step of two images
    the next one is not begun."""
    network, seconds = timed()
    plan = msgspec.structs.replace(HELD, batch=3, steps_per_epoch=4, time_budget=4.0)
    run = trainer(data, tmp_path, plan, network=network, clock=lambda: seconds[0])
    run.val = run.val.where(lambda record: False)
    position = run.run()
    assert (network.looked, position.step, position.epoch, position.seconds) == (4, 1, 1, 4.0)


def test_an_epoch_in_which_no_step_was_made_is_none(data: Path, tmp_path: Path) -> None:
    """The time is over after the first image of its first step."""
    network, seconds = timed()
    plan = msgspec.structs.replace(HELD, batch=3, steps_per_epoch=2, time_budget=7.0)
    run = trainer(data, tmp_path, plan, network=network, clock=lambda: seconds[0])
    run.val = run.val.where(lambda record: False)
    position = run.run()
    assert (network.looked, position.step, position.epoch, len(position.history)) == (7, 2, 1, 1)
