"""The whole way once, on a party set rendered on the spot: data, training, figures, pictures, a page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskwright import files, formats
from maskwright.errors import OutputError
from maskwright.jobs.data import Say
from maskwright.jobs.evaluate import Evaluated, evaluate
from maskwright.jobs.results import write_picture
from maskwright.jobs.train import Trained, train
from maskwright.pictures import outlines
from maskwright.pictures import splash as splashing
from maskwright.prediction.predictor import Predictor, load
from maskwright.progress import Progress, silent
from maskwright.report import page, sections
from maskwright.synth.scene import render_set
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.sources import bundled_names

PHOTOS, SIZE, SHOWN = 60, (360, 480), 6
CANVAS = 384
PAGE = "report.html"


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
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Demo:
    """Render a party, train on it for about `seconds`, judge, splash, and write it all on one page.

    out  a folder of its own; what an earlier demo left there is replaced, anything else is an error
    """
    began, out = time.monotonic(), Path(out)
    _clear(out)
    say(f"1/5  rendering {PHOTOS} party photos with their outlines (VIA) into {out / 'party'}")
    render_set("balloons", PHOTOS, out / "party", seed=seed + 2024, val=0.3, size=SIZE, progress=progress)
    say("2/5  reading them back, as your own would be")
    data = formats.read(out / "party")
    for name, part in data.splits().items():
        say(f"     {name}: {len(part)} photos, {part.instance_count} balloons")
    say(f"3/5  training for {seconds:.0f} seconds")
    weights = "bundled" if bundled_names() else "none"
    trained = train(
        out / "party",
        name="run",
        out=out,
        weights=weights,
        size=CANVAS,
        time_budget=seconds,
        seed=seed,
        device=device,
        precision=precision,
        progress=progress,
        say=lambda line: say(f"     {line}"),
    )
    say("4/5  judging the best epoch, with intervals")
    find = load(trained.model, device=device, precision=precision)
    evaluated = evaluate(find, data, split="val", seed=seed, progress=progress)
    say("5/5  drawing, splashing, counting")
    gallery, counts = _draw(find, evaluated.data, out, progress)
    files.write_text(out / PAGE, _page(trained, evaluated, gallery, counts, time.monotonic() - began))
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
    find: Predictor, held: Dataset, out: Path, progress: Progress
) -> tuple[list[sections.Picture], dict[str, int]]:
    """Pictures of the first held-out photos (photo, outlines, splash), and the counts on all of them."""
    gallery, counts = [], {}
    for place, record in enumerate(progress(held.records, total=len(held), label="drawing", unit="photos")):
        photo = find.open(record.photo)
        found = find(photo)
        for name, count in found.counts().items():
            counts[name] = counts.get(name, 0) + count
        if place >= SHOWN:
            continue
        pair = np.vstack([outlines.draw(photo, found), splashing.splash(photo, found)])
        write_picture(pair, out / "pictures" / f"{record.photo.stem}.jpg")
        truth = 0 if record.instances is None else len(record.instances)
        gallery.append(sections.Picture(pair, f"{record.photo.name}: {len(found)} found, {truth} there"))
    return gallery, counts


def _page(
    trained: Trained, evaluated: Evaluated, gallery: list[sections.Picture], counts: dict[str, int], seconds: float
) -> str:
    history = RunFolder(trained.folder).history()
    figures = [
        sections.Figure(f"{kind.kind} {name}", getattr(kind, name), kind.intervals.get(name))
        for kind in (evaluated.figures.mask, evaluated.figures.box)
        if kind is not None
        for name in ("AP", "AP50")
    ]
    curves = [
        sections.Series(
            name, [row["epoch"] for row in history if key in row], [row[key] for row in history if key in row]
        )
        for name, key in (("mask AP", "mask_AP"), ("mask AP50", "mask_AP50"), ("box AP50", "box_AP50"))
    ]
    return page.render(
        "A party, found",
        [
            sections.Gallery("Photos the network has never seen", gallery, note="outlines above, splash below"),
            sections.Figures(
                "How well it does",
                figures,
                note=f"{evaluated.figures.photos} held-out photos; bootstrap over photos",
            ),
            sections.Lines("While it learnt", curves, range_y=(0.0, 1.0), label_y="average precision"),
            sections.Facts(
                "This run",
                {
                    "photos": f"{PHOTOS} rendered, {evaluated.figures.photos} of them held out",
                    "trained for": f"{trained.seconds:.0f} s, {trained.epochs} epochs",
                    "balloons counted": sum(counts.values()),
                    "balloons there": evaluated.figures.truths,
                    "everything together": f"{seconds:.0f} s",
                },
            ),
            sections.Text(
                "Next: your own photos",
                [
                    "Draw outlines in VIA, or a tool that writes COCO files, and put the file beside the photos.",
                    "maskwright show FOLDER",
                    "maskwright train FOLDER --time-budget 20m --name mine",
                    "maskwright splash runs/mine PHOTO",
                ],
            ),
        ],
        "maskwright demo",
    )
