"""The chain's own answer beside the books at the same block: compared, kept, told; never repaired here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from coins.types import Location
from ledger import accounts, codec
from ledger.commands import RecordReconciliation
from ledger.context import Tx
from ledger.currency import tip_of
from ledger.views import ReconciliationView

RECONCILIATION_COLUMNS = "id, currency, height, block_hash, status, created_at, lines"


def to_reconciliation(row: tuple[str, str, int, str, str, int, str]) -> ReconciliationView:
    """A ReconciliationView of a row selected as RECONCILIATION_COLUMNS."""
    return ReconciliationView(*row[:6], lines=tuple(json.loads(row[6])))


def record_reconciliation(tx: Tx, command: RecordReconciliation) -> tuple[ReconciliationView, ...] | None:
    """One row per currency the chain told of; that of the chain's own currency is the first.

    None, and nothing kept, when the ledger stands at another block than the holdings.
    """
    held = _read(tx, command.id)
    if held:
        return held
    tip = tip_of(tx, command.chain)
    at = command.holdings.at
    if tip is None or (tip.height, tip.block_hash) != (at.height, at.block_hash):
        return None
    told = command.holdings.amounts
    return tuple(
        _compare(
            tx,
            command,
            currency,
            told[currency],
            command.id if currency == command.chain else f"{command.id}.{currency}",
        )
        for currency in sorted(told, key=lambda name: (name != command.chain, name))
    )


def _compare(
    tx: Tx, command: RecordReconciliation, currency: str, amounts: Mapping[Location, int], row_id: str
) -> ReconciliationView:
    """Compare one currency location by location; a location the chain names nothing for holds nothing."""
    tx.coin(currency)
    lines = []
    for location in Location:
        chain_amount = amounts.get(location, 0)
        books = tx.balance(accounts.onchain(currency, location))
        lines.append(
            {
                "location": location.value,
                "chain": chain_amount,
                "books": books,
                "difference": chain_amount - books,
            }
        )
    status = "mismatch" if any(line["difference"] for line in lines) else "ok"
    view = ReconciliationView(
        id=row_id,
        currency=currency,
        height=command.holdings.at.height,
        block_hash=command.holdings.at.block_hash,
        status=status,
        created_at=tx.now_s,
        lines=tuple(lines),
    )
    is_news = _is_news(tx, view)
    tx.db.execute(
        "INSERT INTO reconciliation (id, chain, currency, height, block_hash, status, lines, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            view.id,
            command.chain,
            currency,
            view.height,
            view.block_hash,
            status,
            json.dumps(lines, separators=(",", ":")),
            view.created_at,
        ),
    )
    if is_news:
        tx.emit(f"reconciliation.{status}", "reconciliation", view.id, None, codec.to_dict(view))
    return view


def _is_news(tx: Tx, view: ReconciliationView) -> bool:
    """Whether the verdict or the differences are others than last time."""
    row = tx.db.execute(
        "SELECT status, lines FROM reconciliation WHERE currency = ? ORDER BY rowid DESC LIMIT 1",
        (view.currency,),
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
