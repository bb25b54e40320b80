"""Short hashes of a model's training images, a few kilobytes in its card.

The hash is of the bytes of the file, so an image is recognized under any name and in any folder, but not after it was
saved again (`maskwright check` finds images that look the same). With 48 bits the probability that any of ten thousand
images agrees by chance with any of four thousand hashes is one in seven million.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from maskwright.errors import ImageError
from maskwright.weights.card import HASH_LENGTH

MAX_HASHES = 4096  # of larger sets only the smallest hashes are kept, a uniform sample: enough to detect an overlap


def image_hash(path: Path) -> str:
    """The hash of a file's contents, eight characters; ImageError if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return shorten(hashlib.file_digest(file, "blake2b").digest())
    except OSError as error:
        raise ImageError("this image cannot be read", file=path, got=error.strerror or error) from error


def shorten(digest: bytes) -> str:
    """The first 48 bits of a digest as eight characters, URL-safe base64."""
    return base64.urlsafe_b64encode(digest[: HASH_LENGTH * 3 // 4]).decode("ascii")


def pack(hashes: Iterable[str]) -> str:
    """Concatenate hashes for the card: unique, sorted, at most MAX_HASHES.

    >>> pack(["bbbbbbbb", "aaaaaaaa", "bbbbbbbb"])
    'aaaaaaaabbbbbbbb'
    """
    return "".join(sorted(set(hashes))[:MAX_HASHES])


def unpack(text: str) -> list[str]:
    """Split concatenated hashes."""
    return [text[start : start + HASH_LENGTH] for start in range(0, len(text), HASH_LENGTH)]
