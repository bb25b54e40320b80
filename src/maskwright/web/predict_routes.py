"""POST /predict and POST /batch; what there is to ask about a server: /models, /health, /metrics."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image as PilImage
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from maskwright import __version__, interop
from maskwright.api.predict import class_indices_of, to_prediction
from maskwright.api.results import Prediction
from maskwright.drawing import outlines
from maskwright.drawing.splash import splash
from maskwright.errors import MaskwrightError
from maskwright.images.sources import Source
from maskwright.types import Image
from maskwright.web import bodies
from maskwright.web.batching import Batcher
from maskwright.web.options import PredictOptions
from maskwright.web.refusal import Refusal
from maskwright.web.served import Served

Handler = Callable[[Request, Served], Awaitable[Response]]


def routes() -> list[Route]:
    return [
        Route("/predict", _counted("/predict", _predict), methods=["POST"]),
        Route("/batch", _counted("/batch", _batch), methods=["POST"]),
        Route("/models", _counted("/models", _models)),
        Route("/health", _health),
        Route("/metrics", _metrics),
    ]


def served_by(request: Request) -> Served:
    return request.app.state.served


def _counted(route: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler, with its status and time in the metrics."""

    async def counted(request: Request) -> Response:
        served, start, status = served_by(request), time.monotonic(), 500
        try:
            response = await handler(request, served)
            status = response.status_code
            return response
        except Refusal as refusal:
            status = refusal.status
            raise
        except MaskwrightError:
            status = 422
            raise
        finally:
            served.metrics.request(route, status, time.monotonic() - start)

    return counted


# --- predictions ------------------------------------------------------------------------------------------------------
async def _predict(request: Request, served: Served) -> Response:
    """The body is an image file; the answer as `format` asks."""
    options = PredictOptions.of(request.query_params)
    batcher = served.batcher(options.model)
    _check(batcher, options)
    async with served.held():
        data = await bodies.read(request, served.limits.max_bytes, served.limits.upload_seconds)
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise Refusal(415, "the body of /predict is the image itself, no form", got="multipart/form-data",
                          fix="curl --data-binary @image.jpg URL; POST /batch takes forms")  # fmt: skip
        image, result = await served.predict(batcher, data, options.threshold)
        return await asyncio.to_thread(_response, image, _prediction(batcher, image, result, options), options.format)


async def _batch(request: Request, served: Served) -> Response:
    """The body is a form of image files; the answer a line of JSON each, in their order."""
    options = PredictOptions.of(request.query_params, known=("model", "threshold", "classes"))
    batcher = served.batcher(options.model)
    _check(batcher, options)
    async with served.held():
        body = await bodies.read(request, served.limits.max_bytes, served.limits.upload_seconds)
        files = bodies.form_files(body, request.headers.get("content-type", ""))
        if not files:
            raise Refusal(400, "no files are in the form", fix="curl -F file=@a.jpg -F file=@b.jpg URL")
        lines = [line async for line in _lines(served, batcher, files, options)]
    return Response("".join(lines), media_type="application/x-ndjson")


async def _lines(
    served: Served, batcher: Batcher, files: list[tuple[str, bytes]], options: PredictOptions
) -> AsyncIterator[str]:
    """A few are submitted ahead, so that they are predicted together and not all are decoded at once."""
    ahead = served.limits.batch
    for start in range(0, len(files), ahead):
        part = files[start : start + ahead]
        waiting = [served.predict(batcher, data, options.threshold) for _, data in part]
        for (name, _), result in zip(part, await asyncio.gather(*waiting, return_exceptions=True), strict=True):
            if isinstance(result, MaskwrightError):
                yield json.dumps({**result.facts(), "file": name}, ensure_ascii=False) + "\n"
            elif isinstance(result, BaseException):
                raise result
            else:
                image, found = result
                prediction = replace(_prediction(batcher, image, found, options), image=name)
                yield json.dumps(_facts(prediction), ensure_ascii=False) + "\n"


def _check(batcher: Batcher, options: PredictOptions) -> None:
    """What this model cannot give is an error before the body is read."""
    predictor = batcher.with_threshold(options.threshold)
    class_indices_of(predictor, options.classes)
    if options.format != "json" and not predictor.kind.objects:
        raise Refusal(422, "this model classifies whole images", expected="format=json", got=options.format)


def _prediction(batcher: Batcher, image: Image, result: Any, options: PredictOptions) -> Prediction:
    predictor = batcher.with_threshold(options.threshold)
    source = Source(image.name, "image", image)
    return to_prediction(predictor, image, source, result, class_indices_of(predictor, options.classes))


def _facts(prediction: Prediction) -> dict[str, Any]:
    facts = prediction.facts()
    del facts["files"]  # none are written
    return facts


def _response(image: Image, prediction: Prediction, format: str) -> Response:
    instances = prediction.instances
    if format == "picture":
        return _jpeg(outlines.draw(image, instances))
    if format == "splash":
        return _jpeg(splash(image, instances))
    if format == "coco":
        document = interop.to_coco_images([image.name], [image.size], instances.names)
        return JSONResponse({**document, "annotations": interop.to_coco_results([instances], [1])})
    facts = _facts(prediction)
    del facts["file"]  # the body has no name
    return JSONResponse(facts)


def _jpeg(pixels: np.ndarray) -> Response:
    written = io.BytesIO()
    PilImage.fromarray(pixels).save(written, "JPEG", quality=92)
    return Response(written.getvalue(), media_type="image/jpeg")


# --- the server itself ------------------------------------------------------------------------------------------------
async def _models(_: Request, served: Served) -> Response:
    return JSONResponse({"models": served.facts()})


async def _health(request: Request) -> Response:
    """Answers as soon as the models are loaded: before that nothing listens."""
    return JSONResponse({"status": "ok", "version": __version__, "models": len(served_by(request).facts())})


async def _metrics(request: Request) -> Response:
    return PlainTextResponse(served_by(request).metrics.text(), media_type="text/plain; version=0.0.4")
