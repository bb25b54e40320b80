"""Predict, evaluate and check by the workers of a cluster: what one machine comes to. Where Ray is not installed, on a
cluster that is this process."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import model_folder, party

from maskwright.api import shards
from maskwright.api.check import check
from maskwright.api.evaluate import evaluate
from maskwright.api.many_images import predict_many
from maskwright.api.predict_on_cluster import predict_on_cluster
from maskwright.cluster import cluster as cluster_module
from maskwright.cluster.cluster import Cluster
from maskwright.errors import ClusterError, ImageError, OutputError, RecipeError
from maskwright.issues import Issues
from maskwright.tasks.images import PredictedImages


class ThisProcess(Cluster):
    """A cluster of one worker, here; what is given to it is pickled, as on its way to a worker."""

    def results(self, work: Any, items: Sequence[Any], log: Any) -> Iterator[Any]:
        work = pickle.loads(pickle.dumps(work))
        work.prepare()
        pieces = [list(items[start : start + 3]) for start in range(0, len(items), 3)]
        for number, piece in reversed(list(enumerate(pieces))):  # in an order of its own
            yield number, piece, pickle.loads(pickle.dumps(work.do(pickle.loads(pickle.dumps(piece)))))


HERE = ThisProcess("here")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder, 8)
    return folder


def lines(out: Path) -> list[dict[str, Any]]:
    files = sorted((out / "predictions").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def named(found: list[dict[str, Any]]) -> list[str]:
    return sorted(line["file"] for line in found)


def test_every_image_has_the_line_that_one_machine_writes(model: Path, images: Path, tmp_path: Path) -> None:
    (images / "train" / "broken.jpg").write_bytes(b"nothing")
    try:
        done = predict_on_cluster(
            model, images, cluster=HERE, out=tmp_path / "many", recursive=True, log=(log := Issues())
        )
        alone = predict_many(model, images, out=tmp_path / "one", recursive=True, log=Issues())
    finally:
        (images / "train" / "broken.jpg").unlink()
    expected = [json.loads(line) for line in (tmp_path / "one" / "predictions.jsonl").read_text().splitlines()]
    found = {line["file"]: line for line in lines(tmp_path / "many")}
    assert len(found) == len(expected) == done.images == 8 and done.counts == alone.counts
    for line in expected:
        mine = found[line["file"]]
        assert mine.keys() == line.keys() and mine["counts"] == line["counts"]
        for one, other in zip(mine["detections"], line["detections"], strict=True):
            assert np.allclose(one["box"], other["box"], atol=0.5)
    manifest = json.loads((tmp_path / "many" / "manifest.json").read_text())
    assert manifest["complete"] and manifest["shards"] == {"predictions/00000.jsonl": 8} and manifest["failed"] == 1
    (failure,) = [json.loads(line) for line in (tmp_path / "many" / "failed.jsonl").read_text().splitlines()]
    assert failure["error"] == "ImageError" and failure["file"].endswith("broken.jpg")
    assert [issue.code for issue in log].count("image_not_read") == 1


def test_shards_have_a_number_of_lines(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "LINES_A_SHARD", 3)
    predict_on_cluster(model, images / "train", cluster=HERE, out=tmp_path, log=Issues())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert list(manifest["shards"].values()) == [3, 3]
    assert [path.name for path in sorted((tmp_path / "predictions").iterdir())] == ["00000.jsonl", "00001.jsonl"]


class BrokenOff(ThisProcess):
    """Ends after two pieces of work."""

    def results(self, work: Any, items: Sequence[Any], log: Any) -> Iterator[Any]:
        for number, result in enumerate(super().results(work, items, log)):
            if number == 2:
                raise KeyboardInterrupt
            yield result


@pytest.mark.parametrize("cut", [False, True], ids=["whole lines", "a line cut off"])
def test_a_run_that_was_broken_off_is_gone_on_with(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    monkeypatch.setattr(shards, "LINES_A_SHARD", 4)
    settings: dict[str, Any] = {"out": tmp_path, "recursive": True, "log": Issues()}
    with pytest.raises(KeyboardInterrupt):
        predict_on_cluster(model, images, cluster=BrokenOff("here"), **settings)
    begun = named(lines(tmp_path))
    assert len(begun) == 5 and not json.loads((tmp_path / "manifest.json").read_text())["complete"]
    if cut:
        newest = max((tmp_path / "predictions").iterdir())
        newest.write_bytes(newest.read_bytes()[:-20])
    log = Issues()
    done = predict_on_cluster(model, images, cluster=HERE, resume=True, **{**settings, "log": log})
    assert done.images == 8 and len(set(named(lines(tmp_path)))) == len(lines(tmp_path)) == 8
    assert f"going on after {5 - cut} images" in [str(issue) for issue in log]
    again = predict_on_cluster(model, images, cluster=HERE, resume=True, **settings)
    assert again.images == 8 and again.counts == done.counts and len(lines(tmp_path)) == 8


def test_without_resume_the_shards_are_new_ones(model: Path, images: Path, tmp_path: Path) -> None:
    predict_on_cluster(model, images, cluster=HERE, out=tmp_path, recursive=True, log=Issues())
    predict_on_cluster(model, images / "val", cluster=HERE, out=tmp_path, log=Issues())
    assert len(lines(tmp_path)) == 2


def test_another_run_is_not_gone_on_with(model: Path, images: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"cluster": HERE, "out": tmp_path, "log": Issues()}
    predict_on_cluster(model, images / "val", **settings)
    with pytest.raises(RecipeError, match="not the run that was begun"):
        predict_on_cluster(model, images / "train", resume=True, **settings)


def test_a_node_with_another_model_is_an_error(model: Path, images: Path, tmp_path: Path) -> None:
    own = shutil.copytree(model, tmp_path / "model")

    class Elsewhere(ThisProcess):
        def results(self, work: Any, items: Sequence[Any], log: Any) -> Iterator[Any]:
            model_folder(own, names=("balloon", "cake"))
            return super().results(work, items, log)

    with pytest.raises(ClusterError, match="with something else") as caught:
        predict_on_cluster(own, images / "val", cluster=Elsewhere("there"), out=tmp_path / "out", log=Issues())
    assert caught.value.parts["field"] == "model"


def test_one_document_of_all_images_is_refused(model: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="one document"):
        predict_on_cluster(model, images, cluster=HERE, out=tmp_path, save=["coco"], log=Issues())


def test_workers_write_the_pictures(model: Path, images: Path, tmp_path: Path) -> None:
    predict_on_cluster(model, images / "val", cluster=HERE, out=tmp_path, pictures=True, log=Issues())
    assert len(list(tmp_path.glob("*.jpg"))) == 2


def test_an_evaluation_is_that_of_one_machine(model: Path, images: Path) -> None:
    settings: dict[str, Any] = {"split": "all", "bootstrap": 0, "log": Issues()}
    here, alone = evaluate(model, images, cluster=HERE, **settings), evaluate(model, images, **settings)
    assert [len(item) for item in here.predictions] == [len(item) for item in alone.predictions]
    for one, other in zip(here.predictions, alone.predictions, strict=True):
        assert np.allclose(one.boxes, other.boxes, atol=0.5)


def test_images_that_cannot_be_read_are_left_out_of_an_evaluation(model: Path, images: Path, tmp_path: Path) -> None:
    data = shutil.copytree(images, tmp_path / "party")
    first = min((data / "val").glob("*.jpg"))
    first.write_bytes(first.read_bytes()[:200])
    settings: dict[str, Any] = {"split": "val", "bootstrap": 0}
    here = evaluate(model, data, cluster=HERE, log=Issues(), **settings)
    alone = evaluate(model, data, log=Issues(), **settings)
    assert [record.image for record in here.data] == [record.image for record in alone.data] and len(here.data) == 1
    assert [str(issue) for issue in here.issues] == [str(issue) for issue in alone.issues]
    with pytest.raises(ImageError, match="gone"):
        PredictedImages.of(here.data, [ImageError("gone")])


def test_a_check_finds_the_duplicates_that_one_machine_finds(images: Path, tmp_path: Path) -> None:
    data = shutil.copytree(images, tmp_path / "party")
    first, second = sorted((data / "train").glob("*.jpg"))[:2]
    second.write_bytes(first.read_bytes())
    here, alone = check(data, cluster=HERE), check(data)
    assert here.to_dict() == alone.to_dict() and any(here.issues.values())


# --- on Ray ---------------------------------------------------------------------------------------------
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_on_ray_every_image_has_a_line(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "ITEMS_A_PIECE", 2)
    done = predict_on_cluster(model, images, cluster=Cluster("local"), out=tmp_path, recursive=True, log=Issues())
    assert done.images == 8 and len(set(named(lines(tmp_path)))) == 8


@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_no_cluster_at_an_address_is_an_error(model: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no Ray cluster answers"):
        predict_on_cluster(model, images, cluster=Cluster("nowhere"), out=tmp_path, recursive=True, log=Issues())


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_there_is_a_hint(model: Path, images: Path, tmp_path: Path) -> None:
    from maskwright.errors import MissingExtra

    with pytest.raises(MissingExtra, match="needs Ray") as caught:
        predict_on_cluster(model, images, cluster=Cluster("local"), out=tmp_path, recursive=True, log=Issues())
    assert "[ray]" in caught.value.parts["fix"]
