"""The OpenAPI document of the server, GET /openapi.json; the page /docs shows it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwright import __version__
from maskwright.web.options import FORMATS

_NUMBER, _TEXT, _WHOLE = {"type": "number"}, {"type": "string"}, {"type": "integer"}


def routes() -> list[Route]:
    return [Route("/openapi.json", _document)]


async def _document(_: Request) -> Response:
    return JSONResponse(document())


def document() -> dict[str, Any]:
    """As OpenAPI 3.1 has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "maskwright",
            "version": __version__,
            "description": "Objects, masks and classes of images and videos.",
        },
        "paths": {**_of_images(), **_of_videos(), **_of_the_server()},
        "components": {"schemas": _SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _of_images() -> dict[str, Any]:
    return {
        "/predict": {"post": _operation(
            "Predict one image", _QUERY,
            {"image/*": {"schema": {"type": "string", "format": "binary"}}},
            {"200": _answer("The objects, or with a classifier the labels; with format=picture or splash a JPEG.",
                            "Prediction"), "429": _error("Too many requests at once; see Retry-After.")},
            "curl --data-binary @image.jpg http://127.0.0.1:8000/predict")},
        "/batch": {"post": _operation(
            "Predict several images: a line of JSON each", _QUERY[:3],
            {"multipart/form-data": {"schema": {"type": "object", "properties": {
                "file": {"type": "array", "items": {"type": "string", "format": "binary"}}}}}},
            {"200": {"description": "As /predict, each with `file`.",
                     "content": {"application/x-ndjson": {"schema": _TEXT}}}},
            "curl -F file=@a.jpg -F file=@b.jpg http://127.0.0.1:8000/batch")},
    }  # fmt: skip


def _of_videos() -> dict[str, Any]:
    return {
        "/videos": {
            "post": _operation("Upload a video, which becomes a job", [*_QUERY[:2], _TRACK],
                               {"video/*": {"schema": {"type": "string", "format": "binary"}}},
                               {"202": _answer("Where to ask for its progress is in Location.", "Job")},
                               "curl --data-binary @party.mp4 http://127.0.0.1:8000/videos"),
            "get": _operation("List the videos", [], None, {"200": _answer("All of them.", "Jobs")})},
        "/videos/{id}": {
            "parameters": [_ID],
            "get": _operation("How far a video is", [], None, {"200": _answer("Its state.", "Job")}),
            "delete": _operation("Stop a video and delete its files", [], None, {"204": {"description": "Gone."}})},
        "/videos/{id}/video": {
            "parameters": [_ID],
            "get": _operation("The video with its objects drawn", [], None, {"200": _file("video/mp4")})},
        "/videos/{id}/lines": {
            "parameters": [_ID],
            "get": _operation("A line of JSON a frame", [], None, {"200": _file("application/x-ndjson")})},
    }  # fmt: skip


def _of_the_server() -> dict[str, Any]:
    return {
        "/models": {"get": _operation("The models of this server", [], None, {
            "200": _answer("By name; the first is the default.", "Models")})},
        "/health": {"get": _operation("Whether it is ready; needs no token", [], None, {
            "200": {"description": "It is.", "content": {"application/json": {}}}})},
        "/metrics": {"get": _operation("Counters for Prometheus", [], None, {
            "200": {"description": "Text.", "content": {"text/plain": {}}}})},
    }  # fmt: skip


def _operation(
    summary: str, query: list[Any], body: dict[str, Any] | None, responses: dict[str, Any], example: str = ""
) -> dict[str, Any]:
    made: dict[str, Any] = {"summary": summary, "responses": {**responses, "default": _error("What is wrong.")}}
    if query:
        made["parameters"] = query
    if body is not None:
        made["requestBody"] = {"required": True, "content": body}
    return made | ({"x-example": example} if example else {})


def _answer(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _file(kind: str) -> dict[str, Any]:
    return {"description": "The file.", "content": {kind: {}}}


def _error(description: str) -> dict[str, Any]:
    return _answer(description, "Error")


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_ID = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_QUERY = [
    _parameter("model", "One of /models; the first where none is named.", _TEXT),
    _parameter("threshold", "Objects from this score on; the model's own where none is given.",
               {**_NUMBER, "minimum": 0, "maximum": 1}),
    _parameter("classes", "Only these, with commas between them.", _TEXT),
    _parameter("format", "What is answered.", {**_TEXT, "enum": list(FORMATS)}),
]  # fmt: skip
_TRACK = _parameter("track", "Follow objects from frame to frame.", {"type": "boolean"})


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_SCHEMAS = {
    "Prediction": _object(
        image=_object(width=_WHOLE, height=_WHOLE),
        counts={"type": "object", "additionalProperties": _WHOLE},
        detections={"type": "array", "items": {"$ref": "#/components/schemas/Detection"}},
    ),
    "Detection": {
        **_object(
            **{"class": _TEXT},
            score=_NUMBER,
            box={"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4, "description": "x1 y1 x2 y2"},
            area=_NUMBER,
            segmentation=_object(size={"type": "array", "items": _WHOLE}, counts=_TEXT),
        ),
        "description": "segmentation: COCO run lengths; absent where the model gives boxes only.",
    },
    "Job": _object(
        id=_TEXT, state={**_TEXT, "enum": ["uploading", "queued", "running", "done", "failed"]}, frames=_WHOLE,
        expected={"type": ["integer", "null"]}, seconds_left=_NUMBER, video=_TEXT, lines=_TEXT,
    ),
    "Jobs": _object(videos={"type": "array", "items": {"$ref": "#/components/schemas/Job"}}),
    "Models": _object(models={"type": "array", "items": _object(
        name=_TEXT, task=_TEXT, classes={"type": "array", "items": _TEXT}, network=_TEXT, size=_WHOLE)}),
    "Error": _object(error=_TEXT, message=_TEXT, expected=_TEXT, got=_TEXT, fix=_TEXT),
}  # fmt: skip
