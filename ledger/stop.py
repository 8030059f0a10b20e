"""The panic stop: one word of an operator holds everything that leaves, also through restarts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledger.approval import operator_of
from ledger.context import Tx
from ledger.errors import ApprovalRefusedError, NotStoppedError, PayoutsHeldError
from ledger.operator import ADMIN, read_operator
from ledger.stop_command import StartPayouts, StopPayouts
from ledger.stop_row import read_stop
from ledger.views import Outcome, StopView


def stop_payouts(tx: Tx, command: StopPayouts) -> Outcome[StopView]:
    """Stop; whoever stops what is stopped finds it so, and is in the audit."""
    operator_of(tx, command.by)
    if not read_stop(tx.db).is_stopped:
        tx.db.execute(
            "INSERT INTO payout_stop (stopped_at, stopped_by, reason) VALUES (?, ?, ?)",
            (tx.now_s, command.by, command.reason),
        )
    tx.audit(command.by, "stop_payouts", "payouts", "all", {"reason": command.reason})
    return Outcome(read_stop(tx.db))


def start_payouts(tx: Tx, command: StartPayouts) -> Outcome[StopView]:
    """Let payouts go on."""
    operator = read_operator(tx, operator_of(tx, command.by))
    stopped = read_stop(tx.db)
    if not stopped.is_stopped:
        raise NotStoppedError("payouts are not stopped")
    if stopped.by == command.by and ADMIN not in operator.roles:
        raise ApprovalRefusedError("you stopped them: another operator must", code="another_operator_needed")
    tx.db.execute(
        "UPDATE payout_stop SET started_at = ?, started_by = ? WHERE started_at IS NULL",
        (tx.now_s, command.by),
    )
    tx.audit(command.by, "start_payouts", "payouts", "all", {"reason": command.reason})
    return Outcome(read_stop(tx.db))


def stopped(tx: Tx) -> PayoutsHeldError | None:
    """The stop as a reason why nothing may leave, None without one. An operator's word ends it."""
    if not read_stop(tx.db).is_stopped:
        return None
    return PayoutsHeldError("an operator stopped all payouts", waiting_for="approval")


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    StopPayouts: stop_payouts,
    StartPayouts: start_payouts,
}
