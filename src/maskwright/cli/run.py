"""maskwright run: a script written for matterport's Mask R-CNN, as it is."""

from __future__ import annotations

import traceback
from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console
from maskwright.errors import MaskwrightError


@click.command(
    options_metavar="[options]",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@options.console
def command(script: Path, arguments: tuple[str, ...], console: Console) -> int:
    """Run a script that was written for matterport's Mask_RCNN, unchanged.

    `mrcnn` comes from maskwright, even where an old clone lies on the script's path; TensorFlow, Keras, imgaug and
    pycocotools are stood in for where they are absent.

    \b
      maskwright run balloon.py train --dataset=party --weights=coco
    """
    from maskwright.notebook import ours_first

    ours_first()
    from mrcnn.runner import run

    try:
        run(script, arguments)
    except MaskwrightError:
        raise
    except Exception:  # the script's own: shown as Python shows it
        traceback.print_exc()
        return FAILED
    return 0
