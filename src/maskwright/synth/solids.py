"""Shaded solids that people and objects consist of: tapered cylinders and ellipsoids."""

from __future__ import annotations

import numpy as np

from maskwright.synth.canvas import Canvas, Light, ellipse

Point = tuple[float, float]


def limb(
    canvas: Canvas,
    start: Point,
    end: Point,
    r0: float,
    r1: float,
    color: np.ndarray,
    light: Light,
    rough: float = 0.1,
    soft: float = 1.0,
) -> None:
    """Paint a tapered cylinder from `start` (radius r0) to `end` (radius r1): arms, legs, trunks, poles."""
    reach = max(r0, r1) + 2
    window = canvas.window(
        min(start[0], end[0]) - reach,
        min(start[1], end[1]) - reach,
        max(start[0], end[0]) + reach,
        max(start[1], end[1]) + reach,
    )
    if window is None:
        return
    x, y, ax, ay = float(start[0]), float(start[1]), float(end[0] - start[0]), float(end[1] - start[1])
    r0, r1, length = float(r0), float(r1), max(float(np.hypot(ax, ay)), 1e-3)
    px, py = window.x - x, window.y - y
    fraction = np.clip((px * ax + py * ay) / length**2, 0, 1)
    radius = r0 + (r1 - r0) * fraction
    qx, qy = px - fraction * ax, py - fraction * ay
    away = np.sqrt(qx * qx + qy * qy)
    cover = np.clip((radius - away) / soft + 0.5, 0, 1)
    nx, ny = qx / np.maximum(radius, 0.5), qy / np.maximum(radius, 0.5)
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.02, 1))
    fold = canvas.rough(window)
    shade = light.falls((np.clip(nx + rough * fold, -1, 1), ny, nz)) * np.clip(1 + rough * fold, 0.2, 2)[..., None]
    canvas.paint(window, cover, color.astype(np.float32) * shade)


def ball(
    canvas: Canvas,
    x: float,
    y: float,
    rx: float,
    ry: float,
    color: np.ndarray,
    light: Light,
    tilt: float = 0.0,
    gloss: float = 0.0,
    soft: float = 1.0,
):
    """Paint an ellipsoid; returns (window, cover, u, v) for painting on it, or None if it is outside."""
    window = canvas.around(x, y, max(rx, ry) + 2)
    if window is None:
        return None
    cover, u, v = ellipse(window, x, y, rx, ry, tilt, soft)
    nz = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    nx, ny = u * cos - v * sin, u * sin + v * cos
    shade = (
        color.astype(np.float32)
        * light.falls((nx, ny, nz), wrap=0.05)
        * np.clip(1 + 0.06 * canvas.rough(window), 0, 2)[..., None]
    )
    if gloss:
        tx, ty, tz = light.towards
        mirror = np.clip(2 * nz * (nx * tx + ny * ty + nz * tz) - tz, 0, 1)
        shade = shade + (gloss * mirror**40)[..., None] * light.key
    canvas.paint(window, cover, shade)
    return window, cover, u, v
