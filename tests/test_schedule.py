"""Where a run stands: which stage, which rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import UnknownName
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.schedule import FLOOR, Schedule

PLAN = Recipe(stages=(Stage("heads", 2, 1e-3), Stage("all", 6, 1e-2)), warmup_steps=4)


def stage_names(schedule: Schedule) -> list[str]:
    return [schedule.stage(schedule.fraction(step, 0.0))[1].layers for step in range(schedule.total_steps)]


def test_stages_last_exactly_their_epochs() -> None:
    assert stage_names(Schedule(PLAN, 5)) == ["heads"] * 10 + ["all"] * 30


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 7))
def test_no_step_is_lost_between_stages(lengths: list[int], steps: int) -> None:
    """Thirds and sevenths are not exact in binary; the stages must not shift by a step for it."""
    plan = Recipe(stages=tuple(Stage(str(index), length, 1e-3) for index, length in enumerate(lengths)))
    expected = [str(index) for index, length in enumerate(lengths) for _ in range(length * steps)]
    assert stage_names(Schedule(plan, steps)) == expected


def test_at_and_after_the_end_it_is_the_last_stage() -> None:
    schedule = Schedule(PLAN, 5)
    assert schedule.fraction(1000, 0.0) == 1.0
    assert schedule.stage(1.0) == (1, PLAN.stages[1])


def test_with_a_time_budget_the_clock_divides_the_stages() -> None:
    timed = Schedule(Recipe(stages=PLAN.stages, time_budget=80.0), 5)
    assert timed.fraction(10**6, 0.0) == 0.0
    assert timed.stage(timed.fraction(0, 19.0))[1].layers == "heads"
    assert timed.stage(timed.fraction(0, 21.0))[1].layers == "all"
    assert timed.fraction(0, 1e9) == 1.0


def test_each_stage_warms_up() -> None:
    """A quarter, a half, three quarters, the whole rate; then no more."""
    schedule, stage = Schedule(PLAN, 5), PLAN.stages[0]
    assert [schedule.lr(0.0, stage, step) / stage.lr for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    schedule = Schedule(Recipe(stages=PLAN.stages, warmup_steps=2, schedule="constant"), 5)
    rates = [schedule.lr(fraction, PLAN.stages[0], step) for fraction, step in ((0, 0), (0.1, 1), (0.5, 9), (1.0, 39))]
    assert rates == pytest.approx([5e-4, 1e-3, 1e-3, 1e-3])


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(UnknownName, match="cosine"):
        Recipe(schedule="cosin")


def test_no_warm_up_starts_at_the_whole_rate() -> None:
    schedule = Schedule(Recipe(stages=PLAN.stages, warmup_steps=0), 5)
    assert schedule.lr(0.0, PLAN.stages[0], 0) == pytest.approx(1e-3)


def test_the_rate_falls_to_its_floor_and_never_to_nothing() -> None:
    schedule, stage = Schedule(PLAN, 5), PLAN.stages[1]
    rates = [schedule.lr(fraction / 100, stage, 100) for fraction in range(101)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(FLOOR * stage.lr)
