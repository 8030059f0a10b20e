"""An adjustment's row, typed, and the digest that is approved; read by writer and reader alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.adjustment import AdjustmentState
from ledger.adjustment_view import AdjustmentView
from ledger.approval_row import digest_of, read_approvals
from ledger.connection import Database

COLUMNS = (
    "id, ordinal, import_id, external_id, source, target, currency, amount, reason, reverses, status,"
    " approvals_needed, digest, by, created_at, journal_id, decided_by, decided_at, decision_reason,"
    " case_id"
)
_AMOUNT, _STATUS = (COLUMNS.split(", ").index(name) for name in ("amount", "status"))


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """A row of ``adjustment``; ``amount`` in base units, ``journal_id`` the entry once it is posted.

    Of a correction, ``case_id`` is the case, and ``source`` and ``target`` are accounts of the chart.
    """

    id: str
    ordinal: int
    import_id: str | None
    external_id: str | None
    source: str
    target: str
    currency: str
    amount: int
    reason: str
    reverses: str | None
    status: AdjustmentState
    approvals_needed: int
    digest: str
    by: str
    created_at: int
    journal_id: int | None = None
    decided_by: str | None = None
    decided_at: int | None = None
    decision_reason: str = ""
    case_id: str | None = None

    @property
    def object_id(self) -> str:
        """What is decided: this one, or the import it came with."""
        return self.import_id or self.id


def read_adjustments(db: Database, where: str, arguments: tuple[object, ...]) -> list[AdjustmentRow]:
    """Adjustments matching a condition; it may end with an order and a limit."""
    sql = f"SELECT {COLUMNS} FROM adjustment WHERE {where}"  # nosec B608
    return [from_row(row) for row in db.execute(sql, arguments)]


def from_row(row: tuple[Any, ...]) -> AdjustmentRow:
    """An AdjustmentRow of a row selected as COLUMNS. Raises ValueError."""
    values = list(row)
    values[_AMOUNT], values[_STATUS] = int(values[_AMOUNT]), AdjustmentState(values[_STATUS])
    return AdjustmentRow(*values)


def corrected(db: Database, case_id: str, up_to: int | None = None) -> int:
    """How much of a case is corrected, by all entries or those ``up_to`` a journal number."""
    rows = db.execute(
        "SELECT amount, reverses FROM adjustment WHERE case_id = ?1 AND status = 'posted'"
        " AND (?2 IS NULL OR journal_id <= ?2)",
        (case_id, up_to),
    )
    return sum(int(amount) if reverses is None else -int(amount) for amount, reverses in rows)


def adjustments_digest(rows: Sequence[AdjustmentRow]) -> str:
    """What is approved, of all that is decided together: who asked, the parties, the money, the reasons."""
    each = (
        digest_of(
            id=row.id,
            external_id=row.external_id or "",
            source=row.source,
            target=row.target,
            currency=row.currency,
            amount=row.amount,
            reason=row.reason,
            reverses=row.reverses or "",
            approvals_needed=row.approvals_needed,
            by=row.by,
            **({"case_id": row.case_id} if row.case_id else {}),
        )
        for row in rows
    )
    return digest_of(object_id=rows[0].object_id, rows=" ".join(each))


def to_view(db: Database, row: AdjustmentRow) -> AdjustmentView:
    """The picture others see."""
    reversal = db.execute(
        "SELECT id FROM adjustment WHERE reverses = ? AND status = 'posted'", (row.id,)
    ).fetchone()
    return AdjustmentView(
        id=row.id,
        import_id=row.import_id,
        external_id=row.external_id,
        source=row.source,
        target=row.target,
        currency=row.currency,
        amount=row.amount,
        reason=row.reason,
        status=row.status.value,
        approvals_needed=row.approvals_needed,
        digest=row.digest,
        reverses=row.reverses,
        reversed_by=reversal[0] if reversal else None,
        by=row.by,
        created_at=row.created_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
        approvals=read_approvals(db, row.object_id) if row.approvals_needed else (),
        case_id=row.case_id,
    )
