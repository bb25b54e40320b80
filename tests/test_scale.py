"""Objects too small for the network input are noticed before any time is spent on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskwright.tasks.detection.scale import advice
from maskwright.types import Dataset, Instances, Record


def data(side: int, image: int, count: int = 3) -> Dataset:
    boxes = np.array([[5, 5, 5 + side, 5 + side]] * count, np.float32).reshape(-1, 4)
    detections = Instances(boxes, np.zeros(count, int), None, None, ("pore",))
    return Dataset("welds", ("pore",), (Record(Path("a.png"), (image // 4, image), detections),))


def test_tiny_objects_on_large_images_get_the_tile_that_shows_them_well() -> None:
    assert str(advice(data(16, 4096), 512)) == (
        "half of the objects are less than 2 pixels large on this network input: "
        "--tile 256 would show them 16 times as large"
    )


def test_nothing_is_said_where_objects_can_be_seen_or_tiles_would_not_help() -> None:
    assert advice(data(100, 1000), 512) is None
    assert advice(data(6, 128), 256) is None, "enlarged already"
    assert advice(data(5, 200, count=0), 512) is None
