"""What comparisons of chain and books look like as JSON. Amounts are decimal strings of whole units."""

from __future__ import annotations

from typing import Any, Literal

from gateway.model import Model


class ReconciliationLine(Model):
    """One location: what the chain says, what the books say, and the first less the second.

    On chains with outputs ``change`` is a line of its own, and not in that of ``hot``.
    """

    location: str
    chain: str
    books: str
    difference: str


class ReconciliationReply(Model):
    """One comparison of a currency at one block.

    ``cause`` says what asked for it, ``inputs`` how the node was asked (its address without the path),
    ``totals`` are the sums of the books.
    ``number`` counts the currency's comparisons; ``digest`` is over all of it and ``prev_digest``, that of
    the one before.
    """

    id: str
    currency: str
    status: Literal["ok", "mismatch"]
    height: int
    block_hash: str
    cause: str
    number: int | None
    lines: list[ReconciliationLine]
    inputs: dict[str, Any]
    totals: dict[str, str]
    digest: str
    prev_digest: str
    created_at: str


class ReconciliationList(Model):
    """Comparisons, newest first."""

    data: list[ReconciliationReply]
    next_cursor: str | None
