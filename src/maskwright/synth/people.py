"""Simple people: standing, walking, holding something up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwright.synth.canvas import Canvas, Light, any_color, ellipse, linear
from maskwright.synth.solids import Point, ball, limb


@dataclass(frozen=True)
class _Looks:
    """Colors as linear light, 3 float32 each. bare: shorts, so that the legs below have the color of skin."""

    skin: np.ndarray
    hair: np.ndarray
    top: np.ndarray
    trousers: np.ndarray
    bare: bool
    skirt: bool

    @classmethod
    def sample(cls, rng: np.random.Generator) -> _Looks:
        return cls(
            skin=linear(*(np.array([0.97, 0.78, 0.67]) * rng.uniform(0.35, 1.0) ** np.array([0.6, 1.0, 1.2]))),
            hair=linear(0.32, 0.22, 0.14) * rng.choice([0.15, 0.5, 1.2, 3.5]),
            top=any_color(rng, (0.0, 0.8), (0.1, 0.97)),
            trousers=any_color(rng, (0.0, 0.55), (0.08, 0.65)),
            bare=bool(rng.random() < 0.22),
            skirt=bool(rng.random() < 0.22),
        )


def person(canvas: Canvas, rng: np.random.Generator, light: Light, x: float, feet: float, tall: float) -> Point:
    """Paint a person of height `tall` pixels with the feet at row `feet`; returns the position of one hand."""
    looks = _Looks.sample(rng)
    head, wide = tall * rng.uniform(0.062, 0.085), tall * rng.uniform(0.08, 0.12)
    shoulder, hip, lean = feet - tall * 0.8, feet - tall * 0.47, tall * rng.normal(0, 0.03)
    _legs(canvas, rng, light, looks, x, feet, tall, wide)
    limb(canvas, (x, hip), (x + lean, shoulder + wide * 0.6), wide * 0.82, wide, looks.top, light, 0.18)
    if rng.random() < 0.3 and tall > 60:
        _print(canvas, rng, x, shoulder, hip, wide)
    neck = (x + lean, shoulder - tall * 0.02)
    limb(canvas, neck, (x + lean * 1.3, shoulder - head * 1.2), head * 0.55, head * 0.5, looks.skin, light, 0.02)
    hands = []
    raised = int(rng.integers(3)) - 1  # raised arm: left, none, right
    for side in (-1, 1):
        joint = (x + lean + side * wide * 0.92, shoulder + wide * 0.35)
        hands.append(_arm(canvas, rng, light, looks, joint, side, tall, side == raised))
    face(canvas, rng, light, looks, x + lean * 1.4, shoulder - tall * 0.02 - head * 1.45, head)
    return hands[0 if raised == -1 else 1]


def _legs(
    canvas: Canvas,
    rng: np.random.Generator,
    light: Light,
    looks: _Looks,
    x: float,
    feet: float,
    tall: float,
    wide: float,
) -> None:
    hip, stride, thick = feet - tall * 0.47, tall * rng.uniform(0.02, 0.11), tall * 0.055
    below = looks.skin if looks.bare or looks.skirt else looks.trousers
    for side in (-1, 1):
        top = (x + side * wide * 0.4, hip)
        knee = (x + side * stride * rng.uniform(0.5, 1), feet - tall * 0.25)
        foot = (x + side * stride, feet - tall * 0.02)
        limb(canvas, top, knee, thick * 1.1, thick * 0.75, below, light)
        limb(canvas, knee, foot, thick * 0.75, thick * 0.5, below, light)
        toe = (foot[0] + thick * rng.normal(0, 1), feet)
        limb(canvas, foot, toe, thick * 0.5, thick * 0.45, linear(0.2, 0.17, 0.15), light)
        middle = (0.3 * top[0] + 0.7 * knee[0], 0.3 * top[1] + 0.7 * knee[1])
        limb(canvas, top, middle, thick * 1.2, thick * 1.05 if looks.bare else thick * 0.85, looks.trousers, light)
    limb(canvas, (x - wide * 0.3, hip), (x + wide * 0.3, hip), tall * 0.072, tall * 0.072, looks.trousers, light)
    if looks.skirt:
        hem = feet - tall * rng.uniform(0.15, 0.33)
        limb(
            canvas,
            (x, hip - tall * 0.03),
            (x, hem),
            wide * 0.8,
            wide * rng.uniform(1.0, 1.5),
            looks.trousers,
            light,
            0.25,
        )


def _arm(
    canvas: Canvas,
    rng: np.random.Generator,
    light: Light,
    looks: _Looks,
    joint: Point,
    side: int,
    tall: float,
    raised: bool,
) -> Point:
    """Upper arm, forearm, hand; returns the position of the hand."""
    if raised:
        angle = rng.uniform(-0.6, 1.3)
        elbow = (joint[0] + side * tall * 0.12 * np.cos(angle), joint[1] - tall * 0.13 * np.sin(angle))
        hand = (elbow[0] + side * tall * rng.uniform(-0.05, 0.1), elbow[1] - tall * rng.uniform(0.03, 0.15))
    else:
        elbow = (joint[0] + side * tall * rng.uniform(0.01, 0.08), joint[1] + tall * 0.16)
        hand = (elbow[0] + side * tall * rng.uniform(-0.08, 0.04), elbow[1] + tall * rng.uniform(-0.05, 0.15))
    limb(canvas, joint, elbow, tall * 0.034, tall * 0.029, looks.top, light, 0.15)
    limb(canvas, elbow, hand, tall * 0.028, tall * 0.02, looks.skin if rng.random() < 0.5 else looks.top, light)
    limb(canvas, hand, (hand[0], hand[1] + tall * 0.015), tall * 0.024, tall * 0.021, looks.skin, light, 0.03)
    return hand


def _print(canvas: Canvas, rng: np.random.Generator, x: float, shoulder: float, hip: float, wide: float) -> None:
    """Stripes on a shirt."""
    window = canvas.window(x - wide, shoulder, x + wide, hip)
    if window is None:
        return
    stripes = np.sin((window.y - shoulder) / (hip - shoulder) * rng.uniform(26, 66)) > 0.2
    cover = 0.9 * stripes * np.clip(wide * 0.7 - np.abs(window.x - x), 0, 1)
    canvas.paint(window, cover.astype(np.float32), any_color(rng, (0, 0.9), (0.1, 0.95)) * 0.8)


def face(
    canvas: Canvas, rng: np.random.Generator, light: Light, looks: _Looks, x: float, y: float, head: float
) -> None:
    """A head of radius `head` with hair; turned away, or with a face if it is large enough."""
    turn, away, hair, skin = rng.uniform(-0.45, 0.45), rng.random() < 0.3, looks.hair, looks.skin
    if rng.random() < 0.4:  # long hair
        ball(canvas, x - turn * head * 0.4, y + head * 0.45, head * 0.92, head * 1.35, hair, light)
    ball(canvas, x - turn * head * 0.25, y - head * 0.2, head * 0.94, head * 1.05, hair, light, gloss=0.1)
    if away:
        return
    ball(canvas, x + turn * head * 0.2, y + head * 0.12, head * 0.8, head * 1.04, skin, light)
    if head > 5:
        middle, dark = x + turn * head * 0.6, linear(0.12, 0.08, 0.07)
        for side in (-1, 1):
            eye = middle + side * head * 0.3
            for rx, ry, tone in ((0.13, 0.07, linear(0.9, 0.87, 0.84)), (0.07, 0.075, dark)):
                spot = canvas.around(eye, y, head * 0.3)
                if spot is not None:
                    cover, _, _ = ellipse(spot, eye, y, max(rx * head, 0.7), max(ry * head, 0.7))
                    canvas.paint(spot, 0.9 * cover, tone * light.falls((cover * 0, cover * 0, cover * 0 + 1)))
            brow = (eye - head * 0.15, y - head * 0.17), (eye + head * 0.15, y - head * 0.19)
            limb(canvas, *brow, head * 0.03, head * 0.03, hair * 0.7 + skin * 0.2, light)
        nose = (middle, y + head * 0.1), (middle + turn * head * 0.2, y + head * 0.36)
        limb(canvas, *nose, head * 0.06, head * 0.1, skin * 0.92, light, 0.02)
        corner = head * rng.uniform(0.5, 0.64)
        mouth = [
            (middle + s * head, y + corner + (head * 0.62 - corner) * (1 - (s / 0.24) ** 2))
            for s in np.linspace(-0.24, 0.24, 7)
        ]
        canvas.lines([mouth], max(0.6, head * 0.07), skin * linear(0.75, 0.4, 0.42), 0.85)
    if rng.random() < 0.75:  # a fringe
        left, right = (x - head * 0.62, y - head * 0.62), (x + head * 0.62, y - head * 0.68)
        limb(canvas, left, (x, y - head * 0.8), head * 0.26, head * 0.3, hair, light, 0.2)
        limb(canvas, (x, y - head * 0.8), right, head * 0.3, head * 0.26, hair, light, 0.2)
