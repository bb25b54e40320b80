"""Work spread over a cluster, on a Ray that a test scripts: each piece once, whatever is lost."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from reported import Lines

from maskwright import __version__
from maskwright.cluster.workers import ATTEMPTS, Needs, Worker, Workers
from maskwright.errors import ClusterError, ImageError


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__("Traceback ...\n" + str(cause))
        self.cause = cause


class ScriptedRay:
    """What is used of Ray, in one process. Calls are answered in a random order; `lose` says which worker is lost with
    which piece."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, lose: Callable[[Any], bool] = lambda piece: False, cores: int = 3, seed: int = 0) -> None:
        self.lose, self.random = lose, random.Random(seed)
        self.alive_nodes = [{"Alive": True, "Resources": {"CPU": float(cores)}}]
        self.answers: dict[int, Callable[[], Any]] = {}
        self.dead: set[int] = set()
        self.most_under_way = self.started = 0

    def remote(self, made: type) -> Any:
        return SimpleNamespace(options=lambda **needs: SimpleNamespace(remote=lambda work: self._start(made(work))))

    def _start(self, worker: Worker) -> Any:
        self.started += 1
        number = self.started

        def call(function: Callable[..., Any]) -> Any:
            def remote(*arguments: Any) -> int:
                self.answers[reference := len(self.answers)] = lambda: self._answer(number, function, arguments)
                return reference

            return SimpleNamespace(remote=remote)

        return SimpleNamespace(number=number, prepare=call(worker.prepare), do=call(worker.do))

    def _answer(self, number: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if arguments and self.lose(arguments[0]):
            self.dead.add(number)
        if number in self.dead:
            raise RayError("The actor died\nits node was lost")
        try:
            return function(*arguments)
        except Exception as error:
            raise RayTaskError(error) from error

    def wait(self, references: list[int], timeout: float, num_returns: int = 1) -> tuple[list[int], list[int]]:
        self.most_under_way = max(self.most_under_way, len(references))
        ready = self.random.sample(references, 1 if timeout else self.random.randint(0, len(references)))
        return ready, [reference for reference in references if reference not in ready]

    def get(self, reference: int) -> Any:
        return self.answers[reference]()

    def kill(self, worker: Any) -> None:
        self.dead.add(worker.number)

    def nodes(self) -> list[dict[str, Any]]:
        return self.alive_nodes


class Squares:
    """Each number squared; a negative one cannot be."""

    def prepare(self) -> None:
        pass

    def do(self, number: int) -> int:
        if number < 0:
            raise ImageError("negative", file=str(number))
        return number**2


def results(ray: ScriptedRay, pieces: Any) -> list[tuple[int, int]]:
    return [(piece, result) for _, piece, result in Workers(ray, Squares(), Needs(), Lines()).results(pieces)]


def test_of_nothing_nothing_comes() -> None:
    assert results(ScriptedRay(), []) == []


def test_every_piece_comes_once_with_its_result() -> None:
    made = results(ScriptedRay(), range(100))
    assert sorted(made) == [(number, number**2) for number in range(100)]


@pytest.mark.parametrize("seed", range(8))
def test_lost_workers_change_nothing(seed: int) -> None:
    """Every seventh piece takes its worker with it, the first time it is done."""
    met: set[int] = set()

    def lose(piece: int) -> bool:
        first = piece % 7 == 0 and piece not in met
        met.add(piece)
        return first

    ray = ScriptedRay(lose, seed=seed)
    assert sorted(results(ray, range(60))) == [(number, number**2) for number in range(60)]
    assert ray.started > 3 + 60 // 7 - 1, "each lost worker is replaced"


def test_few_pieces_are_under_way_at_once() -> None:
    ray, taken = ScriptedRay(cores=2), deque(range(1000))
    workers = Workers(ray, Squares(), Needs(), Lines())
    for done, _ in enumerate(workers.results(taken.popleft() for _ in range(1000))):
        assert 1000 - len(taken) <= done + 2 * 2 + 2, "pieces are taken as workers ask for them"
    assert ray.most_under_way <= 2 * 2 + 2


def test_a_piece_that_kills_its_workers_is_named() -> None:
    with pytest.raises(ClusterError, match=f"{ATTEMPTS} workers were lost with the same piece") as caught:
        results(ScriptedRay(lambda piece: piece == 13), range(20))
    assert caught.value.parts["record"] == "13" and caught.value.parts["got"] == "its node was lost"


def test_an_error_of_the_work_is_raised_as_it_was() -> None:
    with pytest.raises(ImageError, match="negative"):
        results(ScriptedRay(), [1, 2, -3])


def test_workers_that_do_not_start_are_an_error() -> None:
    class Absent(ScriptedRay):
        def _answer(self, number: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            raise RayError("The actor died\nModuleNotFoundError: No module named 'maskwright'")

    with pytest.raises(ClusterError, match="no worker starts") as caught:
        results(Absent(), [1])
    assert "No module named 'maskwright'" in caught.value.parts["got"]
    assert __version__ in caught.value.parts["fix"]


def test_another_version_on_the_nodes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "prepare", lambda self: "0.0.9")
    with pytest.raises(ClusterError, match="another version") as caught:
        results(ScriptedRay(), [1])
    assert caught.value.parts["got"] == "0.0.9"


def test_all_workers_end_with_the_work() -> None:
    ray = ScriptedRay()
    results(ray, range(5))
    assert ray.dead == set(range(1, ray.started + 1))


@pytest.mark.parametrize(
    ("resources", "needs", "workers"),
    [
        ({"CPU": 8.0}, Needs(), 8),
        ({"CPU": 8.0}, Needs(cores=3), 2),
        ({"CPU": 8.0, "GPU": 2.0}, Needs(cores=2, gpus=1), 2),
        ({"CPU": 8.0}, Needs(gpus=1), 0),
        ({"memory": 1e9}, Needs(), 0),
    ],
)
def test_a_node_has_as_many_workers_as_fit(resources: dict[str, float], needs: Needs, workers: int) -> None:
    assert needs.workers_on(resources) == workers
