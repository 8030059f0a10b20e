"""What every handler has at hand, and the doors to the outside that are handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, TypeVar

from aiohttp import web

from actors.messages import Request
from config.schema import GatewaySettings
from gateway.coins import Coins
from gateway.limiter import Rate, RateLimiter
from gateway.lookup import Lookups
from gateway.password import Passwords
from gateway.stream import StreamHub
from gateway.token import RandomBytes, new_ordered_id

R = TypeVar("R")
Served = Callable[[], AbstractContextManager[None]]
"""What a request happens in, so that longer work gives way meanwhile."""


class Asks(Protocol):
    """The directory, as far as the gateway uses it."""

    async def ask(
        self, name: str, message: Request[R], *, timeout_s: float, request_id: str | None = None
    ) -> R:
        """Ask an actor by name; see ``actors.directory``."""


class Clock(Protocol):
    """Time of day and elapsed time."""

    def now_s(self) -> int:
        """Unix time in whole seconds."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""


class HttpMetrics(Protocol):
    """Where requests are counted (``monitoring.metrics``)."""

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """One request to a route (its template) was answered."""


@dataclass(slots=True)
class Gateway:
    """One HTTP server's surroundings. ``base_url`` is for links; it is set once the port is known."""

    settings: GatewaySettings
    coins: Coins
    directory: Asks
    metrics: HttpMetrics
    clock: Clock
    random_bytes: RandomBytes
    secret: bytes
    base_url: str
    limiter: RateLimiter
    hub: StreamHub
    served: Served = nullcontext
    statements: int = 0
    """How many are being written."""
    lookups: Lookups = field(default_factory=Lookups)
    passwords: Passwords = field(default_factory=Passwords)
    key_rate: Rate = field(init=False)
    session_rate: Rate = field(init=False)
    ip_rate: Rate = field(init=False)
    _request_prefix: str = field(init=False)
    _request_number: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        """Read the rates once; request ids are a random beginning and a number, which is quick."""
        self._request_prefix = f"req_{self.random_bytes(8).hex()}"
        settings = self.settings
        self.key_rate = Rate(settings.key_rate_per_s, settings.key_burst)
        self.session_rate = Rate(settings.session_rate_per_s, settings.session_burst)
        self.ip_rate = Rate(settings.ip_rate_per_s, settings.ip_burst)

    def next_request_id(self) -> str:
        """An id no other request of this or another process has."""
        return f"{self._request_prefix}{next(self._request_number):08x}"

    def new_id(self, prefix: str) -> str:
        """An id for an object that comes in great numbers, in the order of time."""
        return new_ordered_id(prefix, self.clock.now_ns(), self.random_bytes)

    async def ask(self, name: str, message: Request[R], request_id: str, timeout_s: float | None = None) -> R:
        """Ask an actor within the configured deadline, or another one."""
        return await self.directory.ask(
            name, message, timeout_s=timeout_s or self.settings.ask_timeout_s, request_id=request_id
        )


GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
ROUTE: web.RequestKey[str] = web.RequestKey("route", str)
