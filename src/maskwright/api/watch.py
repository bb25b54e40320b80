"""Watch: images as they come into a folder, each predicted once, one line of JSON an image.

The folder is listed again and again: that works on every system, and on network drives, which announce nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import files
from maskwright.api.json_lines import encoded
from maskwright.api.predict import check_request, refuse_own_folder, to_prediction
from maskwright.api.results import Prediction, write_each
from maskwright.api.sorting import UNREADABLE, Sorter
from maskwright.errors import DatasetError, MaskwrightError, OutputError
from maskwright.images.sources import LONGEST_STEM, Source, is_image_name, naturally
from maskwright.issues import Kind, Log, warn
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.screening import Screening
from maskwright.progress import Progress
from maskwright.reporting import automatic

WATCHING = Kind("watching", "info", "watching {folder}; one line an image goes to {lines}; Ctrl-C ends it")

LINES = "predictions.jsonl"
EMPTY = 10  # polls for which a file without a byte may stay so; then it is taken for a broken image

Stamp = tuple[int, int]  # bytes, and when it was last changed (nanoseconds)


@dataclass(frozen=True)
class Unread:
    """An image that came, and could not be read."""

    image: str
    error: MaskwrightError
    sorted: Path | None = None

    def facts(self) -> dict[str, Any]:
        document = {"file": self.image, **self.error.facts()}
        return document if self.sorted is None else document | {"sorted": str(self.sorted)}


def watch(
    model: str | Path | Predictor | Screening,
    folder: str | Path,
    *,
    out: str | Path = "predictions",
    every: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
    sort_into: str | Path | None = None,
    move: bool = False,
    classes: Sequence[str] | None = None,
    save: Sequence[str] = (),
    pictures: bool = True,
    follow_links: bool = False,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = automatic,
    log: Log = warn,
) -> Iterator[Prediction | Unread]:
    """The prediction for each image that lies in the folder or comes into it, as soon as it is complete.

    A file is complete when neither its size nor its time has changed between two polls. Each gets a line in
    `out`/predictions.jsonl before it is yielded; images that have a line are passed over when the watch begins again.
    An image that changes, or another of the same name, is predicted anew.

    follow_links  open links that lead out of the folder, too
    every    seconds between two polls of the folder
    stop     asked after each image and each poll; the watch ends when it returns True (and by Ctrl-C)

    >>> for prediction in watch("runs/rust", "belt/", sort_into="sorted", move=True):
    ...     print(prediction.image, prediction.sorted)
    belt/part_0001.jpg sorted/rust/part_0001.jpg
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise DatasetError("only a folder can be watched", file=folder, expected="a folder",
                           got="a file" if folder.exists() else "nothing")  # fmt: skip
    predictor = load_unless_loaded(model, options, progress)
    for kind in save:
        if kind in ("json", "csv", "coco", "parquet"):
            raise OutputError("a watch never ends, so it writes a line an image", field=f"--save-{kind}",
                              expected="--save-jsonl, --save-masks or --save-crops", got=kind)  # fmt: skip
    class_indices = check_request(predictor, save, classes, out)
    refuse_own_folder([Source("", "image", folder / "image")], out)
    sorter = None if sort_into is None else Sorter(sort_into, move)
    lines = _Lines(out / LINES)
    for issue in (*predictor.introduction(), WATCHING(folder=str(folder), lines=str(lines.file))):
        log(issue)
    work = _Work(predictor, out, class_indices, tuple(save), pictures, sorter, follow_links)
    return _watched(folder, lines, work, every, stop)


@dataclass(frozen=True)
class _Work:
    """What is done with every image."""

    predictor: Predictor | Screening
    out: Path
    class_indices: np.ndarray
    save: tuple[str, ...]
    pictures: bool
    sorter: Sorter | None
    follow_links: bool


def _watched(
    folder: Path, lines: _Lines, work: _Work, every: float, stop: Callable[[], bool]
) -> Iterator[Prediction | Unread]:
    seen: dict[str, tuple[Stamp, int]] = {}  # what the last poll saw, and for how many polls it has been so
    while not stop():
        present = _listed(folder)
        seen = {name: (stamp, seen[name][1] + 1 if name in seen and seen[name][0] == stamp else 0)
                for name, stamp in present.items()}  # fmt: skip
        for name, (stamp, polls) in seen.items():
            if lines.known.get(name) == stamp:
                if work.sorter is not None and name in lines.sorted:  # a move that was broken off
                    work.sorter.leave(folder / name, lines.sorted.pop(name))
            elif polls >= (1 if stamp[0] else EMPTY):
                prediction = _predicted(folder / name, work, lines.stem(name))
                if _stamp(folder / name) != stamp:  # another image meanwhile: the next poll takes it
                    continue
                try:
                    prediction = _sorted(prediction, folder / name, work.sorter)
                except OutputError:
                    if (folder / name).exists():
                        raise
                    continue  # taken away in the meantime
                lines.add(name, stamp, prediction)
                if work.sorter is not None and prediction.sorted is not None:
                    work.sorter.leave(folder / name, prediction.sorted)
                yield prediction
                if stop():
                    return
        time.sleep(every)


def _predicted(path: Path, work: _Work, stem: str) -> Prediction | Unread:
    source = Source(str(path), stem, path, None if work.follow_links else path.parent)
    try:
        image, result = work.predictor.look(source)
    except MaskwrightError as error:
        return Unread(str(path), error)
    prediction = to_prediction(work.predictor, image, source, result, work.class_indices)
    return replace(prediction, files=tuple(write_each(image, prediction, work.out, work.save, work.pictures)))


def _sorted(prediction: Prediction | Unread, path: Path, sorter: Sorter | None) -> Prediction | Unread:
    unread = isinstance(prediction, Unread)
    if sorter is None or (unread and path.is_symlink()):  # what that leads to may be no image
        return prediction
    return replace(prediction, sorted=sorter.copy(path, UNREADABLE if unread else prediction.called))


def _listed(folder: Path) -> dict[str, Stamp]:
    """The images that lie there; none while the folder is out of reach (a network drive that will come back)."""
    try:
        names = [path.name for path in folder.iterdir() if is_image_name(path) and path.is_file()]
    except OSError:
        return {}
    stamps = {name: _stamp(folder / name) for name in sorted(names, key=naturally)}
    return {name: stamp for name, stamp in stamps.items() if stamp is not None}


def _stamp(path: Path) -> Stamp | None:
    try:
        facts = path.stat()
    except OSError:  # gone again
        return None
    return facts.st_size, facts.st_mtime_ns


class _Lines:
    """The file of lines, and what it records as done: the memory of a watch."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, Stamp] = {}
        self.sorted: dict[str, Path] = {}  # moved perhaps not to the end
        self._stems: set[str] = set()
        whole = 0
        try:
            data = b""
            if file.exists():
                with files.open_file(file) as stream:
                    data = stream.read()
        except OSError as error:
            raise OutputError("cannot be read", file=file, got=error.strerror or error) from error
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):  # cut off when the power went: that image is predicted again
                with files.writing(file) as temporary:
                    temporary.write_bytes(data[:whole])
                break
            whole += len(line)
            self._remember(line)

    def _remember(self, line: bytes) -> None:
        try:
            facts = json.loads(line)
            name = Path(facts["file"].replace("\\", "/")).name
            self.known[name] = int(facts["bytes"]), int(facts["changed"])
            for file in facts.get("files", ()):
                self._stems.add(Path(file.replace("\\", "/")).stem.casefold())
            if "sorted" in facts:
                self.sorted[name] = Path(facts["sorted"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return  # of another program, or of predict --save-jsonl

    def stem(self, name: str) -> str:
        """For the names of pictures: no two images share one, nor one image and another of the same name later."""
        stems = files.numbered(Path(name).stem, LONGEST_STEM)
        return next(stem for stem in stems if stem.casefold() not in self._stems)

    def add(self, name: str, stamp: Stamp, prediction: Prediction | Unread) -> None:
        facts = {**prediction.facts(), "bytes": stamp[0], "changed": stamp[1]}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab") as opened:
                opened.write(encoded(facts))
        except OSError as error:
            raise OutputError("cannot be written", file=self.file, got=error.strerror or error) from error
        self.known[name] = stamp
        if isinstance(prediction, Prediction):
            self._stems.add(prediction.stem.casefold())
