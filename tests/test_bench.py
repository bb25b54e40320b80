"""Bench: every installed engine is measured stage by stage, and the fastest is recommended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from lively_networks import lively_model

from maskwright.api import bench as module
from maskwright.api.bench import STAGES, Benched, BenchRow, bench
from maskwright.cli.main import commands
from maskwright.engines import protocol
from maskwright.engines.protocol import open_engine
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import DatasetError, MissingExtra, RecipeError
from maskwright.issues import Issues
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions


@pytest.fixture
def quick(monkeypatch):
    """Two engines, and no process of its own for the memory."""
    monkeypatch.setattr(module, "CANDIDATES", (("torch", "fp32"), ("onnx", "fp32")))
    monkeypatch.setattr(module, "_peak_megabytes", lambda *_: 100.0)


def test_each_engine_is_measured_in_every_stage(tmp_path, quick):
    pytest.importorskip("onnxruntime")
    done = bench(lively_model(tmp_path, "small", "classify", ("a", "b"), 64), rounds=2)
    assert {(row.engine, row.precision) for row in done.rows} == {("torch", "fp32"), ("onnx", "fp32")}
    for row in done.rows:
        assert tuple(row.stages) == STAGES and all(value >= 0 for value in row.stages.values())
        assert row.total == pytest.approx(sum(row.stages.values())) and row.peak_mb == 100


def test_the_row_of_least_processor_time_is_recommended():
    rows = tuple(BenchRow(name, "fp32", {}, 1.0, cpu) for name, cpu in (("onnx", 2.0), ("torch", 3.0)))
    assert Benched(rows, 1).facts()["recommended"] == {"engine": "onnx", "precision": "fp32"}


def test_an_engine_that_does_not_load_is_left_out_and_named(tmp_path, quick, monkeypatch):
    def without_onnx(model, options, **settings):
        if options.engine == "onnx":
            raise MissingExtra("the engine onnx is not installed", fix="pip install onnxruntime")
        return load(model, options, **settings)

    monkeypatch.setattr(module, "load", without_onnx)
    issues = Issues()
    done = bench(lively_model(tmp_path, "small", "classify", ("a",), 64), rounds=1, log=issues)
    assert [row.engine for row in done.rows] == ["torch"]
    assert "onnx, fp32: not measured, the engine onnx is not installed (pip install onnxruntime)" in map(str, issues)


def test_the_command_prints_a_table_and_a_recommendation(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", (("torch", "fp32"),))
    folder = lively_model(tmp_path, "small", "classify", ("a",), 64)
    result = CliRunner().invoke(commands, ["bench", str(folder), "--rounds", "1"])
    assert result.exit_code == 0 and "recommended: --engine torch --precision fp32" in result.output
    result = CliRunner().invoke(commands, ["bench", str(folder), "--rounds", "1", "--json", "--quiet"])
    facts = json.loads(result.stdout)
    assert facts["recommended"]["engine"] == "torch" and set(facts["rows"][0]["stages_ms"]) == set(STAGES)


def test_no_rounds_and_no_images_are_errors(tmp_path):
    folder = lively_model(tmp_path / "model", "small", "classify", ("a",), 64)
    with pytest.raises(RecipeError, match="at least one round is needed"):
        bench(folder, rounds=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no image"):
        bench(folder, tmp_path / "empty")


def test_the_memory_of_an_engine_is_that_of_its_own_process(tmp_path):
    """A large block here is not counted."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("this system does not tell")
    block = np.ones(300_000_000, np.uint8)  # bytes
    folder = lively_model(tmp_path, "small", "classify", ("a",), 64)
    peak = module.peak_of_one(str(folder), "{}")
    apart = module._peak_megabytes(folder, InferenceOptions(engine="torch"))
    assert block.nbytes / 1e6 < peak and apart is not None and 50 < apart < peak


# --- saved ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def settings(tmp_path, monkeypatch) -> Path:
    """Where settings are saved; nothing else names an engine."""
    monkeypatch.setenv("MASKWRIGHT_SETTINGS", str(tmp_path / "config" / "settings.json"))
    monkeypatch.delenv("MASKWRIGHT_ENGINE")
    monkeypatch.setattr(protocol.shutil, "which", lambda tool: None)  # no GPU
    return tmp_path / "config" / "settings.json"


def test_only_if_asked_the_recommended_engine_becomes_the_default(tmp_path, quick, settings, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(module, "CANDIDATES", (("onnx", "fp32"),))
    folder = lively_model(tmp_path, "small", "detect", ("a",), 64)
    assert bench(folder, rounds=1).saved is None and not settings.exists()
    result = CliRunner().invoke(commands, ["bench", str(folder), "--rounds", "1", "--save"])
    assert result.exit_code == 0 and f"saved: {settings}" in " ".join(result.output.split())
    assert json.loads(settings.read_text()) == {"engine": "onnx", "precision": "fp32"}
    assert open_engine(folder).describe() == "onnx, fp32"
    assert isinstance(open_engine(folder, "torch"), TorchEngine)  # what is asked for comes first
    monkeypatch.setattr(protocol.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    assert isinstance(open_engine(folder), TorchEngine)  # a GPU, which was not measured


def test_settings_that_cannot_be_read_are_named(tmp_path, settings):
    settings.parent.mkdir()
    settings.write_text('{"motor": "onnx"}')
    with pytest.raises(RecipeError, match="these settings cannot be read") as caught:
        open_engine(lively_model(tmp_path, "small", "detect", ("a",), 64))
    assert caught.value.parts["file"] == str(settings) and "motor" in str(caught.value)


def test_an_exported_model_has_its_engine_and_nothing_to_save(tmp_path, quick, settings):
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(RecipeError, match="an exported model always runs in the engine that it was exported for"):
        bench(tmp_path, save=True)
    assert not settings.exists()
