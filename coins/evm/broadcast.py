"""What a node's answer to a broadcast means: one table. Pure.

The words are those of geth and its relatives and of anvil. Only what says that the bytes can never
be valid in the node's present state is a rejection; any doubt is ``unknown`` and ends on the chain.
"""

from __future__ import annotations

from coins.types import BroadcastOutcome

LATER = "sent again, and outbid after `bump_after_s`"
STUCK = "sent again and outbid; an operator tops up, changes the configuration or stops it"

DECISIONS: tuple[tuple[str, BroadcastOutcome, str], ...] = (
    ("already known", BroadcastOutcome.KNOWN, "the same bytes were sent before: waits for its block"),
    ("already imported", BroadcastOutcome.KNOWN, "as above (anvil)"),
    ("known transaction", BroadcastOutcome.KNOWN, "as above (older nodes)"),
    ("nonce too low", BroadcastOutcome.UNKNOWN, "looked up by its own hash: in a block it is known, else the"
     " watcher tells whose chain tx used the nonce"),
    ("replacement transaction underpriced", BroadcastOutcome.UNKNOWN, "another candidate of the nonce waits,"
     " perhaps one of ours: outbid after `bump_after_s`"),
    ("underpriced", BroadcastOutcome.UNKNOWN, LATER),
    ("less than block base fee", BroadcastOutcome.UNKNOWN, LATER),
    ("txpool is full", BroadcastOutcome.UNKNOWN, LATER),
    ("insufficient funds", BroadcastOutcome.REJECTED, STUCK),
    ("intrinsic gas", BroadcastOutcome.REJECTED, STUCK),
    ("invalid chain id", BroadcastOutcome.REJECTED, STUCK),
    ("invalid sender", BroadcastOutcome.REJECTED, STUCK),
    ("exceeds block gas limit", BroadcastOutcome.REJECTED, STUCK),
    ("exceeds the configured cap", BroadcastOutcome.REJECTED, STUCK),
    ("max priority fee per gas higher than max fee per gas", BroadcastOutcome.REJECTED, STUCK),
    ("", BroadcastOutcome.UNKNOWN, "any other words, a lost answer or none: sent again, ends on the chain"),
)  # fmt: skip
"""Words in a node's answer, what they mean, and what follows; the first that fits counts. Whatever it is, the
attempt stays in flight: only a block settles it, and nothing is paid or given back because of words."""


def is_nonce_used(message: str) -> bool:
    """Whether the node says that a block holds some chain tx with this nonce."""
    return "nonce too low" in message.lower()


def outcome_of(message: str) -> BroadcastOutcome:
    """Outcome for the text of a node's error; unknown text is ``UNKNOWN``."""
    lower = message.lower()
    return next(outcome for words, outcome, _ in DECISIONS if words in lower)
