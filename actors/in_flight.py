"""What is under way in a currency: the node's last word and the books, put together.

Its messages are given again by ``actors.messages``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from actors.directory import Directory
from actors.errors import DeliveryError
from coins.types import MempoolView
from ledger.in_flight_view import GetInFlight, InFlightView
from ledger.request import Request


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The node's mempool at its tip ``block_hash``, as the watcher last saw it, at ``looked_at`` (unix s)."""

    view: MempoolView
    block_hash: str
    looked_at: int


@dataclass(frozen=True, slots=True)
class GetUnconfirmed(Request[Unconfirmed | None]):
    """The last look at the node's mempool, from memory; None while the node does not tell."""

    receiver: ClassVar[str] = "watcher"


@dataclass(frozen=True, slots=True)
class InFlightNow:
    """All that is under way; ``looked_at`` (unix s) is when the node was looked at, None without its word."""

    view: InFlightView
    looked_at: int | None


@dataclass(frozen=True, slots=True)
class GetInFlightNow(Request[InFlightNow]):
    """All that is under way in a currency, by the books and by the node while it tells.

    Errors: UnknownCurrencyError.
    """

    receiver: ClassVar[str] = "reconciler"
    chain: str
    currency: str


async def in_flight_now(
    directory: Directory, timeout_s: float, request: GetInFlightNow, *, is_watched: bool
) -> InFlightNow:
    """Ask the chain's watcher, where it is watched, and then the books. Raises as the message says."""
    node = await _unconfirmed(directory, timeout_s, request.chain) if is_watched else None
    query = GetInFlight(request.currency)
    if node is not None:
        query = GetInFlight(request.currency, node.view, node.block_hash)
    view = await directory.ask("ledger_reader", query, timeout_s=timeout_s)
    return InFlightNow(view, node.looked_at if node is not None and view.is_node_known else None)


async def _unconfirmed(directory: Directory, timeout_s: float, chain: str) -> Unconfirmed | None:
    """The watcher's last look, None while it has none to tell of."""
    try:
        return await directory.ask(
            f"watcher:{chain}", GetUnconfirmed(), timeout_s=timeout_s / 2, wait_up=False
        )
    except DeliveryError:
        return None  # it starts again: the answer says that the node's word is not part of it
