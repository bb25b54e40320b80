"""tf.Example, the message in a TFRecord: named lists of bytes, floats or whole numbers.

Source  tensorflow/core/example/example.proto and feature.proto
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from maskwright import tfrecord_io
from maskwright.errors import AnnotationError

Features = dict[str, list[bytes] | list[float] | list[int]]
_TEXTS, _FLOATS, _NUMBERS = 1, 2, 3  # which list of a Feature


def read(path: Path, number: int, body: bytes) -> Features:
    """The named lists of one record; `path` and `number` are for messages.

    >>> read(Path("train.record"), 1, body)["image/filename"]
    [b'rust.29.jpg']
    """
    features: Features = {}
    try:
        for part in _messages(body, 1):
            for entry in _messages(part, 1):
                name, value = (next(_messages(entry, which), b"") for which in (1, 2))
                features[name.decode()] = _values(value)
    except ValueError as error:
        raise AnnotationError("a record is no tf.Example", file=path, record=f"record {number}", got=error,
                              fix="is it a file of images with boxes?") from error  # fmt: skip
    if not any(name.startswith("image/") for name in features):
        got = ", ".join(list(features)[:6]) or "no features at all"
        raise AnnotationError("a record holds no image", file=path, record=f"record {number}",
                              expected="image/encoded or image/filename", got=got)  # fmt: skip
    return features


def _messages(message: bytes, expected: int) -> Iterator[bytes]:
    return (
        value
        for number, kind, value in tfrecord_io.read_fields(message)
        if (number, kind) == (expected, tfrecord_io.BYTES)
    )


def _values(feature: bytes) -> list[bytes] | list[float] | list[int]:
    """One list; numbers stand in it packed or one by one."""
    texts: list[bytes] = []
    floats: list[float] = []
    numbers: list[int] = []
    for which, kind, packed in tfrecord_io.read_fields(feature):
        if kind != tfrecord_io.BYTES:
            raise ValueError("a list that is none")
        for number, kind, value in tfrecord_io.read_fields(packed):
            if number != 1:
                continue
            if which == _TEXTS and kind == tfrecord_io.BYTES:
                texts.append(value)
            elif which == _FLOATS and kind in (tfrecord_io.BYTES, tfrecord_io.FIXED32):
                floats += np.frombuffer(value, "<f4").tolist()
            elif which == _NUMBERS and kind in (tfrecord_io.BYTES, tfrecord_io.VARINT):
                numbers += tfrecord_io.read_varints(value)
    return texts or floats or numbers


def first(features: Features, name: str) -> bytes | float | int | None:
    return next(iter(features.get(name, ())), None)


def text(features: Features, name: str) -> str:
    value = first(features, name)
    return value.decode("utf-8", errors="replace").strip() if isinstance(value, bytes) else ""


def stated(features: Features) -> tuple[int, int] | None:
    """(height, width) where both stand there and can be an image's."""
    height, width = first(features, "image/height"), first(features, "image/width")
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    return (height, width) if 0 < height < 10**7 and 0 < width < 10**7 else None


def written(features: Mapping[str, Sequence[bytes] | Sequence[int] | np.ndarray]) -> bytes:
    """The record of these lists: bytes, whole numbers from 0 up, or an array of float32."""
    entries = (
        tfrecord_io.field(1, tfrecord_io.field(1, name.encode()) + tfrecord_io.field(2, _list(values)))
        for name, values in sorted(features.items())
    )
    return tfrecord_io.field(1, b"".join(entries))


def _list(values: Sequence[bytes] | Sequence[int] | np.ndarray) -> bytes:
    if isinstance(values, np.ndarray):
        return tfrecord_io.field(_FLOATS, tfrecord_io.field(1, values.astype("<f4").tobytes()))
    texts = [tfrecord_io.field(1, value) for value in values if isinstance(value, bytes)]
    if texts:
        return tfrecord_io.field(_TEXTS, b"".join(texts))
    packed = b"".join(tfrecord_io.varint(value) for value in values if isinstance(value, int))
    return tfrecord_io.field(_NUMBERS, tfrecord_io.field(1, packed) if packed else b"")
