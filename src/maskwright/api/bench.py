"""Bench: how long a model takes on this machine, stage by stage, in every engine and precision; and which to take."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image as PilImage

from maskwright.engines.settings import EngineSettings, save_settings
from maskwright.errors import DatasetError, MaskwrightError, RecipeError
from maskwright.images.sources import Origin, expand
from maskwright.issues import Kind, Log
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.synth import render
from maskwright.transforms.preprocess import covered
from maskwright.types import Image
from maskwright.weights.card import EXPORT
from maskwright.weights.sources import model_file

STAGES = ("decode", "preprocess", "network", "postprocess")
CANDIDATES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
MAX_IMAGES = 16
ENGINE_NOT_MEASURED = Kind("engine_not_measured", "info", "{engine}, {precision}: not measured, {reason}[ ({fix})]")


@dataclass(frozen=True)
class BenchRow:
    """One engine in one precision; milliseconds an image, medians.

    stages   decode, preprocess, network (with proposals and heads), postprocess
    total    of an image;  cpu  of all threads together
    peak_mb  largest memory of a process that loads the model and predicts one image; None where this is unknown
    """

    engine: str
    precision: str
    stages: dict[str, float]
    total: float
    cpu: float
    peak_mb: float | None = None

    def facts(self) -> dict[str, Any]:
        rounded = {name: round(value, 2) for name, value in self.stages.items()}
        return {
            "engine": self.engine, "precision": self.precision, "stages_ms": rounded, "total_ms": round(self.total, 2),
            "cpu_ms": round(self.cpu, 2), "peak_mb": None if self.peak_mb is None else round(self.peak_mb, 1),
        }  # fmt: skip


@dataclass(frozen=True)
class Benched:
    """The rows, the fastest first, how many images were predicted in each round, and where the first row is saved."""

    rows: tuple[BenchRow, ...]
    images: int
    saved: Path | None = None

    @property
    def recommended(self) -> BenchRow:
        return self.rows[0]

    def facts(self) -> dict[str, Any]:
        best = self.recommended
        return {
            "images": self.images,
            "recommended": {"engine": best.engine, "precision": best.precision},
            "rows": [row.facts() for row in self.rows],
            **({} if self.saved is None else {"saved": str(self.saved)}),
        }


def bench(
    model: str | Path,
    images: Origin | Sequence[Origin] | None = None,
    *,
    rounds: int = 5,
    size: int | None = None,
    save: bool = False,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Benched:
    """Measure a model in every engine that is installed, by turns, after one round that is not counted.

    images  at most 16 are taken; None: a rendered one of 640x480 pixels
    size    long side of the network input in pixels; None: the model's
    save    the fastest is what `engine="auto"` means from now on, for all models of ours on this machine's CPU

    >>> maskwright.bench("balloons").recommended.engine
    'openvino'
    """
    progress, log = reporting(verbose, progress, log)
    if rounds < 1:
        raise RecipeError("at least one round is needed", field="rounds", expected="1 and more", got=rounds)
    folder = model_file(model, progress)
    candidates = _candidates(folder, save)
    sources = _images(images)
    runs = []
    for engine, precision in candidates:
        options = InferenceOptions(engine=engine, precision=precision, size=size, device="cpu")
        try:
            runs.append(_Run(load(folder, options, progress=progress), options))
        except MaskwrightError as error:
            if engine in (None, "torch"):
                raise
            fix = error.parts.get("fix", "")
            log(ENGINE_NOT_MEASURED(engine=engine, precision=precision, reason=error.headline, fix=fix))
    for number in progress(range(rounds + 1), total=rounds + 1, label="measuring", unit="rounds"):
        for run in runs:
            for source in sources:
                run.measure(source, counted=number > 0)
    rows = [replace(run.row(), peak_mb=_peak_megabytes(folder, run.options)) for run in runs]
    done = Benched(tuple(sorted(rows, key=lambda row: row.cpu)), len(sources))
    best = done.recommended
    return replace(done, saved=save_settings(EngineSettings(best.engine, best.precision))) if save else done


def _candidates(folder: Path, save: bool) -> Sequence[tuple[str | None, str | None]]:
    """The engines and precisions to measure; an exported model has its own, which are no default for others."""
    if not (folder / EXPORT).is_file():
        return CANDIDATES
    if save:
        raise RecipeError(
            "an exported model always runs in the engine that it was exported for",
            file=folder, field="save", expected="a model of ours", fix="measure the model that was exported",
        )  # fmt: skip
    return [(None, None)]


def _images(images: Origin | Sequence[Origin] | None) -> list[Any]:
    if images is None:
        stream = io.BytesIO()
        PilImage.fromarray(render("balloons", 3, (480, 640)).image).save(stream, "JPEG", quality=90)
        return [stream.getvalue()]
    found = expand(images)[:MAX_IMAGES]
    if not found:
        raise DatasetError("there are no images to predict", field="IMAGES", got=images)
    return list(found)


@dataclass
class _Run:
    """A loaded model and what it has taken so far, in seconds."""

    predictor: Predictor[Any]
    options: InferenceOptions
    spent: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})
    cpu: list[float] = field(default_factory=list)

    def measure(self, source: Any, counted: bool) -> None:
        began = time.process_time()
        seconds: dict[str, float] = {}

        def timed(stage: str, work: Callable[[], Any]) -> Any:
            start = time.perf_counter()
            result = work()
            seconds[stage] = time.perf_counter() - start
            return result

        predictor = self.predictor
        image = timed("decode", lambda: predictor.open(source))
        network_input, transform = timed("preprocess", lambda: predictor.engine.fit(image, predictor.size))
        (raw,) = timed("network", lambda: list(predictor.engine.run([network_input], [covered(transform)])))
        timed("postprocess", lambda: predictor.postprocess(raw, transform))
        if counted:
            self.cpu.append(time.process_time() - began)
            for stage, value in seconds.items():
                self.spent[stage].append(value)

    def row(self) -> BenchRow:
        stages = {name: 1e3 * statistics.median(values) for name, values in self.spent.items()}
        engine: Any = self.predictor.engine
        name = getattr(engine, "runtime", "torch")
        return BenchRow(name, engine.precision, stages, sum(stages.values()), 1e3 * statistics.median(self.cpu))


def _peak_megabytes(model: Path, options: InferenceOptions) -> float | None:
    """Of a process of its own, which multiprocessing could not start from a script without a main guard."""
    if sys.platform == "win32":
        return None
    code = "import sys; from maskwright.api.bench import peak_of_one; print(peak_of_one(*sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(model), json.dumps(options.given())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def peak_of_one(model: str, options: str) -> float:
    """Megabytes that this process has taken at most after one prediction; options as JSON."""
    load(Path(model), InferenceOptions(**json.loads(options)))(Image(render("balloons", 3, (480, 640)).image))
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage there counts what the process that started this one had taken
        peak = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1e3
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
