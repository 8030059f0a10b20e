"""The decision table of a broadcast; the real node's words are tried in test_spender."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.evm.broadcast import DECISIONS, outcome_of
from coins.types import BroadcastOutcome

README = Path(__file__).resolve().parents[3] / "coins" / "evm" / "README.md"


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
def test_w29_words_and_outcome(message: str, outcome: BroadcastOutcome) -> None:
    assert outcome_of(message) is outcome


def test_an_error_is_never_taken_for_acceptance() -> None:
    assert BroadcastOutcome.ACCEPTED not in {outcome for _, outcome, _ in DECISIONS}


@pytest.mark.parametrize(("words", "outcome", "follows"), DECISIONS)
def test_w29_each_line_of_the_table_is_reached_and_told(
    words: str, outcome: BroadcastOutcome, follows: str
) -> None:
    assert outcome_of(f"-32003 {words.upper()}: more") is outcome
    assert f"| {words or 'anything else'} | {outcome.value} | {follows} |" in README.read_text("utf-8")
