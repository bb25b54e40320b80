"""The command line: duration, kinds of input, report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from fuzz import driver
from fuzz.kinds import KINDS


def main() -> int:
    parser = argparse.ArgumentParser("python -m fuzz", description="Read broken inputs, count what is not our error.")
    minutes = float(os.environ.get("FUZZ_MINUTES", 10))
    parser.add_argument("--minutes", type=float, default=minutes, help="how long [FUZZ_MINUTES, else 10]")
    parser.add_argument("--only", action="append", choices=sorted(KINDS), help="a kind of input; may be said again")
    parser.add_argument("--seed", type=int, help="this input alone; else from a seed of the clock on")
    parser.add_argument("--count", type=int, help="so many inputs of each kind")
    parser.add_argument("--megabytes", type=int, default=driver.MEGABYTES, help="memory that an input may take")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs that failed")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    asked = parser.parse_args()
    first = int(time.time()) % 10**8 * 1000 if asked.seed is None else asked.seed
    count = asked.count or (None if asked.seed is None else 1)
    report = driver.run(asked.only or list(KINDS), asked.minutes * 60, count, first, asked.keep, asked.megabytes, told)
    if asked.json:
        print(json.dumps(report.facts(), indent=2))
    else:
        said(report, first)
    return 1 if report.findings else 0


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def said(report: driver.Report, first: int) -> None:
    for found in report.findings.values():
        print(f"{found.kind}: {found.what} ({found.count} times)\n  {found.again}\n{found.trace}")
    facts, failed = report.facts(), report.outcomes["finding"]
    print(", ".join(f"{name} {count} ({report.spent[name]:.1f} s)" for name, count in sorted(report.inputs.items())))
    known = f"{facts['read']} read, {facts['refused']} refused, {failed} failed in {len(report.findings)} ways"
    print(f"{facts['inputs']} inputs from seed {first} on in {facts['seconds']:.0f} s: {known}")
    print(f"peak memory {report.peak[0]:.0f} MB beyond the start ({report.peak[1]} {report.peak[2]}); "
          f"slowest {report.slowest[0]:.2f} s ({report.slowest[1]} {report.slowest[2]})")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
