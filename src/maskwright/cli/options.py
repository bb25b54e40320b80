"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from maskwright.cli.console import Console
from maskwright.errors import RecipeError
from maskwright.issues import Kind

WRITTEN_ELSEWHERE = Kind(
    "written_elsewhere", "info", "the current folder belongs to the data, so it is not written there but to {folder}"
)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def console(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json, --quiet, --debug; the function gets `console` instead of the three."""

    @click.option("--json", "as_json", is_flag=True, help="Results as one JSON document on stdout.")
    @click.option("--quiet", is_flag=True, help="No warnings, no progress bars.")
    @click.option("--debug", is_flag=True, help="Show where an error came from.")
    @click.pass_context
    @functools.wraps(function)
    def with_console(
        context: click.Context, /, *arguments: Any, as_json: bool, quiet: bool, debug: bool, **options: Any
    ) -> Any:
        console = context.find_object(Console) or Console()
        console.json, console.quiet, console.debug = as_json, quiet, debug
        return function(*arguments, console=console, **options)

    return with_console


def several(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """A,B as ("A", "B"); None where nothing was said."""
    return tuple(item.strip() for item in value.split(",")) if value else None


device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU where there is one.",
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of the arithmetic; auto takes bf16 where the processor has it natively.",
)
engine = click.option(
    "--engine",
    type=click.Choice(["auto", "torch", "openvino", "onnx"]),
    default="auto",
    show_default=True,
    help="What runs the network; auto: for detectors on a CPU openvino, the fastest there, where it is installed; else "
    "torch; or what the model was exported for.",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Another seed, another draw; the same seed, the same result.",
)
allow_faulty = click.option(
    "--allow-faulty", is_flag=True, help="Leave faulty records out, even where they are many, and name them."
)
class_attribute = click.option(
    "--class-attribute", metavar="NAME", help="Which of VIA's region attributes holds the class.  [default: found out]"
)
images = click.option(
    "--images",
    type=click.Choice(["copy", "link"]),
    default="copy",
    show_default=True,
    help="How images come into the new folder; link: as hard links, which take no space.",
)
connected_components = click.option(
    "--connected-components",
    is_flag=True,
    help="Masks that tell no objects apart: each connected part is one object.",
)
annotation_files = click.option(
    "--annotations",
    metavar="NAME",
    help="Of a folder read only annotation files of this name, in train, val and test alike; * stands for anything.",
)
follow_links = click.option(
    "--follow-links", is_flag=True, help="Follow links that lead out of DATA; otherwise they are left out and named."
)
follow_source_links = click.option(
    "--follow-links", is_flag=True, help="Follow links in a folder that lead out of it; otherwise they are named."
)

recursive = click.option(
    "--recursive", is_flag=True, help="Also the images of folders in a folder; what is written keeps these folders."
)


def cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """--ray and --ray-cores; the function gets `cluster`, a Cluster or None, instead of the two."""

    @click.option(
        "--ray",
        "address",
        metavar="ADDRESS",
        help="On a Ray cluster: local (this machine's cores), auto, or HOST:PORT; `pip install maskwright[ray]`.",
    )
    @click.option(
        "--ray-cores", type=click.IntRange(1), metavar="N", help="With --ray: cores of each worker.  [default: 1]"
    )
    @functools.wraps(function)
    def with_cluster(*arguments: Any, address: str | None, ray_cores: int | None, **chosen: Any) -> Any:
        from maskwright.cluster.cluster import Cluster

        if address is None and ray_cores is not None:
            raise RecipeError("--ray-cores stands beside --ray", field="--ray-cores", expected="--ray", got="nothing")
        gpus = 1 if getattr(chosen.get("inference"), "device", None) == "cuda" else 0
        made = None if address is None else Cluster(address, ray_cores or 1, gpus)
        return function(*arguments, cluster=made, **chosen)

    return with_cluster


def reading(function: Callable[..., Any]) -> Callable[..., Any]:
    """How annotation files are read: the `ReadOptions`."""
    return class_attribute(connected_components(annotation_files(follow_links(allow_faulty(function)))))


data = click.argument("data", type=click.Path(path_type=Path))


size = click.option(
    "--size",
    type=click.IntRange(32, 8192),
    metavar="PIXELS",
    help="Long side of what the network sees.  [default: the model's]",
)
tile = click.option(
    "--tile",
    type=click.IntRange(0, 65536),
    metavar="PIXELS",
    help="Look at larger images in tiles of so many image pixels a side; 0: always whole.  [default: the model's]",
)
threshold = click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Take objects from this score on.  [default: the model's]",
)
classes = click.option("--classes", metavar="A,B", callback=several, help="Only these classes.")
resume = click.option("--resume", is_flag=True, help="Go on where a run that was broken off had been.")
names = click.option(
    "--names",
    metavar="A,B",
    callback=several,
    help="The classes of a .h5 file of matterport's, in order, without the background.",
)
INFERENCE = {"threshold": threshold, "size": size, "tile": tile, "names": names, "device": device,
             "precision": precision, "engine": engine}  # fmt: skip


def number(context: click.Context, parameter: click.Parameter, value: str | None) -> Fraction | None:
    """25, 29.97, 30000/1001 or 4x; None where nothing was said."""
    try:
        return None if value is None else Fraction(value.lower().removesuffix("x"))
    except (ValueError, ZeroDivisionError) as error:
        raise RecipeError(
            "this is no number", field=parameter.opts[0], expected=parameter.metavar, got=value
        ) from error


TIMES = {  # option of videos -> field of Timing
    "from": "start", "to": "end", "fps": "fps", "slow": "slow",
}  # fmt: skip


def video_times(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which frames of a video are taken, and when they are shown: for `timing_of`."""
    for option in (
        click.option("--slow", callback=number, metavar="4x", help="In videos: slow motion, without sound."),
        click.option("--fps", callback=number, metavar="RATE", help="In videos: at a constant rate, such as 25."),
        click.option("--to", type=click.FloatRange(0), metavar="SECONDS", help="In videos: end there."),
        click.option("--from", type=click.FloatRange(0), metavar="SECONDS", help="In videos: begin there."),
    ):
        function = option(function)
    return function


def counting(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> list[Any]:
    """x1,y1,x2,y2 as a CountLine; of --zone three points or more."""
    from maskwright.video.counting import CountLine, Zone

    shapes: list[Any] = []
    for text in value:
        try:
            numbers = [float(item) for item in text.split(",")]
            points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
            shapes.append(Zone(points) if parameter.name == "zone" else CountLine(*points))
        except (ValueError, TypeError) as error:
            raise RecipeError("these are no points", field=parameter.opts[0], expected=parameter.metavar,
                              got=text) from error  # fmt: skip
    return shapes


def timing_of(chosen: dict[str, Any]) -> Any:
    """The `Timing` of a video."""
    from maskwright.video.timing import Timing

    given = {field: chosen[name] for name, field in TIMES.items() if chosen[name] is not None}
    return Timing(every=1 if chosen["every"] is None else chosen["every"], **given)


def refuse_times(chosen: dict[str, Any]) -> None:
    """Images have none."""
    for name in TIMES:
        if chosen[name] is not None:
            raise RecipeError("this is for videos", field=f"--{name}", expected="a video", got="images")


def inference(*chosen: str) -> Decorator:
    """The options of `InferenceOptions` with these names; the function gets the record as `inference`."""

    def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def collected(*arguments: Any, **given: Any) -> Any:
            from maskwright.prediction.options import InferenceOptions

            record = InferenceOptions(**{name: given.pop(name) for name in chosen})
            return function(*arguments, inference=record, **given)

        for name in reversed(chosen):
            collected = INFERENCE[name](collected)
        return collected

    return with_options


def need_sources(model: str, sources: tuple[str, ...], command: str) -> None:
    """MODEL and SOURCES: with one word alone it says which of the two is missing."""
    if sources:
        return
    from maskwright.images.sources import IMAGE_ENDINGS
    from maskwright.video.read import is_video
    from maskwright.weights.card import CARD

    path = Path(model)
    folder = path.is_dir() and not any((path / part / CARD).is_file() for part in ("", "best"))
    if folder or is_video(model) or model == "-" or "*" in model or path.suffix.lower() in IMAGE_ENDINGS:
        raise RecipeError("with which model?", field="MODEL", expected="a model, then images", got=f"{model} alone",
                          fix=f"maskwright {command} balloons {model}; `maskwright models` lists them")  # fmt: skip
    raise RecipeError("which images?", field="SOURCES", expected="images, after the model", got="nothing",
                      fix=f"maskwright {command} {model} IMAGES")  # fmt: skip


def out(help: str, **settings: Any) -> Decorator:
    """--out PATH, -o PATH, with what lands there in the help."""
    return click.option("--out", "-o", type=click.Path(path_type=Path), metavar="PATH", help=help, **settings)


def beside_data(out: Path, data: Iterable[Path], console: Console) -> Path:
    """`out`, or beside the data where nobody named it and the current folder is part of them.

    A sheet or a run among the images would be an image, or a class, the next time the folder is read.
    """
    if click.get_current_context().get_parameter_source("out") is not ParameterSource.DEFAULT:
        return out
    here = Path.cwd()
    for path in data:
        home = _home(path)
        if home is not None and (here == home or home in here.parents):
            console.log(WRITTEN_ELSEWHERE(folder=str(home.parent / out)))
            return home.parent / out
    return out


def _home(data: Path) -> Path | None:
    """The folder of a whole dataset: party for party/train, party/annotations/a.json; None where there is none."""
    from maskwright.formats.listing import LABEL_FOLDERS, SPLIT_FOLDERS

    folder = data.expanduser().resolve()
    folder = folder if folder.is_dir() else folder.parent
    for _ in range(2):
        if folder.name.casefold() in (*LABEL_FOLDERS, *SPLIT_FOLDERS, "images", "masks"):
            folder = folder.parent
    return folder if folder.is_dir() and folder.parent != folder else None


def new_data(function: Callable[..., Any]) -> Callable[..., Any]:
    """OUT, or --out PATH: where a new dataset is written; the function gets `out`."""

    @click.argument("out", type=click.Path(path_type=Path), required=False, metavar="OUT")
    @click.option(
        "--out", "-o", "named", type=click.Path(path_type=Path), metavar="PATH", help="OUT by another spelling."
    )
    @functools.wraps(function)
    def with_out(*arguments: Any, out: Path | None, named: Path | None, **options: Any) -> Any:
        if (out is None) == (named is None):
            got = "none" if out is None else f"{out} and --out {named}"
            raise RecipeError(
                "where to write must be said once", field="OUT", expected="one new folder or file", got=got
            )
        return function(*arguments, out=out or named, **options)

    return with_out
