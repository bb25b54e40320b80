"""maskwright predict: the objects of images and videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import browser, options
from maskwright.cli.console import Console
from maskwright.errors import RecipeError
from maskwright.text import counted, listed

if TYPE_CHECKING:
    from maskwright.api.results import Predicted, Prediction
    from maskwright.prediction.options import InferenceOptions

BESIDE = {  # option -> the one it needs
    "screen": "then", "then": "screen", "screen_class": "screen", "screen_threshold": "screen", "open_page": "screen",
    "move": "sort_into",
}  # fmt: skip
IMAGES_ONLY = ("save_json", "save_csv", "save_coco", "save_parquet", "save_masks", "save_crops", "screen", "sort_into",
               "watch", "recursive")  # fmt: skip
VIDEOS_ONLY = ("show", "track", "two_pass", "save_tracks", "frames", "count_line", "zone")
ALL_AT_ONCE = ("save_json", "save_csv", "save_coco", "screen", "sort_into")  # what needs the results of all images


@click.command(options_metavar="[options]")
@click.argument("model", type=str, metavar="[MODEL]")
@click.argument("sources", nargs=-1, metavar="SOURCES...")
@options.out("A folder for pictures and results.", default=Path("predictions"), show_default=True)
@options.inference("threshold", "size", "tile", "names", "device", "precision", "engine")
@options.classes
@click.option("--save-json", is_flag=True, help="predictions.json: boxes, scores, masks as run lengths.")
@click.option("--save-jsonl", is_flag=True, help="predictions.jsonl: the same, one line an image.")
@click.option("--save-csv", is_flag=True, help="predictions.csv: one line an object; of a classifier, one an image.")
@click.option(
    "--save-coco", is_flag=True, help="coco_results.json: a COCO results list; coco_images.json: what its numbers mean."
)
@click.option("--save-parquet", is_flag=True, help="predictions.parquet/: a row an image, 10,000 rows a file.")
@click.option("--save-masks", is_flag=True, help="masks/: one PNG an object.")
@click.option("--save-crops", is_flag=True, help="crops/: each object cut out, the rest transparent.")
@click.option("--track", is_flag=True, help="In videos: follow objects from frame to frame, each with an identity.")
@click.option("--two-pass", is_flag=True, help="In videos: join identities over gaps, once the whole video is known.")
@click.option("--save-tracks", is_flag=True, help="In videos: VIDEO.tracks.csv, a row a track, VIDEO.mot.txt, a page.")
@click.option("--frames", type=click.Path(path_type=Path), metavar="DIR",
              help="In videos: also each drawn frame as a file.")  # fmt: skip
@click.option("--count-line", callback=options.counting, multiple=True, metavar="X1,Y1,X2,Y2",
              help="In videos: count who crosses a line. Can be given several times.")  # fmt: skip
@click.option("--zone", callback=options.counting, multiple=True, metavar="X1,Y1,X2,Y2,X3,Y3,...",
              help="In videos: count who is in a zone.  Can be given several times.")  # fmt: skip
@click.option("--show", is_flag=True, help="Of a camera or stream: show the newest frame, in a window or on a page.")
@options.resume
@options.video_times
@click.option("--no-pictures", is_flag=True, help="Do not draw: no pictures, no new video.")
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
    "--every", type=click.FloatRange(0.05, 3600), metavar="N",
    help="In videos: only every second (2), third (3), ... frame. With --watch: seconds between looks.  [default: 1]",
)  # fmt: skip
@browser.option
@options.recursive
@options.follow_source_links
@options.cluster
@options.console
def command(
    model: str, sources: tuple[str, ...], out: Path, inference: InferenceOptions, console: Console, **chosen: Any
) -> int:
    """Detect the objects of images; with a classifier, predict the labels of images.

    \b
      maskwright predict balloons party.jpg
      maskwright predict runs/rust bridges/ --recursive --save-csv --out found/
      maskwright predict --screen runs/rust --then runs/rust-boxes bridge/
      maskwright predict runs/rust belt/ --watch --sort-into sorted/ --move
      maskwright predict runs/party party.mp4 --track --save-jsonl
      maskwright predict runs/party 0 --show --track
      maskwright predict runs/party archive/ --ray local --no-pictures --save-jsonl

    A source is a file, a folder, a pattern, an address, or - for standard input; or a video. A folder with --fps is
    the frames of a video; a number a camera; rtsp://... and http://....mjpg are streams; screen is the screen.
    """
    from maskwright.api.predict import load_screening, predict
    from maskwright.cli.live import live_among, predict_live_and_show
    from maskwright.cli.videos import predict_and_show, videos_among
    from maskwright.prediction.options import AS_TRAINED

    _check_combinations(chosen)
    images = [model, *sources] if chosen["screen"] else list(sources)
    options.need_sources(model, tuple(images), "predict")
    out = options.beside_data(out, [Path(image) for image in images if Path(image).is_dir()], console)
    unfit = [f"--{name.replace('_', '-')}" for name in IMAGES_ONLY if chosen[name]]
    unfit += ["--ray"] if chosen["cluster"] else []
    if live := live_among(images, chosen, unfit):
        return predict_live_and_show(model, live, chosen, console, out=out, options=inference)
    if videos := videos_among(images, unfit, frames=chosen["fps"] is not None):
        settings = {"lines": chosen["save_jsonl"], "pictures": not chosen["no_pictures"], "classes": chosen["classes"]}
        counting = chosen["count_line"] + chosen["zone"]
        settings |= {
            "track": bool(chosen["track"] or chosen["two_pass"] or chosen["save_tracks"] or counting),
            "two_pass": chosen["two_pass"],
            "save_tracks": chosen["save_tracks"],
            "frames": chosen["frames"],
            "counting": counting,
            "resume": chosen["resume"],
            "timing": options.timing_of(chosen),
        }
        return predict_and_show(model, videos, console, out=out, options=inference, **settings)
    _check_images(chosen)
    if chosen["cluster"] is not None:
        _refuse_beside_ray(chosen)
    if chosen["watch"] and len(images) > 1:
        raise RecipeError("one folder is watched", field="SOURCES", expected="a folder", got=f"{len(images)} sources")
    settings: dict[str, Any] = {
        "out": out,
        "classes": chosen["classes"],
        "save": [name.removeprefix("save_") for name in chosen if name.startswith("save_") and chosen[name]],
        "pictures": not chosen["no_pictures"],
        "sort_into": chosen["sort_into"],
        "move": chosen["move"],
        "follow_links": chosen["follow_links"],
        "options": inference,
        "progress": console.progress,
        "log": console.log,
    }
    if chosen["cluster"] is not None or _image_by_image(chosen, console):
        return _predict_many(model, images, chosen, settings, console)
    predictor: Any = model
    if chosen["screen"]:
        predictor = load_screening(
            chosen["screen"], chosen["then"], name=chosen["screen_class"], screen_threshold=chosen["screen_threshold"],
            options=inference, progress=console.progress,
        )  # fmt: skip
        settings["options"] = AS_TRAINED
    if chosen["watch"]:
        return _watch(predictor, images[0], chosen["every"] or 1.0, settings, console)
    code = show_predictions(predict(predictor, images, recursive=chosen["recursive"], **settings), console)
    if chosen["open_page"]:
        browser.show_page(out / "screening.html", console)
    return code


def _check_combinations(chosen: dict[str, Any]) -> None:
    """Options that make sense only together with another one."""
    for name, other in BESIDE.items():
        if chosen[name] not in (None, False) and chosen[other] is None:
            option, needed = (f"--{item.removesuffix('_page').replace('_', '-')}" for item in (name, other))
            raise RecipeError(f"{option} stands beside {needed}", field=option, expected=needed, got="nothing")


def _check_images(chosen: dict[str, Any]) -> None:
    """What images do not have, and what excludes each other."""
    for name in VIDEOS_ONLY:
        if chosen[name]:
            raise RecipeError("this is for videos", field=f"--{name.replace('_', '-')}", expected="a video",
                              got="images")  # fmt: skip
    options.refuse_times(chosen)
    if chosen["watch"] and chosen["recursive"]:
        raise RecipeError("one folder is watched, and not those in it", field="--recursive", expected="--watch alone",
                          got="both")  # fmt: skip


def _refuse_beside_ray(chosen: dict[str, Any]) -> None:
    """What one machine does for all images together, or as they come."""
    for name in (*ALL_AT_ONCE, "watch"):
        if chosen[name]:
            raise RecipeError("this is done on one machine", field=f"--{name.replace('_', '-')}",
                              expected="with --ray: --save-jsonl, --save-parquet, --save-masks, --save-crops",
                              got="both")  # fmt: skip


def _image_by_image(chosen: dict[str, Any], console: Console) -> bool:
    """Whether results go to files as they come, so that a run that is broken off can be gone on with."""
    together = [name for name in (*ALL_AT_ONCE, "watch") if chosen[name]]
    if chosen["resume"] and together:
        raise RecipeError("this needs all images at once", field=f"--{together[0].replace('_', '-')}",
                          expected="with --resume: --save-jsonl, --save-parquet, --save-masks, --save-crops",
                          got="both")  # fmt: skip
    return not together and (chosen["resume"] or chosen["save_jsonl"] or not console.json)


def _predict_many(
    model: str, images: list[str], chosen: dict[str, Any], settings: dict[str, Any], console: Console
) -> int:
    """A line an image, as they come."""
    for name in ("sort_into", "move"):
        del settings[name]
    settings |= {"recursive": chosen["recursive"], "resume": chosen["resume"]}
    if chosen["cluster"] is not None:
        from maskwright.api.predict_on_cluster import predict_on_cluster

        result = predict_on_cluster(model, images, cluster=chosen["cluster"], **settings)
    else:
        from maskwright.api.many_images import predict_many

        settings["on_prediction"] = lambda prediction: console.show(f"{prediction.image}: {_summary(prediction)}")
        result = predict_many(model, images, **settings)
    total = "" if result.images < 2 else f"{counted(result.images, 'image')}: {listed(result.counts, 'nothing found')}"
    console.result(result.to_dict() if console.json else {}, total or None)
    return 1 if result.failed else 0


def _watch(predictor: Any, folder: str, every: float, settings: dict[str, Any], console: Console) -> int:
    """A line an image, as they come; Ctrl-C ends it well."""
    from maskwright.api.predict import IMAGE_NOT_READ
    from maskwright.api.watch import Unread, watch

    counts: dict[str, int] = {}
    try:
        for prediction in watch(predictor, folder, every=every, **settings):
            called = "unreadable" if isinstance(prediction, Unread) else prediction.called
            counts[called] = counts.get(called, 0) + 1  # before its line is seen: Ctrl-C may come right after it
            if isinstance(prediction, Unread):
                console.log(IMAGE_NOT_READ(images=[prediction.image], error=prediction.error))
            else:
                moved = f" -> {prediction.sorted}" if prediction.sorted else ""
                console.show(f"{prediction.image}: {_summary(prediction)}{moved}")
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    total = sum(counts.values())
    console.result({"images": total, "predictions": counts}, f"{total} images{': ' if counts else ''}{listed(counts)}")
    return 0


def _summary(prediction: Prediction) -> str:
    """The scores of a classifier, the counts of a detector, or both."""
    counts = listed(prediction.instances.counts(), "nothing found")
    if prediction.screened is None:
        return str(prediction.image_labels or counts)
    screened = f"{prediction.called} ({prediction.screened.name} {prediction.screened.score:.2f})"
    return f"{screened}; {counts}" if prediction.screened.looked else screened


def show_predictions(predicted: Predicted, console: Console) -> int:
    """Counts of each class an image; the exit code says whether an image could not be read."""

    def show() -> None:
        for image in predicted.images:
            console.show(f"{image.image}: {_summary(image)}")
        total = listed(predicted.counts(), "nothing found")
        if predicted.spared is not None:
            looked = len(predicted.images) - predicted.spared
            console.show(f"{len(predicted.images)} images: {listed(predicted.predictions())}")
            console.show(f"the detector looked at {looked} and was spared {predicted.spared}: {total}")
        elif len(predicted.images) > 1:
            console.show(f"{counted(len(predicted.images), 'image')}: {total}")

    console.result(predicted.to_dict(), show)
    return 1 if predicted.failed else 0
