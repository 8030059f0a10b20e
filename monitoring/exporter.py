"""The monitoring port: /metrics, /healthz, /readyz, /tree and /reconcile. Keep it off the public network."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from monitoring.health import Liveness, Readiness

__all__ = ["Exporter", "build_app"]

RenderMetrics = Callable[[str], tuple[bytes, str]]
"""Takes the Accept header; gives body and content type."""
AskLiveness = Callable[[], Liveness]
AskReadiness = Callable[[], Awaitable[Readiness]]

AskComparison = Callable[[str, int | None], Awaitable[dict[str, Any]]]
"""Compares a chain with the books at a height (None: now); gives the result ready for JSON."""

AskTree = Callable[[], Awaitable[dict[str, Any]]]
"""Gives the supervision tree ready for JSON."""

_NO_STORE = {"Cache-Control": "no-store"}


def build_app(
    render: RenderMetrics,
    liveness: AskLiveness,
    readiness: AskReadiness,
    tree: AskTree | None = None,
    compare: AskComparison | None = None,
    token: str | None = None,
) -> web.Application:
    """Make the application from callables; with `tree` and `compare` there are
    `/tree` and `/reconcile` (POST) for the command line.

    `/reconcile` makes the node work, so it is for who shows `token` (`Authorization: Bearer`) and for no
    browser; without a `token` it is for nobody.

    `/healthz` answers 200 or 503; `/readyz` the same for the core, with every currency in the body;
    `/readyz?currency=BTC` for that currency, 404 when it is not run here.
    """

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers=_NO_STORE | {"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        state = liveness()
        body = {"alive": state.is_alive, "reason": state.reason}
        return web.json_response(body, status=200 if state.is_alive else 503, headers=_NO_STORE)

    async def readyz(request: web.Request) -> web.Response:
        state = await readiness()
        body = state.as_dict()
        is_ready = state.is_core_ready
        name = request.query.get("currency")
        if name is not None:
            if state.currency(name) is None:
                return web.json_response({"ready": False, "reason": "no such currency"}, status=404)
            body = body["currencies"][name]
            is_ready = body["ready"]
        return web.json_response(body, status=200 if is_ready else 503, headers=_NO_STORE)

    async def show_tree(_: web.Request) -> web.Response:
        if tree is None:
            raise web.HTTPNotFound
        return web.json_response(await tree(), headers=_NO_STORE)

    async def reconcile(request: web.Request) -> web.Response:
        if compare is None:
            raise web.HTTPNotFound
        if "Origin" in request.headers:  # a page in somebody's browser
            raise web.HTTPForbidden
        if not _shows(request, token):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            body = await request.json()
            chain, height = body["chain"], body["height"]
        except (ValueError, KeyError, TypeError):
            raise web.HTTPBadRequest from None
        if not isinstance(chain, str) or type(height) not in (int, type(None)):
            raise web.HTTPBadRequest
        return web.json_response(await compare(chain, height), headers=_NO_STORE)

    app = web.Application(client_max_size=1024)
    app.router.add_post("/reconcile", reconcile)
    app.router.add_get("/tree", show_tree)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def _shows(request: web.Request, token: str | None) -> bool:
    """Whether a request carries the token, once."""
    given = request.headers.getall("Authorization", [])
    if not token or len(given) != 1:
        return False
    return hmac.compare_digest(given[0].encode("utf-8", "surrogateescape"), f"Bearer {token}".encode())


class Exporter:
    """The monitoring server as a thing that is started and stopped."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        """Keep what to serve and where; port 0 lets the system choose."""
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._host = host
        self._port = port

    async def start(self) -> int:
        """Listen; gives the port. Raises OSError when the port is in use or may not be taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()
