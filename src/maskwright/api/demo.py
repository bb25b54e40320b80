"""The whole way once, on a party set rendered on the spot: data, training, metrics, pictures, a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import files, formats
from maskwright.api import training_report
from maskwright.api.evaluate import Evaluated, evaluate
from maskwright.api.train import Trained, train
from maskwright.drawing import outlines
from maskwright.drawing import splash as splashing
from maskwright.drawing.pictures import write_picture
from maskwright.errors import OutputError
from maskwright.issues import Issues, Kind, Log
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.report import page, sections
from maskwright.reporting import reporting
from maskwright.synth.scene import render_set
from maskwright.tasks.registry import find_task
from maskwright.text import counted
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.sources import bundled_names

IMAGES, SIZE = 60, (360, 480)
SHOWN, EXAMPLES = 6, 12  # splashed images, and images with their ground truth on the page
INPUT = 384
PAGE = "report.html"
DEMO_RENDERING = Kind(
    "demo_rendering", "info", "1/5  rendering {count} party images with their outlines (VIA) into {folder}"
)
DEMO_READING = Kind("demo_reading", "info", "2/5  reading them back, as your own would be")
DEMO_PART = Kind("demo_part", "info", "{split}: {count:image}, {balloons:balloon}")
DEMO_TRAINING = Kind("demo_training", "info", "3/5  training for {seconds:.0f} seconds")
DEMO_EVALUATING = Kind("demo_evaluating", "info", "4/5  evaluating the best epoch, with intervals")
DEMO_DRAWING = Kind("demo_drawing", "info", "5/5  drawing, splashing, counting")
STEPS = (DEMO_RENDERING, DEMO_READING, DEMO_TRAINING, DEMO_EVALUATING, DEMO_DRAWING)


@dataclass(frozen=True)
class Demo:
    """Where everything is, and what came out."""

    folder: Path
    report: Path
    trained: Trained
    evaluated: Evaluated
    counts: dict[str, int]
    seconds: float


def demo(
    out: str | Path = "runs/demo",
    *,
    seconds: float = 60.0,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Demo:
    """Render a party, train on it for about `seconds`, evaluate, splash, and write it all on one page.

    out  a folder of its own; what an earlier demo left there is replaced, anything else is an error
    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own
    """
    progress, log = reporting(verbose, progress, log)
    began, out = time.monotonic(), Path(out)
    _clear(out)
    log(DEMO_RENDERING(count=IMAGES, folder=out / "party"))
    render_set("balloons", IMAGES, out / "party", seed=seed + 2024, val=0.3, size=SIZE, progress=progress)
    log(DEMO_READING())
    data = formats.read(out / "party")
    for name, part in data.splits().items():
        log(DEMO_PART(split=name, count=len(part), balloons=part.instance_count))
    log(DEMO_TRAINING(seconds=seconds))
    weights = "bundled" if bundled_names() else "none"
    trained = train(
        out / "party",
        name="run",
        out=out,
        weights=weights,
        size=INPUT,
        time_budget=seconds,
        seed=seed,
        device=device,
        precision=precision,
        progress=progress,
        log=log,
    )
    log(DEMO_EVALUATING())
    find = load(trained.model, InferenceOptions(device=device, precision=precision))
    evaluated = evaluate(find, data, split="val", seed=seed, progress=progress, log=Issues())
    log(DEMO_DRAWING())
    gallery, counts = _draw(find, evaluated.data, out, progress)
    few = Dataset(evaluated.data.name, evaluated.data.names, evaluated.data.records[:EXAMPLES])
    examples = find_task(find.card.task).examples(
        find, few, "Images the model has never seen", "correct and missed at IoU 0.5"
    )
    files.write_text(out / PAGE, _page(trained, evaluated, [examples], gallery, counts, time.monotonic() - began))
    return Demo(out, out / PAGE, trained, evaluated, counts, time.monotonic() - began)


def _clear(out: Path) -> None:
    import shutil

    if out.exists() and any(out.iterdir()):
        if not (out / "party").is_dir() and not (out / PAGE).is_file():
            raise OutputError("this folder is not an earlier demo", file=out, fix="name a new folder with --out")
        for name in ("party", "run", "pictures"):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / PAGE).unlink(missing_ok=True)


def _draw(
    find: Predictor[Any], held: Dataset, out: Path, progress: Progress
) -> tuple[list[sections.Picture], dict[str, int]]:
    """The first held-out images splashed, and the counts on all of them; pictures with outlines go into files too."""
    gallery, counts = [], {}
    for index, record in enumerate(progress(held.records, total=len(held), label="drawing", unit="images")):
        image = find.open(record.image)
        detections = find(image)
        for name, count in detections.counts().items():
            counts[name] = counts.get(name, 0) + count
        if index >= SHOWN:
            continue
        splashed = splashing.splash(image, detections)
        pair = np.vstack([outlines.draw(image, detections), splashed])
        write_picture(pair, out / "pictures" / f"{record.image.stem}.jpg")
        gallery.append(sections.Picture(splashed, f"{record.image.name}: {counted(len(detections), 'balloon')}"))
    return gallery, counts


def _page(
    trained: Trained, evaluated: Evaluated, examples: Sequence[sections.Section], gallery: list[sections.Picture],
    counts: dict[str, int], seconds: float,
) -> str:  # fmt: skip
    history = RunFolder(trained.folder).history()
    metrics = [
        sections.MetricRow(f"{kind.kind} {name}", getattr(kind, name), kind.intervals.get(name))
        for kind in (evaluated.metrics.mask, evaluated.metrics.box)
        if kind is not None
        for name in ("AP", "AP50")
    ]
    columns = {"mask AP": "mask_AP", "mask AP50": "mask_AP50", "box AP50": "box_AP50"}
    heading, drawn = "Average precision on the validation images", training_report.curves(history, columns)
    curves = [sections.Lines(heading, drawn, range_y=(0.0, 1.0))] if len(history) > 1 else []
    return page.render(
        "maskwright demo",
        [
            *examples,
            sections.Gallery("Color splash", gallery),
            sections.MetricTable(
                "Metrics",
                metrics,
                note=f"{counted(evaluated.metrics.images, 'held-out image')}; bootstrap over images",
            ),
            *training_report.losses(history),
            *curves,
            sections.Facts(
                "This run",
                {
                    "images": f"{IMAGES} rendered, {evaluated.metrics.images} of them held out",
                    "epochs": trained.epochs,
                    "trained for": f"{trained.seconds:.0f} s",
                    "balloons detected": sum(counts.values()),
                    "balloons in the ground truth": evaluated.metrics.ground_truths,
                    "total time": f"{seconds:.0f} s",
                },
            ),
            sections.Text(
                "Next: your own images",
                [
                    "Draw outlines in VIA, or a tool that writes COCO files, and put the file beside the images. Then:",
                    "`maskwright show FOLDER`",
                    "`maskwright train FOLDER --time-budget 20m --name mine`",
                    "`maskwright splash runs/mine IMAGE`",
                ],
            ),
        ],
        f"dataset party, {IMAGES} rendered images; model small, {trained.seconds:.0f} seconds of training",
    )
