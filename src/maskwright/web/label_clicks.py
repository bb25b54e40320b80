"""A box or clicks become a mask: what the page asks while somebody points at an object.

POST /api/images/N/clicks    {"box": [x1, y1, x2, y2] or null, "positive": [[x, y], ...], "negative": [[x, y], ...]},
                             in image pixels; the answer has the rings of the object, none where nothing was found
POST /api/images/N/features  computes what later clicks need: the page asks for the image that comes next
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwright.extras import how_to_install
from maskwright.geometry.simplify import simplify
from maskwright.prediction.clicks import MaskFromClicks
from maskwright.types import RleMasks
from maskwright.web import bodies, label_images, label_shapes
from maskwright.web.label_objects import points_of
from maskwright.web.refusal import Refusal
from maskwright.weights.packages import EFFICIENTNET_LITE0

MAX_CLICKS = 200
KEPT = 4  # images whose pixels and features are kept: the one that is shown, and those around it
DEVIATION = 0.008  # of a ring from the edge of its mask, relative to the side of a square of the same area


class ClickModel(Protocol):
    """Makes masks from boxes and clicks. Called from several threads."""

    def prepare(self, path: Path) -> None:
        """Computes and keeps the features of an image."""
        ...

    def mask(self, path: Path, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> RleMasks:
        """One mask of the image's size, of area 0 where nothing is found.

        box       x1 y1 x2 y2 in image pixels; None: clicks only
        positive  (n, 2) points x, y on the object;  negative  (m, 2) points that are not; n + m or the box is there
        """
        ...


class ClickedImages:
    """The bundled network, and the images that were pointed at last with what was computed of them."""

    def __init__(self) -> None:
        self._opened: dict[tuple[Path, int], MaskFromClicks] = {}
        self._lock = threading.Lock()

    @staticmethod
    def missing() -> str:
        """Why there is no such tool: which package is not installed, and the command for it; "" where all are."""
        requirement = EFFICIENTNET_LITE0.requirement
        if importlib.util.find_spec("torch") is None:
            package, requirement = "torch", "torch"
        elif EFFICIENTNET_LITE0.path() is None:
            package = EFFICIENTNET_LITE0.package
        else:
            return ""
        return f"needs the package {package}, which is not installed: {how_to_install(requirement)}"

    def prepare(self, path: Path) -> None:
        self._of(path).prepare()

    def mask(self, path: Path, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> RleMasks:
        if box is not None:
            box = np.concatenate([box[:2], np.maximum(box[2:], box[:2] + 1)])
        return self._of(path)(box, positive, negative)

    def _of(self, path: Path) -> MaskFromClicks:
        key = path, label_images.stamp(path)
        with self._lock:
            found = self._opened.pop(key, None) or MaskFromClicks(path)
            self._opened[key] = found  # the last one again
            for old in list(self._opened)[:-KEPT]:
                del self._opened[old]
        return found


def routes() -> list[Route]:
    image = "/api/images/{index:int}"
    return [
        Route(f"{image}/clicks", _clicks, methods=["POST"]),
        Route(f"{image}/features", _features, methods=["POST"]),
    ]


def _model(request: Request) -> ClickModel:
    model = request.app.state.clicks
    if model is None:
        raise Refusal(404, "there is no model for boxes and clicks")
    return model


async def _features(request: Request) -> Response:
    model = _model(request)
    path = request.app.state.store.image(request.path_params["index"]).record.image
    await asyncio.to_thread(model.prepare, path)
    return Response(status_code=204)


async def _clicks(request: Request) -> Response:
    model, body = _model(request), await bodies.read_object(request)
    record = request.app.state.store.image(request.path_params["index"]).record
    box = _box(body.get("box"))
    positive, negative = (_points(body, name) for name in ("positive", "negative"))
    if box is None and not len(positive):
        raise Refusal(422, "there is nothing to find an object by", expected="a box or a positive click")
    return JSONResponse(await asyncio.to_thread(_found, model, record.image, box, positive, negative))


def _found(
    model: ClickModel, path: Path, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray
) -> dict[str, Any]:
    mask = model.mask(path, box, positive, negative)
    return {"rings": [ring.round(2).tolist() for ring in rings_of_mask(mask)]}


def rings_of_mask(mask: RleMasks) -> list[label_shapes.Ring]:
    """The outline with few points, for they may be dragged: the larger the object, the larger the steps."""
    if not mask.area[0]:
        return []
    deviation = DEVIATION * float(np.sqrt(mask.area[0]))
    return [simplify(ring, deviation) for ring in label_shapes.trace(mask)]


def _box(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    numbers = isinstance(value, list) and len(value) == 4
    if not numbers or not all(isinstance(side, int | float) and math.isfinite(side) for side in value):
        raise Refusal(422, "not a box", field="box", expected="[x1, y1, x2, y2]", got=str(value)[:80])
    x1, y1, x2, y2 = value
    return np.array([min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)], np.float64)


def _points(body: dict[str, Any], name: str) -> np.ndarray:
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_CLICKS:
        raise Refusal(422, "not clicks", field=name, expected=f"at most {MAX_CLICKS} points", got=str(value)[:80])
    return points_of(value, 0)
