"""maskwright serve: models behind an HTTP API, and a page to try them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install
from maskwright.issues import Kind

if TYPE_CHECKING:
    from maskwright.prediction.options import InferenceOptions

SERVING = Kind("serving", "info", "{models} at {url}; Ctrl-C ends it")


@click.command(options_metavar="[options]")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; others need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N",
              help="0 takes a free one.")  # fmt: skip
@click.option("--allow-host", multiple=True, metavar="NAME", help="A further name of this machine, behind a proxy.")
@click.option("--label-studio", default="", metavar="URL", help="The Label Studio whose images are fetched.")
@click.option("--max-megabytes", type=click.IntRange(1), default=50, show_default=True, metavar="N",
              help="Of an image.")  # fmt: skip
@click.option("--max-megapixels", type=click.IntRange(1), default=100, show_default=True, metavar="N",
              help="Of an image.")  # fmt: skip
@click.option("--queue", type=click.IntRange(1), default=32, show_default=True, metavar="N",
              help="Requests held at once; more get 429.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N",
              help="Images predicted together.")  # fmt: skip
@options.inference("threshold", "size", "tile", "names", "device", "precision")
@options.console
def command(models: tuple[str, ...], inference: InferenceOptions, console: Console, **chosen: Any) -> None:
    """Answer predictions over HTTP, and show a page to drop images on.

    \b
      maskwright serve balloons
      maskwright serve runs/rust runs/party --port 9000
      curl --data-binary @party.jpg http://127.0.0.1:8000/predict

    Only this machine can ask, unless --host says otherwise. Every request from elsewhere needs a token: the one in
    MASKWRIGHT_TOKEN, or one that is made and shown at the start.
    """
    try:
        from maskwright.web import server
        from maskwright.web.serving import serving
    except ImportError as error:
        raise MissingExtra("a server needs starlette and uvicorn", fix=how_to_install("maskwright[web]")) from error
    from maskwright.prediction.loading import load
    from maskwright.web.access import Access, access_to
    from maskwright.web.label_studio import ImagesFrom
    from maskwright.web.limits import Limits
    from maskwright.web.served import named

    host = chosen["host"]
    access: Access = access_to(host, os.environ.get("MASKWRIGHT_TOKEN"), chosen["allow_host"])
    with server.listen(host, chosen["port"]) as sock:
        predictors = {name: load(model, inference, progress=console.progress)
                      for name, model in named(list(models)).items()}  # fmt: skip
        for predictor in predictors.values():
            for issue in predictor.introduction():
                console.log(issue)
        limits = Limits(max_bytes=chosen["max_megabytes"] * 1_000_000, queue=chosen["queue"], batch=chosen["batch"],
                        max_pixels=chosen["max_megapixels"] * 1_000_000)  # fmt: skip
        images_from = ImagesFrom(chosen["label_studio"], os.environ.get("LABEL_STUDIO_API_KEY", ""))
        app = serving(predictors, access, console.log, limits, images_from)
        url = server.address_of(sock, host) + ("" if access.token is None else f"/?token={access.token}")
        server.run(app, sock, limits, ready=lambda: console.log(SERVING(models=list(predictors), url=url)))
