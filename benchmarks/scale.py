"""What predicting very many images takes: a cost model from measured figures, and a run of it on a cluster that loses
nodes. The same figures give the same numbers on every machine.

    python benchmarks/scale.py                                  a million to a billion images, on 16 to 4,096 cores
    python benchmarks/scale.py --images 1000000000 --cores 1024 --seconds-per-image 0.054
    python benchmarks/scale.py --measure                        the figures of the giving process, on this machine

The model: workers of one core each take a piece of 32 images after the other. What limits them is the slowest of the
cores, the network to the storage, and the one process that gives out the pieces and writes the lines. Nodes are lost at
random (seeded) and come back; with each the pieces under way on it are done again.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
import tracemalloc
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

PIECE = 32  # images
AHEAD = 2  # pieces a worker has


@dataclass(frozen=True)
class Costs:
    """Of one image, worker or node, as measured; docs/scale.md says how.

    seconds_per_image   of one core: read, decode, network, run lengths
    image_bytes         that come from the storage;  line_bytes  that go to the giving process
    piece_seconds       of the giving process for one piece: the exchange, and its lines written
    list_seconds        of the giving process to list an image;  name_bytes  it keeps of each in memory
    worker_bytes        memory of a worker;  worker_start  seconds until it takes its first piece
    """

    seconds_per_image: float = 0.117
    image_bytes: float = 100e3
    line_bytes: float = 2500.0
    piece_seconds: float = 1e-3
    list_seconds: float = 33e-6
    name_bytes: float = 680.0
    worker_bytes: float = 0.5e9
    worker_start: float = 30.0


@dataclass(frozen=True)
class Machines:
    """cores_of_node  workers on a node;  network  bytes a second from the storage, all nodes together
    hours_to_loss  of a node, on average;  seconds_to_return  until another one is there
    memory  bytes that the giving process has
    """

    cores: int
    cores_of_node: int = 16
    network: float = 1.25e9
    hours_to_loss: float = 500.0
    seconds_to_return: float = 300.0
    memory: float = 16e9


def limits(costs: Costs, machines: Machines) -> dict[str, float]:
    """Images a second that each part could do alone."""
    return {
        "cores": machines.cores / costs.seconds_per_image,
        "storage network": machines.network / costs.image_bytes,
        "giving process": PIECE / costs.piece_seconds,
    }


def simulate(images: int, costs: Costs, machines: Machines, seed: int = 0) -> dict[str, Any]:
    """One job of so many images, from one loss of a node to the next."""
    nodes = machines.cores // machines.cores_of_node or 1
    draw, able = random.Random(seed), limits(costs, machines)
    shared = min(able["storage network"], able["giving process"])
    clock = costs.list_seconds * images + costs.worker_start
    left, away, lost, again = float(images), [], 0, 0.0
    while left > 0:
        away = [back for back in away if back > clock]
        present = nodes - len(away)
        rate = min(present * machines.cores_of_node / costs.seconds_per_image, shared) if present else 0.0
        next_loss = draw.expovariate(present / (machines.hours_to_loss * 3600)) if present else math.inf
        next_return = min(away, default=math.inf) - clock
        span = min(next_loss, next_return, left / rate if rate else math.inf)
        left, clock = left - rate * span, clock + span
        if span == next_loss and left > 0:
            lost += 1
            redone = min(AHEAD * PIECE * machines.cores_of_node, images - left) / 2  # half done, on average
            left, again = left + redone, again + redone
            away.append(clock + machines.seconds_to_return + costs.worker_start)
    slowest = min(able, key=lambda name: able[name])
    return {
        "images": images,
        "cores": machines.cores,
        "hours": round(clock / 3600, 2),
        "images_a_second": round(images / clock, 1),
        "core_hours": round(clock / 3600 * machines.cores, 1),
        "limited_by": slowest,
        "nodes_lost": lost,
        "images_done_again": round(again),
        "gigabytes_read": round(images * costs.image_bytes / 1e9, 1),
        "gigabytes_of_lines": round(images * costs.line_bytes / 1e9, 1),
        "gigabytes_of_workers": round(machines.cores * costs.worker_bytes / 1e9, 1),
        "gigabytes_of_names": round(images * costs.name_bytes / 1e9, 2),
        "jobs_by_memory": math.ceil(images * costs.name_bytes / (0.5 * machines.memory)),
    }


def measure(count: int = 20_000) -> dict[str, float]:
    """The figures of the giving process: listing, memory of names, lines written; with Ray also the exchange."""
    from maskwright.api.shards import shard_record
    from maskwright.images.sources import expand

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        for number in range(count):
            (folder / f"image_{number:09}.jpg").touch()
        began = time.process_time()
        expand(folder)
        listing = (time.process_time() - began) / count
        line = {"image": {"width": 640, "height": 480}, "counts": {"balloon": 10}, "detections": ["x" * 230] * 10}
        lines = [(json.dumps({"file": str(folder / f"image_{number:09}.jpg"), **line}) + "\n").encode()
                 for number in range(count)]  # fmt: skip
        tracemalloc.start()
        sources = expand(folder)
        with shard_record(Path(scratch) / "traced", {}, resume=False) as record:
            record.add(lines)
            names = tracemalloc.get_traced_memory()[0] / len(sources)
        tracemalloc.stop()
        with shard_record(Path(scratch) / "timed", {}, resume=False) as record:
            began = time.process_time()
            record.add(lines)
            seconds = time.process_time() - began
    found = {
        "list_seconds": listing,
        "name_bytes": names,
        "line_bytes": len(lines[0]),
        "write_seconds_of_a_piece": seconds * PIECE / count,
    }
    try:
        import ray  # noqa: F401
    except ImportError:
        return found
    return found | exchange(b"".join(lines[:PIECE]))


class Echo:
    """A worker that has everything done already."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def prepare(self) -> None:
        pass

    def do(self, piece: int) -> bytes:
        return self.answer


def exchange(answer: bytes, pieces: int = 2000) -> dict[str, float]:
    """Seconds that the giving process computes for a piece, of the exchange alone."""
    from maskwright.cluster.connection import connected
    from maskwright.cluster.workers import Needs, Workers
    from maskwright.issues import Issues

    with connected("local") as ray:
        began, used, done = 0.0, 0.0, 0
        for done, _ in enumerate(Workers(ray, Echo(answer), Needs(), Issues()).results(range(pieces + 100))):
            if done == 100:
                began, used = time.perf_counter(), time.process_time()
        elapsed, used = time.perf_counter() - began, time.process_time() - used
    return {
        "exchange_cpu_seconds_of_a_piece": used / (done - 100),
        "exchange_seconds_of_a_piece": elapsed / (done - 100),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int)
    parser.add_argument("--cores", type=int, default=1024)
    for name, value in asdict(Costs()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=value)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = vars(parser.parse_args())
    if asked["measure"]:
        print(json.dumps({name: float(f"{value:.3g}") for name, value in measure().items()}, indent=2))
        return
    costs = replace(Costs(), **{name: asked[name] for name in asdict(Costs())})
    if asked["images"]:
        runs = [simulate(asked["images"], costs, Machines(asked["cores"]), asked["seed"])]
    else:
        sizes = ((10**6, 16), (10**7, 64), (10**8, 256), (10**9, 1024), (10**9, 4096))
        runs = [simulate(images, costs, Machines(cores), asked["seed"]) for images, cores in sizes]
    if asked["json"]:
        json.dump(runs, sys.stdout, indent=2)
        return
    for name in runs[0]:
        print(f"{name.replace('_', ' '):<22}" + "".join(f"{run[name]!s:>18}" for run in runs))


if __name__ == "__main__":
    main()
