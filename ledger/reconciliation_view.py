"""What the ledger answers about comparisons of chain and books, given again by ``ledger.views``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coins.types import CHANGE, Location
from ledger.difference import Booked, Moved

PERIOD = "period"
PAST = ("height", PERIOD)
"""Causes of a comparison at a block below the tip: it says nothing of how chain and books stand now."""


@dataclass(frozen=True, slots=True)
class BooksAt:
    """The books of one currency at one block: what is onchain, and the sums of the equation.

    ``totals`` are ``onchain``, ``deficit``, ``unexplained``, ``expenses`` on the left and ``liabilities``,
    ``revenue``, ``equity`` on the right; ``clearing`` is zero. ``change`` is what of ``hot`` lies on change
    scripts by the outputs that the books hold unspent; None where there are no such scripts.
    """

    currency: str
    onchain: dict[Location, int]
    totals: dict[str, int]
    change: int | None = None


def by_place(amounts: Mapping[Location, int], change: int | None) -> dict[str, int]:
    """Amounts by place: those by location, with what lies on change scripts taken out of ``hot``, if it is
    known."""
    places: dict[str, int] = {}
    for location in Location:
        places[location.value] = amounts.get(location, 0)
        if location is Location.HOT and change is not None:
            places[location.value] -= change
            places[CHANGE] = change
    return places


@dataclass(frozen=True, slots=True)
class BlockBooks:
    """What the books say one block did to one currency: movements of our scripts, and entries that touched
    what is onchain. ``attempts`` are those of all their txids that are chain txs of our own.
    """

    moved: tuple[Moved, ...]
    booked: tuple[Booked, ...]
    attempts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that waits although chain and books agree: its kind (``parked``, ``unknown_outgoing``,
    ``unswept``, ``stuck_withdrawal``, ``duplicate``, ``node_doubt``), its amount, and the first block of it
    (None: in none).

    ``ref`` is its case, withdrawal or address.
    """

    kind: str
    currency: str
    amount: int
    height: int | None
    txid: str
    ref: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReconciliationView:
    """One comparison of chain and books at one block. ``status`` is ``ok`` or ``mismatch``.

    ``lines`` hold per location what the chain says, what the books say, and the first less the second. Where
    money lies on change scripts, ``change`` is a line of its own and not in that of ``hot``.
    ``number`` counts the currency's comparisons (None: older than the count), ``cause`` says what asked for
    this one, ``inputs`` how the node was asked (:class:`coins.types.Asked`), ``totals`` are those of
    :class:`BooksAt`. ``digest`` is over all of it and ``prev_digest``, that of the one before.
    """

    id: str
    currency: str
    height: int
    block_hash: str
    status: str
    created_at: int
    lines: tuple[dict[str, Any], ...] = ()
    number: int | None = None
    cause: str = "schedule"
    inputs: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    prev_digest: str = ""
    digest: str = ""
