"""The HTTP server as a supervised actor; what it serves is handed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from actors.messages import OutboxReady
from actors.runtime import AsyncioActor


class Server(Protocol):
    """A running HTTP server."""

    def outbox_ready(self, sequence: int) -> None:
        """Events up to ``sequence`` are committed: wake the streams."""

    async def close(self) -> None:
        """Stop accepting, let requests in progress end (bounded), close."""


class GatewayActor(AsyncioActor):
    """Opens the port on start and closes it on stop; requests run in the server's own tasks."""

    def __init__(self, serve: Callable[[], Awaitable[Server]]) -> None:
        """``serve`` opens the port and gives the running server."""
        super().__init__()
        self._serve = serve
        self._server: Server | None = None

    async def on_start(self) -> None:
        """Open the port. Raises OSError when it is taken."""
        self._server = await self._serve()

    async def on_receive(self, message: object) -> object:
        """Pass the hint on."""
        if not isinstance(message, OutboxReady):
            raise TypeError(f"{self.address} does not understand {message!r}")
        if self._server is not None:
            self._server.outbox_ready(message.sequence)
        return None

    async def on_cleanup(self) -> None:
        """Close the port."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()
