"""Results that can be drawn: the picture to look at, to show and to save."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from maskwright import files
from maskwright.errors import OutputError
from maskwright.kernel import display, in_notebook

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


class Drawable:
    """A result with a picture: `plot` makes it, `show` and `save` are the same for all."""

    __slots__ = ()

    def plot(self, shown_in: tuple[int, int] | None = None) -> PilImage.Image:
        """The picture, in the size of the image.

        shown_in  (width, height) in pixels that the picture will be reduced to: lines and labels are legible there
        """
        raise NotImplementedError

    def show(self) -> None:
        """Show the picture: below the cell in a notebook, elsewhere in the viewer of the system."""
        if in_notebook():
            display(self)
        else:
            self.plot().show()

    def save(self, path: str | Path) -> Path:
        """Write the picture; the ending of the name decides on the format.

        >>> detections.save("found.jpg")
        PosixPath('found.jpg')
        """
        return write_picture(self.plot(), Path(path))


def write_picture(picture: np.ndarray | PilImage.Image, path: Path) -> Path:
    """Write a picture, or nothing; OutputError for an ending that is none of `ENDINGS`."""
    if path.suffix.lower() not in ENDINGS:
        raise OutputError("not a kind of picture we write", file=path, expected=" ".join(ENDINGS),
                          got=path.suffix or "no ending")  # fmt: skip
    image = PilImage.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    with files.writing(path) as temporary:
        image.save(temporary, quality=92)
    return path
