"""Faults and losses: what was put aside while reading, what could not be kept while writing, by name and by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from maskwright.errors import AnnotationError, DatasetError
from maskwright.types import Dataset, Fault, Instances

MOST_FAULTY = 0.05  # fraction of regions; above it somebody should look before anybody trains
SHOWN = 5


class Faults:
    """Collects what is wrong with single records while a format reads on.

    add()      one region or image is faulty and is put aside
    saw()      so many regions were looked at (the faulty ones among them)
    absent()   an image is named and not there: counted and named, but no fault of the annotations
    clipped()  an outline or box reached past the edge and was cut there
    unused()   a shape that no task can use (a point, a line)
    remark()   anything else that was mended or is worth knowing, in one sentence

    `into(dataset)` puts all of it into the Dataset, or raises when more than 5 % of the regions are faulty.
    """

    def __init__(self, file: Path | str, allow_faulty: bool = False) -> None:
        self.file = str(file)
        self.allow_faulty = allow_faulty
        self.regions = 0
        self.faulty_regions = 0
        self.faults: list[Fault] = []
        self.missing: list[Fault] = []
        self._images = 0
        self._together: tuple[Faults, ...] = (self,)
        self._counts: Counter[str] = Counter()
        self._remarks: dict[str, None] = {}

    def add(self, record: str, field: str, expected: str, got: object, fix: str = "", *, regions: int = 1) -> None:
        """`record` as people say it: 'image "party_07.jpg", region 3'; `regions` are put aside by this fault."""
        self.faulty_regions += regions
        self.faults.append(Fault(self.file, record, field, expected, _short(got), fix))

    def saw(self, regions: int = 1) -> None:
        self.regions += regions

    def absent(self, name: str, alike: str = "") -> None:
        """An image that the annotations name and that is nowhere in the folder.

        alike  images of that last name in other folders, which were not taken for it
        """
        got = f"absent ({alike} is another image)" if alike else "absent"
        self.missing.append(Fault(self.file, f'image "{name}"', "image", "a file in the folder", got))

    def found(self) -> None:
        """One named image is there (so that `absent` can be told as a share)."""
        self._images += 1

    def clipped(self, what: str = "outline") -> None:
        self._counts[f"{what}|reached past the edge: cut there|"] += 1

    def unused(self, what: str) -> None:
        self._counts[f"{what}|cannot be used here: left out|"] += 1

    def undrawn(self) -> None:
        """Nothing on an image but shapes that no task can use: nobody has said that it is empty."""
        self._counts["image|with nothing but points or lines, taken as unlabeled, not as empty|"] += 1

    def filled(self) -> None:
        """A box became a rectangular mask, because other regions of its image have outlines."""
        self._counts["box|became a rectangular mask, beside outlines in the same image|boxes"] += 1

    def strange_boxes(self, number: int) -> None:
        """Boxes that a file gives, and that lie elsewhere than the outlines beside them."""
        if number:
            said = "beside an outline that lies elsewhere, so the outline's own was taken"
            self._counts[f"box|{said}|boxes"] += number

    def turned(self) -> None:
        """An image that EXIF turns, in a format that does not say in which frame it was annotated."""
        self._counts["image|with an EXIF turn, taken as annotated after the turn|"] += 1

    def remark(self, sentence: str) -> None:
        self._remarks.setdefault(sentence)

    @property
    def remarks(self) -> tuple[str, ...]:
        told = list(self._remarks)
        for key, number in self._counts.items():
            what, said, plural = key.split("|")
            told.append(f"{number} {what if number == 1 else plural or _plural(what)} {said}")
        if self.missing:
            named = len(self.missing) + self._images
            first = ", ".join(fault.record.removeprefix("image ") for fault in self.missing[:3])
            more = ", ..." if len(self.missing) > 3 else ""
            told.append(f"{len(self.missing)} of {named} named images are absent: {first}{more}")
        if self.faults:
            told.append(f"{len(self.faults)} faulty records were put aside" if len(self.faults) > 1 else
                        f"1 faulty record was put aside: {self.faults[0]}")  # fmt: skip
        return tuple(told)

    @staticmethod
    def settle(several: Sequence[Faults]) -> None:
        """These belong to the files of one dataset: what share is too much is asked of all of them together."""
        for item in several:
            item._together = tuple(several)

    @property
    def _whole(self) -> tuple[int, int]:
        """Faulty regions and all regions of the whole dataset."""
        faulty = sum(item.faulty_regions for item in self._together)
        return faulty, max(sum(item.regions for item in self._together), faulty)

    @property
    def fraction(self) -> float:
        """Faulty regions by all regions of the dataset, 0..1."""
        faulty, regions = self._whole
        return faulty / max(regions, 1)

    def into(self, dataset: Dataset) -> Dataset:
        """The dataset with these faults and remarks.

        AnnotationError when too much is faulty and nobody allowed it; DatasetError when no named image is there.
        """
        if self.missing and not any(item._images for item in self._together):
            names = ", ".join(fault.record.removeprefix("image ") for fault in self.missing[:3])
            alike = next((fault.got for fault in self.missing if fault.got != "absent"), None)
            raise DatasetError(
                "none of the images it names is in the folder", file=self.file, expected=f"{len(self.missing)} images",
                got=f"none of {names}" + (", ..." if len(self.missing) > 3 else "")
                + ("" if alike is None else ", " + alike.removeprefix("absent ")),
                fix="put the images beside this file, or into a sub-folder images" if alike is None else
                "correct the folders in the file's names, or put the images where it says",
            )  # fmt: skip
        if self.faults and self.fraction > MOST_FAULTY and not self.allow_faulty:
            first = self.faults[0]
            shown = "".join(f"\n          {fault}" for fault in self.faults[:SHOWN])
            more = f"\n          ... and {len(self.faults) - SHOWN} more" if len(self.faults) > SHOWN else ""
            raise AnnotationError(
                "{} of {} regions are faulty".format(*self._whole),
                file=self.file,
                record=first.record,
                field=first.field,
                expected=first.expected,
                got=first.got + (f"; the first ones:{shown}{more}" if len(self.faults) > 1 else ""),
                fix=(first.fix + "; or " if first.fix else "") + "put the faulty ones aside with --allow-faulty",
            )
        return replace(
            dataset,
            faults=dataset.faults + tuple(self.faults) + tuple(self.missing),
            remarks=tuple(dict.fromkeys(dataset.remarks + self.remarks)),
        )


class Losses:
    """Counts what the target format cannot hold, while `write` goes on.

    >>> losses.add("score"); losses.add("score"); losses.told()
    ('2 scores cannot be kept',)
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._plurals: dict[str, str] = {}

    def add(self, what: str, number: int = 1, plural: str = "") -> None:
        """`what` in the singular ("score", "unlabeled image"); its plural where an "s" at the end is not enough."""
        if number:
            self.counts[what] += number
            self._plurals[what] = plural or _plural(what)

    def attributes(self, instances: Instances, kept: Sequence[str] = ()) -> None:
        """The attributes of these objects, but for those that the format has a place for."""
        notes = [note.attributes for note in instances.annotations or () if note is not None]
        self.add("attribute", sum(name not in kept for attributes in notes for name in attributes))

    def told(self) -> tuple[str, ...]:
        return tuple(
            f"{number} {what if number == 1 else self._plurals[what]} cannot be kept"
            for what, number in self.counts.items()
        )


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def _short(value: object, most: int = 80) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 3] + "..."
