"""Work spread over the nodes of a cluster: each piece is done exactly once, however many nodes are lost meanwhile.

Plain Ray actors: each prepares itself once (it loads a model) and is then given one piece after the other. A piece
whose worker was lost is given to another one. At most two pieces a worker are under way, so memory does not grow with
their number.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from maskwright import __version__
from maskwright.errors import ClusterError
from maskwright.issues import Kind, Log

Piece = TypeVar("Piece")
Asked = TypeVar("Asked", contravariant=True)
Result = TypeVar("Result", covariant=True)

AHEAD = 2  # pieces a worker has: while it computes one, the next is on its way
ATTEMPTS = 3  # of a piece, or to start a first worker: what kills its worker each time is not a matter of lost nodes
LOOK = 5.0  # seconds between looks for nodes that have come
WORKERS_STARTED = Kind("workers_started", "info", "{count:worker} on {nodes:node} of the cluster")
WORKER_LOST = Kind("worker_lost", "warning", "a worker was lost ({reason}): what it had is done by another one")
NO_NODE_FREE = Kind("no_node_free", "warning", "no node of the cluster has {needs} free: waiting")


class Work(Protocol[Asked, Result]):
    """What a worker does; it travels to the workers, so it pickles, and is small."""

    def prepare(self) -> None:
        """In the worker, once: load what is needed."""
        ...

    def do(self, piece: Asked, /) -> Result:
        """What comes of a piece."""
        ...


@dataclass(frozen=True)
class Needs:
    """What a worker takes of its node. cores, gpus  how many"""

    cores: int = 1
    gpus: int = 0

    def __str__(self) -> str:
        return f"{self.cores} CPU" + (f" and {self.gpus} GPU" if self.gpus else "")

    def workers_on(self, resources: dict[str, float]) -> int:
        """How many workers such a node has room for."""
        rooms = [resources.get("CPU", 0) // self.cores]
        rooms += [resources.get("GPU", 0) // self.gpus] if self.gpus else []
        return int(min(rooms))


class Worker:
    """What runs on a node, as a Ray actor."""

    def __init__(self, work: Work[Any, Any]) -> None:
        self._work = work

    def prepare(self) -> str:
        """The version of maskwright here, once everything is loaded."""
        self._work.prepare()
        return __version__

    def do(self, piece: Any) -> Any:
        return self._work.do(piece)


@dataclass
class _Held(Generic[Piece]):
    """A piece that a worker has. number  among all pieces"""

    worker: Any
    number: int
    piece: Piece


class Workers(Generic[Piece, Result]):
    """The workers of one job. ray  the module, connected to a cluster"""

    def __init__(self, ray: Any, work: Work[Piece, Result], needs: Needs, log: Log) -> None:
        self._ray, self._work, self._needs, self._log = ray, work, needs, log
        self._class = ray.remote(Worker)
        self._starting: dict[Any, Any] = {}  # reference of prepare() -> worker
        self._held: dict[Any, _Held[Piece]] = {}  # reference of do() -> what it does
        self._alive: list[Any] = []
        self._again: deque[tuple[int, Piece]] = deque()
        self._lost: Counter[int] = Counter()  # number of a piece -> workers that were lost with it
        self._failed_starts, self._room = 0, -1

    def results(self, pieces: Iterable[Piece]) -> Iterator[tuple[int, Piece, Result]]:
        """The number of each piece, the piece, and what was made of it, as they are done. An error of the work itself
        is raised here."""
        todo = enumerate(pieces)
        self._fill()
        try:
            while self._held or self._more(todo):
                done = self._done()
                if not done:
                    self._fill()
                for reference in done:
                    if reference in self._starting:
                        self._started(reference)
                    elif reference in self._held:  # not where its worker was lost a moment ago
                        yield from self._finished(reference)
                self._give(todo)
        finally:
            for worker in [*self._alive, *self._starting.values()]:
                self._ray.kill(worker)

    def _done(self) -> list[Any]:
        """The references that have an answer; [] where there is none for a while."""
        first, others = self._ray.wait([*self._starting, *self._held], timeout=LOOK)
        if not first or not others:
            return first
        return first + self._ray.wait(others, num_returns=len(others), timeout=0)[0]

    # --- workers --------------------------------------------------------------------------------------
    def _fill(self) -> None:
        """As many workers as the cluster has room for, now and when nodes come."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        rooms = [room for resources in nodes if (room := self._needs.workers_on(resources))]
        if sum(rooms) != self._room:
            self._room = sum(rooms)
            if rooms:
                self._log(WORKERS_STARTED(count=self._room, nodes=len(rooms)))
            else:
                self._log(NO_NODE_FREE(needs=str(self._needs)))
        for _ in range(max(self._room, 1) - len(self._alive) - len(self._starting)):
            self._start()

    def _start(self) -> None:
        worker = self._class.options(
            num_cpus=self._needs.cores, num_gpus=self._needs.gpus, scheduling_strategy="SPREAD"
        ).remote(self._work)
        self._starting[worker.prepare.remote()] = worker

    def _started(self, reference: Any) -> None:
        worker = self._starting.pop(reference)
        try:
            version = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if not self._alive and self._failed_starts >= ATTEMPTS:
                raise ClusterError(
                    "no worker starts on this cluster",
                    got=_last_line(error),
                    fix=f"install maskwright {__version__} on every node, for the Python that runs Ray there",
                ) from None
            self._start()
            return
        if version != __version__:
            raise ClusterError(
                "the nodes of the cluster have another version of maskwright", expected=__version__, got=version
            )
        self._alive.append(worker)

    def _lose(self, worker: Any, error: Exception) -> None:
        """Its pieces are given to others, and another one is started in its place."""
        if worker not in self._alive:
            return
        self._alive.remove(worker)
        self._ray.kill(worker)
        self._log(WORKER_LOST(reason=_last_line(error)))
        for reference in [reference for reference, held in self._held.items() if held.worker is worker]:
            held = self._held.pop(reference)
            self._again.append((held.number, held.piece))
        self._start()

    # --- pieces -----------------------------------------------------------------------------------
    def _more(self, todo: Iterator[tuple[int, Piece]]) -> bool:
        """Whether a piece is left; it is then the next to be given."""
        if not self._again:
            self._again.extend([item] if (item := next(todo, None)) is not None else [])
        return bool(self._again)

    def _give(self, todo: Iterator[tuple[int, Piece]]) -> None:
        """Every worker has its pieces, as long as there are any."""
        counts = Counter(id(held.worker) for held in self._held.values())
        for turn in range(AHEAD):
            for worker in self._alive:
                if counts[id(worker)] == turn and self._more(todo):
                    number, piece = self._again.popleft()
                    self._held[worker.do.remote(piece)] = _Held(worker, number, piece)
                    counts[id(worker)] += 1

    def _finished(self, reference: Any) -> Iterator[tuple[int, Piece, Result]]:
        held = self._held[reference]
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except self._ray.exceptions.RayError as error:  # the worker, its node, or the result on it is lost
            self._lost[held.number] += 1
            if self._lost[held.number] >= ATTEMPTS:
                raise ClusterError(
                    f"{ATTEMPTS} workers were lost with the same piece of work",
                    record=str(held.piece)[:500],
                    got=_last_line(error),
                    fix="see whether memory ran out on the node; give a worker more cores, so that fewer run at once",
                ) from None
            self._lose(held.worker, error)
            return
        del self._held[reference]
        yield held.number, held.piece, result


def _cause(error: Any) -> BaseException:
    """What was raised in the worker."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else error


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
