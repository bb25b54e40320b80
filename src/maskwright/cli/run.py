"""maskwright run: a script written for matterport's Mask R-CNN, as it is."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console
from maskwright.errors import MaskwrightError, MissingExtra
from maskwright.extras import how_to_install

EXTRA = ("cv2", "h5py", "matplotlib", "scipy", "skimage")
"""What maskwright[matterport] brings."""
PACKAGES = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Modules whose package has another name."""


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
    except ModuleNotFoundError as error:
        if (absent := missing(error, script)) is not None:
            raise absent from error
        traceback.print_exc()
        return FAILED
    except Exception:  # the script's own: shown as Python shows it
        traceback.print_exc()
        return FAILED
    return 0


def missing(error: ModuleNotFoundError, script: Path) -> MissingExtra | None:
    """What to tell of a package that is not installed; None where it is, and only a part of it was not found."""
    name = (error.name or "").partition(".")[0]
    try:
        if not name or importlib.util.find_spec(name) is not None:
            return None
    except ValueError:  # imported, without a spec: it is there
        return None
    frames = traceback.extract_tb(error.__traceback__)
    origin = next((frame for frame in reversed(frames) if not frame.filename.startswith("<")), None)
    requirement = "maskwright[matterport]" if name in EXTRA else PACKAGES.get(name, name)
    return MissingExtra(
        f"{name} is not installed",
        file=script,
        record=origin and f"{origin.filename}, line {origin.lineno}: {origin.line}",
        fix=f"{how_to_install(requirement)}; or, if it is a module of your own, set PYTHONPATH to its folder"
        if name not in EXTRA
        else how_to_install(requirement),
    )
