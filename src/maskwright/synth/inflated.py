"""One balloon: outline, surface and shading."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from maskwright.synth.canvas import Canvas, CanvasWindow, Light
from maskwright.synth.noise import resized

Normal = tuple[np.ndarray, np.ndarray, np.ndarray]
ROUND, FLAT = ("round", "pear", "long"), ("heart", "star", "disc", "blob")


@dataclass
class Balloon:
    """The parameters of one balloon.

    x, y     center of the widest part, image pixels
    radius   half the width
    color    3, linear light
    tilt     radians; at 0 the knot is at the bottom, positive values turn it to the left
    shape    one of ROUND or FLAT
    length   of ROUND shapes: from the widest part to the neck, in radii
    taper    0 egg-shaped .. 0.95 conical toward the neck
    finish   "latex", "pearl", "chrome", "foil", "matt"
    clear    0 opaque .. 0.8 transparent
    ink      h×w×4 print around it (linear light, cover), or None
    spin     rotation of the print, 0..1
    soft     width of the outline's blur in pixels (1 is sharp)
    wrinkle  4 random numbers for the creases of foil
    """

    x: float
    y: float
    radius: float
    color: np.ndarray
    tilt: float = 0.0
    shape: str = "round"
    length: float = 1.2
    taper: float = 0.5
    finish: str = "latex"
    clear: float = 0.0
    ink: np.ndarray | None = None
    spin: float = 0.0
    soft: float = 1.0
    knot: bool = True
    wrinkle: np.ndarray = field(default_factory=lambda: np.zeros(4))

    def end(self) -> tuple[float, float]:
        """Position of the knot, where the string is tied."""
        reach = self.radius * (
            self.length + 0.12 if self.shape in ROUND else {"star": 0.5, "blob": 0.6}.get(self.shape, 0.95)
        )
        return self.x - reach * np.sin(self.tilt), self.y + reach * np.cos(self.tilt)


def paint_balloon(canvas: Canvas, balloon: Balloon, light: Light, owner: int | None) -> None:
    """Paint a balloon; its pixels get the owner `owner`."""
    reach = balloon.radius * (max(1.0, balloon.length) + 0.35 if balloon.shape in ROUND else 1.25) + balloon.soft + 1
    window = canvas.around(balloon.x, balloon.y, reach)
    if window is None:
        return
    dx, dy = (window.x - balloon.x) / balloon.radius, (window.y - balloon.y) / balloon.radius
    cos, sin = np.float32(np.cos(balloon.tilt)), np.float32(np.sin(balloon.tilt))
    across, down = dx * cos + dy * sin, dy * cos - dx * sin
    surface = _revolved if balloon.shape in ROUND else _pillow
    cover, (nx, ny, nz), lon, lat = surface(balloon, across, down)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not len(rows):
        return
    # Continue with the rows and columns of the balloon only.
    visible = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    top, left = window.rows.start, window.columns.start
    window = CanvasWindow(
        slice(top + visible[0].start, top + visible[0].stop),
        slice(left + visible[1].start, left + visible[1].stop),
        window.x[:, visible[1]],
        window.y[visible[0]],
    )
    cover, nx, ny, nz, lon, lat = (field[visible] for field in (cover, nx, ny, nz, lon, lat))
    normal = (nx * cos - ny * sin, nx * sin + ny * cos, nz)  # in image coordinates
    emitted = _shaded(balloon, normal, lon, lat, light, canvas.behind(window))
    canvas.paint(window, cover, emitted, owner)


# --- outlines ------------------------------------------------------------------------------------
@cache
def _profile(length: float, taper: float, knot: bool, long: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A surface of revolution: (positions along the axis in radii, squared half width there, its slope)."""
    down = np.linspace(-1.4, length + 0.6, 900, dtype=np.float32)
    fraction = np.clip(down / length, 0, None)
    if long:  # a straight tube with round ends
        squared = 1 - np.clip(-down, 0, None) ** 2 - np.clip(down - length + 0.9, 0, None) ** 2 / 0.81
    else:
        lower = (1 - fraction**2) * (1 - taper * np.clip(fraction, 0, 1) ** 2)
        squared = np.where(down < 0, 1 - down**2, lower)
    if knot:
        neck, lip = length - 0.04, length + 0.13
        half = 0.055 + 0.05 * np.clip((down - neck - 0.06) / 0.1, 0, 1) ** 1.5 + 0.4 * np.clip(neck - down, 0, 1) ** 1.3
        tied = np.where((down > neck - 0.3) & (down < lip), half**2, -1)
        squared = np.where(down >= lip, -0.2 * (down - lip) - 0.002, np.maximum(squared, tied))
    squared = squared.astype(np.float32)
    return down, squared, np.gradient(squared, down).astype(np.float32)


def _revolved(balloon: Balloon, across: np.ndarray, down: np.ndarray):
    """(cover, normal, longitude, latitude) of a surface of revolution, all h×w."""
    steps, squared, slopes = _profile(
        round(balloon.length, 2), round(balloon.taper, 2), balloon.knot, balloon.shape == "long"
    )
    inside = np.interp(down, steps, squared).astype(np.float32) - across * across
    slope = np.interp(down, steps, slopes).astype(np.float32)
    steep = np.sqrt(4 * across * across + slope * slope) + 1e-3
    cover = np.clip(inside / steep * (balloon.radius / balloon.soft) + 0.5, 0, 1)
    nz = np.sqrt(np.maximum(inside, 0))
    nx, ny = across, -slope / 2
    norm = np.maximum(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-4)
    longitude = np.arctan2(across, nz) / np.pi
    return cover, (nx / norm, ny / norm, nz / norm), longitude, (down + 1) / (balloon.length + 1)


@cache
def _outline(shape: str, variant: int) -> np.ndarray:
    """Radius of the outline at 720 angles (0 points right, clockwise), scaled to a maximum of 1."""
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    if shape == "disc":
        outline = np.ones(720)
    elif shape == "star":
        points = 5 if variant % 4 else 6
        phase = (angle + np.pi / 2) % (2 * np.pi / points) - np.pi / points
        inner = 0.45 + 0.05 * (variant % 3)
        edge = np.abs(phase) / (np.pi / points)  # 0 at the notch, 1 at the tip
        outline = inner / ((1 - edge) + inner * edge)
    elif shape == "heart":
        t = np.linspace(0, 2 * np.pi, 4000)
        x = 16 * np.sin(t) ** 3
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) - 1.5
        at = np.arctan2(y, x) % (2 * np.pi)
        order = np.argsort(at)
        outline = np.interp(angle, at[order], np.hypot(x, y)[order], period=2 * np.pi)
    else:  # an arbitrary figure
        rng = np.random.default_rng(variant)
        outline = 1.0 + sum(rng.normal(0, 0.32 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 7))
        outline = np.clip(outline, 0.35, None)
    width = {"heart": 14, "star": 15}.get(shape, 7)  # corners of foil balloons are rounded
    kernel = np.hanning(2 * width + 1)
    outline = np.convolve(np.concatenate([outline[-width:], outline, outline[:width]]), kernel / kernel.sum(), "valid")
    return (outline / outline.max()).astype(np.float32)


def _pillow(balloon: Balloon, across: np.ndarray, down: np.ndarray):
    """The same for foil: two sheets welded along their outline and inflated, with creases at the seam."""
    outline = _outline(balloon.shape, int(balloon.wrinkle[0] * 12))
    angle = np.arctan2(down, across)
    at = angle / (2 * np.pi) % 1 * 720
    low = at.astype(np.int32)
    here = outline[low % 720] + (at - low) * (outline[(low + 1) % 720] - outline[low % 720])
    distance = np.sqrt(across * across + down * down)
    slope = np.gradient(outline, 2 * np.pi / 720)[low % 720] / np.maximum(here, 0.05)
    inside = (here - distance) / np.sqrt(1 + slope * slope)
    cover = np.clip(inside * (balloon.radius / balloon.soft) + 0.5, 0, 1)
    depth = np.clip(inside / (1.0 if balloon.shape == "disc" else 0.62), 0, 1)
    _, depth_scale, count, phase = balloon.wrinkle
    creases = np.sin(angle * (18 + round(14 * count)) + 6.3 * phase + 2 * np.sin(5 * angle + 6 * phase))
    creases *= np.exp(-7 * depth) * (0.02 + 0.03 * depth_scale)
    bulge = (0.42 + 0.15 * depth_scale) * np.sqrt(1 - (1 - depth) ** 2 + 1e-3)
    height = (bulge + creases * np.minimum(1, 14 * depth)).astype(np.float32)
    pixel = 1.0 / balloon.radius
    if min(height.shape) < 3:
        nx = ny = np.zeros_like(height)
    else:
        ny, nx = np.gradient(height, pixel)
        cos, sin = float(np.cos(balloon.tilt)), float(np.sin(balloon.tilt))
        nx, ny = nx * cos + ny * sin, ny * cos - nx * sin
    norm = np.sqrt(nx * nx + ny * ny + 1)
    return cover, (-nx / norm, -ny / norm, 1 / norm), across / 2, (down + 1) / 2


# --- light ---------------------------------------------------------------------------------------
def _shaded(balloon: Balloon, normal: Normal, lon: np.ndarray, lat: np.ndarray, light: Light, behind: np.ndarray):
    """h×w×3: light from each point of the balloon."""
    nx, ny, nz = normal
    body = np.broadcast_to(balloon.color.astype(np.float32), (*nx.shape, 3))
    printed = None
    if balloon.ink is not None:
        high, wide = balloon.ink.shape[:2]
        column = ((lon + balloon.spin) % 1 * wide).astype(np.int32) % wide
        row = np.clip(lat * high, 0, high - 1).astype(np.int32)
        ink = balloon.ink[row, column]
        printed = ink[..., 3:]
        body = body + printed * (ink[..., :3] - body)
    metal = balloon.finish in ("chrome", "foil")
    thickness = np.clip(1 / (nz + 0.18) - 0.85, 0, 4)[..., None]  # thickness of the skin along the line of sight
    lit = light.falls(normal, wrap=0.15 if metal else 0.45)
    emitted = body * lit
    if not metal:
        # Light that enters at the back is colored by the skin.
        tx, ty, _ = light.towards
        far = np.clip(0.5 - 0.5 * (nx * tx + ny * ty), 0, 1)[..., None] ** 1.5
        skin = body ** (1 + 0.35 * thickness)
        thin = 0.35 if balloon.finish == "matt" else 1.0
        emitted = emitted * (0.72 + 0.28 * nz[..., None]) + thin * skin * (
            light.key * (0.22 + 0.55 * light.back) * (0.3 + far)
        )
        emitted = emitted * np.exp(-0.16 * thickness)
        if balloon.clear > 0:
            through = behind * (0.25 + 0.75 * balloon.color ** (0.5 + 0.4 * thickness))
            fraction = balloon.clear * np.exp(-0.5 * thickness)
            if printed is not None:
                fraction = fraction * (1 - printed)
            emitted = emitted + fraction * (through - emitted)
    return emitted + _reflected(balloon, normal, light, metal)


def _reflected(balloon: Balloon, normal: Normal, light: Light, metal: bool) -> np.ndarray:
    nx, ny, nz = normal
    rx, ry, rz = 2 * nz * nx, 2 * nz * ny, 2 * nz * nz - 1  # reflected view ray
    grazing = (1 - nz) ** 4
    skyward = np.clip(0.5 - 0.62 * ry, 0, 1)[..., None]
    around = light.sky * skyward + light.ground * (1 - skyward)
    if metal:
        bands = 0.55 + 0.45 * np.sin(5.0 * ry + 2.5 * rx * np.sin(3 * balloon.spin) + 6 * balloon.spin)[..., None]
        horizon = 1 / (1 + np.exp(np.clip(16 * (ry - 0.12), -30, 30)))[..., None]
        world = around * (0.35 + 1.1 * horizon) * (0.5 + bands)
        tint = balloon.color**0.7
        mirror = tint * world * 1.3 + 0.4 * grazing[..., None] * around
        return mirror * (0.75 if balloon.finish == "foil" else 1.0) + _spots(balloon, rx, ry, rz, light) * (
            0.5 + 0.5 * tint
        )
    gloss = {"latex": 0.5, "pearl": 0.7, "matt": 0.12}.get(balloon.finish, 0.5)
    emitted = (gloss * (0.03 + 0.5 * grazing))[..., None] * around
    if balloon.finish == "pearl":  # a wide sheen
        lx, ly, lz = light.towards
        silk = np.clip(rx * lx + ry * ly + rz * lz, 0, 1) ** 5
        emitted = emitted + (0.35 * silk)[..., None] * (0.35 + 0.65 * balloon.color) * light.key
    return emitted + _spots(balloon, rx, ry, rz, light)


def _spots(balloon: Balloon, rx: np.ndarray, ry: np.ndarray, rz: np.ndarray, light: Light) -> np.ndarray:
    """Highlights of the lights: spots or window panes, and weaker inverted ones reflected inside."""
    power = {"matt": 0.06, "pearl": 0.7}.get(balloon.finish, 1.0)
    lx, ly, lz = light.towards
    towards = np.clip(rx * lx + ry * ly + rz * lz, 0, 1)
    sharp = 60 if balloon.finish == "matt" else 260
    spot = 1.1 * towards**sharp + 0.16 * towards ** (sharp // 8)
    if light.windows:
        # Two axes perpendicular to the light; the pane is a rectangle there, with crossed bars.
        flat = max(float(np.hypot(lx, lz)), 1e-3)
        ax, az = float(lz) / flat, -float(lx) / flat
        u, v = rx * ax + rz * az, rx * float(ly * az) + ry * float(lz * ax - lx * az) - rz * float(ly * ax)
        edge = 0.02 + 1.2 / max(balloon.radius, 2)
        wide, high, bar = light.pane
        pane = np.clip((wide - np.abs(u)) / edge, 0, 1) * np.clip((high - np.abs(v)) / edge, 0, 1)
        pane *= np.clip((np.abs(u) - bar) / edge, 0, 1) * np.clip((np.abs(v) - bar) / edge, 0, 1)
        spot = 0.75 * pane * (towards > 0) + 0.2 * towards**30
    for ox, oy, oz in light.lamps:
        spot += 0.55 * np.clip(rx * ox + ry * oy + rz * oz, 0, 1) ** sharp
    mirrored = np.clip(-rx * lx - ry * ly + rz * lz, 0, 1)
    spot += (0.05 + 0.15 * balloon.clear) * mirrored ** (sharp // 4)
    bright = 0.35 + 0.65 * light.key / max(float(light.key.max()), 1e-3)
    return (power * spot)[..., None] * bright * max(float(light.key.max()), 0.5)


def print_texture(cover: np.ndarray, ink: np.ndarray, radius: float) -> np.ndarray:
    """A print for `Balloon.ink` from cover h×w 0..1 (full height × full circumference), at its visible size."""
    wide = int(np.clip(3.2 * radius, 24, cover.shape[1]))
    high = max(8, wide * cover.shape[0] // cover.shape[1])
    small = np.clip(resized(cover, (high, wide)), 0, 1)
    return np.concatenate([np.broadcast_to(ink.astype(np.float32), (*small.shape, 3)), small[..., None]], axis=-1)
