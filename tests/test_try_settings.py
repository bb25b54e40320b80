"""Settings are tried one after the other, equally long, on one split; nothing that is finished is lost."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_runs import TINY, party

from maskwright.api import try_settings as module
from maskwright.api.train import Trained
from maskwright.api.try_settings import Tried, Try, combinations, try_settings
from maskwright.cli.main import main
from maskwright.cli.trying import following, spread
from maskwright.errors import RecipeError, TrainingError
from maskwright.issues import Issues

LR = {"lr": (1e-3, 3e-4)}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Runs that take no time: the metric is the learning rate. `stop` is the call that Ctrl-C comes in."""
    state: dict[str, Any] = {"calls": [], "stop": None, "broken": None}

    def train(data: Any = None, *, out: Path, name: str, **options: Any) -> Trained:
        state["calls"].append(options)
        if len(state["calls"]) == state["stop"]:
            raise KeyboardInterrupt
        if options["lr"] == state["broken"]:
            raise TrainingError("the loss is no longer a number")
        return Trained(out / name, out / name / "best", 2, 1, 1.0, {"mask_AP": options["lr"]})

    def evaluate(run: Path, data: Any, **options: Any) -> Any:
        assert options["split"] == "val"
        lr = state["calls"][-1]["lr"]
        kind = SimpleNamespace(kind="mask", AP=lr, AP50=lr, intervals={"AP": (lr / 2, lr * 2), "AP50": None})
        return SimpleNamespace(metrics=SimpleNamespace(best_kind=kind, images=7))

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "evaluate", evaluate)
    return state


@pytest.mark.parametrize(
    "settings", [{}, {"lr": ()}, {"epochs": (1, 2)}, {"lr": range(1, 5), "size": range(64, 300, 64)}]
)
def test_nothing_unequal_runs_and_too_many_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        combinations(settings)


def test_every_combination_is_tried_and_the_best_comes_first(pretended: dict[str, Any], tmp_path: Path) -> None:
    tried = try_settings("party", {**LR, "size": (64, 128)}, out=tmp_path, time_budget=5, log=Issues())
    assert [(run.settings["lr"], run.settings["size"]) for run in tried.runs] == [
        (1e-3, 64), (1e-3, 128), (3e-4, 64), (3e-4, 128),
    ]  # fmt: skip
    assert tried.best == tried.runs[0] and tried.best.metrics == {"mask AP": 1e-3, "mask AP50": 1e-3}
    assert {call["time_budget"] for call in pretended["calls"]} == {5}


def test_without_a_budget_each_run_has_three_minutes_and_the_sum_is_said(
    pretended: dict[str, Any], tmp_path: Path
) -> None:
    issues = Issues()
    try_settings("party", LR, out=tmp_path, log=issues)
    assert {call["time_budget"] for call in pretended["calls"]} == {180.0}
    assert str(issues[0]).startswith("2 runs of 3 minutes each, 6 minutes of training in all")


def test_a_wrong_value_is_found_before_the_first_run(pretended: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="must divide by 64"):
        try_settings("party", {"size": (64, 100)}, out=tmp_path / "runs", log=Issues())
    assert not pretended["calls"] and not (tmp_path / "runs").exists()


def test_after_ctrl_c_the_same_call_goes_on_and_a_finished_one_starts_anew(
    pretended: dict[str, Any], tmp_path: Path
) -> None:
    pretended["stop"] = 2
    issues = Issues()
    with pytest.raises(KeyboardInterrupt):
        try_settings("party", LR, out=tmp_path, log=issues)
    assert str(issues[-1]) == "1 of 2 runs finished and kept: the same command goes on"
    tried = try_settings("party", LR, out=tmp_path, log=Issues())
    assert len(pretended["calls"]) == 3 and len(tried.runs) == 2 and tried.folder == tmp_path / "party-try"
    assert tried.runs[0].intervals["mask AP"] == pytest.approx((5e-4, 2e-3))
    assert try_settings("party", LR, out=tmp_path, log=Issues()).folder == tmp_path / "party-try_2"


def test_a_run_that_fails_does_not_keep_the_others(pretended: dict[str, Any], tmp_path: Path) -> None:
    pretended["broken"] = 1e-3
    issues = Issues()
    tried = try_settings("party", LR, out=tmp_path, log=issues)
    assert tried.best is not None and tried.best.settings == {"lr": 3e-4} and tried.runs[1].metrics == {}
    assert "settings_failed" in {issue.code for issue in issues}


def test_an_order_that_may_be_chance_is_said_to_be_one() -> None:
    def of(*values: float) -> Tried:
        return Tried(Path(), tuple(Try({}, Path(), {"AP": value}, {"AP": (value - 0.1, 1)}) for value in values))

    assert of(0.6, 0.55).close() and not of(0.6, 0.4).close() and not of(0.6).close() and not of().close()


@pytest.mark.slow
def test_real_runs_share_one_split(tmp_path: Path) -> None:
    party(tmp_path / "party", 6)
    tried = try_settings(
        tmp_path / "party", LR, out=tmp_path / "runs", recipe=TINY, epochs=1, bootstrap=20, log=Issues()
    )
    images = [json.loads((run.run / "run.json").read_text("utf-8"))["images"] for run in tried.runs]
    assert images[0] == images[1] and all(run.epochs == 1 for run in tried.runs)


# --- on the command line ----------------------------------------------------------------------------------------------
def test_settings_follow_one_try() -> None:
    assert spread([]) == []
    assert spread(["p", "--try", "lr=1,2", "size=3", "--seed", "1", "x=2"]) == [
        "p", "--try", "lr=1,2", "--try", "size=3", "--seed", "1", "x=2",
    ]  # fmt: skip


def test_the_command_of_the_winner_has_no_short_budget() -> None:
    options = {"time_budget": 60.0, "name": None, "lr": 3e-4, "task": "detect", "follow_links": True, "tile": None}
    command = following(Path("my party"), options)
    assert command == "maskwright train 'my party' --lr 0.0003 --task detect --follow-links"


def test_the_table_names_the_winner_and_its_command(
    pretended: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", "party", "--try", "lr=1e-3,3e-4", "--out", "runs"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0 and lines[0] == "on 7 validation images, the best first"
    assert lines[2].split() == ["0.001", "2", "0.001", "(0.00", "to", "0.00)", "0.001"]
    assert lines[-1] == "next    maskwright train party --lr 0.001"
    with pytest.raises(SystemExit):
        main(["train", "party", "--try", "lr=1e-3,3e-4", "--out", "runs", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["command"] == "maskwright train party --lr 0.001" and len(facts["runs"]) == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [("lr", "values"), ("lrr=1", 'Did you mean "lr"'), ("size=big", "wrong value"), ("seed=1,2", "the same for all")],
)
def test_a_setting_that_cannot_be_tried_is_named(
    setting: str, message: str, capsys: pytest.CaptureFixture[str], pretended: dict[str, Any]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "party", "--try", setting])
    assert ended.value.code == 2 and message in capsys.readouterr().err
