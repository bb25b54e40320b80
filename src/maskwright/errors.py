"""All exceptions that maskwright raises.

    MaskwrightError
    ├── InputError          a file, record or value given by the user is invalid
    │   ├── ImageError      an image cannot be read (truncated, not an image, too large)
    │   ├── AnnotationError an annotation file or a record of it is invalid
    │   ├── DatasetError    the dataset as a whole (no images, no objects, unknown class, several annotation files)
    │   │   ├── NoAnnotations   a folder that holds none
    │   │   └── TooFewGroups    too few images to divide
    │   ├── WeightsError    a checkpoint, state dict or card
    │   ├── RecipeError     a training recipe or option
    │   ├── ShapeError      arrays of the wrong shape, type or length given to a constructor; also a ValueError
    │   └── UnknownName     a name that does not exist; suggests the nearest
    ├── OutputError         something cannot be written (no permission, disk full)
    ├── FetchError          a download failed
    ├── MissingExtra        an optional package is not installed
    ├── TrainingError       training cannot continue (the loss is NaN, another process of it has ended)
    └── ClusterError        a Ray cluster cannot be reached, or cannot go on with what it was given

An error consists of named parts (file, record, field, expected, got, fix); the message is built from them here, and
`--json` has the same parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from maskwright.escaping import harmless
from maskwright.suggestions import nearest

PARTS = ("record", "field", "expected", "got", "fix")


class MaskwrightError(Exception):
    """The base class of all errors.

    headline  what is wrong, in one sentence
    file      the file, folder or URL
    record    the record in it, such as an image, region, row or tensor
    field     the field, column or option
    expected  what would be valid
    got       what was given instead
    fix       how to fix it

    `shown_as` is the name in messages and in `--json`: that of the class, or of the one above for what only code
    distinguishes.
    """

    shown_as: ClassVar[str] = "MaskwrightError"

    def __init_subclass__(cls, shown_as: str | None = None) -> None:
        cls.shown_as = shown_as or cls.__name__

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
        lines = [f"{self.shown_as}: {': '.join(head)}"]
        lines += [f"  {name:<10}{_indented(self.parts[name])}" for name in PARTS if name in self.parts]
        return "\n".join(lines)

    def __reduce__(self):  # pickles completely, for errors in worker processes
        return (_restore, (type(self), self.headline, self.parts))

    def facts(self) -> dict[str, str]:
        """The parts as a dict, for `--json`."""
        return {"error": self.shown_as, "message": self.headline, **self.parts}


def _indented(part: str) -> str:
    """Indent further lines of a part, so that a name with line breaks cannot imitate another part."""
    first, *further = part.split("\n")
    return "".join([harmless(first), *(f"\n          {harmless(line.strip())}" for line in further)])


def _restore(kind: type[MaskwrightError], headline: str, parts: dict[str, str]) -> MaskwrightError:
    error = kind.__new__(kind)
    MaskwrightError.__init__(error, headline, **parts)
    return error


class InputError(MaskwrightError):
    """A file, record or value given by the user is invalid."""


class ImageError(InputError):
    """An image cannot be read."""


class AnnotationError(InputError):
    """An annotation file, or a record of it, is invalid."""


class DatasetError(InputError):
    """The dataset as a whole cannot be used for this."""


class NoAnnotations(DatasetError, shown_as="DatasetError"):
    """A folder holds no annotations, and nothing that looks like some."""


class TooFewGroups(DatasetError, shown_as="DatasetError"):
    """There are too few groups of images for so many parts."""


class WeightsError(InputError):
    """A checkpoint, state dict or card cannot be used."""


class RecipeError(InputError):
    """A training recipe or option is invalid."""


class ShapeError(InputError, ValueError):
    """An array has the wrong shape, type or length; names the expected and the actual one."""


class UnknownName(InputError):
    """A name that does not exist; suggests the nearest one.

    kind   what is named: "model", "class"
    known  the existing names
    where  where they are listed, as text
    meant  the suggestion; default: the nearest of `known`

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
    """Something cannot be written."""


class FetchError(MaskwrightError):
    """A download failed."""


class MissingExtra(MaskwrightError):
    """An optional package is not installed."""


class TrainingError(MaskwrightError):
    """Training cannot continue."""


class ClusterError(MaskwrightError):
    """A Ray cluster cannot be reached, or cannot go on with what it was given."""
