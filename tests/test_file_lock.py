"""A lock on what is written bit by bit: the second run is refused, and a killed one leaves nothing locked."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image
from tiny_runs import Seer, model_folder

from maskwright.api.many_images import predict_many
from maskwright.cli.main import main
from maskwright.errors import OutputError
from maskwright.file_lock import locked
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector

HOLDER = """
import sys
from pathlib import Path
from maskwright.file_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_file_is_locked_once_and_nothing_stays_of_the_lock(tmp_path):
    file = tmp_path / ("n" * 250)
    with locked(file):
        with pytest.raises(OutputError, match="another run is writing there"), locked(file):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(file):
        pass
    assert not list(tmp_path.iterdir())


def test_an_error_in_the_block_opens_the_lock(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "a"):
        raise RuntimeError
    with locked(tmp_path / "a"):
        pass


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path):
    file = tmp_path / "predictions.jsonl"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(OutputError), locked(file):
            pass
        process.kill()
        process.wait(30)
    with locked(file):
        pass
    assert not list(tmp_path.iterdir())


def test_a_second_run_into_one_folder_is_refused_and_disturbs_no_first_one(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "b.png")
    refused = []

    def second(_: object) -> None:
        with pytest.raises(OutputError) as error:
            predict_many(Detector(Seer()), tmp_path / "b.png", out=tmp_path / "out", log=Issues())
        refused.append(error.value)

    sources = [tmp_path / "a.png", tmp_path / "b.png"]
    done = predict_many(Detector(Seer()), sources, out=tmp_path / "out", on_prediction=second, log=Issues())
    assert (done.images, len(refused)) == (2, 2) and refused[0].parts["file"] == str(
        tmp_path / "out" / "predictions.jsonl"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.jsonl"]


def test_the_command_says_in_one_error_that_another_run_is_writing(tmp_path, capsys):
    model = model_folder(tmp_path / "model")
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out" / "predictions.jsonl"):
        asked = ["predict", str(model), str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--resume"]
        with pytest.raises(SystemExit) as ended:
            main([*asked, "--save-jsonl"])
    assert ended.value.code != 0
    shown = capsys.readouterr().err
    assert "another run is writing there" in shown and "--out" in shown and "Traceback" not in shown
    assert not list((tmp_path / "out").iterdir())
