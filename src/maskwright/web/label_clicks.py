"""A box or clicks become a mask: what the page asks while somebody points at an object.

POST /api/images/N/clicks    {"box": [x1, y1, x2, y2] or null, "positive": [[x, y], ...], "negative": [[x, y], ...]},
                             in image pixels; the answer has the rings of the object, none where nothing was found
POST /api/images/N/features  computes what later clicks need: the page asks for the image that comes next
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwright.types import RleMasks
from maskwright.web import bodies, label_shapes
from maskwright.web.label_objects import points_of
from maskwright.web.refusal import Refusal

MAX_CLICKS = 200


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
    rings = label_shapes.trace(mask) if mask.area[0] else []
    return {"rings": [ring.round(2).tolist() for ring in rings]}


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
