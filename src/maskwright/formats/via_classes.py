"""Where the regions of VIA files have their class: asked once of all files of a dataset, so that all are read alike.

The class stands in an attribute as a rule ({"animal": "cat"}: text, choice or one ticked box). In some files each class
is an attribute of its own ({"cat": "cat"} here, {"dog": "yes", "cat": ""} there): then the filled one is the class. A
file without any attribute has the one class that the other files know, or is named after its folder.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.issues import Issue, Kind
from maskwright.types import Annotation

_LIKELY = ("class", "classname", "classid", "label", "name", "category", "type", "object")
_YES, _NO = ("yes", "true", "1", "x", "y", "on"), ("no", "false", "0", "n", "off", "none")
_ONE_HOT = 0.95  # of the regions with any attribute have exactly one

CLASSES_ARE_ATTRIBUTES = Kind(
    "classes_are_attributes", "warning",
    "each class is an attribute of its own: the one that is filled in is the class",
)  # fmt: skip
CLASS_ATTRIBUTE_FOUND = Kind(
    "class_attribute_found", "warning",
    'the class is taken from attribute "{attribute}" ({count} of {regions} regions have it), not from {others!q}: '
    "{fix}",
    fix="--class-attribute names another",
)  # fmt: skip
CLASS_ATTRIBUTE_ASKED = Kind(
    "class_attribute_asked", "info",
    'the class is taken from attribute "{attribute}" ({count} of {regions} regions have it), not from {others!q}',
)  # fmt: skip

Attributes = Mapping[str, Any] | None


@dataclass(frozen=True)
class Location:
    """attribute  the one that holds the class; None where each class is an attribute of its own, or there are none
    by_key     each class is an attribute of its own
    known      the classes that are in use, over all files, without blanks around them
    """

    attribute: str | None
    by_key: bool = False
    known: frozenset[str] = frozenset()

    def labels(self, attributes: Attributes) -> list[str]:
        """The classes of one region as written: one, unless it is faulty."""
        if self.by_key:
            return [name for name, value in (attributes or {}).items() if _filled(name, value)]
        return [] if self.attribute is None else values(_value(attributes or {}, self.attribute))

    def others(self, attributes: Attributes) -> dict[str, Any]:
        """What the other attributes say, those that say something."""
        filled = {name: value for name, value in (attributes or {}).items() if values(value) or value is True}
        return {} if self.by_key else {name: filled[name] for name in filled if not _alike(name, self.attribute)}

    def note(self, attributes: Attributes) -> Annotation | None:
        """The same of a region; None where they say nothing."""
        others = self.others(attributes)
        return Annotation(attributes=others) if others else None

    def report(self, regions: Iterable[Attributes], asked: str | None) -> Issue | None:
        """Which attribute was taken, where a region has several."""
        counts, total = _counts(regions)
        if self.by_key:
            return CLASSES_ARE_ATTRIBUTES()
        if len(counts) < 2 or self.attribute is None:
            return None
        others = [name for name in counts if name != self.attribute]
        count = len(counts.get(self.attribute, ()))
        kind = CLASS_ATTRIBUTE_FOUND if asked is None else CLASS_ATTRIBUTE_ASKED
        return kind(attribute=self.attribute, others=others, count=count, regions=total)


def find(regions: Sequence[Attributes], asked: str | None = None, file: object = None) -> Location:
    """Where the class stands, from the attributes of all regions of all files.

    `asked` where somebody says. Else, of several: one whose values look like classes (they repeat), then one that is
    called like a class, then the one most often filled in, then the first.
    """
    filled, total = _counts(regions)
    if asked is not None and total and not any(asked in (attributes or {}) for attributes in regions):
        raise AnnotationError(f'no region has an attribute "{asked}"', file=file, field="--class-attribute",
                              expected=" or ".join(filled) or "none: its regions have no attributes", got=asked,
                              fix=_nearest(asked, filled))  # fmt: skip
    if asked is None and _one_hot(regions):
        location = Location(None, by_key=True)
        return Location(None, True, frozenset(name.strip() for region in regions for name in location.labels(region)))
    if not filled:
        return Location(None)
    most = max(len(item) for item in filled.values())

    def rank(name: str) -> tuple[bool, bool, int]:
        count, different = len(filled[name]), len(set(filled[name]))
        sensible = different <= max(10, count / 2) and count >= most / 2
        return sensible, _is_likely(name), count

    chosen = max(filled, key=rank) if asked is None else asked
    known = (label for name, labels in filled.items() if _alike(name, chosen) for label in labels)
    return Location(chosen, known=frozenset(label.strip() for label in known))


def of_images(images: Iterable[Attributes], asked: str | None = None) -> Location:
    """Where images have their class, in a file without regions: in the attribute `asked` for, or in one called so."""
    named = dict.fromkeys(name for attributes in images for name in attributes or {})
    likely = (name for name in named if _alike(name, asked) or (asked is None and _is_likely(name)))
    return Location(next(likely, None))


def values(value: Any) -> list[str]:
    """The values of an attribute: a text, a number, or the ticked options of a checkbox; blanks alone are none."""
    if isinstance(value, dict):
        found = [name for name, ticked in value.items() if ticked is True]
    elif isinstance(value, bool) or value is None:
        found = []
    else:
        whole = isinstance(value, float) and value.is_integer()  # 1.0 is 1, as spreadsheets and scripts write it
        found = [str(int(value) if whole else value)] if isinstance(value, str | int | float) else []
    return [name for name in found if name.strip()]


def _counts(regions: Iterable[Attributes]) -> tuple[dict[str, list[str]], int]:
    """The first value of each attribute that is filled in anywhere, region by region; and the number of regions.

    "Class" in one file and "class" in another are one attribute, called as it was met first.
    """
    found: dict[str, list[str]] = {}
    called: dict[str, str] = {}
    total = 0
    for attributes in regions:
        total += 1
        for name, value in (attributes or {}).items():
            found.setdefault(called.setdefault(_folded(name), name), []).extend(values(value)[:1])
    return {name: item for name, item in found.items() if item}, total


def _one_hot(regions: Sequence[Attributes]) -> bool:
    """Two attributes or more of which a region has one, and no value says more than "yes" or the attribute's name.

    Where every value is the name of its attribute, that is so even if many regions have two: these are faulty.
    """
    own = True
    single = some = 0
    used: set[str] = set()
    for attributes in regions:
        filled = [(name, value) for name, value in (attributes or {}).items() if _filled(name, value)]
        if any(not _is_yes(name, value) for name, value in filled):
            return False
        used.update(name for name, _ in filled)
        own = own and all([*map(_folded, values(value))] == [_folded(name)] for name, value in filled)
        some += bool(filled)
        single += len(filled) == 1
    return len(used) > 1 and (single >= _ONE_HOT * some or own)


def _value(attributes: Mapping[str, Any], name: str) -> Any:
    return attributes[name] if name in attributes else next(
        (value for other, value in attributes.items() if _alike(other, name)), None
    )  # fmt: skip


def _alike(name: str, other: str | None) -> bool:
    return other is not None and _folded(name) == _folded(other)


def _is_likely(name: str) -> bool:
    return re.sub(r"[^a-z]", "", name.lower()) in _LIKELY


def _folded(name: str) -> str:
    return name.strip().casefold()


def _filled(name: str, value: Any) -> bool:
    if isinstance(value, dict):
        return any(ticked is True for ticked in value.values())
    if isinstance(value, bool):
        return value
    texts = [text.strip().casefold() for text in values(value)]
    return bool(texts) and (texts[0] not in _NO or texts[0] == name.strip().casefold())


def _is_yes(name: str, value: Any) -> bool:
    """It says no more than that this attribute is the one: its only box is ticked, yes, or its own name again."""
    if isinstance(value, dict) and len(value) == 1:
        return True
    texts = [text.strip().casefold() for text in values(value)]
    return value is True or (len(texts) == 1 and texts[0] in (*_YES, name.strip().casefold()))


def _nearest(asked: str, filled: Iterable[str]) -> str | None:
    alike = {name.strip().casefold(): name for name in filled}
    near = difflib.get_close_matches(asked.strip().casefold(), alike, n=1)
    return f'--class-attribute "{alike[near[0]]}"' if near else None
