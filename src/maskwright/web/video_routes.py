"""POST /videos, and what becomes of the jobs."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from maskwright.prediction.detector import require_detector
from maskwright.web import bodies
from maskwright.web.jobs import Job, Jobs
from maskwright.web.options import PredictOptions
from maskwright.web.predict_routes import served_by
from maskwright.web.refusal import Refusal


def routes() -> list[Route]:
    return [
        Route("/videos", _new, methods=["POST"]),
        Route("/videos", _list),
        Route("/videos/{id}", _state),
        Route("/videos/{id}", _delete, methods=["DELETE"]),
        Route("/videos/{id}/video", _video),
        Route("/videos/{id}/lines", _lines),
    ]


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs


def _job(request: Request) -> Job:
    return _jobs(request).find(request.path_params["id"])


async def _new(request: Request) -> Response:
    """The body is a video file; the answer says where to ask for its progress."""
    served = served_by(request)
    options = PredictOptions.of(request.query_params, known=("model", "threshold", "track"))
    batcher = served.batcher(options.model)
    predictor = require_detector(batcher.with_threshold(options.threshold))
    jobs, limits = _jobs(request), served.limits
    job = jobs.new(options.model or served.facts()[0]["name"], predictor, options.track)
    try:
        await bodies.save(request, job.source, limits.max_video_bytes, 10 * limits.upload_seconds)
    except BaseException:
        await asyncio.to_thread(jobs.delete, job)
        raise
    jobs.start(job)
    return JSONResponse(job.facts(), 202, {"location": f"/videos/{job.id}"})


async def _list(request: Request) -> Response:
    return JSONResponse({"videos": _jobs(request).list()})


async def _state(request: Request) -> Response:
    return JSONResponse(_job(request).facts())


async def _delete(request: Request) -> Response:
    await asyncio.to_thread(_jobs(request).delete, _job(request))
    return Response(status_code=204)


async def _video(request: Request) -> Response:
    return FileResponse(_done(request).video, media_type="video/mp4", filename="video.mp4")


async def _lines(request: Request) -> Response:
    return FileResponse(_done(request).lines, media_type="application/x-ndjson", filename="video.jsonl")


def _done(request: Request) -> Job:
    job = _job(request)
    if job.state != "done":
        raise Refusal(409, "this video is not done", got=job.state, fix=f"ask GET /videos/{job.id} until it is")
    return job
