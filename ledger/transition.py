"""Moves rows through their state tables: the row, its history and what others hear, together."""

from __future__ import annotations

from dataclasses import replace

from coins.failpoint import failpoint
from ledger import case_row, deposit_row, withdrawal_row
from ledger.attempt import ATTEMPT, AttemptEvent, AttemptState
from ledger.attempt_row import AttemptRow
from ledger.case import CASE, CaseEvent
from ledger.case_row import CaseRow
from ledger.codec import to_dict
from ledger.context import Tx
from ledger.deposit import DEPOSIT, DepositEvent
from ledger.deposit_row import DepositRow
from ledger.machine import Who, advance
from ledger.sweep import SWEEP, SweepEvent, SweepState
from ledger.withdrawal import WITHDRAWAL, WithdrawalEvent
from ledger.withdrawal_row import WithdrawalRow


def tip_height(tx: Tx, chain: str) -> int | None:
    """Height of the last applied block of a chain."""
    height: int | None = tx.db.execute("SELECT max(height) FROM block WHERE chain = ?", (chain,)).fetchone()[
        0
    ]
    return height


def move_deposit(
    tx: Tx, row: DepositRow, event: DepositEvent, height: int | None, who: Who = Who.CHAIN
) -> DepositRow:
    """Move a deposit and write ``row``'s other fields as they are given.

    ``height`` is the chain's tip that confirmations are counted at. Raises IllegalTransitionError.
    """
    step = advance(DEPOSIT, row.status, event, who)
    moved = replace(row, status=step.to)
    tx.db.execute(
        "UPDATE deposit SET status = ?, reason = ?, block_height = ?, block_hash = ?,"
        " confirmations_required = ?, due_height = ?, credited_at = ?, finality = ?, credited_amount = ?,"
        " withdrawable_height = ? WHERE id = ?",
        (
            moved.status,
            moved.reason,
            moved.block_height,
            moved.block_hash,
            moved.confirmations_required,
            moved.due_height,
            moved.credited_at,
            moved.finality,
            str(moved.credited_amount),
            moved.withdrawable_height,
            moved.id,
        ),
    )
    if step.notify is not None:
        view = to_dict(deposit_row.to_view(moved, height))
        tx.emit(step.notify, "deposit", moved.id, moved.client_id, view)
    return moved


def move_withdrawal(
    tx: Tx, row: WithdrawalRow, event: WithdrawalEvent, who: Who, by: str | None = None
) -> WithdrawalRow:
    """Move a withdrawal and write ``row``'s other fields as they are given; ``by`` is for its history.

    Raises IllegalTransitionError.
    """
    step = advance(WITHDRAWAL, row.status, event, who)
    is_same = step.to == row.status
    moved = replace(row, status=step.to)
    save_withdrawal(tx, moved)
    if not is_same:
        note_history(tx, moved, by or who.value)
        failpoint(f"withdrawal.{moved.status}")
    if step.notify is not None:
        tell_withdrawal(tx, moved, step.notify)
    return moved


def save_withdrawal(tx: Tx, row: WithdrawalRow) -> None:
    """Write the fields of a withdrawal that may change."""
    tx.db.execute(
        "UPDATE withdrawal SET status = ?, waiting_for = ?, attention = ?, txid = ?, block_height = ?,"
        " block_hash = ?, due_height = ? WHERE id = ?",
        (
            row.status,
            row.waiting_for,
            int(row.attention),
            row.txid,
            row.block_height,
            row.block_hash,
            row.due_height,
            row.id,
        ),
    )


def note_history(tx: Tx, row: WithdrawalRow, by: str) -> None:
    """Add the state a withdrawal is in now to its history."""
    tx.db.execute(
        "INSERT INTO withdrawal_history (withdrawal_id, status, at, by) VALUES (?, ?, ?, ?)",
        (row.id, row.status, tx.now_s, by),
    )


def tell_withdrawal(tx: Tx, row: WithdrawalRow, event_type: str) -> None:
    """Write an event with the withdrawal as it is now."""
    coin = tx.coin(row.currency)
    view = withdrawal_row.to_view(tx.db, row, coin.confirmations, tip_height(tx, coin.chain))
    tx.emit(event_type, "withdrawal", row.id, row.client_id, to_dict(view))


def set_attention(tx: Tx, withdrawal_id: str, needs_attention: bool) -> None:
    """Mark a withdrawal whose attempt is in doubt, or clear the mark; tells of a new mark only."""
    (row,) = withdrawal_row.read_withdrawals(tx.db, "w.id = ?", (withdrawal_id,))
    if row.attention != needs_attention:
        row = replace(row, attention=needs_attention)
        save_withdrawal(tx, row)
        if needs_attention:
            tell_withdrawal(tx, row, "withdrawal.attention")


def move_attempt(tx: Tx, row: AttemptRow, event: AttemptEvent, who: Who, detail: str = "") -> AttemptRow:
    """Move an attempt. What ends one that was never signed frees its inputs.

    Raises IllegalTransitionError.
    """
    step = advance(ATTEMPT, row.state, event, who)
    tx.db.execute(
        "UPDATE attempt SET state = ?, detail = CASE WHEN ? = '' THEN detail ELSE ? END WHERE id = ?",
        (step.to, detail, detail, row.id),
    )
    if step.to in (AttemptState.ABANDONED, AttemptState.REPLACED):
        free_inputs(tx, row)
    return replace(row, state=step.to)


def free_inputs(tx: Tx, row: AttemptRow) -> None:
    """Release what an attempt reserved, unless another live attempt of its intent needs it too."""
    tx.db.execute(
        "UPDATE utxo SET reserved_by = (SELECT n.attempt_id FROM attempt_input n JOIN attempt a"
        " ON a.id = n.attempt_id WHERE n.chain = utxo.chain AND n.txid = utxo.txid"
        " AND n.output_index = utxo.output_index AND a.intent_id = ? AND a.id <> ?"
        " AND a.state NOT IN ('abandoned', 'replaced') LIMIT 1) WHERE reserved_by = ?",
        (row.intent_id, row.id, row.id),
    )


def move_sweep(tx: Tx, intent_id: str, event: SweepEvent, due_height: int | None) -> None:
    """Move a sweep's intent; ``due_height`` is the block at which it is settled.

    Raises IllegalTransitionError.
    """
    (status,) = tx.db.execute("SELECT status FROM intent WHERE id = ?", (intent_id,)).fetchone()
    step = advance(SWEEP, SweepState(status), event, Who.CHAIN)
    tx.db.execute(
        "UPDATE intent SET status = ?, due_height = ? WHERE id = ?", (step.to, due_height, intent_id)
    )


def move_case(tx: Tx, row: CaseRow, event: CaseEvent, who: Who, by: str, reason: str) -> CaseRow:
    """Move a case, write ``row``'s other fields as they are given, and note it in its history.

    Raises IllegalTransitionError.
    """
    step = advance(CASE, row.status, event, who)
    moved = replace(row, status=step.to)
    tx.db.execute(
        "UPDATE unclaimed_case SET status = ?, amount = ?, client_id = ?, reason = ?, block_height = ?,"
        " block_hash = ? WHERE id = ?",
        (
            moved.status,
            str(moved.amount),
            moved.client_id,
            moved.reason,
            moved.block_height,
            moved.block_hash,
            moved.id,
        ),
    )
    note_case(tx, moved, event, by, reason, step.notify)
    return moved


def note_case(tx: Tx, row: CaseRow, event: CaseEvent, by: str, reason: str, notify: str | None) -> None:
    """Add what happened to a case's history and tell others of the case as it is now."""
    tx.db.execute(
        "INSERT INTO case_history (case_id, action, status, at, by, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (row.id, event, row.status, tx.now_s, by, reason),
    )
    if notify is not None:
        view = case_row.to_view(tx.db, row, tip_height(tx, row.chain))
        tx.emit(notify, "case", row.id, None, to_dict(view))
