"""Broken inputs: a few of each kind, always the same; and that what is planted is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from fuzz import driver, kinds, mutations, worker

from maskwright.errors import DatasetError

HEAVY = ("model", "run")  # a network each
QUICK = [name for name in kinds.KINDS if name not in HEAVY]


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Kind -> a folder with its valid input, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            kinds.KINDS[name].build(made[name])
        return made[name]

    return folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", QUICK)
def test_a_broken_input_is_read_or_refused(name: str, valid, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    if name == "video":
        pytest.importorskip("av", reason="videos need PyAV")
    for seed in range(12):
        outcome = worker.tried(kinds.KINDS[name], seed, tmp_path / str(seed), valid(name))
        assert outcome["outcome"] in (("read",) if seed == 0 else ("read", "refused", "not made")), outcome.get("trace")


def test_an_input_is_its_kind_and_seed_alone(valid, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def content(place: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}

    for seed in range(1, 6):
        for turn in ("a", "b"):
            worker.made(kinds.KINDS["via"], seed, tmp_path / turn / str(seed), valid("via"))
        assert content(tmp_path / "a" / str(seed)) == content(tmp_path / "b" / str(seed))
    assert content(tmp_path / "a" / "1") != content(tmp_path / "a" / "2")


def test_every_way_of_breaking_keeps_to_its_folder(valid, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for seed in range(60):
        folder = tmp_path / "in" / str(seed)
        worker.made(kinds.KINDS["masks"], 0, folder, valid("masks"))
        mutations.break_folder(folder, Random(seed))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert {path.name for path in (tmp_path / "in").iterdir()} == {str(seed) for seed in range(60)}


# --- planted ----------------------------------------------------------------------------------------------------
def planted(read) -> kinds.Kind:  # type: ignore[no-untyped-def]
    return kinds.Kind("planted", lambda folder: (folder / "a.txt").write_text("sound\n", "utf-8"), read, "a.txt")


def careless(path: Path) -> None:
    if path.read_bytes() != b"sound\n":
        raise IndexError("list index out of range")


def careful(path: Path) -> None:
    if path.read_bytes() != b"sound\n":
        raise DatasetError("this is not sound", file=path)


def test_an_exception_that_is_not_ours_is_found(tmp_path: Path) -> None:
    kind = planted(careless)
    (tmp_path / "valid").mkdir()
    kind.build(tmp_path / "valid")
    outcomes = [worker.tried(kind, seed, tmp_path / str(seed), tmp_path / "valid") for seed in range(3)]
    assert [outcome["outcome"] for outcome in outcomes] == ["read", "finding", "finding"]
    assert "IndexError" in outcomes[1]["what"] and "careless" in outcomes[1]["trace"]
    assert worker.tried(planted(careful), 1, tmp_path / "ours", tmp_path / "valid")["outcome"] == "refused"


def test_a_report_counts_a_way_to_fail_once_and_says_how_to_see_it_again() -> None:
    report = driver.Report()
    for seed in (7, 8):
        report.add("via", seed, {"outcome": "finding", "what": "KeyError at via.py:read", "seconds": 0.1, "peak": 3.0})
    report.add("via", 9, {"outcome": "read", "seconds": driver.SECONDS + 1})
    facts = report.facts()
    assert [(found["seed"], found["count"]) for found in facts["findings"]] == [(7, 2), (9, 1)]
    assert facts["findings"][0]["again"] == "python -m fuzz --only via --seed 7"
    assert (facts["inputs"], facts["peak_megabytes"], facts["slowest_input"]) == (3, 3.0, ["via", 9])


PLANTED = """
import json, os, sys, time
from pathlib import Path
from fuzz import driver, kinds

def careless(data): raise IndexError("list index out of range")
def hanging(data): time.sleep(600)
def dying(data): os._exit(3)
def hungry(data): bytearray(2**31)
def crowded(data):  # only once, as in a process that others have filled
    if not (mark := data.parent.parent / "seen").exists():
        mark.touch()
        raise MemoryError

def plant(fault):
    def read(path):
        if path.read_bytes() != b"sound":
            fault(path)
    build = lambda folder: (folder / "a.txt").write_bytes(b"sound")
    kinds.KINDS[fault.__name__] = kinds.Kind(fault.__name__, build, read, "a.txt")

for fault in (careless, hanging, dying, hungry, crowded):  # in the process that reads too, which imports this file
    plant(fault)

if __name__ == "__main__":
    driver.WAIT = 4.0
    report = driver.run(sys.argv[2:], 600, count=2, keep=Path(sys.argv[1]))
    print(json.dumps(report.facts()))
"""


def test_what_hangs_dies_or_takes_all_memory_is_found_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED, "utf-8")
    bounded = Path("/proc/self/statm").exists()
    names = ["careless", "hanging", "dying", *(["hungry"] if bounded else [])]
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "planted.py"), str(tmp_path / "kept"), *names, "crowded"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    found = {finding["kind"]: (finding["what"].split(" at ")[0], finding["count"]) for finding in facts["findings"]}
    expected = {"careless": "IndexError", "hanging": "no answer in 4 seconds", "dying": "the process died (3)",
                "hungry": "MemoryError"}  # fmt: skip
    assert found == {name: (expected[name], 2) for name in names}
    assert facts["inputs_by_kind"] == dict.fromkeys([*names, "crowded"], 2)
    assert (tmp_path / "kept" / "careless-1" / "input" / "a.txt").exists()
    assert "list index out of range" in (tmp_path / "kept" / "careless-1" / "finding.txt").read_text("utf-8")
