"""What the page of `maskwright label` asks: images, objects, changes, brush strokes, predictions."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwright.images.decode import is_deep
from maskwright.types import Instances, Window
from maskwright.web import bodies, label_images, label_objects, label_shapes
from maskwright.web.label_assistant import LOWEST
from maskwright.web.label_objects import points_of, rings_of
from maskwright.web.label_store import LabelStore
from maskwright.web.refusal import Refusal
from maskwright.web.served import Served


def routes() -> list[Route]:
    image = "/api/images/{index:int}"
    return [
        Route("/api/images", _all),
        Route("/api/status", _status),
        Route("/api/overwrite", _overwrite, methods=["POST"]),
        Route("/api/classes", _classes, methods=["GET", "PUT", "POST"]),
        Route(image, _objects),
        Route(image, _put, methods=["PUT"]),
        Route(f"{image}/file", _file),
        Route(f"{image}/thumbnail", _thumbnail),
        Route(f"{image}/shape", _shape, methods=["POST"]),
        Route(f"{image}/suggestions", _suggestions, methods=["POST"]),
    ]


def _store(request: Request) -> LabelStore:
    return request.app.state.store


def _index(request: Request) -> int:
    return request.path_params["index"]


async def _all(request: Request) -> Response:
    store = _store(request)
    images = [
        {"name": image.record.image.name, "height": image.record.size[0], "width": image.record.size[1],
         **image.summary()}
        for image in store.images
    ]  # fmt: skip
    return JSONResponse(
        {
            "images": images,
            "file": store.target.name,
            "format": store.target.format,
            "masks": store.masks,
            "clicks": request.app.state.clicks is not None,
            "without_clicks": request.app.state.without_clicks,
            **_changed(request, store.changes, store.classes.version),
        }
    )


async def _status(request: Request) -> Response:
    since, classes = (_number(request.query_params.get(name)) for name in ("since", "classes"))
    return JSONResponse(_changed(request, since, classes))


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 16 else 0


def _changed(request: Request, since: int, classes: int) -> dict[str, Any]:
    """What may be different from what a page knows."""
    loop = request.app.state.loop
    return {**_store(request).status(since, classes), **loop.assistant.facts(), "training": loop.training.state}


async def _overwrite(request: Request) -> Response:
    _store(request).overwrite()
    return Response(status_code=204)


async def _classes(request: Request) -> Response:
    """GET: how often each is used. PUT {"name": "cake"}: a new one. POST: {"version": 3, "change": "rename", "name":
    "ballon", "to": "balloon"} and the like."""
    store = _store(request)
    if request.method == "GET":
        return JSONResponse(await asyncio.to_thread(store.class_uses))
    body = await bodies.read_object(request)
    if request.method == "PUT":
        return JSONResponse(await asyncio.to_thread(store.add_class, body.get("name")))
    return JSONResponse(await asyncio.to_thread(store.change_classes, body.get("version"), body))


async def _objects(request: Request) -> Response:
    store, index = _store(request), _index(request)
    facts = await asyncio.to_thread(store.facts, index)
    return JSONResponse({**facts, "deep": is_deep(store.image(index).record.image)})


async def _put(request: Request) -> Response:
    body = await bodies.read_object(request)
    classes = body.get("classes")
    if classes is not None and (not isinstance(classes, int) or isinstance(classes, bool) or classes < 0):
        raise Refusal(422, "not a version of the classes", field="classes", got=str(classes)[:40])
    asked = body.get("version"), body.get("objects"), body.get("state", "labeled"), classes
    return JSONResponse(await asyncio.to_thread(_store(request).put, _index(request), *asked))


# --- images -----------------------------------------------------------------------------------------------------------
async def _file(request: Request) -> Response:
    path = _store(request).image(_index(request)).record.image
    content, kind, window = await asyncio.to_thread(label_images.for_browser, path, _window(request))
    headers = {"cache-control": "private, max-age=3600"}
    if window is not None:
        headers["x-gray-window"] = f"{window.low:g} {window.high:g}"
    return Response(content, media_type=kind, headers=headers)


def _window(request: Request) -> Window | None:
    """?low=0&high=4095: the gray values that become black and white."""
    try:
        low, high = float(request.query_params["low"]), float(request.query_params["high"])
    except (KeyError, ValueError):
        return None
    return Window(low, high) if 0 <= low < high < 1e7 else None


async def _thumbnail(request: Request) -> Response:
    path = _store(request).image(_index(request)).record.image
    content = await asyncio.to_thread(lambda: label_images.thumbnail(path, label_images.stamp(path)))
    return Response(content, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


# --- shapes -----------------------------------------------------------------------------------------------------------
async def _shape(request: Request) -> Response:
    """Rings after an operation: {"op": "brush", "rings": [...], "points": [...], "radius": 8} and the like."""
    size = _store(request).image(_index(request)).record.size
    body = await bodies.read_object(request)
    return JSONResponse({"objects": await asyncio.to_thread(_shaped, body, size)})


def _shaped(body: dict[str, Any], size: tuple[int, int]) -> list[list[Any]]:
    """The rings of each object that there is then: none where everything was erased, several after a split."""
    op = body.get("op")
    masks = [label_shapes.fill(rings_of(rings), size) for rings in body.get("objects") or []]
    if op in ("brush", "erase", "split"):
        radius = body.get("radius")
        if not isinstance(radius, int | float) or not 0.1 <= radius <= 5_000:
            raise Refusal(422, "not a radius", field="radius", expected="0.1 to 5000 pixels", got=str(radius)[:40])
        other = label_shapes.stroke(points_of(body.get("points")), float(radius), size)
    elif op == "cut":
        other = label_shapes.fill(rings_of(body.get("rings")), size)
    elif op == "join" and masks:
        return _as_rings([label_shapes.unite(masks)])
    else:
        raise Refusal(422, "not an operation", expected="brush, erase, split, cut or join", got=str(op)[:40])
    if op == "brush":
        return _as_rings([label_shapes.unite([*masks, other])])
    left = [label_shapes.subtract(mask, other) for mask in masks]
    return _as_rings([part for mask in left for part in label_shapes.split(mask)] if op == "split" else left)


def _as_rings(masks: list[Any]) -> list[list[Any]]:
    found = [[ring.round(2).tolist() for ring in label_shapes.trace(mask)] for mask in masks if mask.area[0]]
    return [rings for rings in found if rings]


# --- suggestions ------------------------------------------------------------------------------------------------------
async def _suggestions(request: Request) -> Response:
    """What the model finds, with scores: the page shows those from its threshold on."""
    assistant = request.app.state.loop.assistant
    served: Served | None = assistant.served
    if served is None:
        raise Refusal(404, "there is no model", fix="maskwright label IMAGES --model MODEL, or train one")
    path = _store(request).image(_index(request)).record.image
    async with served.held():
        data = await asyncio.to_thread(path.read_bytes)
        _, instances = await served.predict(served.batcher(None), data, LOWEST)
    return JSONResponse({"objects": await asyncio.to_thread(_suggested, assistant.under_current_names(instances))})


def _suggested(instances: Instances) -> list[dict[str, Any]]:
    scores = np.ones(len(instances)) if instances.scores is None else instances.scores
    return [
        {**item.facts(), "score": round(float(score), 4)}
        for item, score in zip(label_objects.of_instances(instances), scores, strict=True)
        if item.rings
    ]
