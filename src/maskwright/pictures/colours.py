"""Which colour an object gets: distinct, safe for colour-blind eyes, and the same every time."""

from __future__ import annotations

import numpy as np

from maskwright.types.instances import Instances

Colour = tuple[int, int, int]

# The seven hues of Okabe and Ito (2008), chosen to differ for every common kind of colour-blindness.
# Their order here puts the ones that read best on photos first; black, the eighth, would vanish in shadows.
PALETTE: tuple[Colour, ...] = (
    (86, 180, 233),  # sky blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # green
    (204, 121, 167),  # pink
    (240, 228, 66),  # yellow
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
)


def colour_of(index: int) -> Colour:
    """The colour of class (or object) number `index`; after seven they come again, lighter, then darker.

    >>> colour_of(0), colour_of(7)
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


def colours_of(instances: Instances) -> list[Colour]:
    """One colour an object: by class, or by its row where the data know only one class."""
    if len(instances.names) > 1:
        return [colour_of(int(index)) for index in instances.classes]
    return [colour_of(row) for row in range(len(instances))]


def ink_on(colour: Colour) -> Colour:
    """Near-black or white, whichever reads better on `colour` (WCAG 2 contrast ratio).

    >>> ink_on((240, 228, 66)), ink_on((0, 60, 110))
    ((17, 17, 17), (255, 255, 255))
    """
    channels = np.array(colour, np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return (17, 17, 17) if (luminance + 0.05) ** 2 > 0.056 * 1.05 else (255, 255, 255)
