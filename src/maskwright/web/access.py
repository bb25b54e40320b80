"""Who may ask: the checks before every request, whatever it asks for.

Host     the name under which the browser knows this server is one of ours: a page of somebody else whose name was made
         to point here (DNS rebinding) has another one
Origin   the page that sends the request is ours: another page in the same browser may send, but gets 403
Token    of every server that other machines can reach: as `Authorization: Bearer TOKEN`; a browser gives it once in the
         address of the page and keeps it as a cookie that no script can read
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskwright.errors import RecipeError
from maskwright.web.refusal import CLOSE, Refusal

SHORTEST_TOKEN = 16  # characters: a shorter one could be guessed

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def new_token() -> str:
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Nobody but this machine reaches a server there."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """
    host    the address that the server is bound to
    token   that every request must carry; None: none is needed
    names   further names of this machine under which it may be asked
    open    paths that need no token
    """

    host: str = "127.0.0.1"
    token: str | None = None
    names: tuple[str, ...] = ()
    open: tuple[str, ...] = field(default=("/health",))

    def knows(self, host: str) -> bool:
        """The Host header is a name of this server. An address of numbers is always one: no name was made to point
        here."""
        name = re.sub(r":\d*$", "", host).strip("[]").casefold()
        if is_loopback(name):
            return True
        if is_loopback(self.host):
            return False
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            own = socket.gethostname().casefold()
            return name in {self.host.casefold(), own, f"{own}.local", *(item.casefold() for item in self.names)}

    def allows(self, given: str | None) -> bool:
        """The token is the right one; compared in constant time."""
        return self.token is None or hmac.compare_digest((given or "").encode(), self.token.encode())


def access_to(host: str, token: str | None, names: Sequence[str] = ()) -> Access:
    """Access to a server at this address: without a token on this machine alone, unless one was chosen."""
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise RecipeError("this token could be guessed", field="MASKWRIGHT_TOKEN",
                          expected=f"{SHORTEST_TOKEN} characters or more", got=f"{len(token)} characters",
                          fix="leave it unset: one is made and shown")  # fmt: skip
    return Access(host, token or (None if is_loopback(host) else new_token()), tuple(names))


class ClientStalled(Exception):
    """A client does not take its response; the server closes the connection."""


class Guard:
    """Refuses requests that `access` does not allow, adds the security headers, and gives up on clients that do not
    take their response."""

    def __init__(self, app: ASGIApp, access: Access, send_seconds: float) -> None:
        self.app, self.access, self.send_seconds = app, access, send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            try:
                await asyncio.wait_for(send(message), self.send_seconds)
            except TimeoutError:
                raise ClientStalled from None

        answer = self._refused(Request(scope))
        with contextlib.suppress(ClientStalled):
            await (self.app if answer is None else answer)(scope, receive, guarded)

    def _refused(self, request: Request) -> Response | None:
        """What is answered in place of the app; None where the request is allowed."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self.access.knows(hosts[0]):
            return Refusal(421, "this server is not known by that name", CLOSE, got=", ".join(hosts)[:100],
                           fix="use its address, or --allow-host NAME").response()  # fmt: skip
        if _from_elsewhere(request, hosts[0]):
            return Refusal(403, "requests from the pages of other sites are refused", CLOSE).response()
        path = request.url.path
        given = request.query_params.get("token")
        if given is not None and request.method == "GET" and self.access.allows(given):
            return self._with_cookie(request, given)
        if path in self.access.open or self.access.allows(_token_of(request)):
            return None
        headers = {**CLOSE, "www-authenticate": "Bearer"}
        return Refusal(401, "a token is needed", headers, fix="send the header Authorization: Bearer TOKEN, or open "
                       "the address that the server showed when it started").response()  # fmt: skip

    def _with_cookie(self, request: Request, token: str) -> Response:
        """The same address without the token, which would stay in the browser's history and in its requests."""
        rest = [(name, value) for name, value in parse_qsl(request.url.query) if name != "token"]
        path = "/" + request.url.path.lstrip("/\\")  # never //host
        response = RedirectResponse(path + (f"?{urlencode(rest)}" if rest else ""), 303)
        if self.access.token is not None:
            response.set_cookie(_cookie_name(request), token, httponly=True, samesite="strict")
        return response


def _cookie_name(request: Request) -> str:
    """Cookies are shared by all ports of a machine, so each has its own."""
    return f"maskwright_{urlsplit('//' + request.headers['host']).port or 80}"


def _token_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() in ("bearer", "token") and token:
        return token.strip()
    try:
        return request.cookies.get(_cookie_name(request))
    except ValueError:  # a port that is no number
        return None


def _from_elsewhere(request: Request, host: str) -> bool:
    """A browser sends it for a page that is not ours. Programs that are no browsers send neither header."""
    for origin in request.headers.getlist("origin"):
        if urlsplit(origin).netloc.casefold() != host.casefold():
            return True
    site = request.headers.get("sec-fetch-site", "none")
    followed = request.headers.get("sec-fetch-mode") == "navigate" and request.method == "GET"  # somebody's link to us
    return site not in ("none", "same-origin") and not followed
