"""Every error maskwright raises, and nothing else.

    MaskwrightError
    ├── InputError          a file, record or value the user gave is wrong
    │   ├── ImageError      an image cannot be read (truncated, fake, giant)
    │   ├── AnnotationError an annotation file or a record of it
    │   ├── DatasetError    the data as a whole (no images, no instances, unknown class, several annotation files)
    │   ├── WeightsError    a checkpoint, state dict or card
    │   ├── RecipeError     a training recipe or option
    │   ├── ShapeError      arrays of the wrong shape, type or length given to a constructor; also a ValueError
    │   └── UnknownName     a name that is in no table; offers the nearest
    ├── OutputError         something could not be written (no rights, disk full)
    ├── FetchError          a download that failed
    ├── MissingExtra        an optional package is not installed
    └── TrainingError       training cannot go on (loss not a number)

An error is made of named parts (file, record, field, wanted, got, fix); the message is built from them here,
and `--json` carries the same parts.
"""

from __future__ import annotations

from collections.abc import Iterable

from maskwright.escaping import harmless
from maskwright.suggestions import nearest

PARTS = ("record", "field", "expected", "got", "fix")


class MaskwrightError(Exception):
    """The root of the tree. `headline` says what is wrong in one sentence; the parts say where and how to mend it."""

    def __init__(
        self,
        headline: str = "",
        *,
        file: object = None,
        record: object = None,
        field: object = None,
        expected: object = None,
        got: object = None,
        fix: object = None,
    ) -> None:
        self.headline = headline
        self.parts = {
            name: str(value)
            for name, value in {
                "file": file,
                "record": record,
                "field": field,
                "expected": expected,
                "got": got,
                "fix": fix,
            }.items()
            if value is not None
        }
        super().__init__(headline)

    def __str__(self) -> str:
        head = [harmless(text) for text in (self.parts.get("file"), self.headline) if text]
        lines = [f"{type(self).__name__}: {': '.join(head)}"]
        lines += [f"  {name:<10}{_indented(self.parts[name])}" for name in PARTS if name in self.parts]
        return "\n".join(lines)

    def __reduce__(self):  # so that an error crosses from a worker process whole
        return (_remake, (type(self), self.headline, self.parts))

    def facts(self) -> dict[str, str]:
        """The same parts for machines."""
        return {"error": type(self).__name__, "message": self.headline, **self.parts}


def _indented(part: str) -> str:
    """Further lines of a part stand under its first one, so that no name in it can fake a line of ours."""
    first, *further = part.split("\n")
    return "".join([harmless(first), *(f"\n          {harmless(line.strip())}" for line in further)])


def _remake(kind: type[MaskwrightError], headline: str, parts: dict[str, str]) -> MaskwrightError:
    error = kind.__new__(kind)
    MaskwrightError.__init__(error, headline, **parts)
    return error


class InputError(MaskwrightError):
    """Something the user gave is wrong."""


class ImageError(InputError):
    """An image cannot be read."""


class AnnotationError(InputError):
    """An annotation file, or a record of it, is wrong."""


class DatasetError(InputError):
    """The data as a whole cannot be used as asked."""


class WeightsError(InputError):
    """A checkpoint, state dict or card cannot be used."""


class RecipeError(InputError):
    """A training recipe or an option of it is wrong."""


class ShapeError(InputError, ValueError):
    """An array of the wrong shape, type or length; what was expected and what was given are named."""


class UnknownName(InputError):
    """A name that stands in no table; offers the nearest one.

    >>> raise UnknownName("model", "mask_rcnn_r5O", ["mask_rcnn_r50", "small"], "`maskwright models` lists them all")
    Traceback (most recent call last):
    maskwright.errors.UnknownName: UnknownName: no model "mask_rcnn_r5O". Did you mean "mask_rcnn_r50"? \
(`maskwright models` lists them all)
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], where: str | None = None, meant: str | None = None
    ) -> None:
        known = list(known)
        near = meant or nearest(name, known)
        text = f'no {kind} "{name}".'
        text += f' Did you mean "{near}"?' if near else f" There are: {', '.join(known) or 'none'}."
        super().__init__(text + (f" ({where})" if where else ""))


class OutputError(MaskwrightError):
    """Something could not be written."""


class FetchError(MaskwrightError):
    """A download failed."""


class MissingExtra(MaskwrightError):
    """An optional package is not installed."""


class TrainingError(MaskwrightError):
    """Training cannot go on."""
