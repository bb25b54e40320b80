"""Rendered scenes whose ground truth is exact: every mask is what was painted, no more and no less."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright import files, formats
from maskwright.errors import OutputError, RecipeError, UnknownName
from maskwright.issues import Issue
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.synth.canvas import Canvas
from maskwright.types import Dataset, Instances, Record

# name -> the module that paints it: NAMES, paint(network input, chance, pictures, empty), develop(light, rng)
KINDS = {
    "balloons": "maskwright.synth.balloons",
    "rust": "maskwright.synth.rust",
    "welds": "maskwright.synth.welds",
}
SMALLEST = 32
_FILES = {"via": "via_region_data.json", "coco": "annotations.json"}


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered image and its ground truth.

    image      H×W×3 uint8 RGB
    instances  the visible part of every object: masks, and boxes taken from the masks; no scores
    seed       what it was rendered from
    """

    image: np.ndarray
    instances: Instances
    seed: int


def render(
    kind: str,
    seed: int,
    size: tuple[int, int] = (480, 640),
    *,
    backgrounds: Sequence[np.ndarray] | None = None,
    empty: bool = False,
) -> Scene:
    """One scene; the same (kind, seed, size) gives the same bytes, on any machine of one numpy and Pillow.

    kind         "balloons" (class balloon), "welds" (pore, crack, slag), "rust" (rust)
    size         (height, width) in pixels, each at least 32
    backgrounds  real images (H×W×3 uint8); six balloon scenes in ten then stand before one of them, cut at random
    empty        the same place, with the same things and people, but without a single object

    >>> scene = render("balloons", seed=7)
    >>> scene.image.shape, scene.instances.names
    ((480, 640, 3), ('balloon',))
    """
    if kind not in KINDS:
        raise UnknownName("kind of scene", kind, KINDS)
    if min(size) < SMALLEST:
        raise RecipeError("the scene is too small", field="size", expected=f"both sides {SMALLEST} or more", got=size)
    if seed < 0:
        raise RecipeError("a seed cannot be negative", field="seed", expected="0 or more", got=seed)
    painter = importlib.import_module(KINDS[kind])
    surface, content, camera = np.random.SeedSequence([seed, *size, *kind.encode()]).spawn(3)
    canvas = Canvas(size, np.random.default_rng(surface))
    classes = painter.paint(canvas, content, list(backgrounds or ()), empty)
    image = painter.develop(canvas.light, np.random.default_rng(camera))
    return Scene(image, canvas.instances(classes, painter.NAMES), seed)


def render_set(
    kind: str,
    count: int,
    folder: Path | str,
    *,
    seed: int = 0,
    val: float = 0.2,
    size: tuple[int, int] = (480, 640),
    format: str = "via",
    empty_fraction: float = 0.05,
    backgrounds: Sequence[np.ndarray] | None = None,
    progress: Progress = automatic,
) -> Dataset:
    """Render `count` scenes into folder/train and folder/val, with their annotations; all of it, or nothing.

    val          fraction of the scenes held back, 0..1
    format       "via" (via_region_data.json) or "coco" (annotations.json), in each of the two folders
    empty_fraction  fraction of the scenes without any object, 0..1
    backgrounds  as in `render`

    The folder must not exist, or be empty. Gives what was rendered, each record with its split; its issues say
    what the format could not hold (VIA has no holes and no objects in several parts).

    >>> party = render_set("balloons", 120, "party")
    >>> {name: len(part) for name, part in party.splits().items()}
    {'train': 96, 'val': 24}
    """
    folder = Path(folder)
    if count < 1:
        raise RecipeError("nothing to render", field="count", expected="1 or more", got=count)
    for name, fraction in (("val", val), ("empty_fraction", empty_fraction)):
        if not 0 <= fraction <= 1:
            raise RecipeError("a fraction lies between 0 and 1", field=name, expected="0..1", got=fraction)
    if format not in _FILES:
        raise UnknownName("format for rendered scenes", format, _FILES)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError("is not empty", file=folder, fix="name a new folder")
    rng = np.random.default_rng(seed)
    held_back = set(rng.permutation(count)[: round(count * val)].tolist())
    left_empty = set(rng.permutation(count)[: round(count * empty_fraction)].tolist())
    seeds = np.random.SeedSequence(seed).generate_state(count).tolist()

    with files.writing_folder(folder) as temporary:
        records: list[Record] = []
        for index, scene_seed in enumerate(progress(seeds, total=count, label=f"rendering {kind}")):
            scene = render(kind, scene_seed, size, backgrounds=backgrounds, empty=index in left_empty)
            split = "val" if index in held_back else "train"
            path = temporary / split / f"{kind}_{index:05d}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(scene.image).save(path, quality=90)
            records.append(Record(path, size, scene.instances, split=split))
        written = Dataset(folder.name, records[0].instances.names, tuple(records), format)  # type: ignore[union-attr]
        lost: list[Issue] = []
        for split, part in written.splits().items():
            issues = formats.write(part, temporary / split / _FILES[format], format)
            lost += [issue.within(split) for issue in issues]
    moved = tuple(replace(record, image=folder / record.image.relative_to(temporary)) for record in records)
    return replace(written, records=moved, issues=tuple(lost))
