"""Common properties of the balloons of one scene: colors, finish, prints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskwright.synth.canvas import any_color, linear
from maskwright.synth.inflated import Balloon, print_texture

Color = tuple[float, float, float]

LATEX: list[Color] = [
    (0.88, 0.06, 0.1), (0.98, 0.45, 0.05), (1.0, 0.82, 0.05), (0.45, 0.8, 0.12), (0.04, 0.55, 0.2), (0.02, 0.6, 0.6),
    (0.2, 0.65, 0.95), (0.05, 0.25, 0.8), (0.42, 0.15, 0.65), (0.93, 0.12, 0.55), (0.98, 0.6, 0.75), (0.97, 0.97, 0.95),
    (0.05, 0.05, 0.06), (0.75, 0.62, 0.92), (0.95, 0.78, 0.62), (0.5, 0.04, 0.1), (0.08, 0.1, 0.35),
]  # fmt: skip
METAL: list[Color] = [
    (0.9, 0.72, 0.3), (0.82, 0.83, 0.86), (0.92, 0.62, 0.55), (0.85, 0.1, 0.15), (0.15, 0.3, 0.8), (0.85, 0.2, 0.6),
]  # fmt: skip
WORDS = [
    "HAPPY\nBIRTHDAY", "PARTY", "FREE", "WOW", "SALE", "LOVE", "18", "40", "HELLO", "BOO!", "YES", "2 for 1",
    "Congrats",
]  # fmt: skip


@dataclass(frozen=True)
class Party:
    """Common properties of the balloons of one scene.

    palette                       colors to choose from
    finish, length, taper, soft   as in `Balloon`, before individual variation
    foil, printed                 fraction of foil balloons, of balloons with a print; 0..1
    clear                         typical transparency, 0..0.6
    """

    palette: list[Color]
    finish: str
    foil: float
    clear: float
    printed: float
    length: float
    taper: float
    soft: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Party:
        few = [LATEX[index] for index in rng.permutation(len(LATEX))[: int(rng.integers(1, 4))]]
        return cls(
            palette=few if rng.random() < 0.45 else LATEX,
            finish=str(rng.choice(["latex", "pearl", "chrome", "matt"], p=[0.66, 0.16, 0.06, 0.12])),
            foil=float(rng.choice([0.0, 0.06, 0.6], p=[0.55, 0.35, 0.1])),
            clear=float(rng.choice([0.0, 0.25, 0.55], p=[0.55, 0.3, 0.15])),
            printed=float(rng.choice([0.0, 0.1, 0.7], p=[0.45, 0.35, 0.2])),
            length=float(rng.uniform(1.02, 1.45)),
            taper=float(rng.uniform(0.0, 0.9)),
            soft=float(rng.choice([1.0, 1.6, 5.0], p=[0.7, 0.24, 0.06])),
        )

    def balloon(self, rng: np.random.Generator, x: float, y: float, radius: float, tilt: float) -> Balloon:
        """A balloon with these properties at (x, y)."""
        shape, finish, palette = "round", self.finish, self.palette
        length = max(1.0, self.length + rng.normal(0, 0.05))
        if rng.random() < self.foil:
            shape, finish, palette = str(rng.choice(["heart", "star", "disc", "blob"])), "foil", METAL + LATEX
            radius *= 1.15
        elif rng.random() < 0.008:
            tilt = rng.uniform(-2, 2)
            shape, length = "long", rng.uniform(2.5, 6)
            radius *= 0.4
        color = linear(*np.clip(np.array(palette[int(rng.integers(len(palette)))]) + rng.normal(0, 0.03, 3), 0.02, 1))
        ink = _print(rng, color, radius) if rng.random() < self.printed and radius > 6 else None
        return Balloon(
            float(x), float(y), float(radius), color, float(tilt), shape,
            length=float(length),
            taper=float(np.clip(self.taper + rng.normal(0, 0.06), 0, 0.95)),
            finish=finish,
            clear=float(self.clear * rng.uniform(0.5, 1.3)),
            ink=ink,
            spin=float(rng.random()),
            soft=self.soft,
            knot=bool(rng.random() < 0.93),
            wrinkle=rng.random(4),
        )  # fmt: skip


def _print(rng: np.random.Generator, color: np.ndarray, radius: float) -> np.ndarray:
    cover = _design(int(rng.integers(len(WORDS) + 7)), int(rng.integers(4)))
    ink = any_color(rng, (0, 1), (0.1, 1)) if rng.random() < 0.5 else linear(1, 1, 1)
    if float(np.abs(ink - color).max()) < 0.25:
        ink = linear(0.03, 0.03, 0.03) if color.mean() > 0.3 else linear(1, 1, 1)
    return print_texture(cover, ink, radius)


@cache
def _design(which: int, variant: int) -> np.ndarray:
    """256×512 cover 0..1 of a print around the balloon; the front is at columns 0 and 256."""
    rng = np.random.default_rng([which, variant])
    image = Image.new("L", (512, 256))
    draw = ImageDraw.Draw(image)
    if which < len(WORDS):
        widest = max(len(line) for line in WORDS[which].split("\n"))
        font = ImageFont.load_default(min(30 + 14 * variant, 330 // widest))
        for middle in (0, 256, 512):
            draw.multiline_text((middle, 118), WORDS[which], fill=255, font=font, anchor="mm", align="center")
    elif which < len(WORDS) + 3:  # dots
        for _ in range(40 + 60 * variant):
            x, y, r = rng.uniform(0, 512), rng.uniform(10, 240), rng.uniform(3, 12 - 2 * variant)
            draw.ellipse([x - r, y - r, x + r, y + r], fill=255)
    elif which < len(WORDS) + 5:  # stars
        for _ in range(50):
            x, y, r = rng.uniform(0, 512), rng.uniform(10, 240), rng.uniform(5, 13)
            angles = np.arange(10) * np.pi / 5 + rng.uniform(0, 6)
            rays = r * np.where(np.arange(10) % 2, 0.4, 1)
            draw.polygon([(x + a * np.cos(t), y + a * np.sin(t)) for a, t in zip(rays, angles, strict=True)], fill=255)
    elif which == len(WORDS) + 5:  # a drawn face
        for middle in (0, 256, 512):
            for side in (-38, 38):
                draw.ellipse([middle + side - 9, 70, middle + side + 9, 105], fill=255)
            draw.arc([middle - 60, 70, middle + 60, 180], 20, 160, fill=255, width=7)
    else:  # stripes
        for step in range(0, 512, 64):
            draw.rectangle([step, 0, step + 30, 256], fill=255)
    return np.asarray(image, np.float32) / 255
