"""maskwright label: draw objects on images, in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install
from maskwright.issues import Kind

LABELING = Kind("labeling", "info", "{count:image} at {url}; saved to {file}; Ctrl-C ends it")


@click.command(options_metavar="[options]")
@click.argument("images", type=click.Path(path_type=Path), metavar="IMAGES")
@click.option("--model", metavar="MODEL", help="Suggests objects, to accept, change or reject.")
@click.option("--out", "-o", type=click.Path(path_type=Path), metavar="FILE",
              help="Where labels are saved.  [default: the file that was read, or labels.json]")  # fmt: skip
@click.option("--format", type=click.Choice(["via", "coco", "datumaro", "cvat"]), help="Of a new file.")
@click.option("--classes", metavar="A,B", callback=options.several, help="Classes, beside those in the file.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="[default: a free one]")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@options.console
def command(
    images: Path, model: str | None, out: Path | None, format: str | None, classes: tuple[str, ...] | None, port: int,
    show: bool, console: Console,
) -> None:  # fmt: skip
    """Draw objects on images in the browser, with a model's help; train on them there.

    \b
      maskwright label party/
      maskwright label party/via_region_data.json --model balloons
      maskwright label scans/ --out scans.json --format coco --classes crack,pore

    IMAGES is a folder, or an annotation file. The page works on this machine only, and loads nothing from elsewhere.
    Every change is saved at once; images are never written to.
    """
    try:
        from maskwright.web import server
        from maskwright.web.label_clicks import ClickedImages
        from maskwright.web.labeling import labeling
    except ImportError as error:
        raise MissingExtra("a server needs starlette and uvicorn", fix=how_to_install("maskwright[web]")) from error
    from maskwright.prediction.detector import require_detector
    from maskwright.prediction.loading import load
    from maskwright.web.access import Access, new_token
    from maskwright.web.label_opening import open_labels
    from maskwright.web.label_store import LabelStore
    from maskwright.web.limits import Limits
    from maskwright.web.served import named

    runs = options.beside_data(Path("runs"), [images], console)
    target = open_labels(images.expanduser(), out, format)
    predictor = None if model is None else (next(iter(named([model]))), require_detector(load(model)))
    missing = ClickedImages.missing()
    clicks = None if missing else ClickedImages()
    with server.listen("127.0.0.1", port) as sock:
        store, access, limits = LabelStore(target, console.log), Access(token=new_token(), open=()), Limits()
        store.classes.add(classes or ())
        url = f"{server.address_of(sock, '127.0.0.1')}/?token={access.token}"

        def ready() -> None:
            console.log(LABELING(count=len(store.images), url=url, file=str(target.file)))
            if show:
                click.launch(url)

        server.run(labeling(store, access, console.log, limits, predictor, clicks, runs, missing), sock, limits, ready)
