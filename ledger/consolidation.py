"""Many small outputs of ours become one, one chain tx at a time, and never at the cost of payouts.

It is an attempt of an intent of its own, and moves money of the house only: the fee is its expense. While it
is not mined its inputs are reserved; it is paid more for only where a payout waits for funds meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from coins.types import CONSOLIDATE, AttemptPlan, Branch, ConsolidationWork, Outpoint, OwnScript, Utxo
from ledger.attempt import AttemptEvent
from ledger.attempt_row import AttemptRow, read_attempts
from ledger.child import outlive_children
from ledger.coin_row import CoinRow
from ledger.commands import GetConsolidationWork
from ledger.context import Tx
from ledger.errors import IllegalTransitionError
from ledger.machine import Who, advance
from ledger.solvency import surplus
from ledger.sweep import SWEEP, SweepEvent
from ledger.transition import move_attempt, move_sweep
from ledger.work import (
    ACCOUNT_FAMILIES,
    OFFERED,
    hold_of,
    own_script,
    spendable,
    spendable_arguments,
)

FEWEST = 2
"""Outputs that can become one at all; how many are worth a chain tx is the family's business."""

SMALLEST_SPENDABLE = (
    f"{OFFERED.format('utxo_by_amount')} AND length(u.amount) >= ? AND (length(u.amount) > ? OR u.amount > ?)"
    " ORDER BY length(u.amount), u.amount LIMIT ?"
)
"""Walks the index from the smallest useful output on. Arguments: as OFFERED, then the length of an amount
twice, the amount, and how many."""

_ASKED_FOR = "SELECT amount FROM withdrawal WHERE currency = ? AND status IN ('held', 'approved')"
_WAITS = (
    "SELECT 1 FROM withdrawal WHERE currency = ? AND status = 'approved' AND waiting_for = 'funds' LIMIT 1"
)
GONE = (
    "a.state = 'conflicted' AND EXISTS (SELECT 1 FROM attempt_input n JOIN utxo u"
    " ON u.chain = n.chain AND u.txid = n.txid AND u.output_index = n.output_index WHERE n.attempt_id = a.id"
    " AND u.spent_by <> a.txid AND u.spent_height <= ?)"
)
"""Attempts that lost an input to a chain tx in a block up to a height, below which no reorg reaches."""


def get_consolidation_work(tx: Tx, command: GetConsolidationWork) -> ConsolidationWork | None:
    """Outputs to bring together, as :class:`GetConsolidationWork` says."""
    coin, terms = tx.coin(command.currency), command.terms
    if coin.family in ACCOUNT_FAMILIES or not coin.is_configured or hold_of(tx, coin) is not None:
        return None
    own = surplus(tx.db, coin.currency)
    if own <= 0 or waits_for_funds(tx, coin) or _is_under_way(tx, coin):
        return None
    small = _smallest(tx, coin, terms.above, max(terms.count + 1, terms.inputs_max))
    if terms.below is not None:
        below = terms.below
        small = list(takewhile(lambda utxo: utxo.amount < below, small))
    if len(small) <= terms.count:
        return None
    chosen = _as_many_as_can_wait(tx, coin, small[: terms.inputs_max])
    if len(chosen) < FEWEST:
        return None
    return ConsolidationWork(_open_intent(tx, coin, chosen), coin.currency, tuple(chosen), own)


def waits_for_funds(tx: Tx, coin: CoinRow) -> bool:
    """Whether a payout of the currency waits for outputs that can be spent."""
    return tx.db.execute(_WAITS, (coin.currency,)).fetchone() is not None


def _is_under_way(tx: Tx, coin: CoinRow) -> bool:
    """Whether one of before may still be mined or undone."""
    return any(_signed_for(tx, intent_id) for intent_id in _open_intents(tx, coin))


def _signed_for(tx: Tx, intent_id: str) -> list[AttemptRow]:
    return read_attempts(tx.db, "a.intent_id = ? AND a.state <> 'abandoned'", (intent_id,))


def end_lost(tx: Tx, coin: CoinRow, height: int) -> None:
    """End those that lost an input for good, by the block at ``height``, to a chain tx that is not ours.

    Their other inputs are free again: payouts may wait for them, so this waits for nobody's question.
    """
    if coin.family in ACCOUNT_FAMILIES:
        return
    lost = f"a.intent_id = ? AND {GONE}"
    for intent_id in _open_intents(tx, coin):
        for attempt in read_attempts(tx.db, lost, (intent_id, height - coin.final_depth + 1)):
            move_attempt(tx, attempt, AttemptEvent.OUTLIVED, Who.CHAIN)
            outlive_children(tx, attempt)
        alive = _signed_for(tx, intent_id)
        if alive and all(attempt.state == "replaced" for attempt in alive):
            move_sweep(tx, intent_id, SweepEvent.REVERTED, None)


def _open_intents(tx: Tx, coin: CoinRow) -> list[str]:
    sql = "SELECT id FROM intent WHERE currency = ? AND kind = ? AND status = 'open'"
    return [intent_id for (intent_id,) in tx.db.execute(sql, (coin.currency, CONSOLIDATE))]


def _smallest(tx: Tx, coin: CoinRow, above: int, limit: int) -> list[Utxo]:
    """The smallest outputs above an amount that may be spent now."""
    text = str(above)
    arguments = (*spendable_arguments(tx, coin), coin.chain, len(text), len(text), text, limit)
    return [
        Utxo(Outpoint(txid, index), int(amount), OwnScript(script, address, Branch(branch), number))
        for txid, index, amount, script, address, branch, number in tx.db.execute(
            SMALLEST_SPENDABLE, arguments
        )
    ]


def _as_many_as_can_wait(tx: Tx, coin: CoinRow, small: list[Utxo]) -> list[Utxo]:
    """The first of these that payouts can do without until their change is confirmed."""
    offered = {utxo.outpoint: utxo.amount for utxo in (*spendable(tx, coin), *small)}
    total = sum(offered.values())
    asked_for = sum(int(amount) for (amount,) in tx.db.execute(_ASKED_FOR, (coin.currency,)))
    left = min(total // 2, total - 2 * asked_for)
    chosen = []
    for utxo in small:
        left -= utxo.amount
        if left < 0:
            break
        chosen.append(utxo)
    return chosen


def _open_intent(tx: Tx, coin: CoinRow, chosen: list[Utxo]) -> str:
    """The open intent, where nothing of it was ever signed; else a new one."""
    amount = str(sum(utxo.amount for utxo in chosen))
    for intent_id in _open_intents(tx, coin):
        tx.db.execute("UPDATE intent SET amount = ? WHERE id = ?", (amount, intent_id))
        return intent_id
    (count,) = tx.db.execute(
        "SELECT count(*) FROM intent WHERE currency = ? AND kind = ?", (coin.currency, CONSOLIDATE)
    ).fetchone()
    step = advance(SWEEP, None, SweepEvent.OPENED, Who.SENDER)
    new_id = f"{CONSOLIDATE}_{coin.currency}_{count + 1}"
    tx.db.execute(
        "INSERT INTO intent (id, kind, currency, amount, status, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (new_id, CONSOLIDATE, coin.currency, amount, step.to, tx.now_s),
    )
    return new_id


def check_consolidation(tx: Tx, coin: CoinRow, plan: AttemptPlan) -> None:
    """Raise IllegalTransitionError unless a plan pays what it spends, less its fee, to its change script."""
    own = own_script(tx, coin.currency, f"change:{plan.intent_id}")
    (output,) = plan.outputs if len(plan.outputs) == 1 else (None,)
    if output is None or plan.sender is not None or plan.nonce is not None or plan.change is None:
        raise IllegalTransitionError("what brings outputs together has one output, its change")
    if own is None or output.script != own.script or plan.change.script != own.script:
        raise IllegalTransitionError(f"the output is not on the change script of {plan.intent_id}")
    if output.amount < 1 or output.amount + plan.fee != sum(utxo.amount for utxo in plan.inputs):
        raise IllegalTransitionError("the plan does not pay to ourselves what it spends")


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {GetConsolidationWork: get_consolidation_work}
