"""States of a withdrawal. Pure.

Money is released in ``rejected``, ``cancelled`` and ``failed`` only: before anything was signed, or
when a block below the reorg depth proves that the payout did not happen. Doubt about a sent chain
tx is a state of the attempt (``ledger/attempt.py``), never of the withdrawal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ledger.machine import Step, Who


class WithdrawalState(StrEnum):
    """What the client is told about a payout."""

    HELD = "held"  # waits for an approval, nothing else
    APPROVED = "approved"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    CONFIRMED = "confirmed"
    FINAL = "final"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FAILED = "failed"


class WithdrawalEvent(StrEnum):
    """What can happen to a payout."""

    OPENED = "opened"
    OPENED_ABOVE_LIMIT = "opened_above_limit"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REFUSED = "refused"  # no chain tx can make this payout as it is
    RECALLED = "recalled"  # a deposit that paid for it was undone by a reorg
    SIGNED = "signed"
    ACCEPTED = "accepted"  # by the node's mempool
    INCLUDED = "included"
    DISCONNECTED = "disconnected"
    CONFIRMED = "confirmed"
    BURIED = "buried"
    STOPPED = "stopped"  # by an operator, after its nonce or input was lost to a chain tx that is not ours
    REVERTED = "reverted"  # mined without effect (status 0), below the reorg depth


_S, _E = WithdrawalState, WithdrawalEvent
_OWNER, _OPERATOR, _SENDER = (Who.OWNER,), (Who.OPERATOR,), (Who.SENDER,)
_OPENER = (Who.OWNER, Who.OPERATOR)  # an operator sends back what credits nobody

WITHDRAWAL: Mapping[tuple[WithdrawalState | None, WithdrawalEvent], Step[WithdrawalState]] = {
    (None, _E.OPENED): Step(_S.APPROVED, "withdrawal.approved", _OPENER),
    (None, _E.OPENED_ABOVE_LIMIT): Step(_S.HELD, "withdrawal.held", (*_OPENER, Who.SENDER)),  # to cold
    (_S.HELD, _E.APPROVED): Step(_S.APPROVED, "withdrawal.approved", _OPERATOR),
    (_S.HELD, _E.REJECTED): Step(_S.REJECTED, "withdrawal.rejected", _OPERATOR),
    (_S.HELD, _E.CANCELLED): Step(_S.CANCELLED, "withdrawal.cancelled", _OWNER),
    (_S.HELD, _E.RECALLED): Step(_S.REJECTED, "withdrawal.rejected"),
    (_S.HELD, _E.REFUSED): Step(_S.REJECTED, "withdrawal.rejected", _SENDER),  # to cold, out of date
    (_S.APPROVED, _E.CANCELLED): Step(_S.CANCELLED, "withdrawal.cancelled", _OWNER),
    (_S.APPROVED, _E.REJECTED): Step(_S.REJECTED, "withdrawal.rejected", _OPERATOR),  # a refund of a case
    (_S.APPROVED, _E.RECALLED): Step(_S.REJECTED, "withdrawal.rejected"),
    (_S.APPROVED, _E.REFUSED): Step(_S.REJECTED, "withdrawal.rejected", _SENDER),
    (_S.APPROVED, _E.SIGNED): Step(_S.SIGNED, "withdrawal.signed", _SENDER),
    (_S.SIGNED, _E.ACCEPTED): Step(_S.BROADCAST, "withdrawal.broadcast", _SENDER),
    (_S.SIGNED, _E.INCLUDED): Step(_S.BROADCAST, "withdrawal.broadcast"),
    (_S.BROADCAST, _E.INCLUDED): Step(_S.BROADCAST, None),
    (_S.BROADCAST, _E.DISCONNECTED): Step(_S.BROADCAST, None),
    (_S.BROADCAST, _E.CONFIRMED): Step(_S.CONFIRMED, "withdrawal.confirmed"),
    (_S.SIGNED, _E.STOPPED): Step(_S.FAILED, "withdrawal.failed", _OPERATOR),
    (_S.BROADCAST, _E.STOPPED): Step(_S.FAILED, "withdrawal.failed", _OPERATOR),
    (_S.BROADCAST, _E.REVERTED): Step(_S.FAILED, "withdrawal.failed"),
    (_S.CONFIRMED, _E.DISCONNECTED): Step(_S.BROADCAST, "withdrawal.broadcast"),
    (_S.CONFIRMED, _E.BURIED): Step(_S.FINAL, "withdrawal.final"),
}
"""Everything that may happen to a withdrawal, and on whose authority."""

RELEASED = frozenset({_S.REJECTED, _S.CANCELLED, _S.FAILED})
"""States in which the reserved money went back to the client."""

RELEASED_SQL = "(" + ", ".join(f"'{state}'" for state in sorted(RELEASED)) + ")"
"""The same as a list in SQL."""
