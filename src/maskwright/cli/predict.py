"""maskwright predict: the objects of photos."""

from __future__ import annotations

from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import Console


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.argument("sources", nargs=-1, required=True)
@options.out("A folder for pictures and results.", default=Path("predictions"), show_default=True)
@options.choosing
@click.option("--save-json", is_flag=True, help="predictions.json: boxes, scores, masks as run lengths.")
@click.option("--save-jsonl", is_flag=True, help="predictions.jsonl: the same, one line a photo.")
@click.option("--save-csv", is_flag=True, help="predictions.csv: one line an object; of a classifier, one a photo.")
@click.option(
    "--save-coco", is_flag=True, help="coco_results.json: a COCO results list; coco_images.json: what its numbers mean."
)
@click.option("--save-masks", is_flag=True, help="masks/: one PNG an object.")
@click.option("--save-crops", is_flag=True, help="crops/: each object cut out, the rest transparent.")
@click.option("--no-pictures", is_flag=True, help="Do not draw.")
@options.running
@options.console
def command(
    model: str,
    sources: tuple[str, ...],
    out: Path,
    threshold: float | None,
    classes: tuple[str, ...] | None,
    size: int | None,
    no_pictures: bool,
    names: tuple[str, ...] | None,
    device: str,
    precision: str,
    console: Console,
    **saved: bool,
) -> int:
    """Find the objects of photos; with a classifier, say what each photo shows.

    \b
      maskwright predict balloons party.jpg
      maskwright predict runs/rust inspection/ --save-csv --save-masks --out found/

    A source is a file, a folder, a pattern, an address, or - for standard input.
    """
    from maskwright.jobs.predict import predict

    save = [name.removeprefix("save_") for name, wanted in saved.items() if wanted]
    done = predict(
        model,
        list(sources),
        out=out,
        threshold=threshold,
        classes=classes,
        save=save,
        pictures=not no_pictures,
        size=size,
        names=names,
        device=device,
        precision=precision,
        progress=console.progress,
    )
    return tell_counts(done, out, console)


def tell_counts(done, out: Path, console: Console) -> int:
    """Counts of each class a photo, and what could not be read; the exit code."""
    facts = {
        "photos": [each.facts() for each in done.photos],
        "counts": done.counts(),
        "failed": [error.facts() for error in done.failed],
        "files": done.files,
    }

    def tell() -> None:
        for each in done.photos:
            counts = ", ".join(f"{count} {name}" for name, count in each.counts().items())
            console.show(f"{each.photo}: {each.verdict or counts or 'nothing found'}")
        if len(done.photos) > 1:
            total = ", ".join(f"{count} {name}" for name, count in done.counts().items())
            console.show(f"{len(done.photos)} photos: {total or 'nothing found'}")

    console.result(facts, tell)
    for error in done.failed:
        console.say(str(error))
    if done.files and any(each.verdict for each in done.photos):
        console.say(f"written: {', '.join(str(file) for file in done.files)}")
    if any(each.files for each in done.photos):
        console.say(f"pictures in {out}")
    return 1 if done.failed else 0
