"""maskwright predict: the objects of images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import RecipeError

if TYPE_CHECKING:
    from maskwright.prediction.options import InferenceOptions


@click.command(options_metavar="[options]")
@click.argument("model", type=str, metavar="[MODEL]")
@click.argument("sources", nargs=-1, metavar="SOURCES...")
@options.out("A folder for pictures and results.", default=Path("predictions"), show_default=True)
@options.inference("threshold", "size", "tile", "names", "device", "precision")
@options.classes
@click.option("--save-json", is_flag=True, help="predictions.json: boxes, scores, masks as run lengths.")
@click.option("--save-jsonl", is_flag=True, help="predictions.jsonl: the same, one line an image.")
@click.option("--save-csv", is_flag=True, help="predictions.csv: one line an object; of a classifier, one an image.")
@click.option(
    "--save-coco", is_flag=True, help="coco_results.json: a COCO results list; coco_images.json: what its numbers mean."
)
@click.option("--save-masks", is_flag=True, help="masks/: one PNG an object.")
@click.option("--save-crops", is_flag=True, help="crops/: each object cut out, the rest transparent.")
@click.option("--no-pictures", is_flag=True, help="Do not draw.")
@click.option("--screen", metavar="CLASSIFIER", help="In place of MODEL: ask this one first ...")
@click.option("--then", metavar="DETECTOR", help="... and this one only where the classifier says so.")
@click.option("--screen-class", metavar="NAME", help="What is screened for.  [default: by its operating point]")
@click.option(
    "--screen-threshold", type=click.FloatRange(0, 1), metavar="SCORE", help="From which score on.  [default: its own]"
)
@click.option(
    "--sort-into", type=click.Path(path_type=Path), metavar="DIR", help="Copy each image into a folder by prediction."
)
@click.option("--move", is_flag=True, help="Move it there instead.")
@click.option("--watch", is_flag=True, help="Wait for images to come into a folder, until Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(0.05, 3600), metavar="SECONDS", default=1.0, show_default=True,
    help="How often --watch looks.",
)  # fmt: skip
@options.follow_source_links
@options.console
def command(
    model: str,
    sources: tuple[str, ...],
    out: Path,
    inference: InferenceOptions,
    classes: tuple[str, ...] | None,
    no_pictures: bool,
    screen: str | None,
    then: str | None,
    screen_class: str | None,
    screen_threshold: float | None,
    sort_into: Path | None,
    move: bool,
    watch: bool,
    every: float,
    follow_links: bool,
    console: Console,
    **saved: bool,
) -> int:
    """Find the objects of images; with a classifier, say what each image shows.

    \b
      maskwright predict balloons party.jpg
      maskwright predict runs/rust inspection/ --save-csv --save-masks --out found/
      maskwright predict --screen runs/rust --then runs/rust-boxes bridge/
      maskwright predict runs/rust belt/ --watch --sort-into sorted/ --move
      maskwright predict runs/party party.mp4 --save-jsonl

    A source is a file, a folder, a pattern, an address, or - for standard input; or a video.
    """
    from maskwright.api.predict import load_screening, predict
    from maskwright.cli.videos import look_at, videos_among
    from maskwright.prediction.predictor import load

    _fit_together(screen, then, screen_class, screen_threshold, sort_into, move)
    images = [model, *sources] if screen else list(sources)
    options.need_sources(model, tuple(images), "predict")
    out = options.beside_data(out, [Path(image) for image in images if Path(image).is_dir()], console)
    if videos := videos_among(images, _unfit(saved, no_pictures, screen, sort_into, watch)):
        return look_at(model, videos, out, console, inference, lines=saved["save_jsonl"], classes=classes)
    if watch and len(images) > 1:
        raise RecipeError("one folder is watched", field="SOURCES", expected="a folder", got=f"{len(images)} sources")
    find = (
        load_screening(
            screen,
            then,
            name=screen_class,
            screen_threshold=screen_threshold,
            options=inference,
            progress=console.progress,
        )
        if screen and then
        else load(model, inference, progress=console.progress)
    )
    settings = {
        "out": out,
        "classes": classes,
        "save": [name.removeprefix("save_") for name, expected in saved.items() if expected],
        "pictures": not no_pictures,
        "sort_into": sort_into,
        "move": move,
        "follow_links": follow_links,
    }
    if watch:
        return watching(find, images[0], every, settings, console)
    done = predict(find, images, progress=console.progress, say=console.say, **settings)
    return tell_counts(done, out, console)


def _unfit(saved: dict[str, bool], no_pictures: bool, screen: str | None, sort_into: Path | None, watch: bool) -> list:
    """The options given that are for images alone."""
    given = {f"--{name.replace('_', '-')}": expected for name, expected in saved.items() if name != "save_jsonl"}
    given |= {"--no-pictures": no_pictures, "--screen": screen, "--sort-into": sort_into, "--watch": watch}
    return [option for option, expected in given.items() if expected]


def _fit_together(
    screen: str | None, then: str | None, screen_class: str | None, screen_threshold: float | None,
    sort_into: Path | None, move: bool,
) -> None:  # fmt: skip
    """Options that make sense only beside another one."""
    given = {
        "--screen": screen, "--then": then, "--screen-class": screen_class, "--screen-threshold": screen_threshold,
        "--sort-into": sort_into, "--move": move or None,
    }  # fmt: skip
    needs = {"--screen": "--then", "--then": "--screen", "--screen-class": "--screen", "--screen-threshold": "--screen",
             "--move": "--sort-into"}  # fmt: skip
    for option, other in needs.items():
        if given[option] is not None and given[other] is None:
            raise RecipeError(f"{option} stands beside {other}", field=option, expected=other, got="nothing")


def watching(find, folder: str, every: float, settings: dict, console: Console) -> int:
    """A line an image, as they come; Ctrl-C ends it well."""
    from maskwright.api.watch import Unread, watch

    called: dict[str, int] = {}
    came = watch(find, folder, every=every, **settings)
    for line in find.introduction():
        console.say(line)
    console.say(f"watching {folder}; one line an image goes to {settings['out'] / 'predictions.jsonl'}; Ctrl-C ends it")
    try:
        for said in came:
            word = "unreadable" if isinstance(said, Unread) else said.called
            called[word] = called.get(word, 0) + 1
            if isinstance(said, Unread):
                console.say(said.error)
            else:
                console.show(f"{said.image}: {_words(said)}" + (f" -> {said.sorted}" if said.sorted else ""))
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    counts = ", ".join(f"{count} {name}" for name, count in called.items())
    count = sum(called.values())
    console.result({"images": count, "predictions": called}, f"{count} images{counts and ': '}{counts}")
    return 0


def _words(each) -> str:
    """What was said of an image: scores of a classifier, counts of a detector, or both."""
    counts = ", ".join(f"{count} {name}" for name, count in each.instances.counts().items())
    if each.screened is None:
        return str(each.image_labels or counts or "nothing found")
    said = f"{each.called} ({each.screened.name} {each.screened.score:.2f})"
    return f"{said}; {counts or 'nothing found'}" if each.screened.looked else said


def tell_counts(done, out: Path, console: Console) -> int:
    """Counts of each class an image, and what could not be read; the exit code."""
    facts = {
        "images": [image.facts() for image in done.images],
        "counts": done.counts(),
        "failed": [error.facts() for error in done.failed],
        "files": done.files,
    }
    if done.spared is not None:
        facts["screening"] = {"looked": len(done.images) - done.spared, "spared": done.spared}

    def tell() -> None:
        for image in done.images:
            console.show(f"{image.image}: {_words(image)}")
        total = ", ".join(f"{count} {name}" for name, count in done.counts().items()) or "nothing found"
        if done.spared is not None:
            predictions = ", ".join(f"{count} {name}" for name, count in done.predictions().items())
            looked = len(done.images) - done.spared
            console.show(f"{len(done.images)} images: {predictions}")
            console.show(f"the detector looked at {looked} and was spared {done.spared}: {total}")
        elif len(done.images) > 1:
            console.show(f"{len(done.images)} images: {total}")

    console.result(facts, tell)
    for error in done.failed:
        console.say(error)
    if done.files:
        console.say(f"written: {', '.join(str(file) for file in done.files)}")
    if any(image.files for image in done.images):
        console.say(f"pictures in {out}")
    if any(image.sorted for image in done.images):
        counts = ", ".join(f"{count} {name}" for name, count in done.predictions().items())
        console.say(f"sorted: {counts}")
    return 1 if done.failed else 0
