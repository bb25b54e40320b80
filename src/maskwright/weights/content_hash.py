"""A model known by what is in its files, wherever they lie and whatever they are called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from maskwright import files
from maskwright.errors import WeightsError
from maskwright.weights.card import CARD, EXPORT, WEIGHTS

BLOCK = 1 << 20  # bytes


def content_hash(model: Path) -> str:
    """SHA-256 of a weight file; of a model folder over the names and contents of what belongs to the model.

    That is the card and the weights; of an exported model every file of the folder.

    >>> content_hash(Path("runs/party/best"))[:8]
    '5b0d7f2c'
    """
    made = hashlib.sha256()
    if not model.is_dir():
        parts = [model]
    elif (model / EXPORT).is_file():
        parts = sorted(path for path in model.iterdir() if path.is_file())
    else:
        parts = [path for path in (model / CARD, model / WEIGHTS) if path.is_file()]
    for path in parts:
        if model.is_dir():
            made.update(f"{path.name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        try:
            with files.open_file(path) as stream:
                while block := stream.read(BLOCK):
                    made.update(block)
        except OSError as error:
            raise WeightsError("this model cannot be read", file=path, got=error.strerror or error) from error
    return made.hexdigest()
