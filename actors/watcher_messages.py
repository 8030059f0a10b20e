"""What a watcher is asked, given again by ``actors.messages``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger.request import Request


@dataclass(frozen=True, slots=True)
class WatcherStatus:
    """Where a watcher stands. ``node_height`` is None while the node does not answer."""

    currency: str
    state: str
    detail: str
    height: int | None
    node_height: int | None


@dataclass(frozen=True, slots=True)
class GetWatcherStatus(Request[WatcherStatus]):
    """Answered at once from memory."""

    receiver: ClassVar[str] = "watcher"
