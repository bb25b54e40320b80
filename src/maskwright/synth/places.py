"""Common to all backgrounds: lighting, and materials of walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwright.synth.canvas import Canvas, Light, any_color, linear


@dataclass(frozen=True)
class Place:
    """A painted background.

    light           the light sources
    ground          row where the floor begins (the height if none is visible)
    people, things  maximum numbers of people and round objects to add
    """

    light: Light
    ground: float
    people: int = 0
    things: int = 3


def ramp(canvas: Canvas, top: np.ndarray, bottom: np.ndarray, bend: float = 1.0) -> np.ndarray:
    fraction = np.linspace(0, 1, canvas.size[0], dtype=np.float32)[:, None, None] ** np.float32(bend)
    return np.broadcast_to(top + fraction * (bottom - top), (*canvas.size, 3)).astype(np.float32)


def sun(rng: np.random.Generator, warm: float, strength: float, back: float | None = None) -> Light:
    side, height = rng.uniform(-0.8, 0.8), rng.uniform(0.25, 0.9)
    towards = np.array([side, -height, rng.uniform(0.15, 0.9)])
    key = strength * (linear(1, 1, 1) * (1 - warm) + linear(1, 0.82, 0.55) * warm)
    fill = rng.uniform(0.22, 0.5)
    return Light(
        (towards / np.linalg.norm(towards)).astype(np.float32),
        key.astype(np.float32),
        (fill * linear(0.82, 0.92, 1.0)).astype(np.float32),
        (fill * rng.uniform(0.3, 0.7) * linear(0.75, 0.75, 0.65)).astype(np.float32),
        rng.uniform(0, 0.7) if back is None else back,
    )


def indoor(rng: np.random.Generator, strength: float) -> Light:
    warm = rng.uniform(0, 1)
    towards = np.array([rng.uniform(-0.9, 0.9), -rng.uniform(0.2, 1), rng.uniform(0.3, 1.0)])
    if rng.random() < 0.25:  # flash
        towards = np.array([rng.uniform(-0.12, 0.12), -0.1, 1.0])
    key = linear(1, 1, 1) * (1 - warm) + linear(1, 0.85, 0.62) * warm
    fill = rng.uniform(0.15, 0.45)
    return Light(
        (towards / np.linalg.norm(towards)).astype(np.float32),
        (strength * key).astype(np.float32),
        (fill * key).astype(np.float32),
        (fill * rng.uniform(0.3, 0.8) * key * linear(0.9, 0.85, 0.8)).astype(np.float32),
        rng.uniform(0, 0.45),
        windows=bool(rng.random() < 0.5),
        lamps=tuple(_direction(rng) for _ in range(int(rng.integers(0, 4)))),
        pane=(rng.uniform(0.1, 0.35), rng.uniform(0.12, 0.5), float(rng.choice([0.0, 0.015, 0.03]))),
    )


def _direction(rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = rng.uniform(-1, 1), rng.uniform(-1, 0.2), rng.uniform(0.1, 1)
    length = float(np.sqrt(x * x + y * y + z * z))
    return x / length, y / length, z / length


# --- walls ----------------------------------------------------------------------------------------
_WALLS = (
    (0.93, 0.92, 0.88), (0.9, 0.86, 0.76), (0.8, 0.72, 0.58), (0.72, 0.74, 0.76), (0.62, 0.7, 0.76), (0.68, 0.75, 0.66),
    (0.85, 0.7, 0.6), (0.5, 0.5, 0.5), (0.75, 0.45, 0.35), (0.35, 0.42, 0.5), (0.9, 0.82, 0.55),
)  # fmt: skip


def wall_tone(rng: np.random.Generator) -> np.ndarray:
    """A color of painted walls, rarely saturated."""
    if rng.random() < 0.2:
        return any_color(rng, (0.05, 0.5), (0.35, 0.95))
    tone = np.array(_WALLS[int(rng.integers(len(_WALLS)))])
    return linear(*(tone * rng.uniform(0.75, 1.08) + rng.normal(0, 0.03, 3)))


def bricks(x: np.ndarray, y: np.ndarray, long: float, rng: np.random.Generator) -> np.ndarray:
    """h×w shading of a brick wall: mortar joints, and bricks of varying brightness."""
    high = max(long / rng.uniform(2.2, 3.5), 2.0)
    row = np.floor(y / high)
    column = x / max(long, 4.0) + 0.5 * (row % 2)
    u, v = column % 1, (y / high) % 1
    joint = np.minimum(np.minimum(u, 1 - u) * long, np.minimum(v, 1 - v) * high)
    noise = np.sin(np.floor(column) * 12.9898 + row * 78.233) * 43758.5453
    tone = 0.75 + 0.5 * (noise - np.floor(noise))
    mortar = rng.uniform(0.4, 1.7)
    fraction = np.clip(joint / max(1.0, 0.06 * long) - 0.2, 0, 1)
    return (mortar + fraction * (tone - mortar)).astype(np.float32)


def planks(x: np.ndarray, wide: float, rough: np.ndarray) -> np.ndarray:
    """Shading of parallel boards of width `wide` along x."""
    u = x / wide
    noise = np.sin(np.floor(u) * 91.7) * 43758.5453
    edge = np.minimum(u % 1, 1 - u % 1) * wide
    return (
        (0.8 + 0.4 * (noise - np.floor(noise))) * (0.35 + 0.65 * np.clip(edge / 1.5, 0, 1)) * (1 + 0.12 * rough)
    ).astype(np.float32)
