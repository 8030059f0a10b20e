"""A deposit's row, typed; read by the writer and by the read side alike."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.connection import Database
from ledger.deposit import DepositState
from ledger.policy import Finality
from ledger.views import DepositView

COLUMNS = (
    "d.id, d.chain, d.currency, d.script_sequence, s.address, d.client_id, d.txid, d.position, d.amount,"
    " d.status, d.reason, d.block_height, d.block_hash, d.confirmations_required, d.due_height, d.seen_at,"
    " d.credited_at, d.finality, d.credited_amount, d.withdrawable_height"
)
SOURCE = "deposit d CROSS JOIN own_script s ON s.sequence = d.script_sequence"
"""What COLUMNS are selected from; CROSS keeps SQLite from starting at the scripts."""


@dataclass(frozen=True, slots=True)
class DepositRow:
    """One receipt of a client. ``due_height`` is the block at which its next step is due.

    ``credited_amount`` is what of it became available; ``withdrawable_height`` the tip from which that
    may leave, while it is credited and not final.
    """

    id: str
    chain: str
    currency: str
    script_sequence: int
    address: str
    client_id: str
    txid: str
    position: str
    amount: int
    status: DepositState
    reason: str | None
    block_height: int | None
    block_hash: str | None
    confirmations_required: int
    due_height: int | None
    seen_at: int
    credited_at: int | None
    finality: Finality = Finality.CONFIRMATIONS
    credited_amount: int = 0
    withdrawable_height: int | None = None


def from_row(row: tuple[object, ...]) -> DepositRow:
    """A DepositRow of a row selected as COLUMNS."""
    values = list(row)
    values[8] = int(str(values[8]))
    values[9] = DepositState(str(values[9]))
    values[17] = Finality(str(values[17]))
    values[18] = int(str(values[18]))
    return DepositRow(*values)  # type: ignore[arg-type]  # STRICT columns in the order of COLUMNS


def read_deposits(db: Database, where: str, arguments: tuple[object, ...]) -> list[DepositRow]:
    """Deposits matching a condition on ``d`` (and ``s``, its script); it may end with an order."""
    sql = f"SELECT {COLUMNS} FROM {SOURCE} WHERE {where}"  # nosec B608
    return [from_row(row) for row in db.execute(sql, arguments)]


def to_view(row: DepositRow, tip_height: int | None) -> DepositView:
    """The picture others see, with confirmations counted at ``tip_height``."""
    is_included = row.block_height is not None and tip_height is not None
    return DepositView(
        id=row.id,
        client_id=row.client_id,
        currency=row.currency,
        address=row.address,
        amount=row.amount,
        txid=row.txid,
        position=row.position,
        output_index=int(row.position) if row.position.isdecimal() else None,
        block_height=row.block_height,
        block_hash=row.block_hash,
        confirmations=(tip_height or 0) - (row.block_height or 0) + 1 if is_included else 0,
        confirmations_required=row.confirmations_required,
        status=row.status.value,
        seen_at=row.seen_at,
        credited_at=row.credited_at,
        reason=row.reason,
    )
