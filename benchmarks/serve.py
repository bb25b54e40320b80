"""Requests a second of `maskwright serve`, against a plain loop over the same images; the end; memory.

    python benchmarks/serve.py
    python benchmarks/serve.py --model runs/party --images 40 --clients 1,4,8 --flat 20000 --json serve.json

The server is a process of its own, the requests come from this one. The loop loads the model itself and predicts the
same files one after the other; loop and server take turns, three rounds each. At the end SIGTERM comes while requests
are under way: each that was sent whole must be answered, and none after that. Memory is the server's resident size
over `--flat` requests for images of 32×24 pixels, at a network input of 64 (Linux only).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import maskwright
from maskwright import interop
from maskwright.images.sources import Source, open_source
from maskwright.synth.scene import render

ROUNDS = 3
SMALL = 64  # network input while memory is watched


def rendered(count: int) -> list[bytes]:
    """JPEG files of 640×480 pixels."""
    return [jpeg(render("balloons", seed=number).image) for number in range(count)]


def jpeg(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=90)
    return written.getvalue()


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port and the process of `maskwright serve`, once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "maskwright", "serve", *arguments, "--port", str(port), "--quiet"]
    )
    try:
        while True:
            with contextlib.suppress(OSError):
                if asked(port, "GET", "/health") == 200:
                    break
            if process.poll() is not None:
                raise SystemExit("maskwright serve has ended")
            time.sleep(0.1)
        yield port, process
    finally:
        process.terminate()
        process.wait()


def asked(port: int, method: str, path: str, body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        response = connection.getresponse()
        response.read()
        return response.status


def by_loop(predictor: Any, images: Sequence[bytes]) -> list[float]:
    """Seconds of each image, from its bytes to the object that would be sent."""
    spent = []
    for data in images:
        start = time.perf_counter()
        image = open_source(Source("image", "image", data), predictor.window)
        ((_, result),) = predictor.batches([image], 1)
        json.dumps(interop.to_rows(result))
        spent.append(time.perf_counter() - start)
    return spent


def by_requests(port: int, images: Sequence[bytes], clients: int) -> list[float]:
    """Seconds of each request; every client has a connection of its own and waits for its answers."""
    waiting, lock, spent = list(images), threading.Lock(), []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        with contextlib.closing(connection):
            while True:
                with lock:
                    if not waiting:
                        return
                    data = waiting.pop()
                start = time.perf_counter()
                connection.request("POST", "/predict", data)
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise SystemExit(f"status {response.status}")
                spent.append(time.perf_counter() - start)

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client) for _ in range(clients)]:
            done.result()
    return spent


def figures(seconds: Sequence[float], whole: float) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "requests": len(ordered),
        "per_second": round(len(ordered) / whole, 2),
        "p50_ms": round(1000 * statistics.median(ordered), 1),
        "p99_ms": round(1000 * ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)], 1),
    }


def compared(model: str, images: Sequence[bytes], clients: Sequence[int]) -> dict[str, dict[str, float]]:
    """The loop, and the server with so many clients, in turns."""
    predictor = maskwright.load(model)
    spent: dict[str, list[float]] = {}
    whole: dict[str, float] = {}
    with served(model, "--queue", str(max(32, 2 * max(clients)))) as (port, _):
        by_loop(predictor, images[:3])
        by_requests(port, images[:3], 1)
        for _ in range(ROUNDS):
            for count in (0, *clients):
                start = time.perf_counter()
                found = by_requests(port, images, count) if count else by_loop(predictor, images)
                name = f"{count} clients" if count else "loop"
                whole[name] = whole.get(name, 0.0) + time.perf_counter() - start
                spent.setdefault(name, []).extend(found)
    return {name: figures(seconds, whole[name]) for name, seconds in spent.items()}


def ended(model: str, images: Sequence[bytes]) -> dict[str, int]:
    """What becomes of requests that are under way when the server is told to stop."""
    counts = {"answered": 0, "refused": 0, "lost": 0}
    lock = threading.Lock()

    def send(data: bytes) -> None:
        """Refused: the connection was not accepted, or the answer says that the server ends. Lost: no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        outcome = "refused"
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/predict", data)
            outcome = "lost"
            outcome = "answered" if connection.getresponse().status == 200 else "refused"
        with lock:
            counts[outcome] += 1

    with served(model) as (port, process), ThreadPoolExecutor(16) as pool:
        sending = [pool.submit(send, data) for data in images[:16]]
        time.sleep(0.5)  # all are sent, few are answered
        process.send_signal(signal.SIGTERM)
        for done in sending:
            done.result()
        process.wait()
        with contextlib.suppress(OSError):
            asked(port, "GET", "/health")
            raise SystemExit("the server answers after its end")
    return counts


def megabytes(process: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(model: str, count: int) -> dict[str, Any]:
    """The resident size at every tenth of `count` requests."""
    image, found = jpeg(np.full((24, 32, 3), 128, np.uint8)), []
    with served(model, "--size", str(SMALL)) as (port, process):
        for _ in range(10):
            by_requests(port, [image] * (count // 10), 2)
            found.append(round(megabytes(process), 1))
    return {
        "requests": count // 10 * 10,
        "megabytes": found,
        "growth_after_first_tenth": round(found[-1] - found[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="balloons")
    parser.add_argument("--images", type=int, default=40, help="of a round")
    parser.add_argument("--clients", default="1,4")
    parser.add_argument("--flat", type=int, default=2000, help="requests for the memory; 0: not measured")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    images = rendered(chosen.images)
    results: dict[str, Any] = {"speed": compared(chosen.model, images, [int(one) for one in chosen.clients.split(",")])}
    for name, row in results["speed"].items():
        print(f"{name:>10}  {row['per_second']:6.2f} a second  p50 {row['p50_ms']:.0f} ms  p99 {row['p99_ms']:.0f} ms")
    results["end"] = ended(chosen.model, images)
    print("at the end", ", ".join(f"{count} {name}" for name, count in results["end"].items()))
    if chosen.flat and Path("/proc/self/statm").exists():
        results["memory"] = memory(chosen.model, chosen.flat)
        print(f"memory      {results['memory']['megabytes']} MB over {results['memory']['requests']} requests")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
