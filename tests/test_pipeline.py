"""Stages in threads: the order stays, errors arrive, nothing runs on, and queues are bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import pytest

from maskwright.video.pipeline import in_thread, overlapped


def stage_threads() -> int:
    return sum(thread.name == "maskwright stage" for thread in threading.enumerate())


def test_nothing_in_gives_nothing_out():
    with overlapped([], lambda items: items) as results:
        assert list(results) == []
    assert stage_threads() == 0


def test_order_stays_over_several_stages():
    def doubled(numbers: Iterable[int]) -> Iterator[int]:
        for number in numbers:
            yield 2 * number

    with overlapped(range(100), doubled, doubled) as results:
        assert list(results) == list(range(0, 400, 4))
    assert stage_threads() == 0


def test_stages_run_at_the_same_time():
    """The first stage ends only when the last one has begun: one after the other they would wait forever."""
    begun = threading.Event()

    def first() -> Iterator[int]:
        yield 1
        assert begun.wait(60)
        yield 2

    def second(numbers: Iterable[int]) -> Iterator[int]:
        for number in numbers:
            begun.set()
            yield number

    with overlapped(first(), second) as results:
        assert list(results) == [1, 2]


def test_no_more_than_the_depth_is_computed_ahead():
    made: list[int] = []
    enough = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if len(made) == 4:  # one is taken below, three may wait
                enough.set()
            yield number

    ahead = in_thread(numbers(), depth=3)
    assert next(ahead) == 0 and enough.wait(60)
    ahead.close()
    assert made == [0, 1, 2, 3]


def test_an_error_arrives_where_its_item_would_have_come():
    def failing(numbers: Iterable[int]) -> Iterator[int]:
        for number in numbers:
            if number == 3:
                raise ValueError("three")
            yield number

    seen = []
    with pytest.raises(ValueError, match="three"), overlapped(range(10), failing, lambda items: items) as results:
        for number in results:
            seen.append(number)
    assert seen == [0, 1, 2] and stage_threads() == 0


def test_leaving_early_ends_all_threads_and_closes_what_they_read():
    closed = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    with overlapped(endless(), lambda items: (item for item in items)) as results:
        next(results)
    assert closed == [True] and stage_threads() == 0
