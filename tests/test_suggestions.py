"""What is offered for a name nobody knows: the likely one, or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import model_folder

from maskwright import suggestions
from maskwright.cli.main import PLACES, commands, main
from maskwright.cli.misspelt import long_options
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.suggestions import SYNONYMS, nearest, option_meant
from maskwright.training.defaults import from_options
from maskwright.weights import sources

NETWORKS = ("mask_rcnn_r50", "mask_rcnn_r50_v2", "small", "vgg16", "vgg19")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == ""
    return err


# --- names ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("mask_rcnn_r5O", NETWORKS, "mask_rcnn_r50"),
        ("mask-rcnn-r50", NETWORKS, "mask_rcnn_r50"),
        ("Small", NETWORKS, "small"),
        ("smlal", NETWORKS, "small"),
        ("mask_rcnn", NETWORKS, "mask_rcnn_r50"),
        ("vgg18", NETWORKS, "vgg16"),
        ("yolo", NETWORKS, None),
        ("balon", ("balloons", "coco"), "balloons"),
        ("alon", ("balloons", "coco"), None),
        ("model", ("move", "mode"), "mode"),
        ("model", ("move", "size"), None),
        ("conf", ("json", "size"), None),
        ("a", ("b", "c"), None),
        ("", ("b", "c"), None),
        ("cc", ("cc",), None),
    ],
)
def test_a_slip_is_mended_and_a_far_name_is_not_offered(name, known, meant):
    assert nearest(name, known) == meant


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=5))
def test_what_is_offered_is_known_and_never_what_was_said(name, known):
    near = nearest(name, known)
    assert near is None or (near in known and near != name)


def test_a_name_is_never_answered_with_itself():
    assert str(UnknownName("model", "cc", ["cc", "dd"])) == 'UnknownName: no model "cc". There are: cc, dd.'


def test_a_run_without_a_model_is_said_to_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "cc" / "last").mkdir(parents=True)
    with pytest.raises(WeightsError, match="this run has no model yet"):
        sources.model_folder("cc")
    with pytest.raises(UnknownName, match=r'no model "cd"\. There are: balloons, coco'):
        sources.model_folder("cd")
    model_folder(tmp_path / "runs" / "dd" / "best")
    with pytest.raises(UnknownName, match=r'no model "ddd"\. Did you mean "dd"'):
        sources.model_folder("ddd")


def test_a_start_for_training_is_not_offered_as_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert "small" in sources.bundled_names() and "small" not in sources.usable_names()
    with pytest.raises(UnknownName) as caught:
        sources.model_folder("nonsense")
    assert "balloons" in str(caught.value) and "small" not in str(caught.value)


# --- options --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--conf", "threshold"),
        ("--imgsz", "size"),
        ("--treshold", "threshold"),
        ("--output", "out"),
        ("--nonsense", None),
    ],
)
def test_an_unknown_option_of_predict_gets_the_one_that_is_meant_or_none(capsys, option, meant):
    err = said(capsys, "predict", "balloons", "x.jpg", option, "1")
    first = f"No such option '{option}'." + (f" Did you mean '--{meant}'?" if meant else "")
    assert err.splitlines()[0] == first
    assert "--json" not in err.splitlines()[0]


def test_an_unknown_option_obeys_json(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "balloons", "x.jpg", "--conf", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == "UsageError" and "--threshold" in told["message"]


def test_an_argument_written_as_an_option_is_said_to_have_its_place(capsys):
    err = said(capsys, "predict", "--model", "balloons", "x.jpg")
    assert err.startswith("RecipeError: MODEL is an argument, not an option")
    assert "move" not in err and "maskwright predict MODEL SOURCES..." in err


def test_every_word_of_other_tools_leads_to_an_option_that_some_command_has():
    known = {name for command in PLACES for name in long_options(commands.get_command(None, command))}  # type: ignore[arg-type]
    for word, ours in SYNONYMS.items():
        assert set(ours) <= known, word
        assert word not in known or option_meant(word, [word, *ours]) in ours


def test_options_of_python_are_answered_alike():
    with pytest.raises(UnknownName, match='Did you mean "epochs"'):
        from_options(epoch=3)
    with pytest.raises(UnknownName, match='Did you mean "batch"'):
        from_options(batch_size=3)
    with pytest.raises(UnknownName, match='Did you mean "size"'):
        from_options(imgsz=3)


# --- MODEL and SOURCES ----------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["predict", "splash"])
@pytest.mark.parametrize("source", ["x.jpg", "X.PNG", "party.mp4", "images", "*.jpg", "-"])
def test_images_without_a_model_are_told_to_name_one(capsys, tmp_path, monkeypatch, command, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    err = said(capsys, command, source)
    assert err.startswith("RecipeError: with which model?") and f"maskwright {command} balloons {source}" in err


def test_a_model_without_images_is_told_to_name_some(capsys, tmp_path):
    folder = str(model_folder(tmp_path / "run" / "best").parent)
    for model in ("balloons", folder):
        assert said(capsys, "predict", model).startswith("RecipeError: which images?")


def test_an_image_in_the_models_place_is_called_one(capsys, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"")
    err = said(capsys, "predict", str(tmp_path / "x.jpg"), "y.jpg")
    assert "this is an image, but a model is expected" in err
    with pytest.raises(RecipeError, match="this is an image"):
        sources.model_folder("nowhere.JPEG")


def test_an_endless_name_is_compared_with_nothing(monkeypatch):
    monkeypatch.setattr(suggestions, "_edit_distance", lambda one, other: pytest.fail("compared"))
    assert suggestions.nearest("small" * 5000, ["small", "mask_rcnn_r50"]) is None
