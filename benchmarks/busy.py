"""Cost of waiting threads on a busy machine: seconds per image, by OMP_WAIT_POLICY and number of threads.

    python benchmarks/busy.py IMAGE --loops 0,6 --json busy.json

Each cell is a process of its own that looks at the image a few times (the first time is left out); `--loops` busy
loops run beside it. The load of the machine without them is reported, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

KINDS = {
    "as torch has it": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
LOOK = """
import sys, time
import maskwright
find = maskwright.load(sys.argv[1], maskwright.InferenceOptions(device="cpu", precision="fp32"))
find(sys.argv[2])
for _ in range(int(sys.argv[3])):
    began = time.perf_counter()
    find(sys.argv[2])
    print(time.perf_counter() - began)
"""
SPIN = "while True: pass"


def seconds(model: str, image: Path, times: int, variables: dict[str, str]) -> list[float]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, "-c", LOOK, model, str(image), str(times)]
    done = subprocess.run(command, env=own | variables, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--model", default="balloons")
    parser.add_argument("--loops", default="0,6")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    table = []
    for count in (int(loop) for loop in chosen.loops.split(",")):
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
        try:
            taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for _ in range(chosen.rounds):  # in turn, so that a changing load affects all equally
                for kind, variables in KINDS.items():
                    taken[kind] += seconds(chosen.model, chosen.image, chosen.times, variables)
        finally:
            for process in spinning:
                process.kill()
                process.wait()
        for kind, values in taken.items():
            row = {"busy loops": count, "load before": load, "how": kind, "median seconds": statistics.median(values)}
            table.append(row)
            print(f"{count} busy loops (load before {load}), {kind}: median {row['median seconds']:.2f} s", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
