"""Faults: what was put aside or mended while reading, as issues, by name and by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from maskwright.errors import AnnotationError, DatasetError
from maskwright.issues import Issue, Kind
from maskwright.types import Dataset

MOST_FAULTY = 0.05  # fraction of regions; above it somebody should look before anybody trains
SHOWN = 5
CAUSES = (  # of faults that occur in all formats
    "lfs_pointer", "not_an_image", "unreadable", "too_large",  # an image
    "size_differs", "drawn_unturned", "second_record",  # what a file says of an image
    "not_numbers", "without_area", "outside", "endless",  # a region
)  # fmt: skip

FAULTY_RECORD = Kind("faulty_record", "warning", "{field}: expected {expected}, got {got}")
FAULTY_RECORDS = Kind(
    "faulty_records", "warning",
    "1 faulty record was put aside: {record}: {field}: expected {expected}, got {got}",
    "{count} faulty records were put aside, such as {record}: {field}: expected {expected}, got {got}",
)  # fmt: skip
IMAGES_ABSENT = Kind("images_absent", "warning", "{count} of {named} named images are absent: {images!q:3}")


def summarized(issues: Iterable[Issue]) -> list[Issue]:
    """Without the single faulty records, of which FAULTY_RECORDS gives the number and the first."""
    return [issue for issue in issues if issue.code != FAULTY_RECORD.code]


@dataclass(frozen=True)
class _Absent:
    """An image that is named and not there; images of that last name in other folders, which were not taken for it."""

    name: str
    alike: str


class _About(TypedDict, total=False):
    """What else a fault can say of itself: see `Faults.add`."""

    image: str | None
    cause: str


class Faults:
    """Collects what is wrong with single records while a format reads on.

    add()     one region or image is faulty and is put aside: a FAULTY_RECORD
    saw()     so many regions were looked at (the faulty ones among them)
    absent()  an image is named and not there: counted and named, but no fault of the annotations
    count()   something that was mended or left out, to be reported once with its number and the images it is about
    report()  any other issue, once

    `into(dataset)` puts all of it into the Dataset, or raises when more than 5 % of the regions are faulty.
    """

    def __init__(self, file: Path | str, allow_faulty: bool = False) -> None:
        self.file = str(file)
        self.allow_faulty = allow_faulty
        self.regions = 0
        self.faulty_regions = 0
        self._records: list[tuple[int, Issue]] = []
        self._taken = 0
        self._absent: list[_Absent] = []
        self._images = 0
        self._together: tuple[Faults, ...] = (self,)
        self._counts: Counter[Kind] = Counter()
        self._images_of: dict[Kind, dict[Path, None]] = {}
        self._reports: dict[Issue, None] = {}

    def add(
        self, record: str, field: str, expected: str, got: object, fix: str = "", *, regions: int = 1,
        **about: Unpack[_About],
    ) -> None:  # fmt: skip
        """`record` as people say it: 'image "party_07.jpg", region 3'; `regions` are put aside by this fault.

        image  the name of the image that is put aside as a whole
        cause  one of CAUSES, by which `check` counts faults; "" for any other
        """
        self.faulty_regions += regions
        image, cause = about.get("image"), about.get("cause", "")
        values = {"file": self.file, "field": field, "expected": expected, "got": _short(got), "cause": cause}
        issue = FAULTY_RECORD(record, images=() if image is None else (image,), fix=fix, **values)
        self._records.append((self.turn(), issue))

    def turn(self) -> int:
        """A number for what is met now, and examined together with others later."""
        self._taken += 1
        return self._taken

    def add_met(self, turn: int, record: str, field: str, expected: str, got: object, fix: str, cause: str) -> None:
        """The same for a region that was met earlier, at that `turn()`: faults are reported in the file's order."""
        self.add(record, field, expected, got, fix, cause=cause)
        self._records[-1] = (turn, self._records[-1][1])

    @property
    def records(self) -> list[Issue]:
        """The faults by name, in the order in which the regions were met."""
        return [issue for _, issue in sorted(self._records, key=lambda item: item[0])]

    def saw(self, regions: int = 1) -> None:
        self.regions += regions

    def absent(self, name: str, alike: str = "") -> None:
        """An image that the annotations name and that is nowhere in the folder.

        alike  images of that last name in other folders, which were not taken for it
        """
        self._absent.append(_Absent(name, alike))

    def found(self) -> None:
        """One named image is there (so that `absent` can be reported as a fraction)."""
        self._images += 1

    def count(self, kind: Kind, number: int = 1, image: Path | None = None) -> None:
        if number:
            self._counts[kind] += number
            if image is not None:
                self._images_of.setdefault(kind, {})[image] = None

    def report(self, issue: Issue) -> None:
        self._reports[issue] = None

    @property
    def issues(self) -> tuple[Issue, ...]:
        issues = [*self._reports, *(kind(images=self._images_of.get(kind, ()), count=number)
                                    for kind, number in self._counts.items())]  # fmt: skip
        if self._absent:
            names = [item.name for item in self._absent]
            elsewhere = {item.name: item.alike for item in self._absent if item.alike}
            named = len(names) + self._images
            issues.append(IMAGES_ABSENT(images=names, count=len(names), named=named, elsewhere=elsewhere))
        records = self.records
        if records:
            first = records[0]
            issues.append(FAULTY_RECORDS(count=len(records), record=first.subject, fix=first.fix, **first.values))
        return (*issues, *records)

    @staticmethod
    def settle(several: Sequence[Faults]) -> None:
        """These belong to the files of one dataset: what fraction is too much is asked of all of them together."""
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
        """The dataset with these issues.

        AnnotationError when too much is faulty and nobody allowed it; DatasetError when no named image is there.
        """
        if self._absent and not any(item._images for item in self._together):
            raise self._none_there()
        if self._records and self.fraction > MOST_FAULTY and not self.allow_faulty:
            raise self._too_many()
        return dataset.with_issues(*self.issues)

    def _none_there(self) -> DatasetError:
        names = ", ".join(f'"{item.name}"' for item in self._absent[:3])
        alike = next((item.alike for item in self._absent if item.alike), None)
        return DatasetError(
            "none of the images it names is in the folder", file=self.file, expected=f"{len(self._absent)} images",
            got=f"none of {names}" + (", ..." if len(self._absent) > 3 else "")
            + ("" if alike is None else f", ({alike} is another image)"),
            fix="put the images beside this file, or into a sub-folder images" if alike is None else
            "correct the folders in the file's names, or put the images where it says",
        )  # fmt: skip

    def _too_many(self) -> AnnotationError:
        records = self.records
        first = records[0]
        got = first.values["got"]
        if len(records) > 1:
            shown = "".join(f"\n          {record}" for record in records[:SHOWN])
            more = f"\n          ... and {len(records) - SHOWN} more" if len(records) > SHOWN else ""
            got += f"; the first ones:{shown}{more}"
        return AnnotationError(
            "{} of {} regions are faulty".format(*self._whole),
            file=self.file,
            record=first.subject,
            field=first.values["field"],
            expected=first.values["expected"],
            got=got,
            fix=(first.fix + "; or " if first.fix else "") + "put the faulty ones aside with --allow-faulty",
        )


def _short(value: object, most: int = 80) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 3] + "..."
