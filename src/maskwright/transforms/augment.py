"""Augmented views of training images: geometry, copy-paste, color. Boxes and masks are transformed with the pixels.

A view depends only on the image, the settings and a random generator: the same seed gives the same view in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from PIL import Image, ImageFilter

from maskwright.errors import RecipeError
from maskwright.transforms.preprocess import PADDING
from maskwright.transforms.training_images import Cutout, TrainingImage

PATCH = 56  # side of mask patches: twice the mask head's output
OBJECT_TILES = 0.75  # fraction of tiles of a large image that are placed on an object: most positions show none


class Augment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Augmentation of training images. flip, flip_vertical, gray, blur and copy_paste are probabilities, 0..1.

    zoom          (min, max) factor of the scale at which the image fits the network input
    rotate        maximum angle in degrees, in both directions, in half of the views
    shear         maximum angle in degrees by which vertical lines are inclined, in both directions
    shift         maximum translation as a fraction of the network input, in any direction
    color_jitter  strength of changes of brightness, contrast, hue and saturation: 0 none, 1 strong
    copy_paste    probability of pasting up to `copy_paste_max` objects of another image

    RecipeError names a value that is out of range.
    """

    flip: float = 0.5
    flip_vertical: float = 0.0
    zoom: tuple[float, float] = (0.6, 1.6)
    rotate: float = 10.0
    color_jitter: float = 0.5
    gray: float = 0.05
    blur: float = 0.1
    copy_paste: float = 0.3
    copy_paste_max: int = 4
    shear: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        fractions = ("flip", "flip_vertical", "gray", "blur", "copy_paste")
        for field, low, high in (
            *((fraction, 0, 1) for fraction in fractions),
            ("rotate", 0, 180),
            ("color_jitter", 0, 1),
            ("shear", 0, 60),
            ("shift", 0, 0.5),
        ):
            if not low <= getattr(self, field) <= high:
                raise RecipeError(
                    "a number is out of range",
                    field=f"augment.{field}",
                    expected=f"{low} to {high}",
                    got=getattr(self, field),
                )
        if not 0.05 <= self.zoom[0] <= self.zoom[1] <= 20:
            raise RecipeError(
                "a number is out of range",
                field="augment.zoom",
                expected="two factors from 0.05 to 20, in ascending order",
                got=self.zoom,
            )
        if self.copy_paste and self.copy_paste_max < 1:
            raise RecipeError(
                "copy-paste needs at least one object",
                field="augment.copy_paste_max",
                expected="at least 1, or copy_paste = 0",
                got=self.copy_paste_max,
            )


NO_AUGMENTATION = Augment(0.0, 0.0, (1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training sample: network input and targets.

    network_input     H×W×3 uint8
    boxes             n×4 float32, x1 y1 x2 y2 in network input pixels
    classes           n int64; for a classifier the labels of the image, without boxes
    patches           n×56×56 uint8 | None, 0..255: each mask inside its box; None if there are only boxes
    crowd             m×4 float32: regions that are ignored in training
    name              name of the image, for messages
    labelled_classes, incomplete  as in Record: the classes that were annotated on the image
    """

    network_input: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    patches: np.ndarray | None
    crowd: np.ndarray
    name: str
    labelled_classes: tuple[int, ...] | None = None
    incomplete: bool = False


def view(
    image: TrainingImage,
    input_size: tuple[int, int],
    settings: Augment,
    random: np.random.Generator,
    donor: TrainingImage | None = None,
) -> Sample:
    """A random view of `image` on a network input of (height, width), with objects of `donor` for copy-paste."""
    matrix, objects = _random_view(image, input_size, settings, random)
    for _ in range(3):  # a view without objects of an image that has some is of little use: retry
        if image.cutouts and not objects and not image.tile:
            matrix, objects = _random_view(image, input_size, settings, random)
    network_input = _warp(image.pixels, matrix, input_size)
    if donor is not None and random.random() < settings.copy_paste:
        objects = _paste(network_input, objects, donor, settings, random)
    network_input = _jitter_color(network_input, settings, random)
    return _sample(network_input, objects, image)


def _random_view(
    image: TrainingImage, network_input: tuple[int, int], settings: Augment, random: np.random.Generator
) -> tuple[np.ndarray, list[Cutout]]:
    matrix = _random_matrix(image, network_input, settings, random)
    return matrix, [moved for cutout in image.cutouts if (moved := _move(cutout, matrix, network_input)) is not None]


# --- geometry -------------------------------------------------------------------------------------
def _random_matrix(
    image: TrainingImage, network_input: tuple[int, int], settings: Augment, random: np.random.Generator
) -> np.ndarray:
    """2×3: image pixels -> network input pixels."""
    size = image.pixels.shape[:2]
    visible = image.tile or size
    fit_scale = min(network_input[0] / visible[0], network_input[1] / visible[1])
    scale = fit_scale * np.exp(random.uniform(*np.log(settings.zoom)))
    angle = np.deg2rad(random.uniform(-settings.rotate, settings.rotate)) if random.random() < 0.5 else 0.0
    mirror = np.array(
        [-1.0 if random.random() < settings.flip else 1.0, -1.0 if random.random() < settings.flip_vertical else 1.0]
    )
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale * mirror
    if settings.shear:
        linear = linear @ np.array(
            [[1.0, np.tan(np.deg2rad(random.uniform(-settings.shear, settings.shear)))], [0.0, 1.0]]
        )
    middle = linear @ (np.array([size[1], size[0]]) / 2)
    extent = np.array([size[1], size[0]]) * scale
    free = np.array([network_input[1], network_input[0]]) - extent  # negative if the image is larger: then it is a crop
    offset = free * random.uniform(-0.5, 0.5, 2)
    targets = [cutout for cutout in image.cutouts if cutout.label >= 0] if image.tile else []
    if targets and random.random() < OBJECT_TILES:
        cutout = targets[int(random.integers(len(targets)))]
        target = linear @ (np.array(cutout.corner) + np.array(cutout.mask.shape[::-1]) / 2) - middle
        offset = np.array([network_input[1], network_input[0]]) * random.uniform(-0.4, 0.4, 2) - target
        offset = np.clip(offset, -abs(free) / 2, abs(free) / 2)
    center = np.array([network_input[1], network_input[0]]) / 2 + offset
    if settings.shift:
        center += np.array([network_input[1], network_input[0]]) * random.uniform(-settings.shift, settings.shift, 2)
    return np.concatenate([linear, (center - middle)[:, None]], 1)


def _inverse(
    matrix: np.ndarray, offset_to: tuple[float, float] = (0, 0), offset_from: tuple[float, float] = (0, 0)
) -> tuple[float, ...]:
    """Pillow's six coefficients for network input -> source, for windows whose corners are at the given offsets."""
    linear = np.linalg.inv(matrix[:, :2])
    shift = linear @ (np.array(offset_to) - matrix[:, 2]) - np.array(offset_from)
    return (linear[0, 0], linear[0, 1], shift[0], linear[1, 0], linear[1, 1], shift[1])


def _warp(pixels: np.ndarray, matrix: np.ndarray, network_input: tuple[int, int]) -> np.ndarray:
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    by = 1  # bilinear sampling skips pixels when shrinking: reduce by averaging first
    if scale < 0.6:
        by = max(int(1 / scale), 1) if scale < 0.5 else 2
    image, corner = _visible_part(pixels, matrix, (0, 0), network_input, by)
    if by > 1:
        image = image.reduce(by)
        matrix, corner = np.concatenate([matrix[:, :2] * by, matrix[:, 2:]], 1), (corner[0] / by, corner[1] / by)
    return np.array(
        image.transform(
            (network_input[1], network_input[0]),
            Image.Transform.AFFINE,
            _inverse(matrix, offset_from=corner),
            Image.Resampling.BILINEAR,
            fillcolor=PADDING,
        )
    )


def _visible_part(
    pixels: np.ndarray, matrix: np.ndarray, at: tuple[int, int], size: tuple[int, int], by: int = 1
) -> tuple[Image.Image, tuple[float, float]]:
    """The part of an image that is visible in a window of the network input, and its corner (left, top).

    at    (left, top) of the window
    size  (height, width) of the window
    by    the corner is a multiple of this
    """
    height, width = pixels.shape[:2]
    across, down = np.array([0, size[1]]) + at[0], np.array([0, size[0]]) + at[1]
    ends = np.array([[x, y] for x in across for y in down], float)
    back = (ends - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    free = 2 * by + 2
    left, top = np.clip(np.floor(back.min(0)).astype(int) - free, 0, [width - 1, height - 1]) // by * by
    right, bottom = np.clip(np.ceil(back.max(0)).astype(int) + free, [left + 1, top + 1], [width, height])
    return Image.fromarray(pixels[top:bottom, left:right]), (int(left), int(top))


def _move(cutout: Cutout, matrix: np.ndarray, network_input: tuple[int, int]) -> Cutout | None:
    """The object on the network input, clipped to it; None if too little of it is visible."""
    height, width = cutout.mask.shape
    left, top = cutout.corner
    corners = np.array([[left, top], [left + width, top], [left, top + height], [left + width, top + height]], float)
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    low = np.maximum(np.floor(moved.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(moved.max(0)), [network_input[1], network_input[0]]).astype(int)
    if (high - low < 1).any():
        return None
    mask = np.asarray(
        Image.fromarray(cutout.mask).transform(
            (int(high[0] - low[0]), int(high[1] - low[1])),
            Image.Transform.AFFINE,
            _inverse(matrix, tuple(low), (left, top)),
            Image.Resampling.BILINEAR,
        )
    )
    whole = np.count_nonzero(cutout.mask) * abs(np.linalg.det(matrix[:, :2]))
    return tight(
        Cutout((int(low[0]), int(low[1])), np.where(mask >= 128, 255, 0).astype(np.uint8), cutout.label, cutout.drawn),
        at_least=max(2.0, 0.05 * whole),
    )


def tight(cutout: Cutout, at_least: float = 1.0) -> Cutout | None:
    """The object with its mask cropped to its bounding box; None if it has fewer than `at_least` pixels."""
    mask = cutout.mask
    if np.count_nonzero(mask) < at_least:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Cutout(
        (cutout.corner[0] + int(left), cutout.corner[1] + int(top)),
        mask[top:bottom, left:right],
        cutout.label,
        cutout.drawn,
    )


# --- copy and paste (Ghiasi et al. 2021) --------------------------------------------------------------
def _paste(
    network_input: np.ndarray,
    objects: list[Cutout],
    donor: TrainingImage,
    settings: Augment,
    random: np.random.Generator,
) -> list[Cutout]:
    """Paste some of the donor's outlined objects onto the network input (in place), and remove the pixels they cover
    from the masks of the others."""
    candidates = [cutout for cutout in donor.cutouts if cutout.drawn and cutout.label >= 0]
    count = min(len(candidates), int(random.integers(1, settings.copy_paste_max + 1))) if candidates else 0
    for pick in random.permutation(len(candidates))[:count]:
        cutout = candidates[pick]
        matrix = _random_matrix(donor, network_input.shape[:2], settings, random)
        middle = matrix[:, :2] @ (np.array(cutout.corner) + np.array(cutout.mask.shape[::-1]) / 2)
        matrix[:, 2] = random.uniform(0, 1, 2) * network_input.shape[1::-1] - middle
        pasted = _move(cutout, matrix, network_input.shape[:2])
        if pasted is None:
            continue
        (left, top), (height, width) = pasted.corner, pasted.mask.shape
        source, corner = _visible_part(donor.pixels, matrix, (left, top), (height, width))
        pixels = np.asarray(
            source.transform(
                (width, height),
                Image.Transform.AFFINE,
                _inverse(matrix, (left, top), corner),
                Image.Resampling.BILINEAR,
            )
        )
        opacity = (
            np.asarray(Image.fromarray(pasted.mask).filter(ImageFilter.GaussianBlur(0.7)), np.float32)[..., None] / 255
        )
        below = network_input[top : top + height, left : left + width]
        below[:] = (below * (1 - opacity) + pixels * opacity).astype(np.uint8)
        objects = [kept for item in objects if (kept := _remove_covered(item, pasted)) is not None] + [pasted]
    return objects


def _remove_covered(below: Cutout, above: Cutout) -> Cutout | None:
    (x, y), (h, w) = below.corner, below.mask.shape
    (ax, ay), (ah, aw) = above.corner, above.mask.shape
    left, top, right, bottom = max(x, ax), max(y, ay), min(x + w, ax + aw), min(y + h, ay + ah)
    if left >= right or top >= bottom:
        return below
    mask = below.mask.copy()
    mask[top - y : bottom - y, left - x : right - x][above.mask[top - ay : bottom - ay, left - ax : right - ax] > 0] = 0
    return tight(
        Cutout(below.corner, mask, below.label, below.drawn), at_least=max(2.0, 0.1 * np.count_nonzero(below.mask))
    )


# --- color -----------------------------------------------------------------------------------------
def _jitter_color(network_input: np.ndarray, settings: Augment, random: np.random.Generator) -> np.ndarray:
    strength = settings.color_jitter
    if strength:
        gamma = np.exp(random.normal(0, 0.25 * strength))
        contrast = np.exp(random.normal(0, 0.3 * strength))
        gains = np.exp(random.normal(0, 0.12 * strength, 3))
        light = random.normal(0, 30 * strength)
        ramp = (np.linspace(0, 1, 256) ** gamma * 255 - 128) * contrast + 128 + light
        table = np.clip(ramp[:, None] * gains, 0, 255).astype(np.uint8)
        network_input = np.stack([table[network_input[..., channel], channel] for channel in range(3)], 2)
    saturation = 0.0 if random.random() < settings.gray else np.exp(random.normal(0, 0.4 * strength))
    if saturation != 1.0:
        gray = network_input @ np.array([0.299, 0.587, 0.114], np.float32)
        mixed = gray[..., None] + (network_input - gray[..., None]) * np.float32(saturation)
        network_input = np.clip(mixed, 0, 255).astype(np.uint8)
    if random.random() < settings.blur:
        network_input = np.array(
            Image.fromarray(network_input).filter(ImageFilter.GaussianBlur(float(random.uniform(0.4, 1.6))))
        )
    return network_input


# --- the sample ---------------------------------------------------------------------------------------
def _sample(network_input: np.ndarray, objects: list[Cutout], image: TrainingImage) -> Sample:
    targets, crowd = [item for item in objects if item.label >= 0], [item for item in objects if item.label < 0]
    outlined = all(item.drawn for item in targets)  # a mask from a box would teach that objects are rectangles
    patches = np.stack([patch(item.mask) for item in targets]) if targets and outlined else None
    labels = np.array([item.label for item in targets] if image.labels is None else image.labels, np.int64)
    return Sample(
        network_input,
        _bounds(targets),
        labels,
        patches,
        _bounds(crowd),
        image.name,
        image.labelled_classes,
        image.incomplete,
    )


def patch(mask: np.ndarray) -> np.ndarray:
    """A mask cropped to its box as 56×56 uint8, 0..255."""
    return np.asarray(Image.fromarray(mask).resize((PATCH, PATCH), Image.Resampling.BILINEAR))


def _bounds(cutouts: list[Cutout]) -> np.ndarray:
    rows = [
        (*cutout.corner, cutout.corner[0] + cutout.mask.shape[1], cutout.corner[1] + cutout.mask.shape[0])
        for cutout in cutouts
    ]
    return np.array(rows, np.float32).reshape(-1, 4)
