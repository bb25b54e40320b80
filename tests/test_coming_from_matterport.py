"""The page for people who come from matterport: its sample calls parse, its tables name what is there."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.finders import SAMPLES
from mrcnn.keras_model import KerasModel

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "coming-from-matterport.md").read_text("utf-8")
CALLS = re.findall(r"^python -m mrcnn\.samples\.(\w+) (.*)$", PAGE, re.MULTILINE)


class Reached(Exception):
    """The options were understood: a model is about to be made."""


@pytest.fixture
def at_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def make_model(*args: Any, **kwargs: Any) -> None:
        raise Reached

    for name in SAMPLES:
        monkeypatch.setattr(importlib.import_module(f"mrcnn.samples.{name}"), "make_model", make_model)


@pytest.mark.usefixtures("at_the_model")
@pytest.mark.parametrize(("sample", "words"), CALLS)
def test_every_call_of_a_sample_is_understood(sample, words, capsys):
    with pytest.raises(Reached):
        importlib.import_module(f"mrcnn.samples.{sample}").command(shlex.split(words))


@pytest.mark.usefixtures("at_the_model")
def test_a_wrong_option_would_be_noticed(capsys):
    with pytest.raises(SystemExit):
        importlib.import_module("mrcnn.samples.balloon").command(["train", "--images=balloon", "--weights=coco"])


def test_every_sample_is_called():
    assert {sample for sample, _ in CALLS} == set(SAMPLES)


def names(row: str) -> list[str]:
    """The names in the second column of a table's row."""
    detections = re.search(rf"^\| `{row}` \| (.*) \|$", PAGE, re.MULTILINE)
    assert detections, row
    return re.findall(r"`(\w+)(?:\(\))?`", detections[1])


@pytest.mark.parametrize(("row", "module"), [("mrcnn.model", modellib), ("mrcnn.utils", utils)])
def test_names_on_the_page_are_there(row, module):
    assert [name for name in names(row) if not hasattr(module, name)] == []


def test_methods_on_the_page_are_there():
    (told,) = re.findall(r"^A model has (.*)$", PAGE, re.MULTILINE)
    own, keras = told.split("; its `keras_model` has ")
    methods = re.findall(r"`(\w+)`", own)
    assert len(methods) > 10 and [name for name in methods if not hasattr(modellib.MaskRCNN, name)] == []
    known = [name for name in re.findall(r"`(\w+)`", keras) if name != "layers"]  # layers: of an object only
    assert known and [name for name in known if not hasattr(KerasModel, name)] == []


@pytest.mark.parametrize("name", ["ProposalLayer", "DetectionLayer", "resnet_graph", "fpn_classifier_graph"])
def test_pieces_of_a_graph_are_refused_by_name(name):
    assert f"`mrcnn.model.{name}`" in PAGE or f"`{name}`" in PAGE
    with pytest.raises(AttributeError, match="TensorFlow graph"):
        getattr(modellib, name)


DOWNLOADS = {  # sample -> its call in the original's tutorials
    "coco": "train --dataset=coco --model=coco",
    "gdxray": "evaluate --dataset=data --series=Castings --model=last",
}


@pytest.mark.parametrize("sample", DOWNLOADS)
@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("", False),
        ("--download", True),
        ("--download=True", True),
        ("--download=False", False),
        ("--download no", False),
    ],
)
def test_download_is_spelled_as_in_the_tutorials(sample, option, expected):
    import argparse

    from mrcnn.samples.starting import add_download

    parser = argparse.ArgumentParser()
    add_download(parser, sample)
    assert parser.parse_args(shlex.split(option)).download is expected


@pytest.mark.parametrize("sample", DOWNLOADS)
@pytest.mark.usefixtures("at_the_model")
def test_a_literal_false_fetches_nothing_and_goes_on(sample):
    with pytest.raises(Reached):
        importlib.import_module(f"mrcnn.samples.{sample}").command(shlex.split(DOWNLOADS[sample] + " --download=False"))


@pytest.mark.parametrize("sample", DOWNLOADS)
def test_a_download_that_is_neither_true_nor_false_is_an_error(sample, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"mrcnn.samples.{sample}").command(
            shlex.split(DOWNLOADS[sample] + " --download=perhaps")
        )
    assert "True or False is wanted, not 'perhaps'" in capsys.readouterr().err


def test_a_literal_true_fetches_the_pictures(monkeypatch):
    from mrcnn.samples import gdxray

    fetched = []
    monkeypatch.setattr(gdxray, "obtain", lambda name, folder: fetched.append((name, folder.name)))

    def reached(*args, **kwargs):
        raise Reached

    monkeypatch.setattr(gdxray, "make_model", reached)
    with pytest.raises(Reached):
        gdxray.command(shlex.split(DOWNLOADS["gdxray"] + " --download=True"))
    assert fetched == [("castings", "Castings")]
