"""maskwright export: a model for another runtime."""

from __future__ import annotations

from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import Console


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.option(
    "--to", type=click.Choice(["onnx", "openvino"]), required=True, help="What will run it: ONNX Runtime or OpenVINO."
)
@options.out("A new folder; it is all that is needed to run the model.", default=Path("exported"), show_default=True)
@options.precision
@click.option("--images", metavar="PATH", help="Compare on the first 32 images there.  [default: rendered ones]")
@options.console
def command(model: str, to: str, out: Path, precision: str, images: str | None, console: Console) -> int:
    """Write a model as a folder that runs without torch, and compare it with the original.

    \b
      maskwright export balloons --to onnx --out exported/
      maskwright export runs/party --to openvino --images party/val/
      maskwright predict exported/ image.jpg

    Both answer for the same 32 images; where they differ too much, nothing is written. The comparison is kept
    beside the model, in parity.md and parity.json.
    """
    from maskwright.api.export import export

    exported = export(
        model, to, out=out, precision=precision, images=images, progress=console.progress, log=console.log
    )

    def show() -> None:
        parity = exported.parity
        console.show(f"{exported.folder}: {to}, {parity.precision}, {exported.megabytes:.1f} MB")
        for line in (exported.folder / "parity.md").read_text("utf-8").splitlines()[1:]:
            console.show(line)

    console.result(exported.facts(), show)
    return 0
