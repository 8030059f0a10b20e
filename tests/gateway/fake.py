"""A gateway with a scripted directory behind it: every test says what the actors answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import ClientSession, TCPConnector, web

from actors.messages import (
    GetKey,
    GetOperatorSession,
    GetSession,
    KeyView,
    OperatorSessionView,
    SessionView,
)
from config.loader import load
from config.schema import Settings
from gateway import signature
from gateway.app import make_app, make_runner
from gateway.secret import signing_secret
from gateway.token import new_key, new_operator_token, new_session_token, token_hash
from tests.gateway.samples import NOW, operator_session_view, session_view

SECRET = bytes(range(32))
ALL_SCOPES = ("read", "sessions", "deposits", "withdrawals", "transfers")

_KEY_SEED, _TOKEN_SEED = count(1), count(1)


class FakeClock:
    """Stands still until moved."""

    def __init__(self) -> None:
        self.now = NOW
        self.elapsed = 0.0

    def now_s(self) -> int:
        return self.now

    def now_ns(self) -> int:
        return self.now * 10**9

    def monotonic(self) -> float:
        return self.elapsed


class FakeRandom:
    """Different every time, the same in every run."""

    def __init__(self) -> None:
        self._number = count(1)

    def __call__(self, size: int) -> bytes:
        return next(self._number).to_bytes(size, "big")


class FakeMetrics:
    """Remembers what was measured."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []

    def http_request(self, route: str, status: int, seconds: float) -> None:
        self.requests.append((route, status))


class FakeDirectory:
    """Answers by message type: a value, an exception to raise, or a function of (name, message)."""

    def __init__(self) -> None:
        self.replies: dict[type, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self.timeouts_s: dict[type, float] = {}
        self.keys: dict[str, KeyView] = {}
        self.sessions: dict[str, SessionView] = {}
        self.operators: dict[str, OperatorSessionView] = {}

    async def ask(self, name: str, message: Any, *, timeout_s: float, request_id: str | None = None) -> Any:
        assert timeout_s > 0
        assert request_id
        self.timeouts_s[type(message)] = timeout_s
        reply = self.replies.get(type(message))
        if reply is None and isinstance(message, GetKey):
            return self.keys.get(message.key_hash)
        if reply is None and isinstance(message, GetSession):
            return self.sessions.get(message.token_hash)
        if reply is None and isinstance(message, GetOperatorSession):
            return self.operators.get(message.token_hash)
        self.asked.append((name, message))
        assert type(message) in self.replies, f"no reply scripted for {message}"
        if isinstance(reply, BaseException):
            raise reply
        return reply(name, message) if callable(reply) else reply

    def last(self, kind: type) -> Any:
        """The last message of a kind."""
        return next(message for _, message in reversed(self.asked) if isinstance(message, kind))


class Rig:
    """A running gateway and the means to talk to it."""

    def __init__(self, app: web.Application, http: ClientSession, url: str, settings: Settings) -> None:
        self.app, self.http, self.url, self.settings = app, http, url, settings
        self.directory: FakeDirectory
        self.clock: FakeClock
        self.metrics: FakeMetrics
        self._nonce = count(1)
        self._idempotency = count(1)

    def key(self, *scopes: str, website: str = "shop") -> tuple[str, str]:
        """A website key: (token, id)."""
        seed = next(_KEY_SEED)
        made = new_key(lambda size: seed.to_bytes(size, "big"))
        self.directory.keys[made.key_hash] = KeyView(made.id, website, scopes or ALL_SCOPES, NOW, None)
        return made.token, made.id

    def session(self, **changes: Any) -> str:
        """A client session's token."""
        seed = next(_TOKEN_SEED)
        token = new_session_token(lambda size: seed.to_bytes(size, "big"))
        self.directory.sessions[token_hash(token)] = session_view(**changes)
        return token

    def operator(self, *roles: str, **changes: Any) -> str:
        """An operator's token; an admin's unless roles are given."""
        seed = next(_TOKEN_SEED)
        token = new_operator_token(lambda size: seed.to_bytes(size, "big"))
        view = operator_session_view(roles=roles or ("admin",), **changes)
        self.directory.operators[token_hash(token)] = view
        return token

    def signed(self, key_id: str, method: str, target: str, body: bytes, **changes: Any) -> dict[str, str]:
        """The signature header of a request."""
        parts: dict[str, Any] = {
            "signed_at": self.clock.now_s(),
            "nonce": f"nonce-{next(self._nonce):08d}",
            "method": method,
            "target": target,
            "body": body,
        }
        secret = changes.pop("secret", signing_secret(SECRET, key_id))
        return {signature.HEADER: signature.sign(secret, **{**parts, **changes})}

    def idempotency(self) -> dict[str, str]:
        """A fresh Idempotency-Key."""
        return {"Idempotency-Key": f"key-{next(self._idempotency)}"}

    async def send(self, method: str, path: str, token: str = "", **options: Any) -> Answer:
        """One request; the answer read to its end."""
        headers = dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, self.url + path, headers=headers, **options) as reply:
            raw = await reply.read()
            is_json = "json" in reply.headers.get("Content-Type", "")
            return Answer(
                reply.status, await reply.json(content_type=None) if is_json else None, raw, reply.headers
            )


class Answer:
    """A reply."""

    def __init__(self, status: int, data: Any, raw: bytes, headers: Any) -> None:
        self.status, self.data, self.raw, self.headers = status, data, raw, headers

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self.raw
        assert self.data["status"] == self.status
        return str(self.data["code"])


_ENVIRONMENT = {
    f"CASHIER__COINS__{coin}__{key}": value
    for coin in ("BTC", "LTC", "ETH")
    for key, value in (("ENABLED", "true"), ("NETWORK", "regtest"))
}


def load_settings(**gateway: Any) -> Settings:
    """The repository's coin files on regtest, BTC, LTC and ETH enabled; no caller is slowed down."""
    settings = load(None, _ENVIRONMENT)
    limits = {"ip_burst": 1_000_000, "key_burst": 1_000_000, "session_burst": 1_000_000}
    changed = settings.gateway.model_copy(update={"port": 0, **limits, **gateway})
    return settings.model_copy(update={"gateway": changed})


@asynccontextmanager
async def running(
    configure: Callable[[FakeDirectory], None] | None = None, **gateway: Any
) -> AsyncIterator[Rig]:
    """A gateway on a free port."""
    settings = load_settings(**gateway)
    directory, clock, metrics = FakeDirectory(), FakeClock(), FakeMetrics()
    if configure is not None:
        configure(directory)
    app = make_app(settings, directory, metrics, clock, FakeRandom(), SECRET)
    runner = make_runner(app, settings.gateway)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession(connector=TCPConnector(limit=0)) as http:
        rig = Rig(app, http, f"http://127.0.0.1:{port}", settings)
        rig.directory, rig.clock, rig.metrics = directory, clock, metrics
        try:
            yield rig
        finally:
            await runner.cleanup()
