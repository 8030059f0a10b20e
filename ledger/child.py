"""Children that pay for a payout that is not mined (CPFP): one for each, out of its own change.

A child is an attempt of an intent of its own, named after its parent, and moves money of the house only.
Its one input does not exist for the books before the parent is mined: it is reserved for the child then.
What becomes of the parent becomes of the child: without the one the other can never be mined.
"""

from __future__ import annotations

from coins.types import CONSOLIDATE, CPFP, AttemptPlan, child_intent
from ledger.attempt import LIVE, AttemptEvent, AttemptState
from ledger.attempt_row import AttemptRow, plan_of, read_attempts
from ledger.coin_row import CoinRow
from ledger.context import Tx
from ledger.errors import IllegalTransitionError
from ledger.machine import Who, advance
from ledger.sweep import SWEEP, SweepEvent
from ledger.transition import move_attempt, move_sweep

HAS_CHILD = (
    "EXISTS (SELECT 1 FROM intent ci JOIN attempt ca ON ca.intent_id = ci.id"
    " WHERE ci.id = 'cpfp_' || a.txid AND ca.state <> 'abandoned')"
)
"""Condition: the attempt ``a`` has a child, or had one that may have left."""


def open_child(tx: Tx, coin: CoinRow, plan: AttemptPlan) -> None:
    """Check a plan of kind ``cpfp`` against its parent, and write its intent where there is none.

    Raises IllegalTransitionError unless it pays the change of a payout that is out, and in no block, back to
    the script it lies on.
    """
    if len(plan.inputs) != 1 or len(plan.outputs) != 1 or plan.more or plan.change or plan.sender:
        raise IllegalTransitionError("a child has one input and one output")
    (utxo,), (output,) = plan.inputs, plan.outputs
    found = read_attempts(tx.db, "a.txid = ? AND a.currency = ?", (utxo.outpoint.txid, coin.currency))
    if plan.intent_id != child_intent(utxo.outpoint.txid) or not found:
        raise IllegalTransitionError(f"intent {plan.intent_id} is no child of a chain tx of ours")
    (parent,) = found
    is_parent = parent.withdrawal_id is not None or parent.kind == CONSOLIDATE
    if parent.state is not AttemptState.BROADCAST or not is_parent:
        raise IllegalTransitionError(f"attempt {parent.id} is {parent.state}: a child does not help it")
    if children_of(tx, parent):
        raise IllegalTransitionError(f"attempt {parent.id} has a child already")
    rival = "a.intent_id = ? AND a.state IN ('mined', 'reverted')"
    if read_attempts(tx.db, rival, (parent.intent_id,)):
        raise IllegalTransitionError(f"attempt {parent.id} cannot be mined any more")
    paid = plan_of(parent)
    index = len(paid.outputs) - 1
    if paid.change is None or (utxo.outpoint.index, utxo.amount, utxo.own) != (
        index,
        paid.outputs[index].amount,
        paid.change,
    ):
        raise IllegalTransitionError(f"the plan does not spend the change of attempt {parent.id}")
    if output.script != paid.change.script or output.amount + plan.fee != utxo.amount:
        raise IllegalTransitionError("the plan does not pay the change back to where it lies")
    step = advance(SWEEP, None, SweepEvent.OPENED, Who.SENDER)
    tx.db.execute(
        "INSERT INTO intent (id, kind, currency, amount, status, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (plan.intent_id, CPFP, coin.currency, str(output.amount), step.to, tx.now_s),
    )


def children_of(tx: Tx, parent: AttemptRow) -> list[AttemptRow]:
    """The child of an attempt, unless it was given up; none for what was never signed."""
    if parent.txid is None:
        return []
    condition = "a.intent_id = ? AND a.state NOT IN ('abandoned', 'replaced')"
    return read_attempts(tx.db, condition, (child_intent(parent.txid),))


def drop_unsigned_child(tx: Tx, parent: AttemptRow) -> None:
    """A parent that is mined needs no child: one that was not signed is given up."""
    for child in children_of(tx, parent):
        if child.state is AttemptState.PREPARED:
            move_attempt(tx, child, AttemptEvent.ABANDONED, Who.CHAIN, "the payout is mined")


def conflict_children(tx: Tx, parent: AttemptRow, detail: str) -> None:
    """The parent cannot be mined while a block stands: neither can the child."""
    for child in children_of(tx, parent):
        if child.state in LIVE or child.state is AttemptState.CONFLICTED:
            move_attempt(tx, child, AttemptEvent.CONFLICTED, Who.CHAIN, detail)


def restore_children(tx: Tx, parent: AttemptRow) -> None:
    """What kept the parent from being mined is undone."""
    for child in children_of(tx, parent):
        if child.state is AttemptState.CONFLICTED:
            move_attempt(tx, child, AttemptEvent.RESTORED, Who.CHAIN, "the conflict is undone")


def outlive_children(tx: Tx, parent: AttemptRow) -> None:
    """The parent can never be mined any more: the child's intent ends."""
    children = children_of(tx, parent)
    for child in children:
        move_attempt(tx, child, AttemptEvent.OUTLIVED, Who.CHAIN)
        move_sweep(tx, child.intent_id, SweepEvent.REVERTED, None)
