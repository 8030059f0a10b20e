"""Balances at any entry of the journal, and what moved them: the lines of statements.

Amounts are added in Python. A balance is read from the posting that left it, so it costs the same after ten
movements and after ten million.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ledger import accounts
from ledger.accounts import HOUSE, Part, is_client_id
from ledger.connection import Database
from ledger.cut import posting_after
from ledger.errors import NotFoundError
from ledger.rate import NO_RATES, read_rates
from ledger.statement_query import Rate, StatementLine, StatementPage, Subject

KINDS = {
    "deposit_received": "deposit",
    "deposit_released": "deposit",
    "deposit_parked_again": "reversal",
    "case_assigned": "deposit",
    "payout": "withdrawal",
    "transfer": "transfer",
}
"""Words for people of the journal's kinds; what undoes another entry is a ``reversal``, all else an
``adjustment``."""

DETAILS = (
    "SELECT j.id, j.at, j.kind, j.ref_type, j.ref_id, j.txid, j.height, j.block_hash, j.reverses, j.reason,"
    " s.address FROM json_each(?) e CROSS JOIN journal j ON j.id = e.value"
    " LEFT JOIN deposit d ON j.ref_type = 'deposit' AND d.id = j.ref_id"
    " LEFT JOIN own_script s ON s.sequence = d.script_sequence"
)
PAYEES = (
    "SELECT w.id, w.amount, w.fee, w.address FROM attempt_payout p"
    " JOIN withdrawal w ON w.id = p.withdrawal_id"
    " WHERE p.attempt_id = ? AND w.client_id = ? ORDER BY w.ordinal"
)


@dataclass(frozen=True, slots=True)
class Holding:
    """The accounts of a subject: ids by name (of those ever used), and how a posting counts."""

    subject: Subject
    currency: str
    is_debit_normal: bool
    names: tuple[str, ...]
    ids: dict[str, int]

    @property
    def is_client(self) -> bool:
        """Whether it is all that a client has of a currency."""
        return not self.subject.account


class _Move(NamedTuple):
    """One side of one posting: ``other`` is the account on the other side."""

    posting: int
    entry: int
    amount: int
    is_debit: int
    other_id: int
    other: str


class _Entry(NamedTuple):
    """What the journal says of an entry; ``address`` is that of the deposit it is about."""

    id: int
    at: int
    kind: str
    ref_type: str
    ref_id: str
    txid: str | None
    height: int | None
    block_hash: str | None
    reverses: int | None
    reason: str
    address: str | None


_Movement = tuple[_Entry, list[_Move], str, str]
"""An entry, the postings of it that belong together, the counterpart and the reference."""


def holding(db: Database, subject: Subject) -> Holding:
    """The accounts of a subject. Raises NotFoundError for a name that is not of the chart."""
    if subject.account:
        try:
            account = accounts.parse(subject.account)
        except ValueError:
            raise NotFoundError(f"{subject.account} is not an account of the books") from None
        names: tuple[str, ...] = (account.name,)
        currency, is_debit_normal = account.currency, account.is_debit_normal
    else:
        if not is_client_id(subject.client_id):
            raise NotFoundError("no client has this id; the house's account is house:CURRENCY")
        client_id, currency = subject.client_id, subject.currency
        parts = (accounts.client(client_id, currency, part) for part in Part)
        names, is_debit_normal = (*parts, accounts.client_deficit(client_id, currency)), False
    found = ((name, _account_id(db, name)) for name in names)
    ids = {name: account_id for name, account_id in found if account_id is not None}
    return Holding(subject, currency, is_debit_normal, names, ids)


def _account_id(db: Database, name: str) -> int | None:
    row = db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def balances(db: Database, held: Holding, entry: int) -> dict[str, int]:
    """The balance of each account after an entry, by name; accounts that were never used are left out."""
    behind = posting_after(db, entry)
    return {name: balance_before(db, account_id, behind) for name, account_id in held.ids.items()}


def balance_before(db: Database, account_id: int, posting: int) -> int:
    """What an account held before a posting, on its normal side."""
    newest = (0, "0")
    for side in ("debit", "credit"):
        row = db.execute(
            f"SELECT id, {side}_balance_after FROM posting WHERE {side}_id = ? AND id < ?"  # nosec B608
            " ORDER BY id DESC LIMIT 1",
            (account_id, posting),
        ).fetchone()
        newest = max(newest, row or newest)
    return int(newest[1])


def total(held: Holding, parts: dict[str, int]) -> int:
    """All parts together; what a client owes counts against what he has."""
    return sum(
        -balance if held.is_client and name.startswith("client_deficit:") else balance
        for name, balance in parts.items()
    )


def page(db: Database, held: Holding, after: int, last: int, limit: int) -> StatementPage:
    """Lines of the entries after ``after`` up to ``last``; an entry is never torn apart."""
    first, behind = posting_after(db, after), posting_after(db, last)
    opening = total(held, {name: balance_before(db, key, first) for name, key in held.ids.items()})
    moves = _moves(db, held, first, behind, limit)
    next_after = None
    if len(moves) == limit:
        next_after = moves[-1].entry
        moves += _moves(db, held, moves[-1].posting + 1, posting_after(db, next_after), -1)
    rates = read_rates(db, held.currency, after, moves[-1].entry) if moves else NO_RATES
    lines, balance = [], opening
    for entry, parts, counterpart, reference in _movements(db, held, moves):
        gained = sum([-part.amount if part.is_debit else part.amount for part in parts])
        if gained:
            balance += -gained if held.is_debit_normal else gained
            rate = rates.at(entry.id, entry.at)
            lines.append(_line(entry, parts, gained, balance, counterpart, reference, rate))
    return StatementPage(tuple(lines), opening, next_after)


def _moves(db: Database, held: Holding, first: int, behind: int, limit: int) -> list[_Move]:
    """Sides of the subject's accounts in postings from ``first`` to before ``behind``, in order.

    Each side of each account is read from its own index and all are merged, so that a page costs its
    lines, however many there are in all. A limit below zero is none.
    """
    if not held.ids:
        return []
    sides = [
        f"SELECT id, journal_id, amount, {int(mine == 'debit')} AS is_debit, {other}_id AS other_id"  # nosec B608
        f" FROM posting WHERE {mine}_id = {account_id} AND id >= :first AND id < :behind"
        for account_id in held.ids.values()
        for mine, other in (("debit", "credit"), ("credit", "debit"))
    ]
    rows = db.execute(
        "SELECT m.id, m.journal_id, m.amount, m.is_debit, m.other_id, a.name"  # nosec B608
        f" FROM ({' UNION ALL '.join(sides)} ORDER BY id LIMIT :limit) m"
        " CROSS JOIN account a ON a.id = m.other_id ORDER BY m.id",
        {"first": first, "behind": behind, "limit": limit},
    ).fetchall()
    return [_Move(row[0], row[1], int(row[2]), *row[3:]) for row in rows]


def _movements(db: Database, held: Holding, moves: list[_Move]) -> Iterator[_Movement]:
    """What belongs together; what only moved between a client's own accounts is left out."""
    own = frozenset(held.ids.values())
    outside = [move for move in moves if move.other_id not in own]
    entries = _entries(db, sorted({move.entry for move in outside}))
    for entry_id, group in groupby(outside, key=attrgetter("entry")):
        entry, parts = entries[entry_id], list(group)
        if not held.is_client:
            yield from ((entry, [part], part.other, entry.ref_id) for part in parts)
        elif entry.ref_type == "attempt":
            yield from _payouts(db, held, entry, parts)
        else:
            yield entry, parts, _counterpart(entry, parts[0]), entry.ref_id


def _entries(db: Database, ids: Sequence[int]) -> dict[int, _Entry]:
    return {row[0]: _Entry(*row) for row in db.execute(DETAILS, (json.dumps(ids),))}


def _payouts(db: Database, held: Holding, entry: _Entry, moves: list[_Move]) -> Iterator[_Movement]:
    """Each of a client's payouts in a chain tx, its fee with it.

    Booked as the amount and then its fee, undone in the opposite order.
    """
    payees = db.execute(PAYEES, (entry.ref_id, held.subject.client_id)).fetchall()
    parts: list[_Move] = []
    for move in moves if entry.reverses is None else reversed(moves):
        if parts and not _is_fee(move):
            yield _payout(entry, parts, payees)
            parts = []
        parts.append(move)
    yield _payout(entry, parts, payees)


def _payout(entry: _Entry, parts: list[_Move], payees: list[tuple[str, str, str, str]]) -> _Movement:
    """A payout with its address and id: those of a withdrawal of this amount and fee, each taken once."""
    fee = _fee_of(parts)
    amount = sum(part.amount for part in parts) - fee
    for payee in payees:
        if (int(payee[1]), int(payee[2])) == (amount, fee):
            payees.remove(payee)
            return entry, parts, payee[3], payee[0]
    return entry, parts, "", entry.ref_id


def _fee_of(parts: list[_Move]) -> int:
    return sum([part.amount for part in parts if _is_fee(part)])


def _is_fee(move: _Move) -> bool:
    return move.other.startswith("withdrawal_fee:")


def _line(
    entry: _Entry,
    parts: list[_Move],
    gained: int,
    balance: int,
    counterpart: str,
    reference: str,
    rate: Rate | None,
) -> StatementLine:
    return StatementLine(
        entry.id,
        entry.at,
        "reversal" if entry.reverses is not None else KINDS.get(entry.kind, "adjustment"),
        entry.kind,
        -gained if gained < 0 else 0,
        gained if gained > 0 else 0,
        _fee_of(parts),
        balance,
        counterpart,
        reference,
        entry.txid,
        entry.height,
        entry.block_hash,
        entry.reverses,
        entry.reason,
        rate,
    )


def _counterpart(entry: _Entry, move: _Move) -> str:
    """Where it came from or went to, as its client may know it: never which other client."""
    if entry.address is not None:
        return entry.address
    account = accounts.parse(move.other)
    if account.client_id is not None:
        return "client"
    return HOUSE if account.kind == HOUSE else account.kind
