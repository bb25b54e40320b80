"""What a server answers to a request that it does not carry out: a status, and the parts of an error as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from maskwright.errors import FetchError, InputError, MaskwrightError, MissingExtra, OutputError, UnknownName
from maskwright.issues import Kind, Log

REQUEST_FAILED = Kind("request_failed", "error", "{path}: {reason}")

CLOSE = {"connection": "close"}  # the rest of the request is not read


class Refusal(Exception):
    """An answer other than 2xx.

    headers  beside the usual ones
    parts    expected, got, fix as in errors.py

    >>> raise Refusal(413, "the image is too large", expected="at most 50 MB", got="500 MB")
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None, **parts: object) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})
        self.parts = {name: str(value) for name, value in parts.items()}

    def response(self) -> Response:
        facts = {"error": HTTPStatus(self.status).phrase, "message": self.message, **self.parts}
        return JSONResponse(facts, self.status, self.headers)


def status_of(error: MaskwrightError) -> int:
    """The HTTP status of an error of ours."""
    if isinstance(error, UnknownName):
        return 404
    if isinstance(error, InputError):
        return 422
    if isinstance(error, OutputError):
        return 507
    if isinstance(error, FetchError):
        return 502
    return 501 if isinstance(error, MissingExtra) else 500


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


def _wrong(_: Request, error: Exception) -> Response:
    assert isinstance(error, MaskwrightError)
    return JSONResponse(error.facts(), status_of(error))


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Refusal(
        error.status_code, HTTPStatus(error.status_code).description or error.detail, error.headers
    ).response()


def handlers(log: Log) -> Mapping[Any, Any]:
    """For starlette: what is answered for which exception. What nobody foresaw is logged, and told to the client
    without details."""

    def unexpected(request: Request, error: Exception) -> Response:
        log(REQUEST_FAILED(path=request.url.path, reason=f"{type(error).__name__}: {error}"))
        return Refusal(500, "something unexpected happened: please report it").response()

    return {Refusal: _refused, MaskwrightError: _wrong, HTTPException: _http, Exception: unexpected}
