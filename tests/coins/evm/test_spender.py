"""Payouts and sweeps on a real anvil."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.errors import PlanError, SignerError
from coins.evm.fees import quote_fee, sweep_price
from coins.evm.rpc import EvmRpc
from coins.evm.spender import EvmSpender
from coins.evm.tx import decode_payload
from coins.types import (
    AttemptPlan,
    Branch,
    BroadcastOutcome,
    FeeQuote,
    OwnScript,
    PayoutWork,
    SignedTx,
    TxOutput,
)
from tests.coins.evm.world import ETHER, LocalSigner, eth_settings, hot_of, opened, payout_of
from tests.nodes.regtest import AnvilNode

PAYEE = "0x00000000219ab540356cBB839Cbe05303d7705Fa"


async def test_payout_reaches_the_payee_and_the_books_see_its_cost(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    async with opened(eth_settings(node.rpc_url)) as coin:
        hot = await hot_of(coin)
        coin.index.add_script(hot.script)
        await asyncio.to_thread(node.set_balance, hot.address, 2 * ETHER)
        plan = coin.spender.plan(payout_of(hot, PAYEE, ETHER, 0, 2 * ETHER), await coin.spender.quote())
        signed = await coin.spender.sign(plan)
        assert await coin.spender.sign(plan) == signed
        assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.ACCEPTED
        assert signed.txid in (await coin.reader.mempool(coin.index)).txids
        await asyncio.to_thread(node.mine)
        head = await coin.reader.head()
        block = await coin.reader.read_block(head.height, head.block_hash, coin.index)
        (sent,) = block.sent
        assert (sent.txid, sent.nonce, sent.amount, sent.is_success) == (signed.txid, 0, ETHER, True)
        assert sent.gas_fee <= plan.fee
        assert node.balance(PAYEE) == ETHER
        assert node.balance(hot.address) == 2 * ETHER - ETHER - sent.gas_fee


async def test_sweep_leaves_exactly_nothing(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    async with opened(eth_settings(node.rpc_url)) as coin:
        hot = await hot_of(coin)
        deposit = await coin.deriver.derive(Branch.DEPOSIT, 7)
        coin.index.add_scripts((hot.script, deposit.script))
        balance = 123_456_789_012_345_678
        await asyncio.to_thread(node.set_balance, deposit.address, balance)
        work = PayoutWork(
            "s1",
            "sweep",
            "ETH",
            TxOutput(hot.script, hot.address, 0),
            source=deposit,
            nonce=0,
            balance=balance,
        )
        plan = coin.spender.plan(work, await coin.spender.quote())
        signed = await coin.spender.sign(plan)
        assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.ACCEPTED
        await asyncio.to_thread(node.mine)
        head = await coin.reader.head()
        block = await coin.reader.read_block(head.height, head.block_hash, coin.index)
        assert node.balance(deposit.address) == 0
        (sent,), (receipt,) = block.sent, block.receipts
        assert sent.amount + sent.gas_fee == balance
        assert sent.gas_fee == plan.fee
        assert receipt.amount == plan.outputs[0].amount == node.balance(hot.address)
        assert receipt.sender == deposit.script


async def test_w29_answers_to_a_broadcast(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    async with opened(eth_settings(node.rpc_url)) as coin:
        hot = await hot_of(coin)
        quote = await coin.spender.quote()
        plan = coin.spender.plan(payout_of(hot, PAYEE, ETHER, 0, 3 * ETHER), quote)
        signed = await coin.spender.sign(plan)
        poor = await coin.spender.broadcast(signed)
        assert poor.outcome is BroadcastOutcome.REJECTED, poor
        await asyncio.to_thread(node.set_balance, hot.address, 3 * ETHER)
        assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.ACCEPTED
        again = await coin.spender.broadcast(signed)
        assert again.outcome is BroadcastOutcome.KNOWN, again
        other = await coin.spender.sign(
            coin.spender.plan(payout_of(hot, PAYEE, ETHER + 1, 0, 3 * ETHER), quote)
        )
        underpriced = await coin.spender.broadcast(other)
        assert underpriced.outcome is BroadcastOutcome.UNKNOWN, underpriced
        await asyncio.to_thread(node.mine)
        for late, outcome in ((signed, BroadcastOutcome.KNOWN), (other, BroadcastOutcome.UNKNOWN)):
            result = await coin.spender.broadcast(late)
            assert result.outcome is outcome, result
            assert "nonce too low" in result.detail
        assert await coin.reader.is_in_chain_or_mempool(signed.txid) is True
        assert await coin.reader.is_in_chain_or_mempool(other.txid) is False
        assert await coin.reader.sent_count(hot.script) == 1
        assert await coin.reader.sent_count(b"\x77" * 20) == 0
        broken = await coin.spender.broadcast(SignedTx(signed.txid, signed.raw[:-4]))
        assert broken.outcome in (BroadcastOutcome.UNKNOWN, BroadcastOutcome.REJECTED)
        await asyncio.to_thread(node.kill)
        lost = await coin.spender.broadcast(signed)
        assert lost.outcome is BroadcastOutcome.UNKNOWN


async def test_e22_a_node_of_another_chain_takes_no_bytes(fresh_anvil: AnvilNode) -> None:
    settings = eth_settings(fresh_anvil.rpc_url)
    async with opened(settings) as coin:
        hot = await hot_of(coin)
        plan = coin.spender.plan(payout_of(hot, PAYEE, 1, 0, ETHER), await coin.spender.quote())
        signed = await coin.spender.sign(plan)
    async with opened(eth_settings(fresh_anvil.rpc_url, chain_id=56)) as foreign:
        result = await foreign.spender.broadcast(replace(signed))
        assert result.outcome is BroadcastOutcome.UNKNOWN
        assert "chain id" in result.detail


# --- planning, without a node -----------------------------------------------------------------------

SETTINGS = eth_settings()
SPENDER = EvmSpender(SETTINGS, EvmRpc(SETTINGS.node, SETTINGS.chain_id), LocalSigner(SETTINGS))
HOT = OwnScript(b"\x22" * 20, "0x" + "22" * 20, Branch.HOT, 0)
DEPOSIT = OwnScript(b"\x33" * 20, "0x" + "33" * 20, Branch.DEPOSIT, 4)
QUOTE = FeeQuote(max_fee_wei=21, priority_fee_wei=1, base_fee_wei=10)


def sweep_of(balance: int) -> PayoutWork:
    return PayoutWork(
        "s1", "sweep", "ETH", TxOutput(HOT.script, HOT.address, 0), source=DEPOSIT, nonce=2, balance=balance
    )


@given(st.integers(0, 2**256 - 1), st.integers(0, 10**12), st.integers(0, 10**11))
def test_e15_a_sweep_spends_every_unit_of_any_balance(balance: int, base: int, tip: int) -> None:
    quote = quote_fee(base, tip, SETTINGS.max_fee_wei)
    if base > SETTINGS.max_fee_wei or quote.max_fee_wei == 0:
        return
    if balance <= 21_000 * sweep_price(quote):
        with pytest.raises(PlanError, match="does not pay its own sweep"):
            SPENDER.plan(sweep_of(balance), quote)
        return
    plan = SPENDER.plan(sweep_of(balance), quote)
    tx = decode_payload(plan.payload)
    assert tx.max_fee_wei == tx.priority_fee_wei >= base
    assert plan.outputs[0].amount + plan.fee == balance
    assert (tx.value, tx.to, tx.nonce) == (plan.outputs[0].amount, HOT.script, 2)


@given(st.integers(1, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_e15_a_payout_is_exact_or_waits(amount: int, balance: int) -> None:
    work = payout_of(HOT, PAYEE, amount, 7, balance)
    fee = 21_000 * QUOTE.max_fee_wei
    if balance < amount + fee:
        with pytest.raises(PlanError) as failure:
            SPENDER.plan(work, QUOTE)
        assert failure.value.waiting_for == ("funds" if balance < amount else "gas")
        return
    plan = SPENDER.plan(work, QUOTE)
    assert (plan.outputs[0].amount, plan.fee, plan.nonce, plan.sender) == (amount, fee, 7, HOT)
    tx = decode_payload(plan.payload)
    assert (tx.value, tx.max_fee_wei, tx.priority_fee_wei, tx.chain_id) == (amount, 21, 1, 31337)


def test_dear_gas_is_waited_for() -> None:
    quote = quote_fee(SETTINGS.max_fee_wei + 1, 1, SETTINGS.max_fee_wei)
    for work in (payout_of(HOT, PAYEE, 1, 0, ETHER), sweep_of(ETHER)):
        with pytest.raises(PlanError) as failure:
            SPENDER.plan(work, quote)
        assert failure.value.waiting_for == "gas"


@pytest.mark.parametrize("missing", [{"source": None}, {"nonce": None}, {"balance": None}])
def test_work_without_a_lane_is_no_work(missing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="source, nonce and balance"):
        SPENDER.plan(replace(payout_of(HOT, PAYEE, 1, 0, ETHER), **missing), QUOTE)


class Forger(LocalSigner):
    """A signer that signs something else than it was asked."""

    forged: SignedTx

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        return self.forged


async def test_a_signer_that_signs_something_else_is_not_believed() -> None:
    forger = Forger(SETTINGS)
    spender = EvmSpender(SETTINGS, EvmRpc(SETTINGS.node, SETTINGS.chain_id), forger)
    async with opened(SETTINGS) as coin:
        hot = await hot_of(coin)
        wanted = coin.spender.plan(payout_of(hot, PAYEE, 5, 0, ETHER), QUOTE)
        for other in (payout_of(hot, PAYEE, 6, 0, ETHER), payout_of(hot, PAYEE, 5, 1, ETHER)):
            forger.forged = await coin.spender.sign(coin.spender.plan(other, QUOTE))
            with pytest.raises(SignerError, match="differs from the plan"):
                await spender.sign(wanted)
        forger.forged = await coin.spender.sign(wanted)
        assert await spender.sign(wanted) == forger.forged
