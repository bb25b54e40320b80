"""Issues as tests use them: rendered sentences, and the records that were skipped."""

from __future__ import annotations

from collections.abc import Iterable

from maskwright.formats.faults import FAULTY_RECORD, IMAGES_ABSENT, summarized
from maskwright.issues import Issue
from maskwright.types import Dataset


def sentences(issues: Dataset | Iterable[Issue]) -> tuple[str, ...]:
    """The reported sentences, without those about single faulty records."""
    return tuple(map(str, summarized(issues.issues if isinstance(issues, Dataset) else issues)))


def absent(data: Dataset) -> list[str]:
    """The names of images that the annotations refer to and that do not exist."""
    return [str(name) for issue in IMAGES_ABSENT.among(data.issues) for name in issue.images]


def put_aside(data: Dataset) -> list[Issue]:
    """The records that were put aside (`subject` is the record, `values` are field, expected and got), and the images
    that are absent."""
    return [*FAULTY_RECORD.among(data.issues), *IMAGES_ABSENT.among(data.issues)]


class Lines(list[str]):
    """A log that keeps the sentences."""

    def __call__(self, issue: Issue) -> None:
        self.append(str(issue))
