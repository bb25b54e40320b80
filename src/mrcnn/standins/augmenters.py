"""imgaug.augmenters: those that scripts hand to `train` most, for uint8 images H×W×C.

Every augmenter draws its numbers from its own stream, so that an image and its masks are changed alike. Those that
are not here, and those given a parameter that is not here, leave images as they are, and say so once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from maskwright.errors import MissingExtra
from mrcnn.standins.absent import Absent, say_once
from mrcnn.standins.parameters import Draw, NotHere, number


class HooksImages:
    """Which augmenters are to act: activator(images, augmenter, parents, default)."""

    def __init__(self, activator: Callable[..., bool] | None = None, **_: Any) -> None:
        self._activator = activator

    def active(self, image: np.ndarray, augmenter: Augmenter) -> bool:
        return self._activator is None or bool(self._activator(image, augmenter, [], True))


class Augmenter:
    """The base class. A subclass says in `change` what becomes of an image."""

    _seed: int | None = None

    def to_deterministic(self) -> Augmenter:
        """A copy that does the same to everything."""
        same = copy.copy(self)
        same._seed = int(np.random.randint(2**31 - 1))
        return same

    def augment_image(self, image: np.ndarray, hooks: HooksImages | None = None) -> np.ndarray:
        seed = self._seed if self._seed is not None else int(np.random.randint(2**31 - 1))
        return self.run(image, Draw(seed), hooks or HooksImages())

    def augment_images(self, images: Any, hooks: HooksImages | None = None) -> list[np.ndarray]:
        return [self.augment_image(image, hooks) for image in images]

    def __call__(self, image: Any = None, images: Any = None, **others: Any) -> Any:
        if others:
            raise MissingExtra(f"augmenting {', '.join(others)} is not here", fix="pip install imgaug")
        return self.augment_images(images) if images is not None else self.augment_image(image)

    augment = __call__

    def run(self, image: np.ndarray, draw: Draw, hooks: HooksImages) -> np.ndarray:
        try:
            return self.change(image, draw) if hooks.active(image, self) else image
        except NotHere as error:  # before any pixel was changed, for image and masks alike
            self.say(error)
            return image

    def say(self, error: NotHere) -> None:
        say_once(f"imgaug.augmenters.{type(self).__name__} leaves images as they are here: {error}")

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        return image

    def __repr__(self) -> str:
        inside = ", ".join(repr(child) for child in getattr(self, "children", ()))
        return f"{type(self).__name__}({inside})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("children", "name"):
            raise AttributeError(name)
        if name.startswith("augment_"):  # boxes and points must not stay where they are while the image turns
            raise MissingExtra(f"{name} of imgaug is not here", fix="pip install imgaug")
        return Absent(f"imgaug.augmenters.{type(self).__name__}.{name}")


class _Several(Augmenter):
    def __init__(self, children: Any = (), random_order: bool = False, **_: Any) -> None:
        self.children = list(children) if isinstance(children, Sequence) else [children]
        self.random_order = random_order

    def chosen(self, draw: Draw) -> list[int]:
        return list(range(len(self.children)))

    def run(self, image: np.ndarray, draw: Draw, hooks: HooksImages) -> np.ndarray:
        seeds = draw.randint(2**31 - 1, size=len(self.children))
        try:
            order = self.chosen(draw)
        except NotHere as error:
            self.say(error)
            return image
        if self.random_order:
            order = [order[i] for i in draw.permutation(len(order))]
        if hooks.active(image, self):
            for i in order:
                image = self.children[i].run(image, Draw(seeds[i]), hooks)
        return image


class Sequential(_Several):
    """All children, one after another."""


class SomeOf(_Several):
    """`n` of the children: a number, a (least, most) pair (most may be None), or a list to choose from."""

    def __init__(self, n: Any = None, children: Any = (), random_order: bool = False, **_: Any) -> None:
        super().__init__(children, random_order)
        self.n = n

    def chosen(self, draw: Draw) -> list[int]:
        count, n = len(self.children), self.n
        if isinstance(n, tuple):
            n = draw.randint(n[0], (count if n[1] is None else n[1]) + 1)
        n = count if n is None else min(int(number(n, draw)), count)
        return sorted(draw.permutation(count)[:n].tolist())


class OneOf(SomeOf):
    """One of the children."""

    def __init__(self, children: Any = (), **_: Any) -> None:
        super().__init__(1, children)


class Sometimes(_Several):
    """With probability `p` the first list, otherwise the second."""

    def __init__(self, p: Any = 0.5, then_list: Any = None, else_list: Any = None, **_: Any) -> None:
        lists = [Sequential(each if isinstance(each, list) else [each]) for each in (then_list, else_list) if each]
        super().__init__(lists)
        self.p, self.has_then = p, bool(then_list)

    def chosen(self, draw: Draw) -> list[int]:
        first = draw.uniform() < number(self.p, draw)
        expected = 0 if first and self.has_then else (int(self.has_then) if not first else -1)
        return [expected] if 0 <= expected < len(self.children) else []


class Fliplr(Augmenter):
    """Left and right exchanged, with probability p."""

    def __init__(self, p: Any = 1, **_: Any) -> None:
        self.p = p

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        return np.ascontiguousarray(image[:, ::-1]) if draw.uniform() < number(self.p, draw) else image


class Flipud(Fliplr):
    """Up and down exchanged, with probability p."""

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        return np.ascontiguousarray(image[::-1]) if draw.uniform() < number(self.p, draw) else image


def _to_bytes(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(like.dtype)


class _Values(Augmenter):
    """Gray values changed by one drawn number (for each channel one where per_channel says so)."""

    default: Any = 1.0

    def __init__(self, value: Any = None, per_channel: Any = False, **named: Any) -> None:
        given = [each for key, each in named.items() if key in ("mul", "alpha", "gamma")]
        self.value = value if value is not None else (given or [self.default])[0]
        self.per_channel = per_channel

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        apart = draw.uniform() < number(self.per_channel, draw) and image.ndim == 3
        values = [number(self.value, draw) for _ in range(image.shape[2] if apart else 1)]
        return _to_bytes(self.compute(image.astype(np.float64), np.array(values)), image)

    def compute(self, pixels: np.ndarray, value: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Multiply(_Values):
    def compute(self, pixels: np.ndarray, value: np.ndarray) -> np.ndarray:
        return pixels * value


class Add(_Values):
    default = 0.0

    def compute(self, pixels: np.ndarray, value: np.ndarray) -> np.ndarray:
        return pixels + value


class LinearContrast(_Values):
    def compute(self, pixels: np.ndarray, value: np.ndarray) -> np.ndarray:
        return 127 + value * (pixels - 127)


ContrastNormalization = LinearContrast


class GammaContrast(_Values):
    def compute(self, pixels: np.ndarray, value: np.ndarray) -> np.ndarray:
        return 255 * (pixels / 255) ** value


class AdditiveGaussianNoise(Augmenter):
    def __init__(self, loc: Any = 0, scale: Any = 0, per_channel: Any = False, **_: Any) -> None:
        self.loc, self.scale, self.per_channel = loc, scale, per_channel

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        apart = draw.uniform() < number(self.per_channel, draw)
        shape = image.shape if apart else (*image.shape[:2], *[1] * (image.ndim - 2))
        noise = draw.normal(number(self.loc, draw), max(number(self.scale, draw), 0), shape)
        return _to_bytes(image + noise, image)


class GaussianBlur(Augmenter):
    def __init__(self, sigma: Any = 0, **_: Any) -> None:
        self.sigma = sigma

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        blur = ImageFilter.GaussianBlur(number(self.sigma, draw))
        planes = [np.asarray(Image.fromarray(plane).filter(blur)) for plane in np.moveaxis(np.atleast_3d(image), -1, 0)]
        return np.stack(planes, axis=-1).reshape(image.shape)


class Affine(Augmenter):
    """Scaled, moved, turned (degrees) and sheared (degrees) about the center; the nearest pixel, `cval` outside."""

    def __init__(
        self,
        scale: Any = 1.0,
        translate_percent: Any = None,
        translate_px: Any = None,
        rotate: Any = 0.0,
        shear: Any = 0.0,
        order: Any = 1,
        cval: Any = 0,
        mode: Any = "constant",
        **_: Any,
    ) -> None:
        if mode != "constant":
            say_once(f"imgaug.augmenters.{type(self).__name__}: mode={mode!r} is not here; cval is put outside instead")
        self.scale, self.rotate, self.shear, self.cval = scale, rotate, shear, cval
        self.percent, self.px = translate_percent, translate_px

    def change(self, image: np.ndarray, draw: Draw) -> np.ndarray:
        height, width = image.shape[:2]
        scale = _pair(self.scale, draw, 1.0, together=True)
        by = _pair(self.percent, draw, 0.0) * (width, height) if self.percent is not None else np.zeros(2)
        by = by + (_pair(self.px, draw, 0.0) if self.px is not None else 0)
        turn = np.deg2rad(number(self.rotate, draw))
        shear = np.deg2rad(number(self.shear if not isinstance(self.shear, dict) else self.shear.get("x", 0), draw))
        forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        forward = forward @ np.array([[1, -np.tan(shear)], [0, 1]]) @ np.diag(scale)
        center = np.array([(width - 1) / 2, (height - 1) / 2])
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        back = np.linalg.inv(forward) @ (np.stack([x.ravel(), y.ravel()]) - (center + by)[:, None]) + center[:, None]
        column, row = np.round(back).astype(np.int64)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        moved = np.full(
            (height * width, *image.shape[2:]),
            float(np.clip(number(self.cval, draw, every=(0, 255)), 0, 255)),
            image.dtype,
        )
        moved[inside] = image[row[inside], column[inside]]
        return moved.reshape(image.shape)


class Rotate(Affine):
    def __init__(self, rotate: Any = 0.0, **rest: Any) -> None:
        super().__init__(rotate=rotate, **rest)


class ShearX(Affine):
    def __init__(self, shear: Any = 0.0, **rest: Any) -> None:
        super().__init__(shear=shear, **rest)


def _pair(value: Any, draw: Draw, default: float, together: bool = False) -> np.ndarray:
    """(x, y) of a number for both, or of {"x": ..., "y": ...}."""
    if isinstance(value, dict):
        return np.array([number(value.get(axis, default), draw) for axis in ("x", "y")])
    first = number(value, draw)
    return np.array([first, first if together else number(value, draw)])


class Noop(Augmenter):
    """Nothing."""


Identity = Noop


def unknown(name: str) -> type[Augmenter]:
    """A class of that name that leaves images as they are."""

    def __init__(self: Augmenter, *args: Any, **kwargs: Any) -> None:
        say_once(f"imgaug.augmenters.{name} leaves images as they are here; with imgaug installed it acts")

    return type(name, (Augmenter,), {"__init__": __init__})


class Module(ModuleType):
    """imgaug.augmenters, and whatever lies below it: every class is there, the unknown ones do nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "A stand-in by maskwright; the real package is not installed.")
        self.__path__ = []
        mine = {key: kind for key, kind in globals().items() if isinstance(kind, type) and issubclass(kind, Augmenter)}
        vars(self).update({key: kind for key, kind in mine.items() if not key.startswith("_")})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name[0].islower():
            return Module(f"{self.__name__}.{name}")  # imgaug.augmenters.geometric
        return unknown(name)
