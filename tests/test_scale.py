"""The cost model of docs/scale.md: deterministic, and as the page shows it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import scale
from scale import Costs, Machines, limits, simulate

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_shows_what_the_script_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["scale.py"])
    scale.main()
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    page = (ROOT / "docs" / "scale.md").read_text("utf-8").splitlines()
    assert len(printed) > 10 and [line for line in printed if line not in page] == []


def test_without_losses_a_job_takes_its_images_over_the_slowest_rate() -> None:
    costs, machines = Costs(), Machines(160, hours_to_loss=1e12)
    run = simulate(10**7, costs, machines)
    expected = costs.worker_start + 10**7 * (costs.list_seconds + 1 / min(limits(costs, machines).values()))
    assert run["hours"] == pytest.approx(expected / 3600, abs=0.01) and run["nodes_lost"] == 0


def test_losses_cost_time_and_every_seed_its_own() -> None:
    fragile = Machines(160, hours_to_loss=5.0)
    runs = [simulate(10**7, Costs(), fragile, seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0]["nodes_lost"] > 0 and runs[0]["images_done_again"] > 0
    assert runs[0]["hours"] > simulate(10**7, Costs(), replace(fragile, hours_to_loss=1e12))["hours"]


@pytest.mark.parametrize(
    ("change", "name"),
    [({"seconds_per_image": 10.0}, "cores"), ({"image_bytes": 1e9}, "storage network"),
     ({"piece_seconds": 60.0}, "giving process")],
)  # fmt: skip
def test_the_slowest_part_is_named(change: dict[str, float], name: str) -> None:
    assert simulate(10**6, replace(Costs(), **change), Machines(64))["limited_by"] == name
