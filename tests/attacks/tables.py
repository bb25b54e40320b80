"""Malicious and corrupted box tables and TFRecords: each function writes one and returns its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attacks.annotations import image

from maskwright import tfrecord_io
from maskwright.formats import tf_example

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"


def boxes_csv(folder: Path, *rows: str, header: str = HEADER, file: str = "labels.csv") -> Path:
    """A table of one image, a.jpg, 40 wide and 30 high."""
    image(folder / "a.jpg")
    path = folder / file
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def example(folder: Path, **changed: Any) -> bytes:
    """One tf.Example: an image of 40 x 30 with a box of class rust; `changed` by a key's last word, None drops."""
    features: dict[str, Any] = {
        "image/encoded": [image(folder / "elsewhere" / "image.png").read_bytes()],
        "image/filename": [b"a.png"],
        "image/height": [30],
        "image/width": [40],
        "image/object/bbox/xmin": floats(0.25),
        "image/object/bbox/ymin": floats(0.5),
        "image/object/bbox/xmax": floats(0.5),
        "image/object/bbox/ymax": floats(1.0),
        "image/object/class/text": [b"rust"],
        "image/object/class/label": [1],
    }
    for word, value in changed.items():
        key = next(key for key in features if key.endswith(f"/{word}"))
        features[key] = value
    return tf_example.written({key: value for key, value in features.items() if value is not None})


def floats(*values: float) -> Any:
    import numpy as np

    return np.array(values, np.float32)


def tfrecord(folder: Path, *bodies: bytes, file: str = "train.record") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_bytes(b"".join(map(tfrecord_io.frame, bodies)))
    return path


def label_map(folder: Path, text: str, file: str = "label_map.pbtxt") -> Path:
    path = folder / file
    path.write_text(text, "utf-8")
    return path
