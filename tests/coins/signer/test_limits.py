"""The signer's own caps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coins.errors import SignerError
from coins.signer.limits import DAY_S, SpendingLimits, lane, outgoing
from coins.types import AttemptPlan, Branch, Outpoint, OwnScript, TxOutput, Utxo

HOT = OwnScript(b"\x22" * 20, "0x" + "22" * 20, Branch.HOT, 0)
CHANGE = OwnScript(b"\x00\x14" + b"\x33" * 20, "bc1c", Branch.CHANGE, 1)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def account_plan(amount: int, nonce: int, intent: str = "w1") -> AttemptPlan:
    output = TxOutput(b"\x11" * 20, "0x" + "11" * 20, amount)
    return AttemptPlan(intent, "payout", "ETH", (output,), 1, "", sender=HOT, nonce=nonce)


def utxo_plan(amount: int, *indexes: int) -> AttemptPlan:
    inputs = tuple(Utxo(Outpoint("aa" * 32, index), 10**9, CHANGE) for index in indexes)
    outputs = (TxOutput(b"\x11", "bc1p", amount), TxOutput(CHANGE.script, CHANGE.address, 5_000_000))
    return AttemptPlan("w1", "payout", "BTC", outputs, 1, "", inputs=inputs, change=CHANGE)


def test_the_change_stays_in_the_house() -> None:
    assert outgoing(utxo_plan(70, 0)) == 70
    assert outgoing(replace(utxo_plan(70, 0), change=None)) == 5_000_070


def test_a_single_transaction_has_its_cap() -> None:
    limits = SpendingLimits(100, Clock())
    limits.check(account_plan(20, 0), 20, 1000)
    with pytest.raises(SignerError, match="cap of 20 per transaction"):
        limits.check(account_plan(21, 0), 20, 1000)


def test_a_day_has_its_cap_and_ends() -> None:
    clock = Clock()
    limits = SpendingLimits(100, clock)
    for nonce in range(3):
        limits.check(account_plan(10, nonce), 10, 30)
        limits.record(account_plan(10, nonce))
    with pytest.raises(SignerError, match="40 base units within a day"):
        limits.check(account_plan(10, 3), 10, 30)
    clock.now += DAY_S
    limits.check(account_plan(10, 3), 10, 30)


def test_what_excludes_itself_on_the_chain_counts_once_at_its_dearest() -> None:
    limits = SpendingLimits(100, Clock())
    for amount in (10, 30, 20, 10):
        limits.check(account_plan(amount, 0), 30, 30)
        limits.record(account_plan(amount, 0))
    with pytest.raises(SignerError, match="31"):
        limits.check(account_plan(1, 1), 30, 30)


def test_the_same_intent_with_another_nonce_or_input_counts_again() -> None:
    limits = SpendingLimits(100, Clock())
    limits.record(account_plan(30, 0, "w1"))
    with pytest.raises(SignerError, match="60"):
        limits.check(account_plan(30, 1, "w1"), 30, 50)
    limits.record(utxo_plan(30, 0))
    with pytest.raises(SignerError, match="60"):
        limits.check(utxo_plan(30, 0, 1), 30, 50)
    assert lane(utxo_plan(1, 0, 1)) == lane(utxo_plan(2, 1, 0))
    assert lane(replace(utxo_plan(1, 0), sender=HOT)) != lane(replace(utxo_plan(1, 1), sender=HOT))


def test_currencies_do_not_share_a_day() -> None:
    limits = SpendingLimits(100, Clock())
    limits.record(account_plan(30, 0))
    limits.check(utxo_plan(30, 0), 30, 30)


def test_signatures_per_minute() -> None:
    clock = Clock()
    limits = SpendingLimits(2, clock)
    limits.count_request()
    clock.now += 30
    limits.count_request()
    with pytest.raises(SignerError, match="more than 2 signatures"):
        limits.count_request()
    clock.now += 30
    limits.count_request()
