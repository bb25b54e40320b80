"""Which images a model was trained on, in a few kilobytes of its card: short hashes of their files.

A hash is of the file's bytes, so an image is known again under any name and in any folder; an image that was saved anew
is another one (`maskwright check` finds those that look the same). 48 bits: among ten thousand images and four thousand
hashes one agrees by chance once in seven million times.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from maskwright.errors import ImageError
from maskwright.weights.card import HASH

MOST = (
    4096  # of very large sets these are kept, the smallest hashes, an even choice: enough to notice, too few to count
)


def image_hash(path: Path) -> str:
    """Eight characters of the file's contents."""
    try:
        with Path(path).open("rb") as file:
            return short(hashlib.file_digest(file, "blake2b").digest())
    except OSError as error:
        raise ImageError("this image cannot be read", file=path, got=error.strerror or error) from error


def short(digest: bytes) -> str:
    """The first 48 bits, as eight characters that JSON, a shell and a file name take as they are."""
    return base64.urlsafe_b64encode(digest[: HASH * 3 // 4]).decode("ascii")


def packed(hashes: Iterable[str]) -> str:
    """As a card holds them: each once, in order, at most MOST.

    >>> packed(["bbbbbbbb", "aaaaaaaa", "bbbbbbbb"])
    'aaaaaaaabbbbbbbb'
    """
    return "".join(sorted(set(hashes))[:MOST])


def unpacked(text: str) -> list[str]:
    return [text[start : start + HASH] for start in range(0, len(text), HASH)]
