"""The app of `maskwright label`: the page, its images and its labels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from maskwright.issues import Log
from maskwright.prediction.predictor import Predictor
from maskwright.web import assets, label_clicks, label_loop, label_routes
from maskwright.web.access import Access, Guard
from maskwright.web.label_assistant import Assistant
from maskwright.web.label_clicks import ClickModel
from maskwright.web.label_loop import Loop
from maskwright.web.label_store import LabelStore
from maskwright.web.limits import Limits
from maskwright.web.refusal import handlers


def labeling(
    store: LabelStore,
    access: Access,
    log: Log,
    limits: Limits,
    model: tuple[str, Predictor] | None,
    clicks: ClickModel | None = None,
    runs: Path = Path("runs"),
    without_clicks: str = "",
) -> ASGIApp:
    """
    store   the labels; closed when the server ends
    model   its name and itself: what suggests objects
    clicks  what makes masks from boxes and clicks; without it the page has no such tool
    runs    where trainings from the page make their folders
    without_clicks  why there are no `clicks`: the tool is shown with this reason, and does nothing
    """
    assistant = Assistant(store, limits)
    if model is not None:
        assistant.use(*model)
    loop = Loop.of(store, assistant, runs, log)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(loop.close)
        await asyncio.to_thread(store.close)

    routes = [*label_routes.routes(), *label_clicks.routes(), *label_loop.routes(), *assets.routes({"/": "label.html"})]
    app = Starlette(routes=routes, exception_handlers=handlers(log), lifespan=lifespan)
    app.router.redirect_slashes = False
    app.state.store, app.state.loop = store, loop
    app.state.clicks, app.state.without_clicks = clicks, without_clicks
    return Guard(app, access, limits.send_seconds)
