"""The next candidate of a nonce: dearer by what nodes ask for, the same payment otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.errors import PlanError
from coins.evm.bump import bump_plan, raised
from coins.evm.rpc import EvmRpc
from coins.evm.spender import EvmSpender
from coins.evm.tx import check_plan, decode_payload
from coins.types import AttemptPlan, Branch, FeeQuote, OwnScript, PayoutWork, StuckWork, TxOutput
from tests.coins.evm.world import LocalSigner, eth_settings, payout_of, token_settings

GWEI, ETHER = 10**9, 10**18
TOKEN = token_settings("0x" + "44" * 20)
SETTINGS = eth_settings(tokens=(TOKEN,))
SPENDER = EvmSpender(SETTINGS, EvmRpc(SETTINGS.node, SETTINGS.chain_id), LocalSigner(SETTINGS))
HOT = OwnScript(b"\x22" * 20, "0x" + "22" * 20, Branch.HOT, 0)
DEPOSIT = OwnScript(b"\x33" * 20, "0x" + "33" * 20, Branch.DEPOSIT, 4)
PAYEE = "0x00000000219ab540356cBB839Cbe05303d7705Fa"
CAP = SETTINGS.max_fee_wei
prices = st.integers(1, CAP // 4)


def quote_of(base: int, tip: int) -> FeeQuote:
    return FeeQuote(max_fee_wei=min(2 * base + tip, CAP), priority_fee_wei=tip, base_fee_wei=base)


def payout_plan(quote: FeeQuote) -> AttemptPlan:
    return SPENDER.plan(payout_of(HOT, PAYEE, ETHER, 7, 10 * ETHER), quote)


def sweep_plan(quote: FeeQuote, balance: int = ETHER) -> AttemptPlan:
    output = TxOutput(HOT.script, HOT.address, 0)
    return SPENDER.plan(
        PayoutWork("s1", "sweep", "ETH", output, source=DEPOSIT, nonce=2, balance=balance), quote
    )


def token_plan(quote: FeeQuote, kind: str = "sweep", gas: int = ETHER) -> AttemptPlan:
    output = TxOutput(HOT.script, HOT.address, 500)
    work = PayoutWork("s1", kind, "USDT-ETH", output, source=DEPOSIT, nonce=2, balance=500, gas_balance=gas)
    return SPENDER.plan(work, quote)


@given(st.integers(0, 10**12))
def test_w28_raised_is_at_least_an_eighth_and_a_wei_more(price: int) -> None:
    assert raised(price) * 8 >= price * 9 + 8
    assert raised(price) <= price + price // 8 + 2


@given(prices, st.integers(0, GWEI), prices, st.integers(0, GWEI))
def test_w28_both_prices_rise_and_nothing_else_changes(base: int, tip: int, now: int, now_tip: int) -> None:
    old, quote = payout_plan(quote_of(base, tip)), quote_of(now, now_tip)
    new = SPENDER.bump(StuckWork(old, 10 * ETHER, True), quote)
    assert new is not None
    before, after = decode_payload(old.payload), check_plan(new, "ETH", SETTINGS.chain_id)
    assert 8 * after.max_fee_wei >= 9 * before.max_fee_wei + 8
    assert 8 * after.priority_fee_wei >= 9 * before.priority_fee_wei + 8
    assert quote.max_fee_wei <= after.max_fee_wei <= CAP
    assert quote.priority_fee_wei <= after.priority_fee_wei <= after.max_fee_wei
    same = replace(after, max_fee_wei=before.max_fee_wei, priority_fee_wei=before.priority_fee_wei)
    assert (same, new.fee) == (before, after.fee)
    assert replace(new, fee=old.fee, payload=old.payload) == old


def test_w28_the_same_work_gives_the_same_plan() -> None:
    work = StuckWork(payout_plan(quote_of(GWEI, 1)), ETHER, True)
    assert SPENDER.bump(work, quote_of(GWEI, 1)) == SPENDER.bump(work, quote_of(GWEI, 1))


def test_w28_a_price_above_the_configured_one_is_never_offered() -> None:
    work = StuckWork(payout_plan(quote_of(CAP // 2, 1)), ETHER, True)
    with pytest.raises(PlanError, match="at most"):
        SPENDER.bump(work, quote_of(GWEI, 1))
    with pytest.raises(PlanError, match="gas costs"):
        SPENDER.bump(work, quote_of(CAP + 1, 1))


def test_w28_what_the_account_cannot_pay_is_not_offered() -> None:
    old = payout_plan(quote_of(GWEI, 1))
    new = SPENDER.bump(StuckWork(old, ETHER, True), quote_of(GWEI, 1))
    assert new is not None
    needed = new.fee - old.fee
    assert SPENDER.bump(StuckWork(old, needed, True), quote_of(GWEI, 1)) == new
    with pytest.raises(PlanError) as failure:
        SPENDER.bump(StuckWork(old, needed - 1, True), quote_of(GWEI, 1))
    assert (failure.value.waiting_for, failure.value.gas_missing) == ("gas", 0)


def test_w28_one_that_waits_for_another_nonce_rests_while_its_price_would_do() -> None:
    work = StuckWork(payout_plan(quote_of(GWEI, 1)), ETHER, False)
    assert SPENDER.bump(work, quote_of(GWEI, 1)) is None
    assert SPENDER.bump(work, quote_of(3 * GWEI, 1)) is not None


@given(st.integers(1, 100 * GWEI), st.integers(0, GWEI), st.integers(1, 100 * GWEI))
def test_w28_a_sweep_still_leaves_nothing(base: int, tip: int, now: int) -> None:
    old = sweep_plan(quote_of(base, tip))
    new = bump_plan(StuckWork(old, 0, True), quote_of(now, tip), CAP)
    assert new is not None
    tx = check_plan(new, "ETH", SETTINGS.chain_id)
    assert tx.max_fee_wei == tx.priority_fee_wei
    assert 8 * tx.max_fee_wei >= 9 * decode_payload(old.payload).max_fee_wei + 8
    assert new.outputs[0].amount + new.fee == old.outputs[0].amount + old.fee == ETHER


def test_w28_a_sweep_is_not_eaten_by_its_fee() -> None:
    old = sweep_plan(quote_of(GWEI, 1), balance=21_000 * 2 * GWEI)
    with pytest.raises(PlanError, match="higher fee for their own sweep"):
        SPENDER.bump(StuckWork(old, 0, True), quote_of(4 * GWEI, 1))


def test_w28_a_token_sweep_says_how_much_gas_it_lacks() -> None:
    old = token_plan(quote_of(GWEI, 1))
    new = SPENDER.bump(StuckWork(old, ETHER, True), quote_of(GWEI, 1))
    assert new is not None
    assert new.outputs == old.outputs
    check_plan(new, "USDT-ETH", SETTINGS.chain_id, TOKEN.contract_script)
    with pytest.raises(PlanError) as failure:
        SPENDER.bump(StuckWork(old, 5, True), quote_of(GWEI, 1))
    assert failure.value.gas_missing == new.fee - old.fee - 5


@pytest.mark.parametrize("spare", [0, ETHER])
def test_a_stopped_payment_is_outbid_by_nothing(spare: int) -> None:
    for old in (payout_plan(quote_of(GWEI, 1)), token_plan(quote_of(GWEI, 1), "payout")):
        new = SPENDER.bump(StuckWork(old, spare, False, is_stopped=True), quote_of(GWEI, 1))
        assert new is not None
        assert old.sender is not None
        contract = TOKEN.contract_script if old.currency == TOKEN.currency else None
        tx = check_plan(new, old.currency, SETTINGS.chain_id, contract)
        assert (tx.to, tx.value, tx.gas, tx.data) == (old.sender.script, 0, 21_000, b"")
        assert (new.kind, new.nonce, new.intent_id) == ("cancel", old.nonce, old.intent_id)
        before = decode_payload(old.payload)
        assert 8 * tx.max_fee_wei >= 9 * before.max_fee_wei + 8
        again = SPENDER.bump(StuckWork(new, ETHER, True, is_stopped=True), quote_of(GWEI, 1))
        assert again is not None
        assert (again.kind, again.outputs) == ("cancel", new.outputs)
        assert again.fee > new.fee
