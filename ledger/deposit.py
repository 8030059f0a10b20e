"""States of a deposit. Pure.

``seen`` (mempool) → ``confirming`` (in a block) → ``credited`` (deep enough for the client) →
``final`` (below the depth that a reorg may undo). Only what is final is ever spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ledger.machine import Step, Who


class DepositState(StrEnum):
    """What the client is told about a receipt."""

    SEEN = "seen"
    CONFIRMING = "confirming"
    CREDITED = "credited"
    FINAL = "final"
    ORPHANED = "orphaned"  # its block is gone, it had not been credited
    REVERSED = "reversed"  # its block is gone and the credit was taken back
    CONFLICTED = "conflicted"  # it left the mempool without being mined
    PARKED = "parked"  # mined, and waits for an operator: nobody was credited


class DepositEvent(StrEnum):
    """What can happen to a receipt."""

    SEEN = "seen"
    INCLUDED = "included"
    PARKED = "parked"  # included, and the currency's policy does not credit it
    RELEASED = "released"  # by an operator: it goes on as if it had not been parked
    CONFIRMED = "confirmed"
    BURIED = "buried"
    DISCONNECTED = "disconnected"
    VANISHED = "vanished"


_S, _E = DepositState, DepositEvent

DEPOSIT: Mapping[tuple[DepositState | None, DepositEvent], Step[DepositState]] = {
    (None, _E.SEEN): Step(_S.SEEN, "deposit.seen"),
    (None, _E.INCLUDED): Step(_S.CONFIRMING, "deposit.confirming"),
    (None, _E.PARKED): Step(_S.PARKED, "deposit.parked"),
    (_S.SEEN, _E.INCLUDED): Step(_S.CONFIRMING, "deposit.confirming"),
    (_S.SEEN, _E.PARKED): Step(_S.PARKED, "deposit.parked"),
    (_S.SEEN, _E.VANISHED): Step(_S.CONFLICTED, "deposit.conflicted"),
    (_S.CONFLICTED, _E.SEEN): Step(_S.SEEN, "deposit.seen"),
    (_S.CONFLICTED, _E.INCLUDED): Step(_S.CONFIRMING, "deposit.confirming"),
    (_S.CONFLICTED, _E.PARKED): Step(_S.PARKED, "deposit.parked"),
    (_S.CONFIRMING, _E.CONFIRMED): Step(_S.CREDITED, "deposit.credited"),
    (_S.CONFIRMING, _E.DISCONNECTED): Step(_S.ORPHANED, "deposit.orphaned"),
    (_S.CREDITED, _E.BURIED): Step(_S.FINAL, "deposit.final"),
    (_S.CREDITED, _E.DISCONNECTED): Step(_S.REVERSED, "deposit.reversed"),
    (_S.PARKED, _E.DISCONNECTED): Step(_S.ORPHANED, "deposit.orphaned"),
    (_S.PARKED, _E.RELEASED): Step(_S.CONFIRMING, "deposit.confirming", (Who.OPERATOR,)),
    (_S.ORPHANED, _E.INCLUDED): Step(_S.CONFIRMING, "deposit.confirming"),
    (_S.ORPHANED, _E.PARKED): Step(_S.PARKED, "deposit.parked"),
    (_S.REVERSED, _E.INCLUDED): Step(_S.CONFIRMING, "deposit.confirming"),
    (_S.REVERSED, _E.PARKED): Step(_S.PARKED, "deposit.parked"),
}
"""Everything that may happen to a deposit: on evidence of the chain, but for a release."""
