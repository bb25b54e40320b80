"""Labels that have a file an image (YOLO, LabelMe, Pascal VOC): each is saved back to the file that it was read from.

A file that is changed keeps what else it says, and the files of other images stay as they are. New files lie where
those of the other images do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maskwright import files
from maskwright.errors import DatasetError, OutputError
from maskwright.escaping import percent_encoded
from maskwright.formats import yolo, yolo_config
from maskwright.formats.losses import HOLES_LOST, OUTLINES_LOST
from maskwright.formats.registry import FORMATS, edited
from maskwright.formats.yolo_lines import PARTS_BRIDGED
from maskwright.issues import Issue
from maskwright.types import Dataset, Instances, Record
from maskwright.web.label_file import CHANGED_BY_OTHERS, Stamp, keep_original, stamp
from maskwright.web.refusal import Refusal

MENDED = ("fractions_scaled", "sizes_exchanged", "sizes_wrong", "second_records_joined")
"""What a reader mends over all files at once: a file that is written right would no longer fit the others."""


def saved_in_place(dataset: Dataset, data: Path) -> bool:
    """Whether its label files, read from there, can be saved one by one: those of an archive cannot."""
    if not FORMATS[dataset.format].edits or any(issue.code in MENDED for issue in dataset.issues):
        return False
    if dataset.format == "voc" and dataset.has_masks:
        return False  # pictures of masks lie beside the XML
    if any(record.labels is not None for record in dataset):
        return False
    folder, sources = data if data.is_dir() else data.parent, [record.source for record in dataset]
    if not all(source is None or source.is_relative_to(folder) for source in sources):
        return False
    return all(record.source is not None for record in dataset if record.state != "unlabeled")


@dataclass(eq=False)
class LabelFolder:
    """
    dataset  images and the labels that there are
    file     what was read: a folder, or a file in it
    """

    dataset: Dataset
    file: Path
    format: str
    fixed_classes: bool = field(init=False)
    class_names: tuple[Path, dict[int, str]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        records = self.dataset.records
        self.fixed_classes = self.format == "yolo"
        self.label_files = _label_files(records, FORMATS[self.format].edits)
        if self.format == "yolo":
            texts = [record.source for record in records if record.source is not None]
            self.class_names = yolo.class_names(self.file, texts)
            if self.class_names is None:
                raise _elsewhere(self.file, "the folders name their classes differently")
        shared, images = Counter(self.label_files).most_common(1)[0]
        if images > 1:
            raise _elsewhere(self.file, f"{images} images share {shared.name}")
        self._before: list[Instances | None] = [record.instances for record in records]
        self.overwrite()

    @property
    def name(self) -> str:
        return self.file.resolve().name

    @property
    def journal(self) -> Path:
        folder = self.file if self.file.is_dir() else self.file.parent
        return folder / ".labels.journal"

    def classes(self) -> Mapping[str, int]:
        """All that the files name, also those without objects, with their numbers."""
        return {} if self.class_names is None else {name: id for id, name in self.class_names[1].items()}

    def overwrite(self) -> None:
        """The files are taken as they are now, whoever has changed them."""
        self._stamps = [stamp(file) for file in self.label_files]
        self._names_stamp = None if self.class_names is None else stamp(self.class_names[0])

    def check(self, index: int, record: Record, ids: Mapping[str, int | str]) -> None:
        """Refusal where the format cannot hold what was drawn."""
        if record.instances is None:
            return
        _, losses = edited(self.format, self.label_files[index], record, self._before[index], ids)
        lost = [str(kind(count=number)) for kind, number in losses.items() if kind in (HOLES_LOST, OUTLINES_LOST)]
        if lost:
            raise Refusal(422, f"taken back, for files of {self.format} cannot hold it", got="; ".join(lost),
                          fix="label with --out labels.json --format coco")  # fmt: skip

    def save(self, dataset: Dataset, changed: Collection[int]) -> tuple[Issue, ...]:
        """Writes the files of these images, each as a whole; OutputError where one cannot be written."""
        ids = dict(zip(dataset.names, dataset.class_ids, strict=False))
        self._save_names(ids)
        bridged = 0
        for index in sorted(changed):
            bridged += self._save_image(index, dataset.records[index], ids)
        return (PARTS_BRIDGED(count=bridged),) if bridged else ()

    def _save_image(self, index: int, record: Record, ids: Mapping[str, int | str]) -> int:
        file = self.label_files[index]
        self._check_stamp(file, self._stamps[index])
        bridged = 0
        if record.instances is None:
            keep_original(file)
            file.unlink(missing_ok=True)
        else:
            content, losses = edited(self.format, file, record, self._before[index], ids)
            bridged = losses[PARTS_BRIDGED]
            _write(file, content)
        self._before[index], self._stamps[index] = record.instances, stamp(file)
        return bridged

    def _save_names(self, ids: Mapping[str, int | str]) -> None:
        """The names of classes come first: a class that no object has does no harm, one without a name does."""
        if self.class_names is None:
            return
        file, known = self.class_names
        names = {**known, **{int(id): name for name, id in ids.items()}}
        if names == known or (not known and all(name == str(id) for id, name in names.items())):
            return  # classes without names are called by their numbers
        self._check_stamp(file, self._names_stamp)
        _write(file, yolo_config.renamed(file, names).encode())
        self.class_names, self._names_stamp = (file, names), stamp(file)

    def _check_stamp(self, file: Path, known: Stamp) -> None:
        if stamp(file) != known:
            raise OutputError(CHANGED_BY_OTHERS, file=file.name)


def _write(file: Path, content: bytes) -> None:
    if file.is_file() and file.read_bytes() == content:
        return
    keep_original(file)
    with files.writing(file) as temporary:
        temporary.write_bytes(content)


def _elsewhere(file: Path, got: str) -> DatasetError:
    return DatasetError("these label files cannot be saved one by one", file=file, got=got,
                        fix="name a new file with --out")  # fmt: skip


# --- where label files lie --------------------------------------------------------------------------------------------
def _label_files(records: Sequence[Record], ending: str) -> list[Path]:
    """The label file of each image: the one that was read, else one as the others have it."""
    known = {record.image.parent: record.source.parent for record in records if record.source is not None}
    return [record.source or _folder_of(record.image.parent, known) / f"{percent_encoded(record.image.stem)}{ending}"
            for record in records]  # fmt: skip


def _folder_of(images: Path, known: Mapping[Path, Path]) -> Path:
    """Where the label files of a folder of images lie, as `known` of other folders: images/val -> labels/val."""
    if images in known:
        return known[images]
    for other, labels in known.items():
        if len(other.parts) == len(labels.parts):
            differing = [(one, two) for one, two in zip(other.parts, labels.parts, strict=True) if one != two]
            if len(differing) == 1 and differing[0][0] in images.parts:
                parts = [*images.parts]
                parts[len(parts) - 1 - parts[::-1].index(differing[0][0])] = differing[0][1]
                return Path(*parts)
        elif labels.is_relative_to(other):
            return images / labels.relative_to(other)
    return images
