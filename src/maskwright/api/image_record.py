"""How far a run over many images is: the lines it has written, and beside them what run it is."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from maskwright import files
from maskwright.api.jobs import Job, check_same
from maskwright.api.json_lines import LineFile, whole_lines
from maskwright.api.parquet import write_parquet
from maskwright.errors import MaskwrightError, RecipeError
from maskwright.file_lock import locked
from maskwright.issues import Kind, Log

IMAGES_RESUMED = Kind("images_resumed", "info", "going on after {count} image", "going on after {count} images")
IMAGES_NOT_RESUMED = Kind("images_not_resumed", "info", "no unfinished run in {folder}: from the first image on")
IMAGES_BEGUN_ANEW = Kind(
    "images_begun_anew", "info", "an unfinished run in {folder} is replaced: --resume would have gone on"
)
IMAGES_STOPPED = Kind(
    "images_stopped", "info", "stopped after {count} image; --resume goes on",
    "stopped after {count} images; --resume goes on",
)  # fmt: skip

LINES = "predictions.jsonl"
PARQUET = "predictions.parquet"


class DoneLine(msgspec.Struct):
    """What is needed of a line to go on after it."""

    file: str
    counts: dict[str, int] = {}
    labels: list[str] = []
    files: list[str] = []


class ImageRecord:
    """The images that are done, a line each in predictions.part.jsonl; predictions.part.json says of which run.

    done     the names of the images that are done;  earlier  how many of them another run did
    resume   that run is resumed;  unfinished  one that was broken off is there
    counts   of each class on all of them
    written  the files that were written for them
    """

    def __init__(self, out: Path, job: Job, resume: bool) -> None:
        self._out, self._lines = out, out / "predictions.part.jsonl"
        self._job_file = out / "predictions.part.json"
        self.done: set[str] = set()
        self.written: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.unfinished = self._job_file.exists()
        self.resume = resume
        length = 0
        if resume and (begun := _read_job(self._job_file)) is not None:
            check_same(begun, job, self._job_file)
            for line in whole_lines(self._lines):
                self._remember(read_line(line, self._lines))
                length += len(line)
        self.earlier = len(self.done)
        self._length, self._job = length, job
        self._stream: LineFile | None = None

    def _remember(self, line: DoneLine) -> None:
        self.done.add(line.file)
        self.written.update(line.files)
        self.counts.update(line.counts or line.labels)

    def add(self, facts: Mapping[str, Any]) -> None:
        """An image is done, and all its files are written."""
        if self._stream is None:
            self._stream = LineFile(self._lines, self._length)
            with files.writing(self._job_file) as temporary:
                temporary.write_bytes(msgspec.json.encode(self._job))
        self._stream.add(facts)
        self._remember(msgspec.convert(facts, DoneLine))

    def finish(self, lines: bool, parquet: bool) -> list[Path]:
        """The files that were asked for, made of the lines."""
        self.close()
        made = write_parquet(whole_lines(self._lines), self._out / PARQUET) if parquet else []
        if lines:
            self._lines.touch()
            self._lines.replace(self._out / LINES)
            made = [self._out / LINES, *made]
        self._lines.unlink(missing_ok=True)
        self._job_file.unlink(missing_ok=True)
        return made

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _read_job(file: Path) -> Job | None:
    try:
        with files.open_file(file) as stream:
            return msgspec.json.decode(stream.read(), type=Job)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise damaged(file, error) from error


def read_line(line: bytes, file: Path) -> DoneLine:
    try:
        return msgspec.json.decode(line, type=DoneLine)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise damaged(file, error) from error


def damaged(file: Path, error: Exception) -> RecipeError:
    return RecipeError(
        "the record of the unfinished run cannot be read", file=file, got=error, fix="begin anew: leave --resume out"
    )


@contextlib.contextmanager
def image_record(out: Path, job: Job, resume: bool) -> Iterator[ImageRecord]:
    """The record for the images of the block; what is there stays when the block fails, to go on from."""
    file = out / LINES
    with files.folder_of(file), locked(file), contextlib.closing(ImageRecord(out, job, resume)) as record:
        yield record


class Done(Protocol):
    """A record of images, whatever files it is kept in. done, earlier, resume, unfinished  as of ImageRecord"""

    @property
    def done(self) -> Collection[str]: ...
    @property
    def earlier(self) -> int: ...
    @property
    def resume(self) -> bool: ...
    @property
    def unfinished(self) -> bool: ...


@contextlib.contextmanager
def reported(record: Done, failed: Sequence[MaskwrightError], out: Path, log: Log) -> Iterator[None]:
    """Reports where the run of the block begins, and how far it was when it is stopped.

    The first error of `failed` is raised where no image at all could be read.
    """
    if record.earlier:
        log(IMAGES_RESUMED(count=record.earlier))
    elif record.unfinished and not record.resume:
        log(IMAGES_BEGUN_ANEW(folder=str(out)))
    elif record.resume and not record.unfinished:
        log(IMAGES_NOT_RESUMED(folder=str(out)))
    try:
        yield
    except BaseException:
        if record.done:
            log(IMAGES_STOPPED(count=len(record.done)))
        raise
    if failed and not record.done:
        raise failed[0]
