"""One declaration per route: who may, what comes in, what goes out. Validation, errors and the OpenAPI
description all follow from it.

The order in which a request is judged: rate of its address, bearer token, scope, body size and form,
signature, JSON, Idempotency-Key, path, query, body. Only then does the handler see it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from actors.messages import Idempotency, Request, SpentNonce
from gateway import signature
from gateway.auth import authenticate
from gateway.body import parse_json, read_body
from gateway.context import GATEWAY, REQUEST_ID, Gateway
from gateway.errors import invalid, validation_problem
from gateway.principal import Access, Client, ForWebsite, Operator, Principal, Website
from gateway.problem import ProblemError
from gateway.replies import Model
from gateway.secret import signing_secret

B = TypeVar("B")
Q = TypeVar("Q")
R = TypeVar("R")

NODE_TIMEOUT_S = 50.0
"""For what a node is asked: it may walk through its whole state, and proxies mostly wait for a minute. What
takes longer goes on."""

IDEMPOTENCY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
PATH_PATTERNS: Mapping[str, str] = {
    "client_id": r"^[A-Za-z0-9_.-]{1,64}$",
    "currency": r"^[A-Z][A-Z0-9]{1,11}(-[A-Z0-9]{2,12})?$",
    "month": r"^2[0-9]{3}-(0[1-9]|1[0-2])$",
    "id": r"^[a-z]{1,8}_[A-Za-z0-9_:.-]{1,160}$",
}
"""The form of each part of a path that varies."""
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_PATHS = {name: re.compile(pattern, re.ASCII) for name, pattern in PATH_PATTERNS.items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers; ``data`` None is an empty body (204)."""

    data: Model | None
    status: int = 200
    is_replayed: bool = False


@dataclass(slots=True)
class Call(Generic[B, Q]):
    """A request that was found valid: who asks, for what, and the way to the actors."""

    gateway: Gateway
    request: web.Request
    request_id: str
    route: Route
    principal: Principal | None
    params: Mapping[str, str]
    query: Q
    body: B
    key: Idempotency | None = None
    nonce: SpentNonce | None = None

    @property
    def website(self) -> Website:
        """The website of a route for website keys."""
        assert isinstance(self.principal, Website)
        return self.principal

    @property
    def client(self) -> Client:
        """The client of a route for client sessions."""
        assert isinstance(self.principal, Client)
        return self.principal

    @property
    def operator(self) -> Operator:
        """The operator of a route for operators."""
        assert isinstance(self.principal, Operator)
        return self.principal

    @property
    def idempotency(self) -> Idempotency:
        """The idempotency key of a route that needs one."""
        assert self.key is not None
        return self.key

    async def ask(
        self, message: Request[R], currency: str | None = None, timeout_s: float | None = None
    ) -> R:
        """Ask the actor the message is for; where one runs per chain, that of the ``currency``.

        ``timeout_s`` is for an answer that may take longer than the configured deadline.
        """
        name = message.receiver
        if currency is not None:
            name = f"{name}:{self.gateway.coins.info(currency).chain}"
        return await self.gateway.ask(name, message, self.request_id, timeout_s)


Handler = Callable[[Call[Any, Any]], Awaitable[Reply | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. ``codes`` are the refusals this route adds to those every route has.

    ``formats`` are the media types of a route that writes one of several, as long as it takes.
    ``body_limit_bytes`` is of a route that takes more than others.
    """

    method: str
    path: str
    summary: str
    access: Access
    handler: Handler
    reply: type[Model] | None = None
    status: int = 200
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    codes: tuple[str, ...] = ()
    is_idempotent: bool = False
    is_stream: bool = False
    body_limit_bytes: int | None = None
    formats: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The operation's id: the handler's name."""
        return str(getattr(self.handler, "__name__", "handler"))

    @property
    def path_names(self) -> tuple[str, ...]:
        """The parts of the path that vary, in order."""
        return tuple(re.findall(r"{(\w+)}", self.path))


def as_handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        # A stream lasts for hours, a long statement for seconds: nobody gives way to it.
        with nullcontext() if route.is_stream or route.formats else request.app[GATEWAY].served():
            call = await _call(route, request)
            reply = await route.handler(call)
        return reply if isinstance(reply, web.StreamResponse) else _response(reply)

    return handle


async def _call(route: Route, request: web.Request) -> Call[Any, Any]:
    """Judge a request; raises ProblemError at the first thing that is wrong."""
    gateway, request_id = request.app[GATEWAY], request[REQUEST_ID]
    principal = await authenticate(gateway, request, route.access, request_id)
    raw = b""
    if request.can_read_body:
        settings = gateway.settings
        limit = route.body_limit_bytes or settings.body_limit_bytes
        raw = await read_body(request, limit=limit, timeout_s=settings.read_timeout_s)
    nonce = None
    if isinstance(principal, Website) and isinstance(route.access, ForWebsite) and route.access.is_signed:
        nonce = _spent_nonce(gateway, request, principal, raw)
    value = _body_value(route, request, raw)
    key = _key_header(request) if route.is_idempotent else ""
    params = _params(route, request)
    query = _query(route, request)
    body = _body(route, value)
    call = Call(gateway, request, request_id, route, principal, params, query, body, nonce=nonce)
    if route.is_idempotent:
        assert principal is not None
        call.key = Idempotency(principal.owner, key, _request_hash(request, body))
    return call


def _spent_nonce(gateway: Gateway, request: web.Request, website: Website, raw: bytes) -> SpentNonce:
    """Check the signature; its nonce travels with the command and is spent in the same commit."""
    window_s = gateway.settings.signature_window_s
    signed = signature.verify(
        request.headers.get(signature.HEADER),
        signing_secret(gateway.secret, website.key.id),
        now=gateway.clock.now_s(),
        window_s=window_s,
        method=request.method,
        target=request.raw_path,
        body=raw,
    )
    return SpentNonce(website.key.id, signed.nonce, signed.signed_at + window_s + signature.CLOCK_SLACK_S)


def _key_header(request: web.Request) -> str:
    """The Idempotency-Key. Raises ProblemError when it is missing, repeated or unprintable."""
    keys = request.headers.getall(IDEMPOTENCY_HEADER, [])
    if not keys:
        raise ProblemError("idempotency_key_required")
    if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise ProblemError("idempotency_key_invalid", "Send it once: 1 to 255 printable ASCII characters.")
    return keys[0]


def _request_hash(request: web.Request, body: BaseModel | None) -> str:
    """SHA-256 over method, path and parsed body: spaces, order and left-out defaults make no difference."""
    parsed = None if body is None else body.model_dump(mode="json")
    text = _canonical(parsed)
    return hashlib.sha256(f"{request.method}\n{request.path}\n{text}".encode()).hexdigest()


def _body_value(route: Route, request: web.Request, raw: bytes) -> Any:
    """The JSON of the body; it may be left out where no member is required."""
    if not raw and (route.body is None or not _has_required(route.body)):
        return None if route.body is None else {}
    return parse_json(request, raw)


def _has_required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _body(route: Route, value: Any) -> BaseModel | None:
    """The body as the route's model; every wrong member is named at once."""
    if route.body is None:
        if value not in (None, {}):
            raise invalid("", "this request takes no body")
        return None
    try:
        return route.body.model_validate(value)
    except ValidationError as error:
        raise validation_problem(error) from None


def _query(route: Route, request: web.Request) -> BaseModel | None:
    """The query string as the route's model; a route without one takes no parameters."""
    if route.query is None and not request.query_string:
        return None
    query = request.query
    if route.query is None and not query:
        return None
    repeated = next((name for name in query if len(query.getall(name)) > 1), None)
    if repeated is not None:
        raise invalid("query", "a parameter is repeated")
    if route.query is None:
        raise invalid("query", "this request takes no parameters")
    try:
        return route.query.model_validate(dict(query))
    except ValidationError as error:
        raise validation_problem(error, "query.") from None


def _params(route: Route, request: web.Request) -> Mapping[str, str]:
    """The varying parts of the path. An id or currency of impossible form cannot exist: 404."""
    for name, value in request.match_info.items():
        if not _PATHS[name].fullmatch(value):
            if name == "client_id":
                raise invalid("path.client_id", "1 to 64 of A-Z a-z 0-9 _ . -")
            if name == "month":
                raise invalid("path.month", "YYYY-MM")
            raise ProblemError("not_found" if name == "id" else "unknown_currency")
    if request.match_info.get("client_id") == "house":
        raise invalid("path.client_id", "is reserved")
    return request.match_info


def _response(reply: Reply) -> web.Response:
    """A handler's reply on the wire."""
    if reply.data is None:
        return web.Response(status=204)
    headers = {"Idempotent-Replayed": "true"} if reply.is_replayed else None
    return web.Response(
        body=reply.data.__pydantic_serializer__.to_json(reply.data, by_alias=True),
        status=reply.status,
        headers=headers,
        content_type="application/json",
        charset=None,
    )
