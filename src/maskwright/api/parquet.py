"""Lines of predictions as Parquet: a folder of shards, one row an image, the columns those of the lines.

pyarrow is imported when first used.
"""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from maskwright import files
from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install

ROWS = 10_000  # of a shard: images


def library() -> Any:
    """pyarrow; MissingExtra where it is not installed."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        fix = how_to_install("maskwright[parquet]")
        raise MissingExtra("Parquet needs pyarrow", field="--save-parquet", fix=fix) from error


def write_parquet(lines: Iterable[bytes], folder: Path, rows: int = ROWS) -> list[Path]:
    """A new folder with a shard for every so many lines; it is replaced as a whole, and read as one table.

    file, width, height; of a detector `detections`, a list of class, score, box and, with masks, segmentation; of a
    classifier `labels`, and `scores` by class.

    >>> write_parquet(whole_lines(Path("predictions.jsonl")), Path("predictions.parquet"))
    [PosixPath('predictions.parquet/00000.parquet')]
    """
    arrow = library()
    names = []
    with files.writing_folder(folder) as temporary:
        remaining = iter(lines)
        for number in itertools.count():
            taken = [_row(json.loads(line)) for line in itertools.islice(remaining, rows)]
            if not taken:
                break
            table = arrow.Table.from_pylist(taken, schema=_schema(arrow, objects="detections" in taken[0]))
            names.append(f"{number:05}.parquet")
            arrow.parquet.write_table(table, temporary / names[-1], compression="zstd")
    return [folder / name for name in names]


def _row(facts: dict[str, Any]) -> dict[str, Any]:
    kept = {name: facts[name] for name in ("detections", "labels", "scores") if name in facts}
    return {"file": facts["file"], **facts["image"], **kept}


def _schema(arrow: Any, objects: bool) -> Any:
    image = [("file", arrow.string()), ("width", arrow.int32()), ("height", arrow.int32())]
    if not objects:
        scores = arrow.map_(arrow.string(), arrow.float32())
        return arrow.schema([*image, ("labels", arrow.list_(arrow.string())), ("scores", scores)])
    mask = arrow.struct([("size", arrow.list_(arrow.int32())), ("counts", arrow.string())])
    detection = [("class", arrow.string()), ("score", arrow.float32()), ("box", arrow.list_(arrow.float32())),
                 ("area", arrow.float64()), ("segmentation", mask)]  # fmt: skip
    return arrow.schema([*image, ("detections", arrow.list_(arrow.struct(detection)))])
