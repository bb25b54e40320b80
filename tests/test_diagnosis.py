"""What is reported after a first epoch without a detection, by a trial on one batch that leaves the run alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import party, trainer

from maskwright.issues import Issues
from maskwright.training import diagnosis
from maskwright.training.callbacks import Diagnosis
from maskwright.training.trainer import Trainer


@pytest.fixture
def run(tmp_path: Path) -> Trainer:
    party(tmp_path / "party")
    return trainer(tmp_path / "party", tmp_path / "run")


def reported(run: Trainer, row: dict[str, float]) -> Issues:
    """What is reported after a first epoch with these metrics."""
    issues = Issues()
    run.log, run.position.epoch = issues, 1
    Diagnosis().on_epoch_end(run, row)
    return issues


def test_a_network_that_detects_something_needs_no_diagnosis(run: Trainer):
    assert not reported(run, {"mask_AP50": 0.3, "val_loss": 1.0})


@pytest.mark.parametrize(("after", "code"), [(0.5, "not_learned_yet"), (0.99, "nothing_learned")])
def test_the_trial_on_one_batch_decides_what_is_reported(
    run: Trainer, monkeypatch: pytest.MonkeyPatch, after: float, code: str
):
    monkeypatch.setattr(diagnosis, "overfit", lambda *_: (1.0, after))
    (issue,) = reported(run, {"mask_AP50": 0.0, "val_loss": 1.0})
    assert issue.code == code and issue.severity == "warning" and f"from 1.00 to {after:.2f}" in str(issue)


def test_without_validation_images_nothing_is_reported(run: Trainer):
    assert not reported(run, {})


def test_the_trial_learns_on_a_copy(run: Trainer):
    run.stages.train("all")
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    first, last = diagnosis.overfit(run.network, run.objective, run.loader, run.recipe)
    assert last < first
    assert all(torch.equal(value, before[name]) for name, value in run.network.state_dict().items())


def test_a_backbone_that_stands_still_looks_at_the_batch_once(run: Trainer):
    run.stages.train("heads")
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
