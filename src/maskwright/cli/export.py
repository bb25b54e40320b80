"""maskwright export: a model for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import RecipeError


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.option(
    "--to",
    type=click.Choice(["onnx", "openvino", "torch"]),
    required=True,
    help="What will run it: ONNX Runtime, OpenVINO, or torch (.pt2).",
)
@options.out("A new folder; it is all that is needed to run the model.", default=Path("exported"), show_default=True)
@options.precision
@click.option("--int8", is_flag=True, help="Quantize to 8 bits, for OpenVINO; needs --calibrate.")
@click.option("--calibrate", metavar="DATA", help="Labeled images: some calibrate int8, the others measure its cost.")
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    metavar="FRACTION",
    default=0.01,
    show_default=True,
    help="Of AP or accuracy that int8 may cost.",
)
@click.option("--images", metavar="PATH", help="Compare on the first 32 images there.  [default: rendered ones]")
@options.names
@options.console
def command(model: str, to: str, out: Path, precision: str, int8: bool, console: Console, **chosen: Any) -> int:
    """Write a model as a folder that runs without torch, and compare it with the original.

    \b
      maskwright export balloons --to onnx --out exported/
      maskwright export runs/party --to openvino --images party/val/
      maskwright export runs/party --to openvino --int8 --calibrate party/
      maskwright export mask_rcnn_balloon.h5 --to onnx --names balloon
      maskwright predict exported/ image.jpg

    Both answer for the same 32 images; where they differ too much, nothing is written. The comparison is kept
    beside the model, in parity.md and parity.json.
    """
    from maskwright.api.export import export

    if int8 and precision != "auto":
        raise RecipeError(
            "two precisions were named", field="--int8, --precision", expected="one of them", got=precision
        )
    exported = export(
        model, to, out=out, precision="int8" if int8 else precision,
        progress=console.progress, log=console.log, **chosen,
    )  # fmt: skip

    def show() -> None:
        parity = exported.parity
        console.show(f"{exported.folder}: {to}, {parity.precision}, {exported.megabytes:.1f} MB")
        for line in (exported.folder / "parity.md").read_text("utf-8").splitlines()[1:]:
            console.show(line)

    console.result(exported.facts(), show)
    return 0
