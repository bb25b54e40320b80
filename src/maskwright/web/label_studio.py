"""A machine-learning backend for Label Studio: its address there is http://HOST:PORT/label-studio.

Label Studio asks /health, /setup (with its labeling configuration) and /predict (with tasks). Images are fetched from
the one Label Studio that the server was told of, with its key; images in the task itself (data:) are always taken.
Any other address is refused: a task must not make this server ask other machines, or open files.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwright import __version__
from maskwright.errors import ImageError, MaskwrightError
from maskwright.geometry.polygons import trace
from maskwright.geometry.simplify import simplify
from maskwright.types import ImageLabels, Instances
from maskwright.web import bodies
from maskwright.web.predict_routes import served_by
from maskwright.web.refusal import Refusal

TOLERANCE = 0.75  # pixels an outline may deviate from the mask's edge
MAX_TASKS = 64  # in one request
SHAPES = {"PolygonLabels": "polygonlabels", "RectangleLabels": "rectanglelabels", "Choices": "choices"}


@dataclass(frozen=True)
class ImagesFrom:
    """
    address  of Label Studio, "http://localhost:8080"; "" where there is none
    key      its access token
    """

    address: str = ""
    key: str = ""


@dataclass(frozen=True)
class _Control:
    """A tag of the labeling configuration that takes labels of ours.

    kind     "PolygonLabels", "RectangleLabels" or "Choices";  name, image  what results call it and its image
    variable  the key of the image in the data of a task
    """

    kind: str
    name: str
    image: str
    variable: str


def routes() -> list[Route]:
    return [
        Route("/label-studio/health", _health),
        Route("/label-studio/setup", _setup, methods=["POST"]),
        Route("/label-studio/predict", _predict, methods=["POST"]),
    ]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "UP", "model_class": served_by(request).facts()[0]["name"]})


async def _setup(request: Request) -> Response:
    body = await _json(request)
    _control(body.get("schema", ""))
    return JSONResponse({"model_version": _version(request)})


def _version(request: Request) -> str:
    return f"{served_by(request).facts()[0]['name']} (maskwright {__version__})"


async def _predict(request: Request) -> Response:
    served = served_by(request)
    batcher = served.batcher(None)
    async with served.held():
        body = await _json(request)
        control, tasks = _control(body.get("label_config", "")), body.get("tasks")
        if not isinstance(tasks, list) or len(tasks) > MAX_TASKS:
            raise Refusal(422, "not the tasks of Label Studio", expected=f"a list of at most {MAX_TASKS} tasks")
        results = []
        for task in tasks:
            data = task.get("data") if isinstance(task, dict) else None
            address = data.get(control.variable) if isinstance(data, dict) else None
            try:
                content = await asyncio.to_thread(_image, address, request.app.state.images_from,
                                                  served.limits.max_bytes)  # fmt: skip
                image, found = await served.predict(batcher, content, None)
            except MaskwrightError as error:
                results.append({"result": [], "error": error.headline})
                continue
            regions = list(_regions(control, batcher.predictor.fields(found), image.size))
            scores = [region["score"] for region in regions]
            mean = float(np.mean(scores)) if scores else 0.0
            results.append({"result": regions, "score": round(mean, 4), "model_version": _version(request)})
    return JSONResponse({"results": results, "model_version": _version(request)})


async def _json(request: Request) -> dict[str, Any]:
    limits = served_by(request).limits
    try:
        body = json.loads(await bodies.read(request, limits.max_bytes, limits.upload_seconds))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON", got=str(error)[:80]) from None
    if not isinstance(body, dict):
        raise Refusal(422, "not a request of Label Studio", expected="an object", got=type(body).__name__)
    return body


# --- the labeling configuration ---------------------------------------------------------------------------------------
def _control(config: Any) -> _Control:
    """The tag that our results are for: the first of polygons, rectangles, choices."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(config)
    except Exception:  # no text, no XML, entities
        raise Refusal(422, "the labeling configuration is not XML", field="label_config") from None
    images = {tag.get("name", ""): tag.get("value", "").lstrip("$") for tag in root.iter("Image")}
    for kind in SHAPES:
        for tag in root.iter(kind):
            if (image := tag.get("toName", "")) in images:
                return _Control(kind, tag.get("name", ""), image, images[image])
    raise Refusal(422, "the labeling configuration has no tag for our results", expected=" or ".join(SHAPES),
                  got=", ".join(sorted({tag.tag for tag in root.iter()}))[:200])  # fmt: skip


# --- images -----------------------------------------------------------------------------------------------------------
class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """Label Studio sends the image itself; whatever sends elsewhere is not followed."""


def _image(address: Any, allowed: ImagesFrom, max_bytes: int) -> bytes:
    """The image file of a task."""
    if not isinstance(address, str):
        raise ImageError("the task has no image", expected="the address of one", got=type(address).__name__)
    if address.startswith("data:"):
        try:
            return base64.b64decode(address.partition(",")[2], validate=True)
        except binascii.Error:
            raise ImageError("the image of the task is not base64") from None
    url = urljoin(allowed.address, address)
    if not allowed.address or urlsplit(url)[:2] != urlsplit(allowed.address)[:2]:
        raise ImageError("images are fetched from the configured Label Studio only", got=address[:80],
                         fix="maskwright serve --label-studio http://localhost:8080")  # fmt: skip
    headers = {"Authorization": f"Token {allowed.key}"} if allowed.key else {}
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as response:
            content = response.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise ImageError("Label Studio does not give the image", got=str(error)[:80],
                         fix="set LABEL_STUDIO_API_KEY to an access token of Label Studio") from error  # fmt: skip
    if len(content) > max_bytes:
        raise ImageError("the image is too large", expected=f"at most {max_bytes:,} bytes")
    return content


# --- results ----------------------------------------------------------------------------------------------------------
def _regions(control: _Control, fields: dict[str, Any], size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """The objects or labels of one image as regions of Label Studio: coordinates in percent.

    fields  as `Predictor.fields` gives them
    """
    common = {"from_name": control.name, "to_name": control.image, "type": SHAPES[control.kind]}
    labels: ImageLabels | None = fields.get("image_labels")
    if control.kind == "Choices":
        if labels is not None and labels.labels:
            best = max(float(labels.scores[index]) for index in labels.chosen)
            yield {**common, "value": {"choices": list(labels.labels)}, "score": round(best, 4)}
        return
    instances: Instances = fields["instances"]
    height, width = size
    frame = {"original_width": width, "original_height": height, "image_rotation": 0}
    percent = np.array([100 / width, 100 / height])
    for row, label in enumerate(instances.labels):
        score = 1.0 if instances.scores is None else round(float(instances.scores[row]), 4)
        for value in _shapes(control.kind, instances[row], percent):
            yield {**common, **frame, "score": score, "value": {**value, SHAPES[control.kind]: [label]}}


def _shapes(kind: str, single: Instances, percent: np.ndarray) -> Iterator[dict[str, Any]]:
    if kind == "PolygonLabels" and single.masks is not None:
        (outlines,) = trace(single.masks.counts, single.masks.offsets, single.masks.size)
        for outline in outlines:
            points = simplify(outline.points, TOLERANCE)
            if not outline.hole and len(points) > 2:
                yield {"points": (points * percent).round(3).tolist(), "closed": True}
        return
    x1, y1, x2, y2 = (single.boxes[0].reshape(2, 2) * percent).round(3).reshape(4).tolist()
    if kind == "PolygonLabels":
        yield {"points": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], "closed": True}
    else:
        yield {"x": x1, "y": y1, "width": round(x2 - x1, 3), "height": round(y2 - y1, 3), "rotation": 0}
