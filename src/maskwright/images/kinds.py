"""What an image file is by its first bytes, and which endings such files have."""

from __future__ import annotations

from pathlib import Path

_KINDS = (  # where, which bytes -> the endings of such files
    (0, b"\xff\xd8\xff", (".jpg", ".jpeg", ".jpe", ".jfif")),
    (0, b"\x89PNG\r\n\x1a\n", (".png",)),
    (8, b"WEBP", (".webp",)),
    (0, b"BM", (".bmp", ".dib")),
    (0, b"II*\0", (".tif", ".tiff")),
    (0, b"MM\0*", (".tif", ".tiff")),
    (0, b"II+\0", (".tif", ".tiff")),
    (0, b"MM\0+", (".tif", ".tiff")),
)


def own_ending(path: Path) -> str | None:
    """The usual ending of what the file is, where its name has another one; None where they agree, or nobody knows.

    >>> own_ending(Path("saved_as.png"))
    '.jpg'
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
    except OSError:
        return None
    for start, magic, endings in _KINDS:
        if head[start : start + len(magic)] == magic:
            return None if path.suffix.lower() in endings else endings[0]
    return None
