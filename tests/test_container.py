"""The container: as few rights as it needs, and nothing in it that the repository does not have."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in DOCKERFILE if line.startswith(f"{name} ")]


def test_it_runs_as_a_user_without_rights_from_an_image_of_a_fixed_version():
    last = max(index for index, line in enumerate(DOCKERFILE) if line.startswith("FROM "))
    assert any(re.fullmatch(r"USER [1-9]\d*", line) for line in DOCKERFILE[last:])
    assert all(re.match(r"python:3\.\d+-slim\b", image) for image in instructions("FROM"))
    assert not any("latest" in line or line.startswith("ADD ") for line in DOCKERFILE)


def test_everything_it_copies_is_here_and_not_left_out():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in instructions("COPY"):
        if not line.startswith("--from"):
            *sources, _ = line.split()
            assert all((ROOT / source).exists() and source in kept for source in sources)


def test_the_example_gives_it_a_token_and_a_file_system_that_it_cannot_write():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["maskwright"]
    assert (
        service["read_only"] and service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"]
    )
    assert ":?" in service["environment"]["MASKWRIGHT_TOKEN"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert all(volume.endswith(":ro") for volume in service["volumes"])
