"""Colors of objects: distinct, safe for color-blind readers, and always the same for a class."""

from __future__ import annotations

import numpy as np

from maskwright.types.instances import Instances

Color = tuple[int, int, int]

# Seven colors of Okabe and Ito (2008), distinguishable with every common kind of color blindness, ordered by legibility
# on photographs. Their eighth, black, is left out: it would vanish in shadows.
PALETTE: tuple[Color, ...] = (
    (86, 180, 233),  # sky blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # green
    (204, 121, 167),  # pink
    (240, 228, 66),  # yellow
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
)


def color_of(index: int) -> Color:
    """The color of class (or object) number `index`; after seven they repeat, lighter, then darker.

    >>> color_of(0), color_of(7)
    ((86, 180, 233), (162, 214, 243))
    """
    base = np.array(PALETTE[index % len(PALETTE)], np.float64)
    shade = (index // len(PALETTE)) % 3
    if shade == 1:
        base = base * 0.55 + 255 * 0.45
    elif shade == 2:
        base = base * 0.6
    red, green, blue = np.rint(base).astype(int).tolist()
    return red, green, blue


def colors_of(instances: Instances) -> list[Color]:
    """One color per object: by class, or by row if there is only one class."""
    if len(instances.names) > 1:
        return [color_of(int(index)) for index in instances.classes]
    return [color_of(row) for row in range(len(instances))]


def ink_on(color: Color) -> Color:
    """Near-black or white, whichever has more contrast on `color` (WCAG 2 contrast ratio).

    >>> ink_on((240, 228, 66)), ink_on((0, 60, 110))
    ((17, 17, 17), (255, 255, 255))
    """
    channels = np.array(color, np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return (17, 17, 17) if (luminance + 0.05) ** 2 > 0.056 * 1.05 else (255, 255, 255)
