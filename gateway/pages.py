"""The cashier page, the script that opens it on any site, and their assets.

Assets are read once at start and served under the checksum of their content, so a browser may keep them
for ever and gets new ones with a new page. Nothing is loaded from elsewhere and nothing stands inline.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from gateway.auth import authenticate
from gateway.context import GATEWAY, REQUEST_ID
from gateway.openapi import document
from gateway.principal import Public
from gateway.problem import ProblemError
from gateway.routes import ROUTES

_HERE = Path(__file__).parent
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".py": "text/x-python"}
PAGE_ASSETS = ("cashier.css", "money.js", "client.js", "cashier_page.js", "withdraw.js", "icon.svg")
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file. ``integrity`` is for the browser to check, ``path`` where it is served."""

    name: str
    content: bytes
    content_type: str
    integrity: str
    path: str


def load_asset(name: str) -> Asset:
    """Read a file of ``gateway/static``."""
    content = (_HERE / "static" / name).read_bytes()
    digest = hashlib.sha256(content).digest()
    path = f"/static/{digest.hex()[:16]}/{name}"
    integrity = f"sha256-{base64.b64encode(digest).decode()}"
    return Asset(name, content, _TYPES[Path(name).suffix], integrity, path)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """Handlers of everything that is no API call."""

    def __init__(self) -> None:
        """Read templates and assets; a missing one is a fault at start, not at the first request."""
        self._assets = {name: load_asset(name) for name in PAGE_ASSETS}
        self._by_path = {asset.path: asset for asset in self._assets.values()}
        self._embed = load_asset("embed.js")
        self._verifier = load_asset("verify_liability.py")
        loader = jinja2.FileSystemLoader(_HERE / "templates")
        environment = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, auto_reload=False
        )
        self._template = environment.get_template("cashier.html")

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the application."""
        return [
            web.get("/cashier", _public(self.cashier)),
            web.get("/cashier.js", _public(self.embed)),
            web.get("/static/{checksum}/{name}", _public(self.static)),
            web.get("/openapi.json", _public(self.openapi)),
            web.get("/verify_liability.py", _public(self.verifier)),
        ]

    async def cashier(self, request: web.Request) -> web.Response:
        """The page. The same for everybody: the one-time code is in the fragment, which is not sent to us."""
        ancestors = request.app[GATEWAY].settings.frame_ancestors
        text = self._template.render(assets=self._assets, ancestors=" ".join(ancestors))
        return web.Response(
            text=text,
            content_type="text/html",
            headers={"Content-Security-Policy": page_policy(ancestors), "Permissions-Policy": "camera=()"},
        )

    async def embed(self, request: web.Request) -> web.Response:
        """The script any site may load; the frame it opens is still limited by `frame_ancestors`."""
        return _asset_response(self._embed, "public, max-age=300", "cross-origin")

    async def verifier(self, request: web.Request) -> web.Response:
        """The program with which a client checks his proof."""
        return _asset_response(self._verifier, "public, max-age=300", "same-origin")

    async def static(self, request: web.Request) -> web.Response:
        """An asset under its checksum."""
        asset = self._by_path.get(request.path)
        if asset is None:
            raise ProblemError("route_not_found")
        return _asset_response(asset, FOREVER, "same-origin")

    async def openapi(self, request: web.Request) -> web.Response:
        """The description of the API."""
        described: dict[str, Any] = document(ROUTES, request.app[GATEWAY].base_url)
        return web.Response(
            body=json.dumps(described).encode(), content_type="application/json", charset=None
        )


def page_policy(ancestors: tuple[str, ...]) -> str:
    """Content-Security-Policy of the page: our own files only, nothing inline, framed by named sites only."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(ancestors) if ancestors else chr(39) + 'none' + chr(39)}"
    )


def _asset_response(asset: Asset, caching: str, policy: str) -> web.Response:
    return web.Response(
        body=asset.content,
        content_type=asset.content_type,
        charset="utf-8",
        headers={"Cache-Control": caching, "Cross-Origin-Resource-Policy": policy},
    )


def _public(handler: Handler) -> Handler:
    """Count the caller's address, as for every public route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await authenticate(request.app[GATEWAY], request, Public(), request[REQUEST_ID])
        return await handler(request)

    return handle
