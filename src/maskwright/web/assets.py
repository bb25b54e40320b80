"""The files of our pages: read once, served by name. No path of a request ever becomes a path on disk."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskwright.web.refusal import Refusal

KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}  # fmt: skip


@cache
def _assets() -> dict[str, tuple[bytes, str]]:
    """Name -> content and media type."""
    folder = Path(__file__).parent / "assets"
    return {path.name: (path.read_bytes(), KINDS[path.suffix]) for path in folder.iterdir() if path.suffix in KINDS}


def asset(name: str) -> Response:
    """The file of that name among ours."""
    if name not in _assets():
        raise Refusal(404, "there is no such page")
    content, kind = _assets()[name]
    return Response(content, media_type=kind, headers={"cache-control": "no-cache"})


def routes(pages: dict[str, str]) -> list[Route]:
    """The pages (path -> file), and below /assets/ what they load."""

    def page(file: str):
        async def respond(_: Request) -> Response:
            return asset(file)

        return respond

    async def loaded(request: Request) -> Response:
        return asset(request.path_params["name"])

    return [*(Route(path, page(file)) for path, file in pages.items()), Route("/assets/{name}", loaded)]
