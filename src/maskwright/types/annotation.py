"""Annotation: what an annotation file said of one object besides its class, box and mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """Kept so that writing can give it back; nothing is learned from it.

    outlines    the closed outlines as they were drawn, each k×2 float64 (x, y) in image pixels; () where none were
    id          the number (or text) by which the file knows the object (COCO); None where it has none
    attributes  further facts as JSON values: {"difficult": 1, "occluded": True}
    """

    outlines: tuple[np.ndarray, ...] = ()
    id: int | str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
