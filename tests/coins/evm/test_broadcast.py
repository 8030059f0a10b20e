"""The decision table of a broadcast; the real node's words are tried in test_spender."""

from __future__ import annotations

import pytest

from coins.evm.broadcast import DECISIONS, outcome_of
from coins.types import BroadcastOutcome


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("transaction already imported", BroadcastOutcome.KNOWN),
        ("already known", BroadcastOutcome.KNOWN),
        ("nonce too low: next nonce 5, tx nonce 4", BroadcastOutcome.UNKNOWN),
        ("replacement transaction underpriced", BroadcastOutcome.UNKNOWN),
        ("transaction underpriced: tip needed 1", BroadcastOutcome.UNKNOWN),
        ("max fee per gas less than block base fee", BroadcastOutcome.UNKNOWN),
        ("Insufficient funds for gas * price + value", BroadcastOutcome.REJECTED),
        ("invalid chain id for signer: have 1 want 2", BroadcastOutcome.REJECTED),
        ("intrinsic gas too low", BroadcastOutcome.REJECTED),
        ("something nobody has seen yet", BroadcastOutcome.UNKNOWN),
        ("", BroadcastOutcome.UNKNOWN),
    ],
)
def test_words_and_outcome(message: str, outcome: BroadcastOutcome) -> None:
    assert outcome_of(message) is outcome


def test_an_error_is_never_taken_for_acceptance() -> None:
    assert BroadcastOutcome.ACCEPTED not in {outcome for _, outcome in DECISIONS}
