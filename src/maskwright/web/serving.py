"""The app of `maskwright serve`: models behind the HTTP API, and the page to try them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from starlette.applications import Starlette
from starlette.types import ASGIApp

from maskwright.issues import Log
from maskwright.prediction.predictor import Predictor
from maskwright.web import assets, label_studio, openapi, predict_routes, video_routes
from maskwright.web.access import Access, Guard
from maskwright.web.jobs import Jobs
from maskwright.web.limits import Limits
from maskwright.web.refusal import handlers
from maskwright.web.served import Served

PAGES = {"/": "serve.html", "/docs": "docs.html"}


def serving(
    predictors: Mapping[str, Predictor],
    access: Access,
    log: Log,
    limits: Limits,
    images_from: label_studio.ImagesFrom,
) -> ASGIApp:
    """
    predictors   by the names that clients use; the first is the default
    images_from  the Label Studio whose images may be fetched

    >>> uvicorn.run(serving({"balloons": maskwright.load("balloons")}, Access(), warn, Limits(), ImagesFrom()))
    """
    served, jobs = Served(predictors, limits), Jobs(limits.videos, log)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(served.close)
        await asyncio.to_thread(jobs.close)

    routes = [*predict_routes.routes(), *video_routes.routes(), *label_studio.routes(), *openapi.routes(),
              *assets.routes(PAGES)]  # fmt: skip
    app = Starlette(routes=routes, exception_handlers=handlers(log), lifespan=lifespan)
    app.router.redirect_slashes = False
    app.state.served, app.state.jobs, app.state.images_from = served, jobs, images_from
    return Guard(app, access, limits.send_seconds)
