"""The table of answers to a broadcast; the texts were taken from both nodes."""

from __future__ import annotations

import pytest

from coins.bitcoin.broadcast import blames_payee, decide
from coins.types import BroadcastOutcome

KNOWN, UNKNOWN, REJECTED = BroadcastOutcome.KNOWN, BroadcastOutcome.UNKNOWN, BroadcastOutcome.REJECTED


@pytest.mark.parametrize(
    ("code", "text", "outcome"),
    [
        (-27, "Transaction outputs already in utxo set", KNOWN),
        (-27, "Transaction already in block chain", KNOWN),
        (-26, "txn-already-in-mempool", KNOWN),
        (-26, "txn-already-known", KNOWN),
        (-25, "bad-txns-inputs-missingorspent", UNKNOWN),
        (-25, "Missing inputs", UNKNOWN),
        (-26, "missing-inputs", UNKNOWN),
        (
            -26,
            "insufficient fee, rejecting replacement 7d6b; new feerate 0.00001 <= old feerate 0.00002",
            UNKNOWN,
        ),
        (-26, "txn-mempool-conflict", UNKNOWN),
        (-26, "too-long-mempool-chain, too many unconfirmed ancestors [limit: 25]", UNKNOWN),
        (-26, "mempool min fee not met, 141 < 500", UNKNOWN),
        (-26, "bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 5", UNKNOWN),
        (-26, "non-final", UNKNOWN),
        (-25, "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)", REJECTED),
        (-26, "max-fee-exceeded", REJECTED),
        (-26, "dust", REJECTED),
        (-26, "dust-nonanchor", REJECTED),
        (-26, "min relay fee not met, 0 < 191", REJECTED),
        (-26, "mandatory-script-verify-flag-failed (Signature must be zero)", REJECTED),
        (-26, "scriptpubkey", REJECTED),
        (-22, "TX decode failed. Make sure the tx has at least one input.", REJECTED),
        (-25, "something new", UNKNOWN),
        (-1, "std::bad_alloc", UNKNOWN),
        (-32603, "Internal bug detected", UNKNOWN),
        (None, "no answer within 30 s", UNKNOWN),
    ],
)
def test_w02_each_answer_has_one_meaning(code: int | None, text: str, outcome: BroadcastOutcome) -> None:
    result = decide(code, text)
    assert (result.outcome, result.detail) == (outcome, text)


@pytest.mark.parametrize(
    ("reason", "is_blamed"),
    [
        ("dust", True),
        ("dust-nonanchor", True),
        ("scriptpubkey", True),
        ("tx-size", False),
        ("missing-inputs", False),
        ("txn-mempool-conflict", False),
        ("min relay fee not met, 0 < 110", False),
        ("bad-witness-nonstandard", False),
        ("mempool-script-verify-flag-failed (Witness program hash mismatch)", False),
        ("non-mandatory-script-verify-flag (Witness program hash mismatch)", False),
    ],
)
def test_w49_only_a_reason_about_an_output_gives_a_payee_back(reason: str, is_blamed: bool) -> None:
    assert blames_payee(reason) is is_blamed
    if is_blamed:
        assert decide(-26, reason).outcome is REJECTED
