"""Attempts step by step: reserved before signing, bytes kept before sending, doubt never forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from coins.types import CONSOLIDATE, CPFP, AttemptPlan, BroadcastOutcome
from ledger.attempt import ATTEMPT, LIVE, AttemptEvent, AttemptState
from ledger.attempt_row import CANCEL, AttemptRow, is_cancel, plan_text, read_attempts, to_work
from ledger.batch import PAYABLE, payees_of, record_payees
from ledger.child import open_child
from ledger.coin_row import CoinRow
from ledger.commands import (
    AbandonAttempt,
    RecordBroadcast,
    RecordSigned,
    ReserveAttempt,
    StartNonceLane,
)
from ledger.consolidation import check_consolidation
from ledger.context import Tx
from ledger.errors import IllegalTransitionError, InputsTakenError, NotFoundError
from ledger.machine import Who, advance
from ledger.stop import stopped
from ledger.transition import move_attempt, move_withdrawal, save_withdrawal, set_attention
from ledger.views import AttemptWork
from ledger.withdrawal import WithdrawalEvent, WithdrawalState
from ledger.withdrawal_row import COLD, PAID_BY, WithdrawalRow, read_withdrawals
from ledger.work import SPENDABLE, hot_script, is_stopped, next_nonce, spendable_arguments

IN_BLOCK = frozenset({AttemptState.MINED, AttemptState.REVERTED})


def reserve_attempt(tx: Tx, command: ReserveAttempt) -> AttemptWork:
    """Write an attempt with its inputs or nonce; the same attempt again is answered as it is.

    Raises InputsTakenError (plan again), IllegalTransitionError (not payable, or not this payment),
    PayoutsHeldError (an operator stopped all payouts).
    """
    plan, coin = command.plan, tx.coin(command.plan.currency)
    refusal = stopped(tx)
    if refusal is not None:
        raise refusal
    held = read_attempts(tx.db, "a.id = ?", (command.attempt_id,))
    if held:
        if held[0].plan != plan_text(plan):
            raise IllegalTransitionError(f"attempt {command.attempt_id} has another plan")
        return to_work(held[0])
    payees = _check_intent(tx, coin, plan)
    _refuse_second_payment(tx, plan)
    if plan.nonce is not None:
        _check_nonce(tx, coin, plan)
    elif not plan.inputs:
        raise IllegalTransitionError("a plan needs inputs or a nonce")
    if plan.inputs and len({utxo.outpoint for utxo in plan.inputs}) != len(plan.inputs):
        raise IllegalTransitionError("a plan spends an output twice")
    step = advance(ATTEMPT, None, AttemptEvent.RESERVED, Who.SENDER)
    tx.db.execute(
        "INSERT INTO attempt (id, intent_id, currency, state, plan, fee, sender, nonce, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            command.attempt_id,
            plan.intent_id,
            plan.currency,
            step.to,
            plan_text(plan),
            str(plan.fee),
            plan.sender.script if plan.sender else None,
            plan.nonce,
            tx.now_s,
        ),
    )
    _reserve_inputs(tx, coin, command.attempt_id, plan)
    record_payees(tx, command.attempt_id, plan, payees)
    for withdrawal in payees:
        save_withdrawal(tx, replace(withdrawal, waiting_for=None))
    return to_work(_read(tx, command.attempt_id))


def _check_intent(tx: Tx, coin: CoinRow, plan: AttemptPlan) -> list[WithdrawalRow]:
    """The plan is of an open intent and pays exactly what it says; answers the withdrawals it pays."""
    if plan.kind == CPFP:
        open_child(tx, coin, plan)
    row = tx.db.execute(
        "SELECT i.kind, i.status, i.currency, i.withdrawal_id, s.script, i.amount FROM intent i"
        " LEFT JOIN own_script s ON s.sequence = i.script_sequence WHERE i.id = ?",
        (plan.intent_id,),
    ).fetchone()
    kinds = ("payout", COLD) if plan.kind == CANCEL else (plan.kind,)
    if row is None or row[1] != "open" or row[0] not in kinds or row[2] != plan.currency or not plan.outputs:
        raise IllegalTransitionError(f"intent {plan.intent_id} is not an open {plan.kind} of {plan.currency}")
    if plan.more and plan.kind != "payout":
        raise IllegalTransitionError(f"a {plan.kind} pays nobody else")
    if plan.kind == CANCEL:
        return [_check_cancel(tx, plan, str(row[3]))]
    if row[3] is not None:
        return payees_of(tx, coin, plan)
    if plan.kind == CPFP:
        return []
    if plan.kind == CONSOLIDATE:
        check_consolidation(tx, coin, plan)
        return []
    _check_internal(tx, coin, plan, row[4], int(row[5]))
    return []


def _check_cancel(tx: Tx, plan: AttemptPlan, withdrawal_id: str) -> WithdrawalRow:
    """It uses the nonce of a payment that was stopped, and pays nothing to its own sender."""
    (withdrawal,) = read_withdrawals(tx.db, "w.id = ?", (withdrawal_id,))
    if withdrawal.status not in PAYABLE:
        raise IllegalTransitionError(f"withdrawal {withdrawal.id} is {withdrawal.status}")
    rivals = read_attempts(tx.db, "a.intent_id = ? AND a.state <> 'abandoned'", (plan.intent_id,))
    sender = plan.sender.script if plan.sender else None
    is_nothing = [(output.script, output.amount) for output in plan.outputs] == [(sender, 0)]
    if not (is_stopped(tx, withdrawal.id) and is_nothing and plan.nonce is not None and rivals):
        raise IllegalTransitionError(f"withdrawal {withdrawal.id} was not stopped, or the plan pays somebody")
    return withdrawal


def _check_internal(tx: Tx, coin: CoinRow, plan: AttemptPlan, script: bytes | None, amount: int) -> None:
    """A sweep goes from its script to the hot account, gas the other way round and as much as asked for."""
    hot = hot_script(tx, coin.chain)
    ends = (plan.sender.script if plan.sender else None, plan.outputs[0].script)
    if hot is None or script is None or plan.kind not in ("sweep", "top_up"):
        raise IllegalTransitionError(f"intent {plan.intent_id} moves nothing between accounts of ours")
    if ends != ((script, hot.script) if plan.kind == "sweep" else (hot.script, script)):
        raise IllegalTransitionError(
            f"the plan is not a {plan.kind} of intent {plan.intent_id} to or from the hot account"
        )
    if plan.kind == "top_up" and plan.outputs[0].amount != amount:
        raise IllegalTransitionError(f"intent {plan.intent_id} asks for {amount}")


def _refuse_second_payment(tx: Tx, plan: AttemptPlan) -> None:
    """Two attempts of one intent must exclude each other on the chain: a shared input, or the same nonce."""
    mine = {(utxo.outpoint.txid, utxo.outpoint.index) for utxo in plan.inputs}
    sender = plan.sender.script if plan.sender else None
    for other in read_attempts(tx.db, "a.intent_id = ? AND a.state <> 'abandoned'", (plan.intent_id,)):
        theirs = set(
            tx.db.execute("SELECT txid, output_index FROM attempt_input WHERE attempt_id = ?", (other.id,))
        )
        is_same_nonce = plan.nonce is not None and (other.sender, other.nonce) == (sender, plan.nonce)
        if not is_same_nonce and not mine & theirs:
            raise IllegalTransitionError(f"the plan and attempt {other.id} could both be mined")
        if other.state in IN_BLOCK:
            raise IllegalTransitionError(f"attempt {other.id} is in a block")


def _check_nonce(tx: Tx, coin: CoinRow, plan: AttemptPlan) -> None:
    """The nonce is the lane's next one, or that of an earlier attempt of the same intent."""
    if plan.sender is None:
        raise IllegalTransitionError("a plan with a nonce needs its sender")
    own = tx.db.execute(
        "SELECT 1 FROM own_script WHERE chain = ? AND script = ?", (coin.chain, plan.sender.script)
    ).fetchone()
    if own is None:
        raise IllegalTransitionError("the sender is no account of ours")
    earlier = read_attempts(
        tx.db,
        "a.intent_id = ? AND a.sender = ? AND a.nonce = ? AND a.state <> 'abandoned'",
        (plan.intent_id, plan.sender.script, plan.nonce),
    )
    if not earlier and plan.nonce != next_nonce(tx, coin.chain, plan.sender.script):
        raise InputsTakenError(f"nonce {plan.nonce} is not the next one of its account")


def _reserve_inputs(tx: Tx, coin: CoinRow, attempt_id: str, plan: AttemptPlan) -> None:
    """Reserve every input. Raises InputsTakenError when one is gone, taken or not spendable (any more)."""
    for utxo in plan.inputs:
        outpoint = (utxo.outpoint.txid, utxo.outpoint.index)
        if plan.kind == CPFP:  # in no block yet: it is reserved when it is mined
            tx.db.execute(
                "INSERT INTO attempt_input VALUES (?, ?, ?, ?)", (attempt_id, coin.chain, *outpoint)
            )
            continue
        taken = tx.db.execute(
            "SELECT a.intent_id FROM utxo u JOIN attempt a ON a.id = u.reserved_by WHERE u.chain = ?"
            " AND u.txid = ? AND u.output_index = ? AND u.spent_by IS NULL AND u.amount = ?",
            (coin.chain, *outpoint, str(utxo.amount)),
        ).fetchone()
        if taken != (plan.intent_id,):
            reserved = tx.db.execute(
                f"UPDATE utxo AS u SET reserved_by = ? WHERE {SPENDABLE} AND u.chain = ? AND u.txid = ?"  # nosec B608
                " AND u.output_index = ? AND u.amount = ? AND EXISTS (SELECT 1 FROM own_script s"
                " WHERE s.sequence = u.script_sequence AND s.script = ?)",
                (
                    attempt_id,
                    *spendable_arguments(tx, coin),
                    coin.chain,
                    *outpoint,
                    str(utxo.amount),
                    utxo.own.script,
                ),
            )
            if reserved.rowcount != 1:
                raise InputsTakenError(f"output {outpoint[0]}:{outpoint[1]} cannot be spent by this attempt")
        tx.db.execute("INSERT INTO attempt_input VALUES (?, ?, ?, ?)", (attempt_id, coin.chain, *outpoint))


def _read(tx: Tx, attempt_id: str) -> AttemptRow:
    rows = read_attempts(tx.db, "a.id = ?", (attempt_id,))
    if not rows:
        raise NotFoundError(f"attempt {attempt_id} does not exist")
    return rows[0]


def record_signed(tx: Tx, command: RecordSigned) -> AttemptWork:
    """Keep the signed bytes; only after this commit may they leave. Other bytes later are refused."""
    row = _read(tx, command.attempt_id)
    if row.txid is not None:
        if (row.txid, row.raw) != (command.txid, command.raw):
            raise IllegalTransitionError(f"attempt {row.id} was signed with other bytes")
        return replace(to_work(row), is_stopped=stopped(tx) is not None)
    moved = move_attempt(tx, row, AttemptEvent.SIGNED, Who.SENDER)
    tx.db.execute(
        "UPDATE attempt SET txid = ?, raw = ? WHERE id = ?", (command.txid, command.raw, command.attempt_id)
    )
    for withdrawal in _withdrawals(tx, row):
        if withdrawal.status is WithdrawalState.APPROVED and not is_cancel(row):
            signed = replace(withdrawal, txid=command.txid, waiting_for=None)
            move_withdrawal(tx, signed, WithdrawalEvent.SIGNED, Who.SENDER)
    work = to_work(replace(moved, txid=command.txid, raw=command.raw))
    return replace(work, is_stopped=stopped(tx) is not None)


def record_broadcast(tx: Tx, command: RecordBroadcast) -> AttemptWork:
    """Note the node's answer. What a block told meanwhile counts more and is kept."""
    row = _read(tx, command.attempt_id)
    if row.state is AttemptState.PREPARED:
        raise IllegalTransitionError(f"attempt {row.id} was never signed")
    if row.state not in LIVE:
        return to_work(row)
    is_accepted = command.result.outcome in (BroadcastOutcome.ACCEPTED, BroadcastOutcome.KNOWN)
    event = AttemptEvent.ACCEPTED if is_accepted else AttemptEvent.DOUBTED
    moved = move_attempt(tx, row, event, Who.SENDER, command.result.detail)
    if is_cancel(row):  # says nothing about the payment, which stays in doubt until a block decides
        return to_work(moved)
    for withdrawal in _withdrawals(tx, row):
        if is_accepted:
            calm = replace(withdrawal, attention=False, txid=row.txid)
            if withdrawal.status is WithdrawalState.SIGNED:
                move_withdrawal(tx, calm, WithdrawalEvent.ACCEPTED, Who.SENDER)
            else:
                save_withdrawal(tx, calm)
        elif withdrawal.block_height is None:
            set_attention(tx, withdrawal.id, True)
    return to_work(moved)


def _withdrawals(tx: Tx, row: AttemptRow) -> list[WithdrawalRow]:
    return read_withdrawals(tx.db, PAID_BY, (row.id,))


def abandon_attempt(tx: Tx, command: AbandonAttempt) -> None:
    """Release an attempt that was never signed; signed bytes are never given up here."""
    row = _read(tx, command.attempt_id)
    if row.state is not AttemptState.ABANDONED:
        move_attempt(tx, row, AttemptEvent.ABANDONED, Who.SENDER, command.reason)


def start_nonce_lane(tx: Tx, command: StartNonceLane) -> None:
    """Go on where the chain stands, while no nonce of the account is ours; a lane never moves back."""
    coin = tx.coin(command.currency)
    mine = read_attempts(tx.db, "a.sender = ? AND a.state <> 'abandoned'", (command.sender,))
    if any(tx.coin(row.currency).chain == coin.chain for row in mine):
        return
    tx.db.execute(
        "INSERT INTO nonce_lane (chain, sender, next_nonce) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET next_nonce = max(next_nonce, excluded.next_nonce)",
        (coin.chain, command.sender, command.next_nonce),
    )


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    StartNonceLane: start_nonce_lane,
    ReserveAttempt: reserve_attempt,
    RecordSigned: record_signed,
    RecordBroadcast: record_broadcast,
    AbandonAttempt: abandon_attempt,
}
