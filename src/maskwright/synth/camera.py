"""Camera model: exposure, white balance, lens, sensor noise, tone curve."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from maskwright.synth.noise import soften

_STEPS = 4096


def develop(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """H×W×3 linear light (1 = white) -> H×W×3 uint8 as from a hand-held camera."""
    height, width = light.shape[:2]
    exposure = 2 ** rng.normal(0.05, 0.28)
    balance = np.exp(rng.normal(0, 0.055, 3) * np.array([1, 0.35, 1])).astype(np.float32)
    light = light * (exposure * balance).astype(np.float32)
    gray = light @ np.array([0.25, 0.65, 0.1], np.float32)
    # Real images are less saturated.
    light = np.maximum(light + np.float32(rng.uniform(0.02, 0.38)) * (gray[..., None] - light), 0)
    if rng.random() < 0.5:  # vignette
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        light *= (1 - rng.uniform(0.08, 0.4) * (x * x + y * y) / 2 * np.sqrt(x * x + y * y))[..., None]
    if rng.random() < 0.35:  # lens glare: bright areas spread
        light = light + np.float32(rng.uniform(0.02, 0.1)) * soften(light, width / 25)
    if rng.random() < 0.4:
        light = soften(light, rng.uniform(0.6, 0.9) if rng.random() < 0.8 else rng.uniform(1.0, 1.8))
    grain = rng.uniform(0.002, 0.02) if rng.random() < 0.8 else rng.uniform(0.02, 0.05)
    noise = rng.standard_normal(light.shape, np.float32) * np.float32(grain)
    light = light + noise * np.sqrt(np.maximum(light, 0.0) + 0.02)
    picture = _tone(rng)[np.clip(light * (_STEPS / 2), 0, _STEPS - 1).astype(np.int16)]
    if rng.random() < 0.06:  # black and white, or faded
        gray = picture @ np.array([0.3, 0.59, 0.11], np.float32)
        tint = np.array([1, 1, 1] if rng.random() < 0.5 else [1.06, 1.0, 0.86], np.float32)
        fraction = np.float32(rng.choice([1.0, 0.6]))
        picture = np.clip(picture * (1 - fraction) + fraction * gray[..., None] * tint, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        picture = _jpeg(picture, int(rng.integers(35, 88)))
    return picture


def _tone(rng: np.random.Generator) -> np.ndarray:
    """Tone curve, light 0..2 in 4096 steps -> uint8: gamma, a shoulder for highlights, contrast."""
    light = np.linspace(0, 2, _STEPS)
    shoulder = rng.uniform(0.6, 0.95)
    over = np.maximum(light - shoulder, 0)
    light = np.minimum(light, shoulder) + (1 - shoulder) * (1 - np.exp(-over / (1 - shoulder)))
    value = np.clip(light, 0, 1) ** (1 / 2.2)
    contrast = rng.uniform(-0.1, 0.3)
    value = value * (1 - contrast) + contrast * (value * value * (3 - 2 * value))
    return np.clip(255 * value + 0.5, 0, 255).astype(np.uint8)


def _jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))
