"""Around every request: its id, its problem, its headers, its measurement."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.context import GATEWAY, REQUEST_ID, ROUTE
from gateway.errors import problem_of
from gateway.problem import problem_response

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
UNMATCHED = "unmatched"
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": API_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every reply, unless the handler set its own."""


@web.middleware
async def around(request: web.Request, handler: Next) -> web.StreamResponse:
    """Give the request its id, answer every error as a problem, measure it by its route's template."""
    gateway = request.app[GATEWAY]
    started_at = gateway.clock.monotonic()
    given = request.headers.get("X-Request-Id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else gateway.next_request_id()
    request[REQUEST_ID] = request_id
    resource = request.match_info.route.resource
    route = UNMATCHED if resource is None else resource.canonical
    request[ROUTE] = route
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001  the one place where every error becomes a reply
        response = problem_response(problem_of(error, request_id), request_id)
    gateway.metrics.http_request(route, response.status, gateway.clock.monotonic() - started_at)
    return response


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every reply, also of a stream's; called just before they are sent."""
    headers = response.headers
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if request.app[GATEWAY].base_url.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers["Server"] = "cashier"  # not which library in which version
    headers["X-Request-Id"] = request.get(REQUEST_ID, "")
