"""Payouts and sweeps on a real anvil."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from coins.types import Branch, BroadcastOutcome, PayoutWork, SignedTx, TxOutput
from tests.coins.evm.world import ETHER, eth_settings, hot_of, opened, payout_of
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


async def test_answers_to_a_broadcast(fresh_anvil: AnvilNode) -> None:
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
        for late in (signed, other):
            result = await coin.spender.broadcast(late)
            assert result.outcome is BroadcastOutcome.UNKNOWN, result
            assert "nonce too low" in result.detail
        assert await coin.reader.is_in_chain_or_mempool(signed.txid) is True
        assert await coin.reader.is_in_chain_or_mempool(other.txid) is False
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
