"""The loop on the label page: train on the labels so far, look at what the model doubts, label what it needs next.

POST /api/training {"seconds": 600}   starts; GET has its state and curves, DELETE stops it
GET /api/doubts                       labels to look at again; POST settles one
GET /api/next?after=3,7               the image to label next
POST /api/looking {"on": false}       the model is no longer asked about images in the background
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwright.issues import Log
from maskwright.web import bodies
from maskwright.web.label_assistant import Assistant
from maskwright.web.label_doubts import Doubts
from maskwright.web.label_next import Proposals
from maskwright.web.label_store import LabelStore
from maskwright.web.label_training import Training
from maskwright.web.refusal import Refusal

SHORTEST, LONGEST = 1, 24 * 3600  # seconds of a training


@dataclass(eq=False)
class Loop:
    """What the routes need; `close` ends the threads and the training."""

    assistant: Assistant
    training: Training
    doubts: Doubts
    proposals: Proposals

    @classmethod
    def of(cls, store: LabelStore, assistant: Assistant, runs: Path, log: Log) -> Loop:
        doubts = Doubts(store, assistant)
        classes = 0  # the version that the training began with

        def data() -> Path:
            nonlocal classes
            classes = store.classes.version
            return store.flush()

        def loaded(model: Path) -> None:
            from maskwright.prediction.detector import require_detector
            from maskwright.prediction.loading import load

            assistant.use(model.parent.name, require_detector(load(str(model))), classes)
            doubts.compare()

        proposals = Proposals(store, lambda: assistant.found)
        return cls(assistant, Training(data, runs, loaded, log), doubts, proposals)

    def close(self) -> None:
        self.training.close()
        self.proposals.close()
        self.assistant.close()


def routes() -> list[Route]:
    return [
        Route("/api/training", _training, methods=["GET", "POST", "DELETE"]),
        Route("/api/doubts", _doubts, methods=["GET", "POST"]),
        Route("/api/next", _next),
        Route("/api/looking", _looking, methods=["POST"]),
    ]


def _loop(request: Request) -> Loop:
    return request.app.state.loop


async def _training(request: Request) -> Response:
    training = _loop(request).training
    if request.method == "POST":
        await asyncio.to_thread(training.start, _seconds((await bodies.read_object(request)).get("seconds")))
    elif request.method == "DELETE":
        await asyncio.to_thread(training.stop)
    return JSONResponse(training.facts())


def _seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and SHORTEST <= value <= LONGEST:
        return float(value)
    raise Refusal(422, "not a time to train", field="seconds", expected=f"{SHORTEST} to {LONGEST}", got=str(value)[:40])


async def _doubts(request: Request) -> Response:
    doubts = _loop(request).doubts
    if request.method == "POST":
        body = await bodies.read_object(request)
        image, key = body.get("image"), body.get("key")
        if not isinstance(image, int) or isinstance(image, bool) or not isinstance(key, str) or len(key) > 200:
            raise Refusal(422, "not a doubt", expected="its image and key")
        doubts.settle(image, key)
    else:
        doubts.compare()
    found = await asyncio.to_thread(doubts.all)
    return JSONResponse({"doubts": [doubt.facts() for doubt in found]})


async def _next(request: Request) -> Response:
    """?after=3,7: of the unlabeled images those that were shown already are left out."""
    shown = {int(part) for part in request.query_params.get("after", "")[:2000].split(",") if part.isdecimal()}
    return JSONResponse({"image": await asyncio.to_thread(_loop(request).proposals.next, shown)})


async def _looking(request: Request) -> Response:
    looking = _loop(request).assistant.looking
    looking.set() if (await bodies.read_object(request)).get("on") is not False else looking.clear()
    return Response(status_code=204)
