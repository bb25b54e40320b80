"""Predictions of very many images as shards: predictions/00000.jsonl and so on, and manifest.json beside them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from maskwright import __version__, files
from maskwright.api.image_record import PARQUET, DoneLine, damaged, read_line
from maskwright.api.jobs import Job, check_same
from maskwright.api.json_lines import LineFile, whole_lines, write_lines
from maskwright.api.parquet import write_parquet
from maskwright.errors import MaskwrightError
from maskwright.file_lock import locked

FOLDER, MANIFEST, FAILED = "predictions", "manifest.json", "failed.jsonl"
LINES_A_SHARD = 10_000


class ShardManifest(msgspec.Struct):
    """What the shards are.

    job       what was computed, as text;  complete  every image that could be read is in the shards
    shards    {"predictions/00000.jsonl": its lines, one an image}
    counts    of each class on all images
    failed    images that could not be read; failed.jsonl has each with its error
    """

    maskwright: str
    job: Job
    shards: dict[str, int]
    complete: bool = False
    images: int = 0
    counts: dict[str, int] = {}
    failed: int = 0


class ShardRecord:
    """The images that are done, in the shards of a folder.

    done  their names;  earlier  how many of them another run did;  counts  of each class on all of them
    resume  what was there is resumed;  unfinished  a run that was broken off was there
    """

    def __init__(self, out: Path, job: Job, resume: bool) -> None:
        self._out, self._job = out, job
        self.done: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._shards: dict[str, int] = {}
        self._stream: LineFile | None = None
        begun = _read_manifest(out / MANIFEST)
        self.resume, self.unfinished = resume, begun is not None and not begun.complete
        length = 0
        if resume and begun is not None:
            check_same(begun.job, job, out / MANIFEST)
            for file in sorted((out / FOLDER).glob("*.jsonl")):
                length = self._go_on_after(file)
        else:
            for file in (out / FOLDER).glob("*.jsonl"):
                file.unlink()
        self.earlier, self._length = len(self.done), length

    def _go_on_after(self, file: Path) -> int:
        """Remember the images of a shard; the bytes of its whole lines."""
        lines = length = 0
        for line in whole_lines(file):
            self._remember(read_line(line, file))
            lines, length = lines + 1, length + len(line)
        self._shards[f"{FOLDER}/{file.name}"] = lines
        return length

    def _remember(self, line: DoneLine) -> None:
        self.done.add(line.file)
        self.counts.update(line.counts or line.labels)

    def add(self, lines: Sequence[bytes]) -> None:
        """Images are done; a line that was there before is left out."""
        for line in lines:
            known = msgspec.json.decode(line, type=DoneLine)
            if known.file in self.done:
                continue
            stream = self._open_shard()
            stream.add_line(line)
            self._shards[self._newest] += 1
            self._remember(known)

    @property
    def _newest(self) -> str:
        return f"{FOLDER}/{max(len(self._shards) - 1, 0):05}.jsonl"

    def _open_shard(self) -> LineFile:
        """The shard with room for another line."""
        if self._shards.get(self._newest, LINES_A_SHARD) >= LINES_A_SHARD:
            self.close()
            self._shards[f"{FOLDER}/{len(self._shards):05}.jsonl"] = self._length = 0
            self._write_manifest()
        if self._stream is None:
            (self._out / FOLDER).mkdir(parents=True, exist_ok=True)
            self._stream = LineFile(self._out / self._newest, self._length)
        return self._stream

    def finish(self, failed: Sequence[MaskwrightError], parquet: bool) -> list[Path]:
        """The files that there are now."""
        self.close()
        made = [write_lines(self._out / FAILED, (error.facts() for error in failed))]
        if parquet:
            lines = (line for name in self._shards for line in whole_lines(self._out / name))
            made += write_parquet(lines, self._out / PARQUET)
        self._write_manifest(complete=True, images=len(self.done), counts=dict(self.counts), failed=len(failed))
        return [self._out / MANIFEST, *(self._out / name for name in self._shards), *made]

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _write_manifest(self, **facts: Any) -> None:
        manifest = ShardManifest(__version__, self._job, self._shards, **facts)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        files.write_text(self._out / MANIFEST, text.decode() + "\n")


def _read_manifest(file: Path) -> ShardManifest | None:
    try:
        with files.open_file(file) as stream:
            return msgspec.json.decode(stream.read(), type=ShardManifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise damaged(file, error) from error


@contextlib.contextmanager
def shard_record(out: Path, job: Job, resume: bool) -> Iterator[ShardRecord]:
    """The record for the images of the block; what is there stays when the block fails, to go on from."""
    file = out / MANIFEST
    with files.folder_of(file), locked(file), contextlib.closing(ShardRecord(out, job, resume)) as record:
        yield record
