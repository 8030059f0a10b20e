"""An attempt's row, typed, with the intent it serves."""

from __future__ import annotations

from dataclasses import dataclass

from coins.codec import decode_plan, encode_plan
from coins.types import AttemptPlan, SignedTx
from ledger.attempt import AttemptState
from ledger.connection import Database
from ledger.views import AttemptWork

CANCEL = "cancel"
"""Kind of the plan of such a candidate."""

COLUMNS = (
    "a.id, a.intent_id, a.currency, a.state, a.plan, a.fee, a.sender, a.nonce, a.txid, a.raw,"
    " a.block_height, i.kind, i.withdrawal_id"
)


PAYS = "a.id IN (SELECT p.attempt_id FROM attempt_payout p WHERE p.withdrawal_id = ?)"
"""Condition: the attempts that pay the withdrawal given as argument, alone or with others."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One candidate chain tx; ``plan`` is its canonical JSON, ``kind`` its intent's.

    ``withdrawal_id`` is that of its intent: the oldest one it pays, None where it pays nobody outside.
    """

    id: str
    intent_id: str
    currency: str
    state: AttemptState
    plan: str
    fee: int
    sender: bytes | None
    nonce: int | None
    txid: str | None
    raw: str | None
    block_height: int | None
    kind: str
    withdrawal_id: str | None


def from_row(row: tuple[object, ...]) -> AttemptRow:
    """An AttemptRow of a row selected as COLUMNS."""
    values = list(row)
    values[3] = AttemptState(str(values[3]))
    values[5] = int(str(values[5]))
    return AttemptRow(*values)  # type: ignore[arg-type]  # STRICT columns in the order of COLUMNS


def read_attempts(db: Database, where: str, arguments: tuple[object, ...]) -> list[AttemptRow]:
    """Attempts matching a condition on ``a`` and ``i`` (the intent); it may end with an order."""
    sql = f"SELECT {COLUMNS} FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE {where}"  # nosec B608
    return [from_row(row) for row in db.execute(sql, arguments)]


def plan_of(row: AttemptRow) -> AttemptPlan:
    """The plan as it was when it was reserved."""
    return plan_in(row.plan)


def plan_in(text: str) -> AttemptPlan:
    """Inverse of :func:`plan_text`."""
    return decode_plan(text)


def is_cancel(row: AttemptRow) -> bool:
    """Whether a candidate pays nobody: it only uses up the nonce of a payment that was stopped."""
    return plan_of(row).kind == CANCEL


def plan_text(plan: AttemptPlan) -> str:
    """The text a plan is stored as: exactly what the signer is shown."""
    return encode_plan(plan)


def to_work(row: AttemptRow) -> AttemptWork:
    """What the sender needs to go on with the attempt."""
    signed = SignedTx(row.txid, row.raw) if row.txid is not None and row.raw is not None else None
    return AttemptWork(row.id, row.intent_id, row.state.value, plan_of(row), signed)
