"""maskwright convert: the same annotations in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console

FORMATS = (
    "voc",
    "coco",
    "via",
    "boxes-csv",
    "tfrecord",
    "labels-csv",
    "class-folders",
    "labelme",
    "yolo",
    "cvat",
    "datumaro",
    "label-studio",
    "supervisely",
    "create-ml",
    "vott",
    "open-images",
    "kitti",
)  # api.convert has more about them


class _Name(click.Choice):
    """Of a format, as the registry of formats spells it or as options are spelt: boxes_csv and boxes-csv."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(value.replace("_", "-"), param, ctx)


def to(**settings: Any) -> options.Decorator:
    """--to FORMAT."""
    return click.option("--to", type=_Name(FORMATS), help="The format to write.", **settings)


@click.command(options_metavar="[options]")
@options.data
@options.new_data
@to(required=True)
@click.option("--copy-images", is_flag=True, help="Copy the images beside what is written (a TFRecord holds them).")
@click.option("--verify", is_flag=True, help="Read what was written and compare it, object by object.")
@options.reading
@options.console
def command(data: Path, out: Path, console: Console, **chosen: Any) -> int:
    """Write the annotations of DATA in another format, and say what it cannot hold.

    OUT is a new folder, with one file for each of train, val and test (labels-csv: a column; cvat: subsets); or one
    file (.json, .csv, .record, .xml).
    DATA is left as it is. With --verify the exit code is 1 where something was not read back as it was, and no loss
    was reported for it.

    \b
      maskwright convert party/ party-boxes/ --to boxes-csv
      maskwright convert party/ party.json --to coco
      maskwright convert rust/ rust-table/ --to labels-csv --copy-images
    """
    from maskwright.api.convert import convert

    result = convert(data, out, progress=console.progress, log=console.log, **chosen)
    content = f"{result.labels:,} labels" if result.labels and not result.objects else f"{result.objects:,} objects"
    written = ", ".join(str(file) for file in result.files)
    console.result(result.to_dict(), f"{result.images:,} images with {content}: {written}")
    return FAILED if result.differences else 0
