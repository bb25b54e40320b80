"""Several annotation files of one folder: one dataset, or a question which of them is meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskwright.errors import DatasetError, MaskwrightError
from maskwright.formats import folders
from maskwright.formats.listing import file_split
from maskwright.formats.reading import Faults, data_name
from maskwright.issues import Kind
from maskwright.types import Dataset

FILES_AGREE = Kind("files_agree", "warning", "{file} was read, not {others}: their contents agree")
FILES_JOINED = Kind("files_joined", "warning", "{count} annotation files of different images were joined: {files:3}")


@dataclass
class Reading:
    """One annotation file, or a folder as one format reads it: a dataset with its faults, or the error."""

    path: Path
    format: str
    faults: Faults
    dataset: Dataset | None = None
    error: MaskwrightError | None = None

    def result(self) -> Dataset:
        if self.dataset is None:
            assert self.error is not None
            raise self.error
        return self.faults.into(self.dataset)

    def line(self, root: Path) -> str:
        """One line for people: which file, which format, what is in it."""
        try:
            name = self.path.relative_to(root).as_posix()
        except ValueError:
            name = str(self.path)
        if self.dataset is None:
            return f"{name}  ({self.format}: {self.error.headline if self.error else ''})"
        classes = ", ".join(f"{label} {count}" for label, count in self.dataset.class_counts().items() if count)
        return (
            f"{name}  ({self.format}: {len(self.dataset)} images, {self.dataset.instance_count} instances; "
            f"{classes or 'no classes'})"
        )


def joined(folder: Path, readings: list[Reading]) -> tuple[Dataset | None, list[Reading]]:
    """The dataset of these files; None where several speak of the same images, and differently."""
    datasets = [reading.dataset for reading in readings if reading.dataset is not None]
    left = None
    if len(readings) > 1 and not folders.joinable([reading.dataset for reading in readings]):
        if len(datasets) < len(readings) or not folders.agreeing(datasets):
            return None, readings
        fullest = readings[folders.fullest(datasets)]
        others = [reading.path.name for reading in readings if reading is not fullest]
        left = FILES_AGREE(file=fullest.path.name, others=others)
        readings = [fullest]
    datasets = [reading.result() for reading in readings]
    if len(readings) == 1:
        dataset = datasets[0]
        return (dataset if left is None else dataset.with_issues(left)), readings
    words = [file_split(reading.path, folder, reading.path.parent) for reading in readings]
    marked = zip(datasets, words, strict=True)  # instances_val.json holds the split "val"
    datasets = [folders.with_split(item, word) if word else item for item, word in marked]
    datasets = [folders.marked(item, read.path.name) for item, read in zip(datasets, readings, strict=True)]
    dataset = Dataset.join(data_name(folder), datasets)
    files = [reading.path.name for reading in readings]
    return dataset.with_issues(FILES_JOINED(count=len(files), files=files)), readings


def completed(dataset: Dataset, folder: Path, readings: list[Reading]) -> Dataset:
    """With what the folder adds."""
    as_files = all(reading.path.is_file() for reading in readings)
    return folders.complete(dataset, folder, everywhere=True, unlabeled=as_files)


def undecided(folder: Path, readings: list[Reading]) -> DatasetError:
    listed = "".join(f"\n          {reading.line(folder)}" for reading in readings)
    named = [reading for reading in readings if reading.path.is_file()] or readings  # a folder holds the others, too
    example = next((reading for reading in named if reading.dataset is not None), named[0])
    fix = f"name the one to use, for example {example.path}"
    if len({reading.path.parent for reading in named}) > 1:
        fix = f"say which to use in all of them, for example --annotations {example.path.name}"
    return DatasetError(
        "several annotation files for the same images",
        file=folder,
        expected="one",
        got=f"{len(readings)}:{listed}",
        fix=fix,
    )
