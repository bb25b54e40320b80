"""Metal surfaces: sheets, plates and pipes, bare or painted, with dirt on them; and where they rust easily."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwright.synth import indoors, outdoors
from maskwright.synth.canvas import Canvas, any_color, ellipse, linear, rectangle
from maskwright.synth.noise import fractal, resized, soften
from maskwright.synth.places import sun
from maskwright.synth.solids import limb

_PAINTS = np.array([
    [0.9, 0.9, 0.87], [0.9, 0.9, 0.87], [0.6, 0.62, 0.63], [0.25, 0.4, 0.3], [0.35, 0.5, 0.42], [0.2, 0.35, 0.55],
    [0.35, 0.55, 0.7], [0.85, 0.65, 0.15], [0.6, 0.15, 0.12], [0.45, 0.24, 0.18], [0.75, 0.7, 0.58], [0.2, 0.21, 0.23],
])  # fmt: skip


@dataclass
class Metal:
    """Metal that can rust.

    cover  H×W, 0..1: where there is metal
    weak   H×W: how easily it rusts
    light  (x, y) direction of the light
    """

    cover: np.ndarray
    weak: np.ndarray
    light: tuple[float, float]


def build_metal(canvas: Canvas, rng: np.random.Generator) -> Metal:
    height, width = canvas.size
    angle = rng.uniform(-2.6, -0.5)
    metal = Metal(
        np.zeros(canvas.size, np.float32),
        np.zeros(canvas.size, np.float32),
        (float(np.cos(angle)), float(np.sin(angle))),
    )
    plan = rng.choice(["sheet", "sheet", "corrugated", "pipes", "plate"])
    if plan in ("pipes", "plate"):
        backdrop = (outdoors.park, outdoors.street, indoors.wall)[int(rng.integers(3))]
        backdrop(canvas, rng)
        canvas.light[:] = soften(canvas.light, width * rng.uniform(0.004, 0.02))
    if plan == "pipes":
        _pipes(canvas, rng, metal)
    else:
        whole = canvas.whole()
        x1, y1, x2, y2 = -9.0, -9.0, width + 9.0, height + 9.0
        if plan == "plate":
            x1, y1 = width * rng.uniform(-0.1, 0.25), height * rng.uniform(-0.1, 0.25)
            x2, y2 = width * rng.uniform(0.75, 1.1), height * rng.uniform(0.75, 1.1)
        metal.cover = rectangle(whole, x1, y1, x2, y2, rng.choice([0.0, 4.0, 0.05 * width])).astype(np.float32)
        shade = _skin(canvas, rng)
        if plan == "corrugated":
            wave = np.sin(whole.x / width * rng.uniform(40, 130) + rng.normal(0, 0.15) * whole.y / height)
            shade = shade * (0.78 + 0.26 * wave)[..., None]
            metal.weak += 0.25 * (wave < -0.5)
        canvas.paint(whole, metal.cover, shade)
        if plan == "plate":  # water stays at edges, longest at the lower edge
            rim = np.minimum(np.minimum(whole.x - x1, x2 - whole.x), np.minimum(whole.y - y1, (y2 - whole.y) * 0.6))
            metal.weak += 1.3 * np.exp(-np.clip(rim, 0, None) / (0.05 * width))
        elif rng.random() < 0.4:
            metal.weak += rng.uniform(0.3, 1.2) * (whole.y / height) ** rng.uniform(1, 4) + 0 * whole.x
        _seams(canvas, rng, metal)
    return metal


def _skin(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """H×W×3: the intact surface: paint, zinc, bare steel."""
    size, whole = canvas.size, canvas.whole()
    broad = fractal(rng, size, cell=0.8, roughness=0.45, finest=6)[..., None]
    kind = rng.choice(["paint", "paint", "paint", "zinc", "steel"])
    if kind == "paint":
        tone = linear(
            *np.clip(_PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.75, 1.2) + rng.normal(0, 0.04, 3), 0.02, 0.97)
        )
        if rng.random() < 0.25:
            tone = any_color(rng, (0.0, 0.6), (0.3, 0.95))
        shade = 1 + 0.07 * broad + 0.02 * canvas.rough(whole)[..., None]
        if rng.random() < 0.3:  # a second color
            edge = np.clip((whole.y - size[0] * rng.uniform(0.2, 0.8) + 0 * whole.x) * rng.choice([-1, 1]), 0, 1)[
                ..., None
            ]
            tone = tone + edge * (any_color(rng, (0.0, 0.6), (0.2, 0.95)) - tone)
    elif kind == "zinc":  # zinc crystals: facets of uniform gray
        grain = _crystals(rng, size, size[1] * rng.uniform(0.01, 0.04))
        tone, shade = linear(0.62, 0.65, 0.68), 1 + 0.09 * grain[..., None] + 0.06 * broad
    else:
        brushed = fractal(rng, size, cell=0.05, roughness=0.7, finest=1.5, stretch=(1, 10))
        tone, shade = linear(0.55, 0.55, 0.56) * rng.uniform(0.5, 1.2), 1 + 0.12 * brushed[..., None] + 0.2 * broad
    slope = 1 + rng.normal(0, 0.15) * (whole.x / size[1] - 0.5) + rng.normal(0, 0.2) * (whole.y / size[0] - 0.5)
    return np.clip(tone * shade * slope[..., None], 0.01, 1.3).astype(np.float32)


def _crystals(rng: np.random.Generator, size: tuple[int, int], cell: float) -> np.ndarray:
    """H×W in -1.6..1.6: Voronoi cells of one random seed per grid cell, each with its own tone."""
    y, x = np.mgrid[0 : size[0] : 2, 0 : size[1] : 2].astype(np.float32) / np.float32(cell) + 1
    rows, columns = int(y.max()) + 3, int(x.max()) + 3
    seeds, tones = (
        rng.random((rows, columns, 2), np.float32),
        rng.uniform(-1.6, 1.6, (rows, columns)).astype(np.float32),
    )
    best, grain = np.full(x.shape, 9, np.float32), np.zeros(x.shape, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, column = y.astype(np.int32) + dy, x.astype(np.int32) + dx
            seed = seeds[row, column]
            away = (row + seed[..., 0] - y) ** 2 + (column + seed[..., 1] - x) ** 2
            nearer = away < best
            best, grain = np.where(nearer, away, best), np.where(nearer, tones[row, column], grain)
    return resized(grain, size)


def _seams(canvas: Canvas, rng: np.random.Generator, metal: Metal) -> None:
    """Joints between sheets, with rows of bolts or rivets beside them."""
    height, width = canvas.size
    whole = canvas.whole()
    for _ in range(int(rng.integers(0, 4))):
        upright = rng.random() < 0.5
        at, lean = rng.uniform(0.1, 0.9), rng.normal(0, 0.03)
        away = (
            whole.x - width * (at + lean * whole.y / height)
            if upright
            else whole.y - height * (at + lean * whole.x / width)
        )
        gap = rng.uniform(0.8, 2.5)
        canvas.darken(whole, 0.75 * np.clip(gap + 0.5 - np.abs(away), 0, 1) * metal.cover)
        canvas.paint(whole, 0.3 * np.clip(1.5 - np.abs(away - gap - 1.5), 0, 1) * metal.cover, linear(1, 1, 1))
        metal.weak = np.maximum(metal.weak, rng.uniform(0.4, 1.8) * np.exp(-np.abs(away) / (0.025 * width)))
        if rng.random() < 0.65:
            r, step = width * rng.uniform(0.008, 0.025), width * rng.uniform(0.08, 0.2)
            side, hexed = rng.choice([-1, 1]) * r * rng.uniform(2, 3.5), rng.random() < 0.6
            for offset in np.arange(rng.uniform(0, 1) * step, max(height, width), step):
                if upright:
                    x, y = width * (at + lean * offset / height) + side, offset
                else:
                    x, y = offset, height * (at + lean * offset / width) + side
                _bolt(canvas, rng, metal, float(x), float(y), r, hexed)
    for _ in range(int(rng.poisson(0.8))):
        _bolt(
            canvas,
            rng,
            metal,
            rng.uniform(0, width),
            rng.uniform(0, height),
            width * rng.uniform(0.02, 0.06),
            rng.random() < 0.8,
        )


def _bolt(canvas: Canvas, rng: np.random.Generator, metal: Metal, x: float, y: float, r: float, hexed: bool) -> None:
    window = canvas.around(x, y, 3 * r + 3)
    if window is None:
        return
    lx, ly = metal.light
    shadow, _, _ = ellipse(window, x - lx * r * 0.4, y - ly * r * 0.4, 1.25 * r, 1.25 * r, soft=max(2.0, r * 0.4))
    here = metal.cover[window.rows, window.columns]
    canvas.darken(window, 0.5 * shadow * here)
    cover, u, v = ellipse(window, x, y, r, r)
    tone = canvas.behind(window) if rng.random() < 0.5 else linear(0.55, 0.55, 0.56)
    if hexed:
        washer, _, _ = ellipse(window, x, y, 1.35 * r, 1.35 * r)
        canvas.paint(window, washer * here, tone * (1.0 + 0.15 * (u * lx + v * ly))[..., None])
        angle = np.arctan2(v, u) + rng.uniform(0, 1)
        sector = (angle % (np.pi / 3)) - np.pi / 6
        distance = np.sqrt(u * u + v * v) * np.cos(sector)
        cover = np.clip((0.87 - distance) * r + 0.5, 0, 1)
        face = np.where(distance > 0.66, 0.75 + 0.55 * (u * lx + v * ly), 1.08)
    else:
        face = 0.9 + 0.5 * (u * lx + v * ly)
    canvas.paint(window, cover * here, np.clip(tone * face[..., None] * 1.1, 0.01, 1.2).astype(np.float32))
    reach = np.sqrt(u * u + v * v)
    near = rng.uniform(0.2, 2.2) * np.exp(-np.clip(reach - 0.9, 0, None) / 0.9)
    part = metal.weak[window.rows, window.columns]
    np.maximum(part, near.astype(np.float32), out=part)


def _pipes(canvas: Canvas, rng: np.random.Generator, metal: Metal) -> None:
    """Pipes across the image, with flanges."""
    height, width = canvas.size
    whole = canvas.whole()
    upright = rng.random() < 0.4
    for _ in range(int(rng.integers(1, 4))):
        skin = _skin(canvas, rng)
        half, lean = min(height, width) * rng.uniform(0.06, 0.22), rng.normal(0, 0.12)
        along, across = (whole.y, whole.x) if upright else (whole.x, whole.y)
        middle = (width if upright else height) * rng.uniform(0.15, 0.85) + lean * (
            along - (height if upright else width) / 2
        )
        flange = (height if upright else width) * rng.uniform(0, 1)
        wide = half * (1 + 0.35 * ((np.abs(along - flange) < 0.22 * half) & (rng.random() < 0.8)))
        u = (across - middle) / wide
        cover = np.clip((1 - np.abs(u)) * wide + 0.5, 0, 1).astype(np.float32)
        nz = np.sqrt(np.clip(1 - u * u, 0, 1))
        lit = 0.12 + 0.75 * np.clip(0.75 * nz - 0.66 * u, 0, 1) + 0.1 * nz
        gloss = 0.35 * np.exp(-(((u + 0.42) / 0.08) ** 2))
        canvas.darken(whole, 0.45 * np.clip(1.3 - np.abs(u - 0.5), 0, 1) * (1 - cover))
        canvas.paint(whole, cover, skin * (lit * 1.25 + gloss)[..., None])
        metal.cover = np.maximum(metal.cover, cover)
        near = np.exp(-np.abs(np.abs(along - flange) - 0.22 * half) / (0.25 * half)) * rng.uniform(0.3, 2.0)
        metal.weak = np.where(cover > 0.5, near + 0.5 * np.clip(u, 0, 1), metal.weak).astype(np.float32)


def dirty(canvas: Canvas, rng: np.random.Generator, metal: Metal) -> None:
    """Paint distractors that resemble rust: grime, tape, labels, scratches."""
    height, width = canvas.size
    whole = canvas.whole()
    grime = np.clip(
        fractal(rng, canvas.size, cell=0.4, roughness=0.6, stretch=(rng.uniform(1, 3), 1)) - rng.uniform(0, 1.6), 0, 1
    )
    canvas.paint(whole, rng.uniform(0.1, 0.6) * grime * metal.cover, linear(0.25, 0.22, 0.19), owner=None)
    for _ in range(int(rng.poisson(0.7))):  # a label or strip of tape, sometimes brown or orange
        x, y, wide = rng.uniform(0, width), rng.uniform(0, height), width * rng.uniform(0.05, 0.25)
        window = canvas.around(x, y, wide)
        if window is not None:
            tag = rectangle(window, x - wide / 2, y - wide / 5, x + wide / 2, y + wide / 5)
            canvas.paint(window, tag * metal.cover[window.rows, window.columns], any_color(rng, (0, 0.6), (0.2, 0.95)))
    scratches = [[(x, y), (x + rng.normal(0, 0.08) * width, y + rng.normal(0, 0.08) * height)]
                 for x, y in rng.uniform(0, 1, (int(rng.poisson(3)), 2)) * [width, height]]  # fmt: skip
    canvas.lines(scratches, 0.7, linear(0.8, 0.8, 0.78), rng.uniform(0.3, 0.8))


def cross(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint over metal and rust: a cable, a shadow."""
    height, width = canvas.size
    whole = canvas.whole()
    if rng.random() < 0.12:
        y, light = rng.uniform(0, 1) * height, sun(rng, 0.2, 0.8)
        half = width * rng.uniform(0.003, 0.009)
        limb(canvas, (-9, y), (width + 9, y + rng.normal(0, 0.3) * height), half, half, linear(0.1, 0.1, 0.11), light)
    if rng.random() < 0.3:
        turn = rng.uniform(0, 6.3)
        edge = whole.x * np.cos(turn) + whole.y * np.sin(turn) - rng.uniform(-0.3, 0.9) * width
        canvas.darken(whole, (rng.uniform(0.2, 0.5) * np.clip(edge / rng.uniform(2, 15), 0, 1)).astype(np.float32))
