"""Predict on a Ray cluster of several nodes on this machine, one of which is killed; or what Ray costs on one machine.

    python benchmarks/ray_cluster.py --images 100000 --nodes 3 --kill
    python benchmarks/ray_cluster.py --overhead --images 5000 --size 640 480

With --nodes each node is a raylet of its own with `--cores` cores and one worker a core; with --kill one is killed at a
random moment (--seed) in the middle third of the images, without a word to anybody. Then: is every image in the shards
once? Beside it the images a second of one process in the same run, on a tenth of the images.

With --overhead the command line is timed, plain and with --ray local, on the same images and cores; what the first two
images take (start of Python, torch and the cluster) is measured by itself and taken off.

Needs Ray (pip install maskwright[ray]).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DISTINCT = 100  # files; the others are links to these


def make_images(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """JPEGs of a sky with discs in it, most of them links to a hundred files. size  (width, height)"""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        file = folder / f"image_{number:07}.jpg"
        if number >= DISTINCT:
            os.link(folder / f"image_{number % DISTINCT:07}.jpg", file)
            continue
        y, x = np.mgrid[: size[1], : size[0]]
        pixels = np.stack([x * 80 / size[0] + 90, y * 60 / size[1] + 120, np.full_like(x, 200)], 2)
        for _ in range(random.integers(0, 4)):
            center, radius = random.random(2) * size, random.uniform(0.08, 0.2) * min(size)
            pixels[(x - center[0]) ** 2 + (y - center[1]) ** 2 < radius**2] = random.integers(0, 255, 3)
        pixels = pixels + random.normal(0, 4, pixels.shape)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, quality=88)
    return folder


def lines_of(out: Path) -> list[str]:
    """The names of the images that have a line, with repetitions."""
    return [json.loads(line)["file"] for file in sorted(out.glob("predictions/*.jsonl"))
            for line in file.read_text("utf-8").splitlines()]  # fmt: skip


def cluster(asked: argparse.Namespace, images: Path, scratch: Path) -> dict[str, Any]:
    """Predict on several nodes, and lose one."""
    from ray.cluster_utils import Cluster as Nodes

    import maskwright
    from maskwright.issues import Issues

    began = time.perf_counter()
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    workers = [nodes.add_node(num_cpus=asked.cores) for _ in range(asked.nodes)]
    started = time.perf_counter() - began
    options, log, out = maskwright.InferenceOptions(size=asked.input, device="cpu"), Issues(), scratch / "many"
    kill_at = random.Random(asked.seed).randint(asked.images // 3, 2 * asked.images // 3) if asked.kill else None
    done, killed_after = 0, None

    def progress(items: Any, total: Any = None, label: str = "", unit: str = "", limit: Any = None) -> Any:
        nonlocal done, killed_after
        for item in items:
            if label == "predicting":
                done += 1
                if done == kill_at:
                    killed_after = done
                    lost = random.Random(asked.seed).choice(workers)
                    threading.Thread(target=nodes.remove_node, args=(lost, False)).start()
            yield item

    began = time.perf_counter()
    result = maskwright.predict_on_cluster(
        asked.model, images, cluster=maskwright.Cluster(nodes.address), out=out, options=options,
        progress=progress, log=log,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    nodes.shutdown()
    names = lines_of(out)
    few, began = sorted(images.iterdir())[: max(asked.images // 10, 1)], time.perf_counter()
    maskwright.predict_many(asked.model, few, out=scratch / "one", options=options, log=Issues())
    alone = len(few) / (time.perf_counter() - began)
    return {
        "images": asked.images, "nodes": asked.nodes, "cores_of_each": asked.cores, "killed_after": killed_after,
        "lines": len(names), "distinct": len(set(names)),
        "every_image_once": len(names) == len(set(names)) == asked.images,
        "failed": len(result.failed), "workers_lost": sum(issue.code == "worker_lost" for issue in log),
        "seconds_to_start_nodes": round(started, 1), "seconds": round(seconds, 1),
        "images_a_second": round(asked.images / seconds, 1), "one_process_images_a_second": round(alone, 1),
    }  # fmt: skip


def overhead(asked: argparse.Namespace, images: Path, scratch: Path) -> dict[str, Any]:
    """The command line with and without --ray local."""
    cores = len(os.sched_getaffinity(0))

    def seconds(name: str, sources: list[str], *more: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "maskwright", "predict", asked.model, *sources, "--no-pictures", "--save-jsonl",
             "--quiet", "--device", "cpu", "--out", str(scratch / name), *more],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - began

    two = [str(path) for path in sorted(images.iterdir())[:2]]
    plain_start, ray_start = seconds("p2", two), seconds("r2", two, "--ray", "local")
    rounds = [
        (seconds(f"p{n}", [str(images)]), seconds(f"r{n}", [str(images)], "--ray", "local"))
        for n in range(asked.rounds)
    ]
    plain, ray = (min(pair[index] for pair in rounds) for index in (0, 1))
    return {
        "images": asked.images, "cores": cores, "plain_start_seconds": round(plain_start, 1),
        "ray_start_seconds": round(ray_start, 1), "plain_seconds": round(plain - plain_start, 1),
        "ray_seconds": round(ray - ray_start, 1),
        "overhead_percent": round(100 * ((ray - ray_start) / (plain - plain_start) - 1), 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--size", type=int, nargs=2, default=(96, 64), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--input", type=int, default=None, help="long side of the network input; the model's")
    parser.add_argument("--model", default="balloons")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--cores", type=int, default=1, help="of each node")
    parser.add_argument("--kill", action="store_true", help="kill a node at a random moment")
    parser.add_argument("--overhead", action="store_true", help="compare the command line with and without --ray local")
    parser.add_argument("--rounds", type=int, default=1, help="of --overhead; the fastest of each counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "300"}
    with tempfile.TemporaryDirectory(prefix="ray-") as scratch:
        images = make_images(Path(scratch) / "images", asked.images, tuple(asked.size))
        facts = (overhead if asked.overhead else cluster)(asked, images, Path(scratch))
    if asked.json:
        print(json.dumps(facts, indent=2))
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):<28} {value}")


if __name__ == "__main__":
    main()
