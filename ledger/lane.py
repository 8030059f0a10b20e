"""What was sent and waits too long, and what shall not be paid any more.

Each nonce of an account, or set of inputs, is one payment, whatever it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from coins.types import CONSOLIDATE, StuckWork
from ledger.attempt import AttemptEvent, AttemptState
from ledger.attempt_row import PAYS, AttemptRow, is_cancel, plan_of, read_attempts
from ledger.candidate import IN_BLOCK
from ledger.child import HAS_CHILD, outlive_children
from ledger.coin_row import CoinRow
from ledger.commands import GetStuckWork, StopWithdrawal
from ledger.consolidation import GONE, waits_for_funds
from ledger.context import Tx
from ledger.errors import NotCancellableError, NotConfirmedError, NotFoundError
from ledger.machine import Who
from ledger.settle import release
from ledger.transition import move_attempt, move_withdrawal, set_attention, tip_height
from ledger.views import Outcome, WithdrawalView
from ledger.withdrawal import WithdrawalEvent, WithdrawalState
from ledger.withdrawal_row import WithdrawalRow, read_withdrawals, stop_of, to_view
from ledger.work import (
    ACCOUNT_FAMILIES,
    FOREIGN_SEND,
    free_balance,
    hold_of,
    is_stopped,
    own_script,
    spendable,
)

DOUBLINGS_MAX = 6
"""How often the time until the next candidate is doubled at most."""

NEWEST_SENT = (
    "a.currency = ? AND a.state IN ('broadcast', 'unknown') AND NOT EXISTS"
    " (SELECT 1 FROM attempt n WHERE n.intent_id = a.intent_id AND (n.state IN ('mined', 'reverted')"
    " OR (n.rowid > a.rowid AND n.state <> 'abandoned')))"
    f" AND i.kind <> 'cpfp' AND NOT {HAS_CHILD} ORDER BY a.sender, a.nonce, a.rowid"  # nosec B608
)
"""The newest candidate of each intent, where that was sent and none is in a block. What has a child is not
replaced, which would undo the child, and gets no second one."""


CANDIDATES = f"{PAYS} AND a.state <> 'abandoned' ORDER BY a.rowid"
USED_NONCE = (
    "SELECT m.height FROM chain_movement m JOIN own_script s ON s.sequence = m.script_sequence"
    " WHERE m.chain = ? AND s.script = ? AND m.nonce = ? AND m.is_disconnected = 0"
)
"""The height at which the chain used a nonce of an account of ours."""
LOST = frozenset({AttemptState.CONFLICTED, AttemptState.REPLACED})
"""States of attempts on inputs that can not be mined. One is replaced when another payout of its chain tx was
given back before."""
_UNDECIDED = (
    "SELECT 1 FROM unclaimed_case WHERE chain = ? AND kind = 'unexplained' AND status = 'open' LIMIT 1"
)


def get_stuck_work(tx: Tx, command: GetStuckWork) -> tuple[StuckWork, ...]:
    """Payments that need a further candidate, as :class:`GetStuckWork` says."""
    coin = tx.coin(command.currency)
    if hold_of(tx, coin) is not None:
        return ()
    rows = read_attempts(tx.db, NEWEST_SENT, (coin.currency,))
    found = []
    for row in rows:
        if row.kind == CONSOLIDATE and not waits_for_funds(tx, coin):
            continue
        stopped = row.withdrawal_id is not None and is_stopped(tx, row.withdrawal_id)
        is_new = stopped and not is_cancel(row)
        if row.kind in command.kinds and (is_new or _is_due(tx, row, command.bump_after_s)):
            found.append(_work(tx, coin, row, stopped))
    return tuple(found)


def _is_due(tx: Tx, row: AttemptRow, bump_after_s: int) -> bool:
    """Whether the newest candidate has had its time, twice as long as the one before it."""
    made, newest_at = tx.db.execute(
        "SELECT count(*), max(created_at) FROM attempt WHERE intent_id = ? AND state <> 'abandoned'",
        (row.intent_id,),
    ).fetchone()
    due_at: int = newest_at + (bump_after_s << min(made - 1, DOUBLINGS_MAX))
    return tx.now_s >= due_at


def _work(tx: Tx, coin: CoinRow, row: AttemptRow, stopped: bool) -> StuckWork:
    plan, sender = plan_of(row), row.sender
    if sender is None:
        change = own_script(tx, coin.currency, f"change:{row.intent_id}")
        txid = row.txid if row.state is AttemptState.BROADCAST else None
        spare = () if row.kind == CONSOLIDATE else spendable(tx, coin)  # it pays for itself
        return StuckWork(plan, utxos=spare, change=change, txid=txid or "")
    lane = tx.db.execute(
        "SELECT next_nonce FROM nonce_lane WHERE chain = ? AND sender = ?", (coin.chain, sender)
    ).fetchone()
    is_next = row.nonce == (lane[0] if lane else 0)
    return StuckWork(plan, free_balance(tx, coin.chain, coin.chain, sender), is_next, stopped)


# -- stopping --------------------------------------------------------------------------------------


def stop_withdrawal(tx: Tx, command: StopWithdrawal) -> Outcome[WithdrawalView]:
    """Have a signed withdrawal's nonce used up, or give its money back, as :class:`StopWithdrawal` says."""
    rows = read_withdrawals(tx.db, "w.id = ?", (command.withdrawal_id,))
    if not rows:
        raise NotFoundError(f"withdrawal {command.withdrawal_id} does not exist")
    row, coin = rows[0], tx.coin(rows[0].currency)
    attempts = read_attempts(tx.db, CANDIDATES, (row.id,))
    states = {attempt.state for attempt in attempts}
    is_signed = row.status in (WithdrawalState.SIGNED, WithdrawalState.BROADCAST)
    if not is_signed or states & IN_BLOCK:
        raise NotCancellableError(f"withdrawal {row.id} is {row.status}")
    if coin.family not in ACCOUNT_FAMILIES:
        if not states <= LOST:
            raise NotCancellableError(f"withdrawal {row.id} is {row.status}: what it spends is still there")
        _check_inputs_gone(tx, coin, attempts)
        row = _give_back(tx, row, attempts, command)
    elif states == {AttemptState.CONFLICTED}:
        _check_nonce_gone(tx, coin, attempts)
        row = _give_back(tx, row, attempts, command)
    elif not is_stopped(tx, row.id):
        tx.db.execute(
            "INSERT INTO intent (id, kind, currency, amount, status, created_at)"
            " VALUES (?, 'cancel', ?, '0', 'open', ?)",
            (stop_of(row.id), row.currency, tx.now_s),
        )
        set_attention(tx, row.id, True)
        row = replace(row, attention=True)
    tx.audit(command.by, "stop_withdrawal", "withdrawal", row.id, {"reason": command.reason})
    return Outcome(to_view(tx.db, row, coin.confirmations, tip_height(tx, coin.chain)))


def _check_inputs_gone(tx: Tx, coin: CoinRow, attempts: list[AttemptRow]) -> None:
    """Raise NotConfirmedError unless each attempt lost an input for good, and the case of that is decided."""
    needed = max(coin.final_depth, coin.confirmations)
    height = (tip_height(tx, coin.chain) or 0) - needed + 1
    for attempt in attempts:
        is_over = attempt.state is AttemptState.REPLACED
        if not is_over and not read_attempts(tx.db, f"a.id = ? AND {GONE}", (attempt.id, height)):
            raise NotConfirmedError(f"what spent its input needs {needed} confirmations")
    if tx.db.execute(_UNDECIDED, (coin.chain,)).fetchone() is not None:
        raise NotConfirmedError("the case of what spent its input needs a decision")


def _check_nonce_gone(tx: Tx, coin: CoinRow, attempts: list[AttemptRow]) -> None:
    """Raise NotConfirmedError unless the nonce was used for good, and the case of that is decided."""
    used = tx.db.execute(USED_NONCE, (coin.chain, attempts[0].sender, attempts[0].nonce)).fetchone()
    needed = max(coin.final_depth, coin.confirmations)
    depth = (tip_height(tx, coin.chain) or 0) - used[0] + 1 if used else 0
    if depth < needed or tx.db.execute(FOREIGN_SEND, (coin.chain,)).fetchone() is not None:
        raise NotConfirmedError(f"what used the nonce needs {needed} confirmations, and its case a decision")


def _give_back(
    tx: Tx, row: WithdrawalRow, attempts: list[AttemptRow], command: StopWithdrawal
) -> WithdrawalRow:
    """End a withdrawal that a chain tx that is not ours made impossible.

    Only an operator may know that this chain tx does not pay the withdrawal itself, as it would where these
    books are an old copy.
    """
    for attempt in attempts:
        if attempt.state is AttemptState.CONFLICTED:
            move_attempt(tx, attempt, AttemptEvent.OUTLIVED, Who.CHAIN)
            outlive_children(tx, attempt)
    tx.db.execute("UPDATE intent SET status = 'closed' WHERE withdrawal_id = ?", (row.id,))
    gone = replace(row, attention=False, waiting_for=None, due_height=None)
    release(tx, gone, command.by, command.reason)
    return move_withdrawal(tx, gone, WithdrawalEvent.STOPPED, Who.OPERATOR, command.by)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    GetStuckWork: get_stuck_work,
    StopWithdrawal: stop_withdrawal,
}
