"""What faces the web, as the service sees it: handed in, so that this room does not know HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from actors.clock import Clock
from actors.directory import Directory
from actors.gateway import Server
from config.schema import Settings
from ledger.views import EventView
from monitoring.metrics import Metrics


class Front(Protocol):
    """What faces the web."""

    @property
    def command_token(self) -> str:
        """What the command line must show at the monitoring port before anything is done for it."""

    def update(self, settings: Settings) -> None:
        """Take over new settings of the currencies."""

    def remember(self, decimals: Mapping[str, int]) -> None:
        """Learn the decimals of every currency of the books; some may not be configured any more."""

    def render_event(self, view: EventView) -> dict[str, Any]:
        """An event as the API shows it; body of its webhook."""

    async def serve(self, listener: socket.socket) -> Server:
        """Serve on a listening socket; the socket itself stays open when the server closes."""


Served = Callable[[], AbstractContextManager[None]]
"""What each request happens in, so that longer work gives way meanwhile."""
MakeFront = Callable[[Settings, Directory, Metrics, Clock, Served], Front]
