"""States of an attempt: one candidate chain tx of an intent. Pure.

Unreachable is not failed: a lost answer makes an attempt ``unknown``, and only a block ends it.
``abandoned`` is for attempts that were never signed; signed bytes are never forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ledger.machine import Step, Who


class AttemptState(StrEnum):
    """What we know of a candidate chain tx."""

    PREPARED = "prepared"  # inputs or nonce reserved, not signed
    SIGNED = "signed"  # bytes kept, may leave
    BROADCAST = "broadcast"
    UNKNOWN = "unknown"  # sent, and nobody can tell what became of it
    MINED = "mined"
    REVERTED = "reverted"  # mined with status 0: gas is gone, nothing else moved
    REPLACED = "replaced"  # another attempt of the intent lies below the reorg depth
    CONFLICTED = "conflicted"  # a chain tx that is not ours took its input or nonce
    ABANDONED = "abandoned"


class AttemptEvent(StrEnum):
    """What can happen to an attempt."""

    RESERVED = "reserved"
    SIGNED = "signed"
    ABANDONED = "abandoned"
    ACCEPTED = "accepted"
    DOUBTED = "doubted"
    INCLUDED = "included"
    REVERTED = "reverted"
    DISCONNECTED = "disconnected"
    CONFLICTED = "conflicted"
    RESTORED = "restored"  # the chain tx that conflicted with it is undone
    OUTLIVED = "outlived"


_S, _E = AttemptState, AttemptEvent
_SENDER = (Who.SENDER,)
_UNSENT = (Who.SENDER, Who.OWNER, Who.OPERATOR, Who.CHAIN)

ATTEMPT: Mapping[tuple[AttemptState | None, AttemptEvent], Step[AttemptState]] = {
    (None, _E.RESERVED): Step(_S.PREPARED, None, _SENDER),
    (_S.PREPARED, _E.SIGNED): Step(_S.SIGNED, None, _SENDER),
    (_S.PREPARED, _E.ABANDONED): Step(_S.ABANDONED, None, _UNSENT),
    (_S.PREPARED, _E.CONFLICTED): Step(_S.ABANDONED, None),
    (_S.PREPARED, _E.OUTLIVED): Step(_S.ABANDONED, None),
    (_S.SIGNED, _E.ACCEPTED): Step(_S.BROADCAST, None, _SENDER),
    (_S.SIGNED, _E.DOUBTED): Step(_S.UNKNOWN, None, _SENDER),
    (_S.SIGNED, _E.INCLUDED): Step(_S.MINED, None),
    (_S.SIGNED, _E.REVERTED): Step(_S.REVERTED, None),
    (_S.SIGNED, _E.CONFLICTED): Step(_S.CONFLICTED, None),
    (_S.SIGNED, _E.OUTLIVED): Step(_S.REPLACED, None),
    (_S.BROADCAST, _E.ACCEPTED): Step(_S.BROADCAST, None, _SENDER),
    (_S.BROADCAST, _E.DOUBTED): Step(_S.UNKNOWN, None, _SENDER),
    (_S.BROADCAST, _E.INCLUDED): Step(_S.MINED, None),
    (_S.BROADCAST, _E.REVERTED): Step(_S.REVERTED, None),
    (_S.BROADCAST, _E.CONFLICTED): Step(_S.CONFLICTED, None),
    (_S.BROADCAST, _E.OUTLIVED): Step(_S.REPLACED, None),
    (_S.UNKNOWN, _E.ACCEPTED): Step(_S.BROADCAST, None, _SENDER),
    (_S.UNKNOWN, _E.DOUBTED): Step(_S.UNKNOWN, None, _SENDER),
    (_S.UNKNOWN, _E.INCLUDED): Step(_S.MINED, None),
    (_S.UNKNOWN, _E.REVERTED): Step(_S.REVERTED, None),
    (_S.UNKNOWN, _E.CONFLICTED): Step(_S.CONFLICTED, None),
    (_S.UNKNOWN, _E.OUTLIVED): Step(_S.REPLACED, None),
    (_S.MINED, _E.DISCONNECTED): Step(_S.BROADCAST, None),
    (_S.REVERTED, _E.DISCONNECTED): Step(_S.BROADCAST, None),
    (_S.CONFLICTED, _E.CONFLICTED): Step(_S.CONFLICTED, None),
    (_S.CONFLICTED, _E.RESTORED): Step(_S.UNKNOWN, None),
    (_S.CONFLICTED, _E.OUTLIVED): Step(_S.REPLACED, None),
}
"""Everything that may happen to an attempt, and on whose authority."""

LIVE = frozenset({_S.PREPARED, _S.SIGNED, _S.BROADCAST, _S.UNKNOWN})
"""States in which an attempt may still be mined: to be resumed or sent again."""
