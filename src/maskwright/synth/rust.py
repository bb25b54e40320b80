"""Rust on metal: painted plates, pipes, corrugated sheet, seams and bolts.

Each connected patch of rust is one object. Stains that run down from it are not rust and not annotated; neither are
dirt, shadows and brown paint.
"""

from __future__ import annotations

import numpy as np

from maskwright.geometry import tracing
from maskwright.synth.camera import develop
from maskwright.synth.canvas import NOBODY, Canvas, linear
from maskwright.synth.metal import Metal, build_metal, cross, dirty
from maskwright.synth.noise import fractal, soften
from maskwright.types import RleMasks

__all__ = ["NAMES", "develop", "paint"]

NAMES = ("rust",)
_MAX_PATCHES, _MIN_FRACTION = 40, 0.00025  # patches per image; smallest patch as a fraction of the image


def paint(canvas: Canvas, chance: np.random.SeedSequence, pictures: list[np.ndarray], empty: bool) -> list[int]:
    """Paint rusty metal; returns the class of each patch."""
    behind, things, decay, front = (np.random.default_rng(stream) for stream in chance.spawn(4))
    metal = build_metal(canvas, behind)
    dirty(canvas, things, metal)
    canvas.owner[:] = NOBODY
    count = 0
    if not empty:
        cover, count = _patches(canvas, decay, metal)
        _stain(canvas, decay, metal, cover)
        _corrode(canvas, decay, metal, cover)
    cross(canvas, front)
    return [0] * count


# --- rust ----------------------------------------------------------------------------------------
def _patches(canvas: Canvas, rng: np.random.Generator, metal: Metal) -> tuple[np.ndarray, int]:
    """(H×W cover of rust, number of objects); its connected parts are the objects, without those that are too small."""
    ragged = rng.uniform(0.42, 0.68)
    field = rng.uniform(0.6, 1.1) * fractal(rng, canvas.size, cell=rng.uniform(0.12, 0.5), roughness=ragged, finest=1.5)
    field = np.where(metal.cover > 0.5, field + rng.uniform(0.5, 1.3) * metal.weak, -9).astype(np.float32)
    fraction = float(np.exp(rng.uniform(np.log(0.01), np.log(0.35))))
    edge = float(np.quantile(field[metal.cover > 0.5], 1 - fraction)) if (metal.cover > 0.5).any() else 9.0
    cover = np.clip((field - edge) / rng.uniform(0.12, 0.4) + 0.5, 0, 1)
    whole = RleMasks.from_dense((cover >= 0.5)[None])
    parts = RleMasks(canvas.size, *tracing.parts(whole.counts, canvas.size))
    area = parts.area
    largest = np.argsort(-area, kind="stable")[:_MAX_PATCHES]
    largest = np.sort(largest[area[largest] >= _MIN_FRACTION * cover.size])
    for row, part in enumerate(largest):  # one at a time, to limit the memory for a large scene
        canvas.owner[parts[part].dense()[0]] = row
    near = soften((canvas.owner >= 0).astype(np.float32), 2.0) > 0.02  # keep the soft edges of objects only
    cover = np.where(canvas.owner >= 0, cover, np.minimum(cover, 0.49) * near)
    return cover.astype(np.float32), len(largest)


def _stain(canvas: Canvas, rng: np.random.Generator, metal: Metal, cover: np.ndarray) -> None:
    """Stains of rusty water below each patch."""
    height, width = canvas.size
    streaks = np.clip(
        fractal(rng, (2, width), cell=0.08, roughness=0.75, finest=1.5)[0] + rng.uniform(-0.8, 0.4), 0, 1.5
    )
    fade = np.float32(1 - rng.uniform(3, 14) / height)
    run = np.zeros_like(cover)
    now = np.zeros(width, np.float32)
    for row in range(height):
        now = np.maximum(now * fade, cover[row])
        run[row] = now
    tint = soften(run * streaks, 1.2) * metal.cover * rng.uniform(0.1, 0.6)
    halo = soften(cover, width * 0.012) * rng.uniform(0.05, 0.4) * metal.cover
    fraction = np.clip(np.maximum(tint, halo), 0, 0.6)[..., None]
    canvas.light *= 1 - fraction * (1 - linear(0.85, 0.55, 0.3))


def _corrode(canvas: Canvas, rng: np.random.Generator, metal: Metal, cover: np.ndarray) -> None:
    """Color, pits and relief of the rust, and the edge of the paint around it."""
    size = canvas.size
    fine = fractal(rng, size, cell=0.06, roughness=0.8, finest=1.2)
    broad = fractal(rng, size, cell=rng.uniform(0.15, 0.4), roughness=0.6, finest=2)
    inner = soften(cover, size[1] * 0.012)
    age = np.clip(0.5 + 0.28 * broad + 0.2 * fine + 0.35 * (inner - 0.6) + rng.normal(0, 0.15), 0, 1)[..., None]
    young = linear(rng.uniform(0.7, 0.88), rng.uniform(0.4, 0.55), rng.uniform(0.12, 0.25))
    middle = linear(rng.uniform(0.55, 0.68), rng.uniform(0.27, 0.36), rng.uniform(0.1, 0.18))
    old = linear(rng.uniform(0.25, 0.38), rng.uniform(0.13, 0.2), rng.uniform(0.09, 0.15))
    color = np.where(age < 0.5, young + 2 * age * (middle - young), middle + (2 * age - 1) * (old - middle))
    pits = np.clip(-fine - rng.uniform(0.9, 1.6), 0, 1)[..., None]
    color = color * (1 - 0.8 * pits)
    relief = 0.8 * fine + 1.5 * broad + 3.0 * cover * rng.uniform(-0.4, 1.0)
    down, across = np.gradient(relief)
    lx, ly = metal.light
    shade = np.clip(1 - 0.22 * (across * lx + down * ly), 0.35, 1.8)[..., None]
    under = soften(canvas.light, 6).mean(axis=-1, keepdims=True)  # rust is dark on the dark side of a pipe
    level = np.clip(0.45 + 1.1 * under, 0.3, 1.25)
    down, across = np.gradient(soften(cover, 1.5))
    lip = np.clip(2.2 * (across * lx + down * ly), -0.5, 0.6)[..., None] * metal.cover[..., None]
    canvas.light *= 1 + lip  # the edge of the paint is slightly raised
    fraction = cover[..., None]
    canvas.light += fraction * ((color * shade * level).astype(np.float32) - canvas.light)
