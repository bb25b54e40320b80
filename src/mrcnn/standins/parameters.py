"""imgaug.parameters: numbers that an augmenter draws anew for every image."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Draw = np.random.RandomState
ALL = "ALL"
"""imgaug.ALL: any of the values that there are."""


class NotHere(Exception):
    """A parameter that is no number here."""


class Parameter:
    """What draws a number: Normal(0, 5), Uniform(0, 1), Choice([90, 180])."""

    def __init__(self, name: str, draw: Callable[..., Any], *given: Any, **named: Any) -> None:
        self._name, self._draw = name, draw
        try:
            self._given = inspect.signature(draw).bind(None, *given, **named).args[1:]
        except TypeError as error:
            raise TypeError(f"imgaug.parameters.{name}: {error}") from None

    def draw(self, draw: Draw) -> float:
        return float(self._draw(draw, *self._given))

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(map(repr, self._given))})"


def number(value: Any, draw: Draw, every: tuple[float, float] | None = None) -> float:
    """5 is 5, (1, 3) anything from 1 to 3, [1, 3] one of the two, Normal(0, 1) what is drawn.

    every  the range that ALL means
    """
    if isinstance(value, Parameter):
        return value.draw(draw)
    if isinstance(value, tuple):
        return float(draw.uniform(*value))
    if isinstance(value, list):
        return number(value[draw.randint(len(value))], draw, every)
    if isinstance(value, str) and value == ALL and every is not None:
        return float(draw.uniform(*every))
    try:
        return float(value)
    except (TypeError, ValueError):
        raise NotHere(f"the parameter {value!r} is not here; with imgaug installed it acts") from None


def _clip(draw: Draw, other_param: Any, minval: Any = None, maxval: Any = None) -> float:
    value = number(other_param, draw)
    value = value if minval is None else max(value, minval)
    return value if maxval is None else min(value, maxval)


def _truncated(draw: Draw, loc: Any, scale: Any, low: float = -np.inf, high: float = np.inf) -> float:
    center, spread = number(loc, draw), number(scale, draw)
    for _ in range(100):
        value = draw.normal(center, spread)
        if low <= value <= high:
            return value
    return float(np.clip(center, low, high))


def _choice(draw: Draw, a: Any, replace: bool = True, p: Any = None) -> float:
    return number(a[draw.choice(len(a), p=p)], draw)


DRAWS: dict[str, Callable[..., Any]] = {
    "Absolute": lambda draw, other_param: abs(number(other_param, draw)),
    "Add": lambda draw, other_param, val, elementwise=False: number(other_param, draw) + number(val, draw),
    "Beta": lambda draw, alpha, beta, epsilon=0.0001: draw.beta(number(alpha, draw), number(beta, draw)),
    "Binomial": lambda draw, p: draw.uniform() < number(p, draw),
    "ChiSquare": lambda draw, df: draw.chisquare(number(df, draw)),
    "Choice": _choice,
    "Clip": _clip,
    "Deterministic": lambda draw, value: number(value, draw),
    "DiscreteUniform": lambda draw, a, b: draw.randint(round(number(a, draw)), round(number(b, draw)) + 1),
    "Discretize": lambda draw, other_param, round=True: np.rint(number(other_param, draw)),
    "Divide": lambda draw, other_param, val, elementwise=False: number(other_param, draw) / number(val, draw),
    "Laplace": lambda draw, loc, scale: draw.laplace(number(loc, draw), number(scale, draw)),
    "Multiply": lambda draw, other_param, val, elementwise=False: number(other_param, draw) * number(val, draw),
    "Negative": lambda draw, other_param, mode="invert", reroll_count_max=2: -abs(number(other_param, draw)),
    "Normal": lambda draw, loc, scale: draw.normal(number(loc, draw), number(scale, draw)),
    "Poisson": lambda draw, lam: draw.poisson(number(lam, draw)),
    "Positive": lambda draw, other_param, mode="invert", reroll_count_max=2: abs(number(other_param, draw)),
    "Power": lambda draw, other_param, val, elementwise=False: number(other_param, draw) ** number(val, draw),
    "RandomSign": lambda draw, other_param, p_positive=0.5: (
        number(other_param, draw) * (1 if draw.uniform() < p_positive else -1)
    ),
    "Subtract": lambda draw, other_param, val, elementwise=False: number(other_param, draw) - number(val, draw),
    "TruncatedNormal": _truncated,
    "Uniform": lambda draw, a, b: draw.uniform(*sorted((number(a, draw), number(b, draw)))),
    "Weibull": lambda draw, a: draw.weibull(number(a, draw)),
}


class Unknown:
    """A parameter that is not here: the augmenter that is given it leaves images as they are."""

    def __init__(self, name: str, *given: Any, **named: Any) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class Module(ModuleType):
    """imgaug.parameters: every class is there."""

    def __init__(self, name: str = "imgaug.parameters") -> None:
        super().__init__(name, "A stand-in by maskwright; the real package is not installed.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not name[0].isupper():
            raise AttributeError(name)

        def made(*given: Any, **named: Any) -> Any:
            if name in DRAWS:
                return Parameter(name, DRAWS[name], *given, **named)
            return Unknown(name, *given, **named)

        made.__name__ = name
        return made
