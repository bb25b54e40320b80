"""The Kubernetes manifests: what their operators require is there, and the commands in them are ours."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from maskwright import __version__
from maskwright.cli.main import commands

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
REQUIRED = {  # of each kind, by the schemas of its operator
    "RayJob": {
        "apiVersion": "ray.io/v1",
        "fields": ["spec.entrypoint", "spec.rayClusterSpec.rayVersion",
                   "spec.rayClusterSpec.headGroupSpec.rayStartParams", "spec.rayClusterSpec.headGroupSpec.template",
                   "spec.rayClusterSpec.workerGroupSpecs"],
    },
    "PyTorchJob": {
        "apiVersion": "kubeflow.org/v1",
        "fields": ["spec.pytorchReplicaSpecs.Master.template", "spec.pytorchReplicaSpecs.Worker.template",
                   "spec.pytorchReplicaSpecs.Master.replicas", "spec.pytorchReplicaSpecs.Worker.replicas"],
    },
}  # fmt: skip
QUANTITY = re.compile(r"\d+(\.\d+)?(m|Ki|Mi|Gi|Ti|k|M|G|T)?")


def templates(value: Any) -> Iterator[dict[str, Any]]:
    """The pod templates anywhere in a manifest."""
    for name, item in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if name == "template":
            yield item
        yield from templates(item)


def faults(manifest: dict[str, Any]) -> list[str]:
    """What an operator would refuse, or leave waiting for ever."""
    required, found = REQUIRED[manifest["kind"]], []
    if manifest.get("apiVersion") != required["apiVersion"]:
        found.append("apiVersion")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"]):
        found.append("metadata.name")
    for field in required["fields"]:
        value: Any = manifest
        for name in field.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            found.append(field)
    for template in templates(manifest):
        pod = template["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", ())}
        for container in pod["containers"]:
            if manifest["kind"] == "PyTorchJob" and container["name"] != "pytorch":
                found.append("containers.name")
            if {mount["name"] for mount in container.get("volumeMounts", ())} - volumes:
                found.append("volumeMounts")
            for amounts in container.get("resources", {}).values():
                found += [f"resources.{name}" for name, text in amounts.items() if not QUANTITY.fullmatch(str(text))]
            if ":" not in container.get("image", ""):
                found.append("image")
    return found


def commands_in(manifest: dict[str, Any]) -> list[list[str]]:
    if manifest["kind"] == "RayJob":
        return [shlex.split(manifest["spec"]["entrypoint"])]
    return [container["command"] for template in templates(manifest) for container in template["spec"]["containers"]]


MANIFESTS = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(DEPLOY.glob("*.yaml"))}


def test_there_is_one_for_ray_and_one_for_torch() -> None:
    assert [manifest["kind"] for manifest in MANIFESTS.values()] == ["RayJob", "PyTorchJob"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_has_what_its_operator_requires(name: str) -> None:
    assert faults(MANIFESTS[name]) == []
    assert len(list(templates(MANIFESTS[name]))) == 2


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_commands_in_a_manifest_are_understood(name: str) -> None:
    for program, *arguments in commands_in(MANIFESTS[name]):
        assert program == "maskwright"
        with commands.make_context("maskwright", [*arguments]) as context:
            subcommand, command, rest = commands.resolve_command(context, [*arguments])
            command.make_context(subcommand, rest, parent=context)


def test_all_processes_of_a_training_have_one_command() -> None:
    assert len({tuple(command) for command in commands_in(MANIFESTS["pytorchjob.yaml"])}) == 1


@pytest.mark.parametrize("name", MANIFESTS)
def test_images_carry_our_version(name: str) -> None:
    images = re.findall(r"image: (\S+)", (DEPLOY / name).read_text("utf-8"))
    assert images and all(image.endswith(f":{__version__}") for image in images)


def test_a_fault_would_be_noticed() -> None:
    wrong = copy.deepcopy(MANIFESTS["pytorchjob.yaml"])
    worker = wrong["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]
    worker["volumes"][0]["name"] = "other"
    worker["containers"][0]["name"] = "train"
    worker["containers"][0]["resources"]["limits"]["memory"] = "8 GB"
    del wrong["spec"]["pytorchReplicaSpecs"]["Master"]["replicas"]
    assert faults(wrong) == [
        "spec.pytorchReplicaSpecs.Master.replicas", "containers.name", "volumeMounts", "resources.memory",
    ]  # fmt: skip
    with pytest.raises(click.NoSuchOption), commands.make_context("maskwright", ["train", "--bacth", "4"]) as context:
        subcommand, command, rest = commands.resolve_command(context, ["train", "--bacth", "4"])
        command.make_context(subcommand, rest, parent=context)
