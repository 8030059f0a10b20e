"""States of a case: money that credits nobody, or is gone, and what an operator decides about it. Pure.

A decision about a client's parked deposit may be undone by a reorg and stands when the same payment is
mined again. Every other decision is possible only below the depth that a reorg may undo.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ledger.machine import Step, Who


class CaseKind(StrEnum):
    """What happened."""

    PARKED = "parked"  # came to a client's address, and the policy does not credit it
    FUNDING = "funding"  # came to an address of the house, or to one never given out, unannounced
    UNSEEN = "unseen"  # an account of ours sent more than was seen coming
    DUPLICATE = "duplicate"  # the same txid and position mined twice: booked once
    UNEXPLAINED = "unexplained"  # left our scripts by a chain tx that is not ours
    SHORTAGE = "shortage"  # a reorg undid a receipt whose money the house had used already
    SHORT = "short"  # the chain holds less than the books say
    SURPLUS = "surplus"  # the chain holds more than the books say
    NODE_DOUBT = "node_doubt"  # the node's answers about one block contradict each other
    ILLIQUID = "illiquid"  # a token did not let be swept what clients are owed


class CaseState(StrEnum):
    """What became of it."""

    OPEN = "open"
    ASSIGNED = "assigned"  # a client or the house has it
    REFUNDING = "refunding"  # a payout sends it back
    REFUNDED = "refunded"
    WRITTEN_OFF = "written_off"  # kept as unclaimed, or admitted as a loss
    CLOSED = "closed"  # its payment is no longer in the chain: nothing to decide


class CaseEvent(StrEnum):
    """What can happen to a case."""

    OPENED = "opened"
    ASSIGNED = "assigned"
    RELEASED = "released"  # assigned to its own client, for what parked it has passed
    INCLUDED = "included"  # mined again after the decision
    VANISHED = "vanished"  # a reorg undid its payment, or brought back what was missing
    REFUND_OPENED = "refund_opened"
    RETURNED = "returned"  # the refund will never be paid
    REFUNDED = "refunded"  # the refund is final
    WRITTEN_OFF = "written_off"
    CORRECTED = "corrected"  # the books were brought to the chain, for all of it or a part


_S, _E = CaseState, CaseEvent
_OPERATOR = (Who.OPERATOR,)

CASE: Mapping[tuple[CaseState | None, CaseEvent], Step[CaseState]] = {
    (None, _E.OPENED): Step(_S.OPEN, "case.opened"),
    (_S.OPEN, _E.OPENED): Step(_S.OPEN, "case.opened"),
    (_S.OPEN, _E.CORRECTED): Step(_S.OPEN, None, _OPERATOR),
    (_S.OPEN, _E.VANISHED): Step(_S.CLOSED, "case.closed"),
    (_S.OPEN, _E.ASSIGNED): Step(_S.ASSIGNED, "case.closed", _OPERATOR),
    (_S.OPEN, _E.RELEASED): Step(_S.ASSIGNED, "case.closed", _OPERATOR),
    (_S.OPEN, _E.REFUND_OPENED): Step(_S.REFUNDING, None, _OPERATOR),
    (_S.OPEN, _E.WRITTEN_OFF): Step(_S.WRITTEN_OFF, "case.closed", _OPERATOR),
    (_S.CLOSED, _E.OPENED): Step(_S.OPEN, "case.opened"),
    (_S.ASSIGNED, _E.VANISHED): Step(_S.ASSIGNED, None),
    (_S.ASSIGNED, _E.INCLUDED): Step(_S.ASSIGNED, None),
    (_S.ASSIGNED, _E.OPENED): Step(_S.OPEN, "case.opened"),
    (_S.REFUNDING, _E.RETURNED): Step(_S.OPEN, "case.opened", (Who.CHAIN, Who.OPERATOR)),
    (_S.REFUNDING, _E.REFUNDED): Step(_S.REFUNDED, "case.closed"),
    (_S.WRITTEN_OFF, _E.OPENED): Step(_S.OPEN, "case.opened"),
}
"""Everything that may happen to a case, and on whose authority."""

ACTION_OF: Mapping[CaseEvent, str] = {
    _E.ASSIGNED: "assign",
    _E.RELEASED: "release",
    _E.REFUND_OPENED: "refund",
    _E.WRITTEN_OFF: "write-off",
    _E.CORRECTED: "correct",
}
"""What an operator calls the events he may raise."""

_MONEY_HERE = frozenset({_E.ASSIGNED, _E.REFUND_OPENED, _E.WRITTEN_OFF})

DECISIONS: Mapping[CaseKind, frozenset[CaseEvent]] = {
    CaseKind.PARKED: _MONEY_HERE | {_E.RELEASED},
    CaseKind.FUNDING: _MONEY_HERE,
    CaseKind.UNSEEN: _MONEY_HERE,
    CaseKind.DUPLICATE: frozenset({_E.WRITTEN_OFF}),
    CaseKind.UNEXPLAINED: frozenset({_E.WRITTEN_OFF}),
    CaseKind.SHORTAGE: frozenset({_E.WRITTEN_OFF}),
    CaseKind.SHORT: frozenset({_E.CORRECTED}),  # ends when chain and books agree again
    CaseKind.SURPLUS: frozenset({_E.CORRECTED}),
    CaseKind.NODE_DOUBT: frozenset(),  # ends when the node tells the same again
    CaseKind.ILLIQUID: frozenset(),  # what is owed stands; the case ends with the sweep that works
}
"""What may be decided about a kind: money that is here can go somewhere, what is gone can be admitted."""

IN_SUSPENSE = frozenset({CaseKind.PARKED, CaseKind.FUNDING, CaseKind.UNSEEN})
"""Kinds whose amount lies in suspense while the case is open."""


def actions(kind: CaseKind, state: CaseState) -> tuple[str, ...]:
    """What an operator may do with a case of this kind in this state, in the order of the table."""
    possible = DECISIONS[kind] if state is CaseState.OPEN else frozenset()
    return tuple(name for event, name in ACTION_OF.items() if event in possible)
