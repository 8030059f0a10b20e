"""What a node's answer to a broadcast means: one table. Pure.

The words are those of geth and its relatives and of anvil. Only what says that the bytes can never
be valid in the node's present state is a rejection; any doubt is ``unknown`` and ends on the chain.
"""

from __future__ import annotations

from coins.types import BroadcastOutcome

DECISIONS: tuple[tuple[str, BroadcastOutcome], ...] = (
    # in the pool already: the same bytes were sent before
    ("already known", BroadcastOutcome.KNOWN),
    ("already imported", BroadcastOutcome.KNOWN),
    ("known transaction", BroadcastOutcome.KNOWN),
    # mined already, or another one with this nonce was: our receipts tell which
    ("nonce too low", BroadcastOutcome.UNKNOWN),
    # another candidate with this nonce waits in the pool, perhaps one of ours
    ("underpriced", BroadcastOutcome.UNKNOWN),
    # the base fee is above our offer now: other nodes may hold it, later it may pass
    ("less than block base fee", BroadcastOutcome.UNKNOWN),
    ("txpool is full", BroadcastOutcome.UNKNOWN),
    ("insufficient funds", BroadcastOutcome.REJECTED),
    ("intrinsic gas", BroadcastOutcome.REJECTED),
    ("invalid chain id", BroadcastOutcome.REJECTED),
    ("invalid sender", BroadcastOutcome.REJECTED),
    ("exceeds block gas limit", BroadcastOutcome.REJECTED),
    ("exceeds the configured cap", BroadcastOutcome.REJECTED),
    ("max priority fee per gas higher than max fee per gas", BroadcastOutcome.REJECTED),
)


def is_nonce_used(message: str) -> bool:
    """Whether the node says that a block holds some chain tx with this nonce."""
    return "nonce too low" in message.lower()


def outcome_of(message: str) -> BroadcastOutcome:
    """Outcome for the text of a node's error; unknown text is ``UNKNOWN``."""
    lower = message.lower()
    for words, outcome in DECISIONS:
        if words in lower:
            return outcome
    return BroadcastOutcome.UNKNOWN
