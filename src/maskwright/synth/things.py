"""Distractors: round objects that are not balloons, and poles in front."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from maskwright.synth.canvas import Canvas, Light, any_color, ellipse, linear, rectangle
from maskwright.synth.solids import ball, limb


def toy_ball(canvas: Canvas, rng: np.random.Generator, light: Light, x: float, y: float, r: float) -> None:
    """Football, basketball, beach ball or tennis ball: seams or panels on a matt surface."""
    kind = rng.choice(["panels", "seams", "gores"])
    base = any_color(rng, (0.0, 0.9), (0.5, 1))
    if kind == "panels":
        base = linear(0.92, 0.92, 0.9)
    elif kind == "seams":
        base = linear(0.85, 0.45, 0.2) if rng.random() < 0.6 else linear(0.8, 0.9, 0.25)
    drawn = ball(canvas, x, y, r, r, base, light, gloss=0.15)
    if drawn is None:
        return
    window, cover, u, v = drawn
    nz = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    turn = rng.uniform(0, 6.3, 3)
    a, b, c = _rotated(u, v, nz, turn)
    shade = light.falls((u, v, nz), wrap=0.05)
    edge = max(2.0 / r, 0.04)
    if kind == "seams":
        line = np.minimum(np.minimum(np.abs(a), np.abs(b)), np.abs(np.abs(c) - 0.55))
        canvas.paint(window, cover * np.clip(1.5 - line / edge, 0, 1), base * 0.06 * shade)
    elif kind == "panels":
        corners = (
            np.array([[0, 1, 1.618], [0, -1, 1.618], [1, 1.618, 0], [-1, 1.618, 0], [1.618, 0, 1], [-1.618, 0, 1]])
            / 1.902
        )
        near = np.max([np.abs(a * p + b * q + c * s) for p, q, s in corners], axis=0)
        canvas.paint(window, cover * np.clip((near - 0.93) / edge + 0.5, 0, 1), linear(0.08, 0.08, 0.09) * shade)
    else:
        stripe = (np.arctan2(b, a) / np.pi * 3 % 2).astype(np.int32)
        for index, tint in enumerate((any_color(rng, (0.5, 1), (0.5, 1)), linear(0.93, 0.93, 0.9))):
            canvas.paint(window, cover * (stripe == index), tint * shade)
        canvas.paint(window, cover * (np.abs(c) > 0.96), linear(0.9, 0.9, 0.9) * shade)


def _rotated(x: np.ndarray, y: np.ndarray, z: np.ndarray, turn: np.ndarray):
    c, s = np.cos(turn), np.sin(turn)
    x, y = c[0] * x - s[0] * y, s[0] * x + c[0] * y
    y, z = c[1] * y - s[1] * z, s[1] * y + c[1] * z
    return c[2] * x - s[2] * z, y, s[2] * x + c[2] * z


def fruit(canvas: Canvas, rng: np.random.Generator, light: Light, x: float, y: float, r: float) -> None:
    y, r = y + 0.4 * r, 0.6 * r
    tone = linear(
        *rng.choice([[0.95, 0.55, 0.12], [0.8, 0.12, 0.1], [0.6, 0.75, 0.2], [0.95, 0.85, 0.25], [0.45, 0.1, 0.3]])
    )
    drawn = ball(canvas, x, y, r, r * rng.uniform(0.88, 1.02), tone, light, gloss=0.3)
    if drawn is None:
        return
    window, cover, u, v = drawn
    speck = np.clip(canvas.rough(window) - 0.9, 0, 1) * cover * 0.5
    canvas.paint(window, speck, tone * linear(0.95, 0.85, 0.5))
    dent = np.clip(1 - ((u - 0.05) ** 2 + (v + 0.78) ** 2) / 0.03, 0, 1) * cover
    canvas.paint(window, 0.7 * dent, tone * 0.15)
    limb(
        canvas,
        (x, y - r * 0.8),
        (x + r * 0.12, y - r * 1.15),
        max(r * 0.04, 0.8),
        max(r * 0.03, 0.6),
        linear(0.3, 0.2, 0.1),
        light,
    )


def lamp(canvas: Canvas, rng: np.random.Generator, light: Light, x: float, y: float, r: float) -> None:
    """A glowing globe or a ribbed paper lantern."""
    glow = linear(1, rng.uniform(0.7, 0.98), rng.uniform(0.4, 0.9)) * rng.uniform(0.9, 1.8)
    halo = canvas.around(x, y, 2.2 * r)
    window = canvas.around(x, y, r + 2)
    if halo is None or window is None:
        return
    distance = np.sqrt((halo.x - x) ** 2 + (halo.y - y) ** 2) / r
    canvas.light[halo.rows, halo.columns] += (0.2 * np.clip(1 - distance / 2.2, 0, 1) ** 2)[..., None] * glow
    canvas.lines([[(x, 0), (x, y)]], 1.2, linear(0.1, 0.1, 0.1), 0.9)
    cover, u, v = ellipse(window, x, y, r, r * rng.uniform(0.75, 1.0))
    shade = 1 - 0.45 * np.clip(u * u + v * v, 0, 1)
    if rng.random() < 0.6:
        if rng.random() < 0.6:
            glow = any_color(rng, (0.2, 0.9), (0.5, 1))
        shade = shade * (0.82 + 0.18 * np.cos(np.arcsin(np.clip(v, -1, 1)) * rng.uniform(18, 40)))
    canvas.paint(window, cover, shade[..., None] * glow)
    cap = rectangle(window, x - r * 0.25, y - r, x + r * 0.25, y - r * 0.88)
    canvas.paint(window, cap * cover, linear(0.12, 0.1, 0.1))


def disc(canvas: Canvas, rng: np.random.Generator, light: Light, x: float, y: float, r: float) -> None:
    """Flat round objects: plate, clock, road sign, wheel, painted spot."""
    kind = rng.choice(["plate", "clock", "sign", "wheel", "spot"], p=[0.25, 0.25, 0.2, 0.1, 0.2])
    window = canvas.around(x, y, r + 2)
    if window is None:
        return
    tilt, flat = rng.uniform(0, 3), rng.uniform(0.35, 1.0) if kind in ("plate", "wheel") else rng.uniform(0.85, 1)
    cover, u, v = ellipse(window, x, y, r, r * flat, tilt)
    radius, angle = np.sqrt(u * u + v * v), np.arctan2(v, u)
    lit = light.falls((np.full_like(u, 0.1), np.full_like(u, -0.2), np.full_like(u, 0.97)))
    rings = np.clip((np.array([0.97, 0.85, 0.6])[:, None, None] - radius) * r + 0.5, 0, 1) * cover
    tone = any_color(rng, (0.0, 0.95), (0.3, 1))
    canvas.paint(window, cover, (linear(0.06, 0.06, 0.07) if kind == "wheel" else tone) * lit)
    if kind == "plate":
        canvas.paint(window, rings[1], any_color(rng, (0, 0.3), (0.7, 1)) * lit)
        canvas.paint(
            window, rings[2], any_color(rng, (0, 0.6), (0.6, 1)) * lit * (1 + 0.1 * canvas.rough(window))[..., None]
        )
    elif kind == "clock":
        canvas.paint(window, rings[1], linear(0.95, 0.94, 0.9) * lit)
        marks = (np.abs(np.sin(angle * 6)) < 0.1) & (radius > 0.65) & (radius < 0.8)
        canvas.paint(window, rings[1] * marks, linear(0.05, 0.05, 0.05))
        for length in (0.45, 0.7):
            at = rng.uniform(0, 6.3)
            canvas.lines(
                [[(x, y), (x + r * length * np.cos(at), y + r * length * np.sin(at))]],
                max(1.0, r * 0.05),
                linear(0.05, 0.05, 0.05),
                1,
            )
    elif kind == "sign":
        canvas.paint(window, rings[1], linear(0.95, 0.95, 0.95) * lit)
        canvas.paint(window, rings[2] * (np.abs(v) < 0.2), tone * 0.2 * lit)
        limb(
            canvas,
            (x, y + r),
            (x, canvas.size[0] + 5),
            max(r * 0.06, 1),
            max(r * 0.06, 1),
            linear(0.5, 0.5, 0.5),
            light,
        )
    elif kind == "wheel":
        canvas.paint(window, rings[2], linear(0.6, 0.6, 0.62) * lit)
        spokes = rings[2] * (np.sin(angle * int(rng.integers(4, 9))) > 0.3) * (radius > 0.2)
        canvas.paint(window, spokes, linear(0.1, 0.1, 0.1) * lit)


def umbrella(canvas: Canvas, rng: np.random.Generator, light: Light, x: float, y: float, r: float) -> None:
    """An umbrella: half a dome of gores on a stick."""
    window = canvas.around(x, y, r + 2)
    if window is None:
        return
    limb(
        canvas,
        (x, y - r),
        (x + r * 0.05, y + r),
        max(r * 0.02, 0.8),
        max(r * 0.02, 0.8),
        linear(0.15, 0.12, 0.1),
        light,
    )
    cover, u, v = ellipse(window, x, y, r, r * rng.uniform(0.6, 0.95))
    scallop = 0.08 * np.abs(np.sin(u * 9))
    cover = cover * np.clip((-v - scallop) * r, 0, 1)
    nz = np.sqrt(np.clip(1 - u * u - v * v, 0.03, 1))
    gore = np.floor(np.arctan2(u, nz) / np.pi * 8).astype(np.int32) % 2
    two = np.stack([any_color(rng, (0, 1), (0.3, 1)), any_color(rng, (0, 1), (0.3, 1))])
    if rng.random() < 0.4:
        two[1] = two[0] * 0.85
    canvas.paint(window, cover, two[gore] * light.falls((u, v, nz)))


ROUND_THINGS: tuple[tuple[str, Callable[[Canvas, np.random.Generator, Light, float, float, float], None]], ...] = (
    ("floor", toy_ball), ("floor", fruit), ("up", lamp), ("wall", disc), ("wall", disc), ("floor", umbrella),
)  # fmt: skip


def round_thing(canvas: Canvas, rng: np.random.Generator, light: Light, ground: float) -> None:
    """Paint a random round object, mostly in a plausible position."""
    height, width = canvas.size
    where, draw = ROUND_THINGS[int(rng.integers(len(ROUND_THINGS)))]
    r = width * float(np.exp(rng.uniform(np.log(0.012), np.log(0.11))))
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if rng.random() < 0.9:
        if where == "up":
            y = rng.uniform(0, 0.35) * height
        elif where == "wall":
            y = rng.uniform(0.1, 0.9) * ground
        else:
            y = min(ground, 0.93 * height) + rng.uniform(0.0, 1.0) * (height - min(ground, 0.93 * height)) - r
            window = canvas.around(x, y + r, 1.6 * r)
            if window is not None:
                cover, _, _ = ellipse(
                    window, x - light.towards[0] * r * 0.4, y + 0.95 * r, r, r * 0.25, soft=max(3.0, r * 0.3)
                )
                canvas.darken(window, 0.5 * cover)
    draw(canvas, rng, light, x, y, r)


def pole(canvas: Canvas, rng: np.random.Generator, light: Light) -> None:
    """A post, rail, branch or lamp post across the image."""
    height, width = canvas.size
    tone, thick = any_color(rng, (0, 0.5), (0.08, 0.8)), width * rng.uniform(0.004, 0.025)
    x, lean = rng.uniform(0, width), width * rng.normal(0, 0.05)
    if rng.random() < 0.7:
        limb(canvas, (x, -thick), (x + lean, height + thick), thick, thick, tone, light)
    else:
        y = rng.uniform(0.4, 1) * height
        limb(canvas, (-thick, y), (width + thick, y + lean), thick, thick, tone, light)
