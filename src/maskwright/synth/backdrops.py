"""Backgrounds of balloon scenes: a rendered setting, something out of focus, or a real image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from maskwright.synth import indoors, outdoors
from maskwright.synth.canvas import Canvas, Light, any_color, ellipse, linear
from maskwright.synth.noise import fractal, soften
from maskwright.synth.places import Place, indoor, ramp, sun


def lamps(canvas: Canvas, rng: np.random.Generator) -> Place:
    """Out-of-focus lights in the dark."""
    height, width = canvas.size
    dark = rng.uniform(0.02, 0.25)
    canvas.light[:] = ramp(
        canvas, any_color(rng, (0.2, 0.9), (dark, dark * 2.5)), any_color(rng, (0.2, 0.9), (dark, dark * 2.5))
    )
    canvas.light *= np.clip(1 + 0.5 * fractal(rng, canvas.size, cell=0.5, finest=8), 0.1, 3)[..., None]
    radius, hues = width * rng.uniform(0.01, 0.06), [any_color(rng, (0.1, 0.9), (0.6, 1)) for _ in range(3)]
    for _ in range(int(rng.integers(8, 60))):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), radius * rng.uniform(0.6, 1.3)
        window = canvas.around(x, y, r + 2)
        if window is None:
            continue
        cover, u, v = ellipse(window, x, y, r, r, soft=max(1.0, r * 0.12))
        disc = cover * (0.75 + 0.35 * (u * u + v * v)) * rng.uniform(0.1, 0.9)
        canvas.light[window.rows, window.columns] += disc[..., None] * hues[int(rng.integers(3))]
    return Place(indoor(rng, rng.uniform(0.35, 0.8)), height, 3, 2)


def haze(canvas: Canvas, rng: np.random.Generator) -> Place:
    """Large blurred areas of color: a background far out of focus."""
    light = np.zeros((*canvas.size, 3), np.float32) + any_color(rng, (0.1, 0.7), (0.2, 0.9))
    for _ in range(int(rng.integers(2, 5))):
        fraction = np.clip(
            0.5
            + rng.uniform(0.3, 1.2) * fractal(rng, canvas.size, cell=rng.uniform(0.2, 0.9), roughness=0.35, finest=10),
            0,
            1,
        )
        light += fraction[..., None] * (any_color(rng, (0.05, 0.65), (0.1, 1.0)) - light)
    canvas.light[:] = light
    light_source = sun(rng, 0.3, rng.uniform(0.6, 1)) if rng.random() < 0.5 else indoor(rng, 0.8)
    return Place(light_source, canvas.size[0], 2, 2)


def studio(canvas: Canvas, rng: np.random.Generator) -> Place:
    """White or single-colored paper."""
    tone = linear(1, 1, 1) * rng.uniform(0.75, 1.1) if rng.random() < 0.55 else any_color(rng, (0.05, 0.45), (0.5, 1))
    canvas.light[:] = ramp(canvas, tone * rng.uniform(0.8, 1.1), tone * rng.uniform(0.8, 1.1))
    return Place(indoor(rng, rng.uniform(0.7, 1)), canvas.size[0], 1, 3)


def static(canvas: Canvas, rng: np.random.Generator) -> Place:
    """Colored 1/f noise: an arbitrary texture."""
    rough = rng.uniform(0.4, 0.85)
    stretch = (rng.uniform(0.5, 2), rng.uniform(0.5, 2))
    planes = [fractal(rng, canvas.size, cell=rng.uniform(0.1, 0.9), roughness=rough, stretch=stretch) for _ in range(3)]
    mean, spread = any_color(rng, (0, 0.6), (0.3, 0.9)), rng.uniform(0.1, 0.5)
    shared = planes[0][..., None]
    canvas.light[:] = np.clip(mean * (1 + spread * (shared + rng.uniform(0, 0.8) * np.stack(planes, -1))), 0.01, 1.2)
    return Place(sun(rng, 0.3, rng.uniform(0.6, 1)), canvas.size[0], 3, 5)


def image(canvas: Canvas, rng: np.random.Generator, pictures: list[np.ndarray]) -> Place:
    """A real image, randomly cropped and mirrored."""
    picture = pictures[int(rng.integers(len(pictures)))]
    height, width = canvas.size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    scale *= rng.uniform(1.0, 1.6)
    tall, wide = height / scale, width / scale
    y, x = rng.uniform(0, picture.shape[0] - tall), rng.uniform(0, picture.shape[1] - wide)
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, (x, y, x + wide, y + tall))
    cropped = np.asarray(image)[:, :: int(rng.choice([-1, 1]))]
    canvas.light[:] = (np.linspace(0, 1, 256, dtype=np.float32) ** 2.2)[cropped]
    mean = canvas.light.mean()
    light_source = sun(rng, 0.3, 0.9) if rng.random() < 0.5 else indoor(rng, 0.8)
    strength = np.float32(np.clip(0.45 + 1.6 * mean, 0.4, 1.15))
    light_source = replace(
        light_source,
        key=light_source.key * strength,
        sky=light_source.sky * strength,
        ground=light_source.ground * strength,
    )
    return Place(light_source, height, int(rng.random() < 0.25), 2)


PAINTERS: dict[str, tuple[float, Callable[[Canvas, np.random.Generator], Place]]] = {
    "sky": (0.16, outdoors.sky),
    "park": (0.17, outdoors.park),
    "street": (0.15, outdoors.street),
    "room": (0.2, indoors.room),
    "wall": (0.12, indoors.wall),
    "lamps": (0.06, lamps),
    "haze": (0.06, haze),
    "studio": (0.05, studio),
    "static": (0.03, static),
}


def paint_backdrop(canvas: Canvas, rng: np.random.Generator, pictures: list[np.ndarray]) -> Place:
    """Paint a random background; with `pictures` in 60 % of scenes one of these images."""
    if pictures and rng.random() < 0.6:
        backdrop, blur = image(canvas, rng, pictures), rng.random() < 0.25
    else:
        fractions = np.array([fraction for fraction, _ in PAINTERS.values()])
        name = list(PAINTERS)[int(rng.choice(len(fractions), p=fractions / fractions.sum()))]
        backdrop, blur = PAINTERS[name][1](canvas, rng), rng.random() < 0.5
    if blur:
        canvas.light[:] = soften(canvas.light, canvas.size[1] * rng.uniform(0.002, 0.02))
    return replace(backdrop, light=_tinted(backdrop.light, canvas))


def _tinted(light: Light, canvas: Canvas) -> Light:
    """Ambient light takes on the colors of the background: half of it from above and half from below."""
    samples = canvas.light[::12, ::12]
    top, bottom = samples[: len(samples) // 2].mean(axis=(0, 1)), samples[len(samples) // 2 :].mean(axis=(0, 1))
    return replace(light, sky=0.5 * light.sky + 0.4 * top, ground=0.5 * light.ground + 0.4 * bottom)
