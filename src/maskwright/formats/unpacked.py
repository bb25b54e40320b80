"""Images that an annotation file itself holds, written into the cache folder to be read from there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from maskwright.errors import OutputError
from maskwright.files import writing
from maskwright.formats.listing import IMAGE_ENDINGS
from maskwright.issues import Kind

IMAGES_UNPACKED = Kind(
    "images_unpacked", "info", "{count} image lies in the file and was unpacked into {folder}",
    "{count} images lie in the file and were unpacked into {folder}",
)  # fmt: skip

MAGIC = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


def holds(file: Path, data: bytes) -> bool:
    """The file has exactly this content."""
    try:
        return file.is_file() and file.stat().st_size == len(data) and file.read_bytes() == data
    except (OSError, ValueError):
        return False


def put(file: Path, data: bytes) -> None:
    """The file with this content; one that has it already stays."""
    if holds(file, data):
        return
    try:
        with writing(file) as temporary:
            temporary.write_bytes(data)
    except OutputError as error:
        raise OutputError(f"an image cannot be unpacked: {error.headline}", file=file,
                          fix="name another cache folder in MASKWRIGHT_CACHE") from error  # fmt: skip


def file_of(data: bytes, format: str, stem: str) -> Path:
    """The file in the cache folder that holds an image of which nothing but the bytes is known."""
    from maskwright.fetch import cache_folder  # it brings the network's modules, and few files hold images

    digest = hashlib.sha256(data).hexdigest()[:16]
    ending = next((ending for magic, ending in MAGIC.items() if data.startswith(magic)), IMAGE_ENDINGS[0])
    name = re.sub(r"[^\w.() -]", "_", stem, flags=re.ASCII)[-100:].strip(". ") or "image"
    file = cache_folder() / format / digest / f"{name}{ending}"
    put(file, data)
    return file
