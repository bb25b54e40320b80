"""The training loop, with a network that learns in milliseconds."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from reported import Lines
from tiny_runs import TINY, TinyNetwork, party, trainer

from maskwright import files
from maskwright.api import training_report
from maskwright.api.data import open_data
from maskwright.api.train import Trainer, _expected, train
from maskwright.errors import OutputError, RecipeError, TrainingError, WeightsError
from maskwright.issues import Issues
from maskwright.models.base import Loss
from maskwright.tasks.registry import find_task
from maskwright.training import trainer as training_loop
from maskwright.training.callbacks import OnEpochEnd
from maskwright.training.estimate import seconds_per_step
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.run_folder import RunFolder
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, read_card


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small a network is slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "results.csv").read_text(encoding="utf-8").splitlines()))


def plan(*lengths: int, **changes: Any) -> Recipe:
    names = ("heads",) * (len(lengths) - 1) + ("all",)
    stages = tuple(Stage(name, length, 1e-2) for name, length in zip(names, lengths, strict=True))
    return msgspec.structs.replace(TINY, stages=stages, **changes)


def metrics(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Validation says these, epoch by epoch, then goes on with the last one."""
    told = itertools.chain(values, itertools.repeat(values[-1]))
    monkeypatch.setattr(
        find_task("segment"),
        "validate",
        lambda *_: {"mask_AP": (value := next(told)), "mask_AP50": value, "threshold": 0.3},
    )


# --- a run ------------------------------------------------------------------------------------------
def test_a_run_leaves_what_is_promised(data: Path, tmp_path: Path) -> None:
    run = trainer(data, tmp_path / "run", plan(3))
    at = run.run()
    assert (at.epoch, at.step) == (3, 9), "six images, two a step: three steps an epoch"
    names = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    models = {f"{which}/{file}" for which in ("best", "last") for file in ("card.json", WEIGHTS)}
    assert names >= models | {"results.csv", "last/state.safetensors"}


def test_results_have_one_row_an_epoch(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "run", plan(3)).run()
    rows = rows_of(tmp_path / "run")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["3", "6", "9"]
    for row in rows:
        assert float(row["loss"]) == pytest.approx(float(row["loss_count"]) + float(row["loss_rest"]), abs=2e-5)
        assert float(row["val_loss"]) >= 0 and 0 <= float(row["mask_AP"]) <= float(row["mask_AP50"]) <= 1


def test_the_loss_falls(data: Path, tmp_path: Path) -> None:
    at = trainer(data, tmp_path / "run", plan(10, steps_per_epoch=6, ema=0.0)).run()
    assert at.history[-1]["loss"] < 0.8 * at.history[0]["loss"]


def test_callbacks_see_every_row(data: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    at = trainer(data, tmp_path / "run", plan(2), callbacks=[OnEpochEnd(seen.append)]).run()
    assert seen == at.history


def test_an_image_without_objects_can_be_all_there_is_to_validate_by(data: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    run = trainer(data, tmp_path / "run", plan(2))
    run.val = run.val.where(lambda record: record is run.val.records[0])
    assert run.val.records[0].instances is not None
    run.val = replace(run.val, records=(replace(run.val.records[0], instances=run.val.records[0].instances[0:0]),))
    at = run.run()
    assert at.epoch == 2 and (tmp_path / "run" / "best" / "card.json").is_file()


# --- the best ---------------------------------------------------------------------------------------
def test_the_best_epoch_by_its_validation_metric_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics(monkeypatch, [0.1, 0.5, 0.3, 0.5])
    run, kept = trainer(data, tmp_path / "run", plan(4)), {}

    def remember(row: dict[str, Any]) -> None:
        kept[row["epoch"]] = {name: value.clone() for name, value in run.averaged.state_dict().items()}

    run.callbacks.append(OnEpochEnd(remember))
    assert run.run().best_epoch == 2, "the first of two that are as good"
    best = checkpoint.load(tmp_path / "run" / "best" / WEIGHTS)
    assert all(torch.equal(best[name], kept[2][name]) for name in best)
    assert any(not torch.equal(best[name], kept[4][name]) for name in best)
    card = read_card(tmp_path / "run" / "best")
    assert card.threshold == 0.3 and card.metrics["validation"]["mask_AP"] == 0.5


def test_where_nothing_is_ever_found_the_newest_epoch_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics(monkeypatch, [0.0])
    assert trainer(data, tmp_path / "run", plan(3)).run().best_epoch == 3


# --- when it ends -----------------------------------------------------------------------------------
def test_patience_stops_a_run_that_gets_no_better(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics(monkeypatch, [0.1, 0.4, 0.2])
    said = Issues()
    at = trainer(data, tmp_path / "run", plan(20, patience=3), log=said).run()
    assert (at.epoch, at.best_epoch) == (5, 2)
    assert said[-1].code == "stopped_early"


def test_no_patience_goes_on_to_the_end(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics(monkeypatch, [0.4, 0.2])
    assert trainer(data, tmp_path / "run", plan(6, patience=0)).run().epoch == 6


def test_patience_waits_for_the_last_stage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads that have learned all they can must not keep the backbone from its turn, a whole one."""
    metrics(monkeypatch, [0.4, 0.2])
    assert trainer(data, tmp_path / "run", plan(6, 6, patience=2)).run().epoch == 8


def test_a_time_budget_ends_the_run_whatever_the_epochs(data: Path, tmp_path: Path) -> None:
    at = trainer(data, tmp_path / "run", plan(1, time_budget=1.0, patience=0)).run()
    assert at.seconds >= 1.0 and at.epoch >= 1


def test_what_a_time_budget_does_not_include_is_said(data: Path, tmp_path: Path) -> None:
    run = trainer(data, tmp_path / "run", plan(1, time_budget=60.0))
    assert _expected(run) == "60 seconds of training to go, and then the time of the last validation and the report"


def test_a_time_budget_counts_what_was_used_before(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "run", plan(1, time_budget=0.3, patience=0)).run()
    epochs = len(rows_of(tmp_path / "run"))
    again = trainer(data, tmp_path / "run", plan(1, time_budget=0.3, patience=0))
    again.resume()
    assert again.position.seconds >= 0.3
    assert len(again.run().history) == epochs, "nothing was left to use"


def test_the_shortest_budget_still_takes_a_step_and_leaves_a_model(data: Path, tmp_path: Path) -> None:
    at = trainer(data, tmp_path / "run", plan(1, time_budget=1e-6)).run()
    assert (at.step, at.epoch) == (1, 1)
    assert (tmp_path / "run" / "best" / WEIGHTS).is_file()


def test_a_finished_run_taken_up_again_does_nothing(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "run", plan(2)).run()
    before = (tmp_path / "run" / "last" / WEIGHTS).read_bytes()
    again = trainer(data, tmp_path / "run", plan(2))
    again.resume()
    assert again.run().step == 6
    assert (tmp_path / "run" / "last" / WEIGHTS).read_bytes() == before


# --- stages and averages ----------------------------------------------------------------------------
def test_heads_first_leaves_the_backbone_alone_and_then_all_learn(data: Path, tmp_path: Path) -> None:
    run = trainer(data, tmp_path / "run", plan(1, 1))
    start = {name: value.clone() for name, value in run.network.state_dict().items()}
    after: list[dict[str, torch.Tensor]] = []
    run.callbacks.append(
        OnEpochEnd(lambda row: after.append({name: value.clone() for name, value in run.network.state_dict().items()}))
    )
    run.run()
    body = [name for name in start if name.startswith("backbone.") and not name.endswith("num_batches_tracked")]
    assert all(torch.equal(after[0][name], start[name]) for name in body), "batch norm's statistics too"
    assert not any(torch.equal(after[1][name], start[name]) for name in body if "1.bias" not in name)
    assert not torch.equal(after[0]["box_head.weight"], start["box_head.weight"])


def test_a_misspelt_stage_is_an_error_that_lists_the_names(data: Path, tmp_path: Path) -> None:
    bad = msgspec.structs.replace(TINY, stages=(Stage("head", 1, 1e-3),))
    with pytest.raises(RecipeError, match="no layer has such a name"):
        trainer(data, tmp_path / "run", bad).run()


def test_averages_follow_the_network_and_end_between_start_and_end(data: Path, tmp_path: Path) -> None:
    run = trainer(data, tmp_path / "run", plan(6, ema=0.9))
    start = run.network.state_dict()["box_head.bias"].clone()
    run.run()
    averaged, end = run.averaged.state_dict()["box_head.bias"], run.network.state_dict()["box_head.bias"]
    assert not torch.equal(averaged, end)
    assert ((averaged - start).abs() < (end - start).abs() + 1e-6).all()
    last = checkpoint.load(tmp_path / "run" / "last" / WEIGHTS)
    assert torch.equal(last["box_head.bias"], averaged), "the averages are the model"


def test_without_averages_the_network_itself_is_the_model(data: Path, tmp_path: Path) -> None:
    run = trainer(data, tmp_path / "run", plan(2, ema=0.0))
    run.run()
    assert run.averaged is run.network
    last = checkpoint.load(tmp_path / "run" / "last" / WEIGHTS)
    assert torch.equal(last["box_head.bias"], run.network.state_dict()["box_head.bias"])


def test_the_trial_step_changes_nothing(data: Path, tmp_path: Path) -> None:
    """`train` says how long it will take; that must not be felt in what is learned."""
    run = trainer(data, tmp_path / "run", plan(1, 1))
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    asked = [parameter.requires_grad for parameter in run.network.parameters()]
    assert seconds_per_step(run) > 0
    assert all(torch.equal(value, before[name]) for name, value in run.network.state_dict().items())
    assert [parameter.requires_grad for parameter in run.network.parameters()] == asked
    assert all(parameter.grad is None for parameter in run.network.parameters())


# --- when it breaks ---------------------------------------------------------------------------------
class Breaking(TinyNetwork):
    """Fine for four steps, then not a number: in the loss, or in the gradient only."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.calls = where, 0

    def losses(self, *arguments: Any, **more: Any) -> dict[str, Loss]:
        losses = super().losses(*arguments, **more)
        self.calls += self.training
        if self.calls > 4 and self.where == "loss":
            losses["rest"] = replace(losses["rest"], total=losses["rest"].total * float("nan"))
        if self.calls > 4 and self.where == "gradient":
            root = (self.box_head.weight.sum() * 0).clamp(min=0).sqrt()  # 0, but 1/0 behind
            losses["rest"] = replace(losses["rest"], total=losses["rest"].total + root)
        return losses


@pytest.mark.parametrize(
    ("where", "headline", "field"),
    [
        ("loss", "the loss is no longer a number", "losses: rest"),
        ("gradient", "the gradient is no longer a number", "gradients"),
    ],
)
def test_a_loss_that_is_no_number_stops_the_run_and_names_the_images(
    data: Path, tmp_path: Path, where: str, headline: str, field: str
) -> None:
    run = trainer(data, tmp_path / "run", plan(4, ema=0.0, workers=0), network=Breaking(where))
    with pytest.raises(TrainingError) as caught:
        run.run()
    assert caught.value.headline == headline
    assert caught.value.parts["field"] == field
    named = caught.value.parts["record"].split(", ")
    assert len(named) == 2 and all(Path(name).is_file() for name in named)
    assert "--lr" in caught.value.parts["fix"]
    for which in ("last", "best"):
        kept = checkpoint.load(tmp_path / "run" / which / WEIGHTS)
        assert all(value.isfinite().all() for value in kept.values()), "what is saved stays good"
    again = trainer(data, tmp_path / "run", plan(4, ema=0.0))
    again.resume()
    assert again.position.epoch == 1


def test_an_image_that_goes_away_during_a_run_is_named(data: Path, tmp_path: Path) -> None:
    import shutil

    from maskwright.errors import ImageError

    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    run = trainer(copy, tmp_path / "run", plan(1))
    gone = run.train.records[0].image
    gone.unlink()
    with pytest.raises(ImageError, match=gone.name):
        run.run()


# --- the folder -------------------------------------------------------------------------------------
def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The disk is full from the n-th file of tensors on; what has been written of it stays, cut short."""
    written, real = [0], checkpoint.save_file

    def save(tensors: object, path: Path, *more: object) -> None:
        written[0] += 1
        if written[0] > after:
            Path(path).write_bytes(b"half")
            raise checkpoint.SafetensorError("Error while serializing: I/O error: No space left (os error 28)")
        real(tensors, path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save_file", save)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_a_full_disk_is_said_and_leaves_no_half_written_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Model and state of the start, best, model and state of the first epoch: whichever of them does not fit."""
    full_disk(monkeypatch, after)
    with pytest.raises(OutputError, match="the disk is full"):
        trainer(data, tmp_path / "run").run()
    left = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert all(not path.name.startswith(".") for path in left)
    assert all(checkpoint.load(path) for path in left if path.suffix == ".safetensors")
    monkeypatch.undo()
    if after >= 2:
        again = trainer(data, tmp_path / "run")
        again.resume()
        assert again.run().epoch == 2


def test_no_right_to_write_is_said(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    with pytest.raises(OutputError, match="no permission to write here"):
        trainer(data, tmp_path / "run").run()


def test_a_file_where_the_runs_should_be_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(OutputError):
        trainer(data, tmp_path / "runs" / "one").run()


def test_the_state_is_either_the_old_or_the_new_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(data, tmp_path / "run", plan(1))
    run.run()
    before = (tmp_path / "run" / "last" / "state.safetensors").read_bytes()
    full_disk(monkeypatch, 1)
    run.position.step += 1
    with pytest.raises(OutputError):
        run.save()
    assert (tmp_path / "run" / "last" / "state.safetensors").read_bytes() == before


def test_names_of_runs_are_counted_up(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, None, "party").path == tmp_path / "party"
    (tmp_path / "party").mkdir()
    assert RunFolder.create(tmp_path, None, "party").path == tmp_path / "party-2"
    (tmp_path / "party-2").mkdir()
    assert RunFolder.create(tmp_path, None, "party").path == tmp_path / "party-3"


@pytest.mark.parametrize("name", ["", " ", "..", "../mine", "a/b", "a\\b", "/tmp"])
def test_a_runs_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match="a run is one folder") as caught:
        RunFolder.create(tmp_path / "runs", name, "party")
    assert caught.value.parts["got"] == repr(name)


def test_a_run_that_could_not_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_text

    def write(path: Path, *arguments: Any, **more: Any) -> int:
        if "run.json" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(OutputError, match="disk is full"):
        RunFolder(tmp_path / "runs" / "mine").begin(TINY, {})
    assert not (tmp_path / "runs" / "mine").exists()


def test_a_run_is_never_started_over_another(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "mine", plan(1)).run()
    with pytest.raises(RecipeError, match="there already") as caught:
        RunFolder.create(tmp_path, "mine", "party")
    assert "--resume" in caught.value.parts["fix"]


def test_a_run_is_found_by_its_folder_or_what_is_in_it(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "run", plan(1)).run()
    for named in ("run", "run/last", "run/best"):
        assert RunFolder.existing(tmp_path / named).path == tmp_path / "run"
    with pytest.raises(RecipeError, match="no run to go on with"):
        RunFolder.existing(tmp_path)


def test_what_a_killed_run_left_half_written_is_swept_when_it_goes_on(tmp_path: Path) -> None:
    kept = [
        "recipe.toml",
        "best/weights.safetensors",
        "last/state.safetensors",
        "last/.hidden",
        "last/.mine.12345678.txt",
    ]
    left = ["best/.weights.safetensors.a1b2c3d4.safetensors", "last/.state.safetensors.k3v9_x2a.safetensors",
            ".results.csv.zzzzzzzz.csv"]  # fmt: skip
    for name in [*kept, *left]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    RunFolder.existing(tmp_path)
    detections = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(detections) == sorted(kept)


def test_folders_made_for_a_file_that_did_not_come_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for writing in (files.writing, files.writing_folder):
        with pytest.raises(OutputError, match="disk is full"), writing(tmp_path / "there" / "a" / "b" / "c"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="there is a file where a folder is needed"):
        files.write_text(tmp_path / "file" / "a.txt", "x")


def test_what_is_swept_is_what_a_killed_writer_leaves(tmp_path: Path) -> None:
    """The twin of the test above: the name is the one that `writing` gives."""
    with files.writing(tmp_path / "state.safetensors") as temporary:
        temporary.write_bytes(b"half")
        assert files.sweep(tmp_path) == [temporary]
        temporary.touch()  # so that the block can end


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"data": 3}', '{"data": "x", "images": [1]}', '{"data": "x", "images": {}, "recipe": "x"}']
)
def test_spoilt_facts_of_a_run_are_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RecipeError, match=r"run\.json"):
        RunFolder(tmp_path).facts()


@pytest.mark.parametrize("text", ["epoch,loss\n1,2,3\n", "epoch,loss\n1,much\n", "epoch\n\xff\n"])
def test_spoilt_metrics_of_a_run_are_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"results\.csv: the metrics of this run cannot be read"):
        RunFolder(tmp_path).history()


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"{}" + b[2:]])
def test_a_spoilt_state_is_an_error_of_ours(data: Path, tmp_path: Path, spoil: Any) -> None:
    trainer(data, tmp_path / "run", plan(1)).run()
    state = tmp_path / "run" / "last" / "state.safetensors"
    state.write_bytes(spoil(state.read_bytes()))
    with pytest.raises(WeightsError, match="cannot be read"):
        trainer(data, tmp_path / "run", plan(1)).resume()


def test_a_state_of_another_network_is_an_error_of_ours(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "run", plan(1)).run()
    other = TinyNetwork()
    other.box_head = torch.nn.Conv2d(4, 5, 1)
    with pytest.raises(WeightsError, match="does not fit"):
        trainer(data, tmp_path / "run", plan(1), network=other).resume()


def test_saves_come_in_the_middle_of_an_epoch_too(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "SAVE_EVERY", 0.0)
    positions: list[tuple[int, int]] = []
    run = trainer(data, tmp_path / "run", plan(2))
    save = run.save

    def watched() -> None:
        positions.append((run.position.epoch, run.position.step_in_epoch))
        save()

    run.save = watched  # type: ignore[method-assign]
    run.run()
    assert (0, 1) in positions and (1, 2) in positions


# --- the page ---------------------------------------------------------------------------------------
def test_the_report_needs_at_least_an_epoch(data: Path, tmp_path: Path) -> None:
    run = trainer(data, tmp_path / "run")
    training_report.write(tmp_path / "run", run, find_task("segment"), open_data(data, "segment"))
    assert not (tmp_path / "run" / "report.html").exists()


def test_history_stays_plain_json(data: Path, tmp_path: Path) -> None:
    at = trainer(data, tmp_path / "run").run()
    assert json.loads(json.dumps(at.history, allow_nan=False)) == at.history


# --- folders: two at once, not to be written, gone ----------------------------------------------------
def test_two_runs_that_begin_at_once_get_a_folder_each(tmp_path: Path) -> None:
    """Both have found the name free before either has written anything."""
    one, other = (RunFolder.create(tmp_path, None, "party") for _ in range(2))
    assert one.path == other.path
    one.begin(TINY, {"data": "one", "images": {}})
    other.begin(TINY, {"data": "other", "images": {}})
    assert (one.path.name, other.path.name) == ("party", "party-2")
    assert (one.facts()["data"], other.facts()["data"]) == ("one", "other")


def test_of_two_runs_of_one_name_the_second_is_refused(tmp_path: Path) -> None:
    one, other = (RunFolder.create(tmp_path, "mine", "party") for _ in range(2))
    one.begin(TINY, {"data": "one", "images": {}})
    with pytest.raises(RecipeError, match="a run of that name is there already") as caught:
        other.begin(TINY, {"data": "other", "images": {}})
    assert "another --name" in caught.value.parts["fix"] and "--resume" not in caught.value.parts["fix"]
    assert one.facts()["data"] == "one"


def test_a_name_that_a_file_or_a_dead_link_has_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "party").touch()
    assert RunFolder.create(tmp_path, None, "party").path.name == "party-2"
    try:
        (tmp_path / "party-2").symlink_to(tmp_path / "nowhere")
    except OSError:
        pytest.skip("no links here")
    assert RunFolder.create(tmp_path, None, "party").path.name == "party-3"


def test_a_run_that_may_not_be_written_is_refused_before_its_first_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(data, tmp_path / "run", plan(1)).run()

    def refuse(**more: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OutputError, match="cannot be gone on with") as caught:
        RunFolder.existing(tmp_path / "run")
    assert "--resume the copy" in caught.value.parts["fix"] and "--out" not in caught.value.parts["fix"]


def test_a_state_that_may_not_be_read_is_called_that(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(data, tmp_path / "run", plan(1)).run()
    real = Path.open

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == "state.safetensors":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WeightsError, match="may not be read") as caught:
        RunFolder.existing(tmp_path / "run")
    assert "new run" not in caught.value.parts["fix"]


def removing(folder: Path, after: int) -> OnEpochEnd:
    def remove(row: dict[str, Any]) -> None:
        if row["epoch"] == after:
            shutil.rmtree(folder)

    return OnEpochEnd(remove)


@pytest.mark.parametrize("after", [1, 3])
def test_a_best_that_is_removed_during_the_run_is_kept_anew(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    metrics(monkeypatch, [0.5, 0.1, 0.2])
    said = Issues()
    best = tmp_path / "run" / "best"
    run = trainer(data, tmp_path / "run", plan(3), log=said, callbacks=[removing(best, after)])
    at = run.run()
    assert read_card(best).metrics["validation"]["mask_AP"] == 0.2, "of the two that were left, the better one"
    assert at.best_epoch == RunFolder(tmp_path / "run").load_state()[1]["best_epoch"] == 3
    (removal,) = [issue for issue in said if issue.code == "best_removed"]
    assert removal.values["file"] == best and removal.values["removed"] == 1


def test_a_run_folder_that_is_removed_during_the_run_is_written_anew(data: Path, tmp_path: Path) -> None:
    said = Issues()
    folder = tmp_path / "run"
    run = trainer(data, folder, plan(3), log=said, callbacks=[removing(folder, 1)])
    run.folder.begin(plan(3), {"data": str(data), "images": {}})
    run.run()
    again = RunFolder.existing(folder)
    assert again.recipe() == plan(3) and again.has_model("best") and again.has_model("last")
    assert "run_removed" in [issue.code for issue in said]


def test_a_run_that_nobody_touches_says_nothing_of_removals(data: Path, tmp_path: Path) -> None:
    said = Issues()
    run = trainer(data, tmp_path / "run", plan(2), log=said)
    run.folder.begin(plan(2), {"data": str(data), "images": {}})
    run.run()
    assert not any("removed" in issue.code for issue in said)


def test_the_command_that_goes_on_can_be_typed_where_a_folder_has_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Trainer) -> None:
        raise KeyboardInterrupt

    said = Lines()
    party(tmp_path / "data")
    monkeypatch.setattr(Trainer, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(
            tmp_path / "data",
            out=tmp_path / "my runs",
            name="one",
            weights="none",
            log=said,
        )
    command = shlex.split(said[-1].removeprefix("stopped; to resume: "))
    assert command == ["maskwright", "train", "--resume", str(tmp_path / "my runs" / "one")]
