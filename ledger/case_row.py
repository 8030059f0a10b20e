"""A case's row, typed; read by the writer and by the read side alike."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.case import CaseKind, CaseState, actions
from ledger.connection import Database
from ledger.views import CaseEntry, CaseView

COLUMNS = (
    "c.id, c.ordinal, c.kind, c.chain, c.currency, c.amount, c.txid, c.position, c.deposit_id,"
    " c.script_sequence, s.address, c.client_id, c.status, c.reason, c.block_height, c.block_hash,"
    " c.created_at"
)
SOURCE = "unclaimed_case c LEFT JOIN own_script s ON s.sequence = c.script_sequence"


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case. ``amount`` is what it is about; ``address`` is ours that the money came to."""

    id: str
    ordinal: int
    kind: CaseKind
    chain: str
    currency: str
    amount: int
    txid: str
    position: str
    deposit_id: str | None
    script_sequence: int | None
    address: str | None
    client_id: str | None
    status: CaseState
    reason: str
    block_height: int | None
    block_hash: str | None
    created_at: int


def from_row(row: tuple[object, ...]) -> CaseRow:
    """A CaseRow of a row selected as COLUMNS."""
    values = list(row)
    values[2] = CaseKind(str(values[2]))
    values[5] = int(str(values[5]))
    values[12] = CaseState(str(values[12]))
    return CaseRow(*values)  # type: ignore[arg-type]  # STRICT columns in the order of COLUMNS


def read_cases(db: Database, where: str, arguments: tuple[object, ...]) -> list[CaseRow]:
    """Cases matching a condition on ``c``; it may end with an order and a limit."""
    sql = f"SELECT {COLUMNS} FROM {SOURCE} WHERE {where}"  # nosec B608
    return [from_row(row) for row in db.execute(sql, arguments)]


def to_view(db: Database, row: CaseRow, tip_height: int | None) -> CaseView:
    """The picture others see: the row, its history and its refund, confirmations at ``tip_height``."""
    history = db.execute(
        "SELECT action, status, at, by, reason FROM case_history WHERE case_id = ? ORDER BY id", (row.id,)
    )
    refund = db.execute(
        "SELECT id FROM withdrawal WHERE case_id = ? ORDER BY ordinal DESC LIMIT 1", (row.id,)
    ).fetchone()
    is_included = row.block_height is not None and tip_height is not None
    return CaseView(
        id=row.id,
        kind=row.kind.value,
        currency=row.currency,
        amount=row.amount,
        txid=row.txid,
        position=row.position,
        deposit_id=row.deposit_id,
        client_id=row.client_id,
        address=row.address,
        status=row.status.value,
        reason=row.reason,
        block_height=row.block_height,
        block_hash=row.block_hash,
        confirmations=(tip_height or 0) - (row.block_height or 0) + 1 if is_included else 0,
        actions=actions(row.kind, row.status),
        withdrawal_id=refund[0] if refund else None,
        created_at=row.created_at,
        history=tuple(CaseEntry(*entry) for entry in history),
    )
