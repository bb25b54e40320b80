"""The names of YOLO's classes: of data.yaml, else of the classes.txt nearest to each text, else their ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskwright.formats import yolo_config
from maskwright.formats.drafts import CATEGORIES_UNUSED, labels_of
from maskwright.formats.label_texts import is_generic
from maskwright.formats.reading import Draft, Faults, Head
from maskwright.issues import Kind

CLASSES_BY_ID = Kind(
    "classes_by_id", "warning", "no names of classes were found, they are called by their ids: {fix}",
    fix="write a classes.txt beside the labels, one name a line",
)  # fmt: skip
CLASS_NAMES_DIFFER = Kind(
    "class_names_differ", "warning", "{file} calls class {id} {other!q}, {config} calls it {name!q}: that was taken"
)
CLASS_COUNT_DIFFERS = Kind(
    "class_count_differs", "warning", "{config} says nc: {stated}, and names {named} classes: the names were taken"
)


class Classes:
    """Which name each id has, and in which order the names stand."""

    def __init__(self, config: yolo_config.Config | None, root: Path, faults: Faults) -> None:
        self.root = root
        self.faults = faults
        self.config = config
        self._files: dict[Path, Path | None] = {}
        self._names: dict[Path, dict[int, str]] = {}
        self._compared: set[Path] = set()
        if config is not None and config.names and config.count not in (None, len(config.names)):
            faults.report(CLASS_COUNT_DIFFERS(config=config.file.name, stated=config.count, named=len(config.names)))

    def of(self, folder: Path) -> dict[int, str] | None:
        """id -> name for the texts of one folder; None where nothing names them."""
        file = self.file_of(folder)
        if self.config is not None and self.config.names:
            if file is not None and file not in self._compared:
                self._compare(file, self.config)
            return self.config.names
        if file is not None:
            return self._read(file)
        if self.config is not None and self.config.count is not None:
            self.faults.report(CLASSES_BY_ID())
            return {id: str(id) for id in range(self.config.count)}
        self.faults.report(CLASSES_BY_ID())
        return None

    def used(self, drafts: Sequence[Draft]) -> list[str]:
        """The names that objects have, in the order of their ids; all where there is no object at all."""
        labels = labels_of(drafts)
        listed = dict.fromkeys(name for names in self._tables() for _, name in sorted(names.items()))
        order = [name for name in listed if name in labels or not labels]
        unused = [name for name in listed if name not in order]
        if unused:
            self.faults.report(CATEGORIES_UNUSED(count=len(unused), names=unused))
        return order + sorted(labels - {*listed}, key=lambda label: (len(label), label))

    def ids(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """By which id the files know each class; () where two of them differ."""
        tables = self._tables()
        found = {(name, id) for table in tables for id, name in table.items() if name in names}
        ids = dict(found)
        if not tables and all(name.isdecimal() for name in names):
            ids = {name: int(name) for name in names}
            return tuple(ids[name] for name in names)
        return tuple(ids[name] for name in names) if len(ids) == len(found) and ids.keys() >= {*names} else ()

    def _tables(self) -> list[dict[int, str]]:
        return [self.config.names] if self.config is not None and self.config.names else [*self._names.values()]

    def file_of(self, folder: Path) -> Path | None:
        """classes.txt of the folder, or of the nearest above, as far as its texts belong to the data."""
        if folder not in self._files:
            found = yolo_config.names_file(Head(folder))
            inside = folder != self.root and self.root in folder.parents
            onwards = inside or (is_generic(folder.name) and folder.parent != folder)
            self._files[folder] = found or (self.file_of(folder.parent) if onwards else None)
        return self._files[folder]

    def _read(self, file: Path) -> dict[int, str]:
        if file not in self._names:
            self._names[file] = yolo_config.read_names(file)
        return self._names[file]

    def _compare(self, file: Path, config: yolo_config.Config) -> None:
        self._compared.add(file)
        names = yolo_config.read_names(file)
        for id, name in names.items():
            if id in config.names and config.names[id] != name:
                self.faults.report(CLASS_NAMES_DIFFER(file=file.name, config=config.file.name, id=id, other=name,
                                                      name=config.names[id]))  # fmt: skip
                return
