"""The chain's own answer beside the books at the same block: compared, kept, told; never repaired here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from ledger import accounts, codec
from ledger.books_at import books_at, is_balanced
from ledger.commands import RecordReconciliation
from ledger.connection import Database
from ledger.context import Tx
from ledger.currency import tip_of
from ledger.difference_case import close_differences
from ledger.node_doubt import close_node_doubts
from ledger.reconciliation_digest import digest_of
from ledger.reconciliation_view import PAST, by_place
from ledger.views import BooksAt, ReconciliationView

RECONCILIATION_COLUMNS = (
    "id, currency, height, block_hash, status, created_at, lines, number, cause, inputs, totals,"
    " prev_digest, digest"
)

BLOCKS_SINCE = 100
"""Most blocks that may be booked while the chain is asked."""

Row = tuple[str, str, int, str, str, int, str, int | None, str, str, str, str, str]


def to_reconciliation(row: Row) -> ReconciliationView:
    """A ReconciliationView of a row selected as RECONCILIATION_COLUMNS. Raises ValueError for no JSON."""
    lines, inputs, totals = (json.loads(text) for text in (row[6], row[9], row[10]))
    return ReconciliationView(*row[:6], tuple(lines), row[7], row[8], inputs, totals, row[11], row[12])


def block_hash_at(db: Database, chain: str, height: int) -> str | None:
    """The hash of the block the ledger stands on at a height, None where it has none there."""
    row = db.execute(
        "SELECT block_hash FROM block WHERE chain = ? AND height = ?", (chain, height)
    ).fetchone()
    return None if row is None else str(row[0])


def record_reconciliation(tx: Tx, command: RecordReconciliation) -> tuple[ReconciliationView, ...] | None:
    """One row per currency the chain told of; that of the chain's own currency is the first.

    None, and nothing kept, when the ledger does not stand on the block of the holdings.
    """
    held = _read(tx, command.id)
    if held:
        return held
    at = command.holdings.at
    if block_hash_at(tx.db, command.chain, at.height) != at.block_hash or _knows_more(tx, command):
        return None
    currencies = sorted(command.holdings.amounts, key=lambda name: (name != command.chain, name))
    books = {each.currency: each for each in command.books}
    for currency in currencies:
        tx.coin(currency)
        if currency not in books:
            books[currency] = books_at(tx.db, command.chain, currency, at.height)
    tip = tip_of(tx, command.chain)
    is_tip = tip is not None and tip.block_hash == at.block_hash
    if is_tip and any(_moved_on(tx, books[currency]) for currency in currencies):
        return None
    return tuple(_compare(tx, command, books[currency]) for currency in currencies)


def _knows_more(tx: Tx, command: RecordReconciliation) -> bool:
    """Whether money is booked at the block on a script that was issued after the chain was asked.

    Such a script can only have been paid in blocks that were booked since.
    """
    if command.address_seq is None:
        return False
    height = command.holdings.at.height
    found = tx.db.execute(
        "SELECT 1 FROM block b JOIN chain_movement m ON m.chain = b.chain AND m.block_hash = b.block_hash"
        " WHERE b.chain = ? AND b.height BETWEEN ? AND ? AND m.script_sequence > ?"
        " AND m.is_disconnected = 0 LIMIT 1",
        (command.chain, height - BLOCKS_SINCE, height, command.address_seq),
    ).fetchone()
    return found is not None


def _moved_on(tx: Tx, books: BooksAt) -> bool:
    """Whether something was booked onchain since the books were read."""
    return any(
        tx.balance(accounts.onchain(books.currency, location)) != amount
        for location, amount in books.onchain.items()
    )


def _compare(tx: Tx, command: RecordReconciliation, books: BooksAt) -> ReconciliationView:
    """Compare one currency place by place; one that the chain names nothing for holds nothing."""
    currency, at = books.currency, command.holdings.at
    change = command.change.get(currency)
    is_split = change is not None and books.change is not None
    told = by_place(command.holdings.amounts[currency], change if is_split else None)
    held = by_place(books.onchain, books.change if is_split else None)
    lines = tuple(
        {
            "location": place,
            "chain": told[place],
            "books": held[place],
            "difference": told[place] - held[place],
        }
        for place in told
    )
    differs = any(line["difference"] for line in lines) or not is_balanced(books.totals)
    last = tx.db.execute(
        "SELECT number, digest FROM reconciliation WHERE currency = ? AND number IS NOT NULL"
        " ORDER BY number DESC LIMIT 1",
        (currency,),
    ).fetchone()
    view = ReconciliationView(
        id=command.id if currency == command.chain else f"{command.id}.{currency}",
        currency=currency,
        height=at.height,
        block_hash=at.block_hash,
        status="mismatch" if differs else "ok",
        created_at=tx.now_s,
        lines=lines,
        number=last[0] + 1 if last else 1,
        cause=command.cause,
        inputs={} if command.holdings.asked is None else asdict(command.holdings.asked),
        totals=books.totals,
        prev_digest=last[1] if last else "",
    )
    view = replace(view, digest=digest_of(view))
    if view.cause not in PAST:
        close_node_doubts(tx, currency, view.height)
        if view.status == "ok":
            close_differences(tx, currency, view.height)
    is_news = view.cause not in PAST and _is_news(tx, view)
    _insert(tx, command.chain, view)
    if is_news:
        told_of = ("id", "currency", "height", "block_hash", "status", "created_at", "lines")
        data = {name: value for name, value in codec.to_dict(view).items() if name in told_of}
        tx.emit(f"reconciliation.{view.status}", "reconciliation", view.id, None, data)
    return view


def _insert(tx: Tx, chain: str, view: ReconciliationView) -> None:
    """Write the comparison's row."""
    tx.db.execute(
        f"INSERT INTO reconciliation ({RECONCILIATION_COLUMNS}, chain)"  # nosec B608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            view.id,
            view.currency,
            view.height,
            view.block_hash,
            view.status,
            view.created_at,
            codec.to_json(list(view.lines)),
            view.number,
            view.cause,
            codec.to_json(view.inputs),
            codec.to_json(view.totals),
            view.prev_digest,
            view.digest,
            chain,
        ),
    )


def _is_news(tx: Tx, view: ReconciliationView) -> bool:
    """Whether the verdict or the differences are others than last time."""
    row = tx.db.execute(
        "SELECT status, lines FROM reconciliation WHERE currency = ? AND cause NOT IN (?, ?)"
        " ORDER BY rowid DESC LIMIT 1",
        (view.currency, *PAST),
    ).fetchone()
    if row is None or row[0] != view.status:
        return True
    before = {line["location"]: line["difference"] for line in json.loads(row[1])}
    return before != {line["location"]: line["difference"] for line in view.lines}


def _read(tx: Tx, row_id: str) -> tuple[ReconciliationView, ...]:
    """What was stored under an id before; the tokens' ids begin with it and a point."""
    rows = tx.db.execute(
        f"SELECT {RECONCILIATION_COLUMNS} FROM reconciliation WHERE id = ? OR (id > ? AND id < ?)"  # nosec B608
        " ORDER BY id",
        (row_id, f"{row_id}.", f"{row_id}/"),
    )
    return tuple(to_reconciliation(row) for row in rows)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {RecordReconciliation: record_reconciliation}
