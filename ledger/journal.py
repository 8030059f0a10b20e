"""Journal entries and their hash chain. Pure.

A posting moves one positive amount of one currency from a credited to a debited account, so an
entry cannot be unbalanced. An entry is never edited; what was wrong is reversed by another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from coins.amounts import AMOUNT_MAX
from ledger import accounts

GENESIS_HASH = bytes(32)
"""``prev_hash`` of the first entry."""


_to_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Posting:
    """``debit`` / ``credit``: account names of one currency; ``amount`` in base units, 1 … 2^256-1."""

    debit: str
    credit: str
    amount: int

    @property
    def currency(self) -> str:
        """The currency both accounts have. Raises ValueError when they differ."""
        debit, credit = accounts.parse(self.debit), accounts.parse(self.credit)
        if debit.currency != credit.currency:
            raise ValueError(f"a posting moves one currency, not {self.debit} / {self.credit}")
        return debit.currency


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One business event. ``kind`` names it (``deposit_seen``), ``ref_*`` the object it is about.

    ``chain``, ``height``, ``block_hash``, ``txid`` are set for what happened in a block; ``reverses`` is
    the journal id this entry undoes. Postings are booked in order and none may take an account
    below zero.
    """

    kind: str
    ref_type: str
    ref_id: str
    postings: tuple[Posting, ...]
    by: str
    chain: str | None = None
    height: int | None = None
    block_hash: str | None = None
    txid: str | None = None
    reverses: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BookedPosting:
    """A posting with the balances it left on both accounts (each on its normal side)."""

    posting: Posting
    debit_balance_after: int
    credit_balance_after: int


def check(entry: JournalEntry) -> None:
    """Raise ValueError for an entry that must not be booked: empty, odd amount, two currencies."""
    if not entry.postings:
        raise ValueError(f"entry {entry.kind} of {entry.ref_type} {entry.ref_id} has no posting")
    for posting in entry.postings:
        if type(posting.amount) is not int or not 1 <= posting.amount <= AMOUNT_MAX:
            raise ValueError(f"entry {entry.kind}: a posting of {posting.amount!r} base units")
        if posting.debit == posting.credit:
            raise ValueError(f"entry {entry.kind}: {posting.debit} is debited and credited at once")
        if not posting.currency:
            raise ValueError(f"entry {entry.kind}: {posting.debit} has no currency")


def reverse(entry: JournalEntry, journal_id: int, *, kind: str, by: str, reason: str = "") -> JournalEntry:
    """The contra entry of ``entry``, held as ``journal_id``: sides swapped, last posting first.

    It keeps the block the money was booked at, so that both cancel out at that block.
    """
    return JournalEntry(
        kind=kind,
        ref_type=entry.ref_type,
        ref_id=entry.ref_id,
        postings=tuple(Posting(p.credit, p.debit, p.amount) for p in reversed(entry.postings)),
        by=by,
        chain=entry.chain,
        height=entry.height,
        block_hash=entry.block_hash,
        txid=entry.txid,
        reverses=journal_id,
        reason=reason,
    )


def canonical_bytes(journal_id: int, at: int, entry: JournalEntry, booked: Sequence[BookedPosting]) -> bytes:
    """The bytes an entry's hash covers: the whole entry, its number, time and every posting in order."""
    body = [
        journal_id,
        at,
        entry.kind,
        entry.ref_type,
        entry.ref_id,
        entry.by,
        entry.chain,
        entry.height,
        entry.block_hash,
        entry.txid,
        entry.reverses,
        entry.reason,
        [
            [
                b.posting.debit,
                b.posting.credit,
                str(b.posting.amount),
                str(b.debit_balance_after),
                str(b.credit_balance_after),
            ]
            for b in booked
        ],
    ]
    return _to_json(body).encode("ascii")


def chain_hash(prev_hash: bytes, canonical: bytes) -> bytes:
    """SHA-256 over the previous entry's hash and this entry's canonical bytes."""
    return hashlib.sha256(prev_hash + canonical).digest()
