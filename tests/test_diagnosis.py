"""What is said after the first epoch when nothing is found: by a trial on one batch that leaves the run as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import party, trainer

from maskwright.training import diagnosis
from maskwright.training.loop import Trainer


@pytest.fixture
def run(tmp_path: Path) -> Trainer:
    party(tmp_path / "party")
    return trainer(tmp_path / "party", tmp_path / "run")


def said(run: Trainer, row: dict[str, float]) -> str | None:
    return diagnosis.diagnose(row, run.network, run.objective, run.loader, run.recipe)


def test_a_network_that_finds_something_needs_no_word(run: Trainer):
    assert said(run, {"mask_AP50": 0.3, "val_loss": 1.0}) is None


@pytest.mark.parametrize(
    ("after", "word"), [(0.5, "nothing found yet, but the network learns"), (0.99, "nothing is learned")]
)
def test_the_trial_on_one_batch_decides_what_is_said(
    run: Trainer, monkeypatch: pytest.MonkeyPatch, after: float, word: str
):
    monkeypatch.setattr(diagnosis, "overfit", lambda *_: (1.0, after))
    text = said(run, {"mask_AP50": 0.0, "val_loss": 1.0})
    assert text is not None and text.startswith(word) and f"from 1.00 to {after:.2f}" in text


def test_without_validation_images_nothing_is_said(run: Trainer):
    assert said(run, {}) is None


def test_the_trial_learns_on_a_copy(run: Trainer):
    run._train_only("all")
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    first, last = diagnosis.overfit(run.network, run.objective, run.loader, run.recipe)
    assert last < first
    assert all(torch.equal(value, before[name]) for name, value in run.network.state_dict().items())


def test_a_backbone_that_stands_still_looks_at_the_batch_once(run: Trainer):
    run._train_only("heads")
    looks = []
    backbone = type(run.network.backbone)
    original = backbone.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            backbone,
            "forward",
            lambda self, network_input: looks.append(len(network_input)) or original(self, network_input),
        )
        diagnosis.overfit(run.network, run.objective, run.loader, run.recipe)
    assert sum(looks) == run.loader.batch
    assert len(run.objective.cache) == 0
