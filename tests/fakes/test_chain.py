"""The chain in memory behaves as real ones do, or the tests on it would lie."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from coins.errors import InvalidAddressError, NodeUnavailableError, PlanError
from coins.types import Branch, BroadcastOutcome, Head, Location, PayoutWork, TxOutput
from tests.fakes.chain import FakeChain, FakeIndex, FakeTx, InvalidTxError
from tests.fakes.coin import FakeReader, FakeSpender, chain_holdings, foreign, make_coin, own_script, signed

ALICE = b"alice"


def test_a_reorg_returns_what_it_undoes_to_the_mempool() -> None:
    chain = FakeChain()
    tx = chain.pay((ALICE, 5))
    chain.mine(2)
    assert chain_holdings(chain, [(ALICE, Location.DEPOSIT)]) == {Location.DEPOSIT: 5}
    chain.reorg(2)
    assert list(chain.mempool) == [tx.txid]
    assert chain.tip.ref.height == chain.anchor.ref.height + 3
    assert chain_holdings(chain, [(ALICE, Location.DEPOSIT)]) == {Location.DEPOSIT: 0}


def test_a_double_spend_pushes_the_other_out() -> None:
    chain = FakeChain()
    tx = chain.pay((ALICE, 5))
    rival = chain.pay((b"bob", 5), conflicts=tx)
    with pytest.raises(InvalidTxError):
        chain.send(rival)
    chain.mine(1, [rival])
    assert chain.mempool == {}
    with pytest.raises(InvalidTxError):
        chain.send(tx)


def test_the_same_story_gives_the_same_hashes() -> None:
    tips = []
    for _ in range(2):
        chain = FakeChain("ETH", "account")
        chain.pay((ALICE, 5))
        chain.mine(3)
        chain.reorg(1)
        tips.append(chain.tip.ref.block_hash)
    assert tips[0] == tips[1]


def test_nonces_and_balances_are_kept() -> None:
    chain = FakeChain("ETH", "account")
    chain.pay((ALICE, 100))
    chain.mine()
    with pytest.raises(InvalidTxError):
        chain.send(FakeTx(((b"bob", 10),), sender=ALICE, nonce=1))
    with pytest.raises(InvalidTxError):
        chain.send(FakeTx(((b"bob", 100),), sender=ALICE, nonce=0, gas_fee=1))
    tx = FakeTx(((b"bob", 10),), sender=ALICE, nonce=0, gas_fee=1)
    assert FakeTx.decode(tx.encode()) == tx
    chain.failing.add(tx.txid)
    chain.send(tx)
    chain.mine()
    held = chain_holdings(chain, [(ALICE, Location.DEPOSIT), (b"bob", Location.HOT)])
    assert held == {Location.DEPOSIT: 99, Location.HOT: 0}
    index = FakeIndex()
    index.add_script(ALICE)
    (sent,) = chain.block(chain.tip.ref.block_hash, index).sent
    assert (sent.is_success, sent.gas_fee, sent.nonce) == (False, 1, 0)


async def test_a_reader_wakes_when_the_chain_moves() -> None:
    chain = FakeChain()
    coin = make_coin(chain)
    reader = coin.reader
    assert isinstance(reader, FakeReader)
    head = await reader.head()
    waiting = asyncio.create_task(reader.wait_change(head, 60))
    await asyncio.sleep(0)
    chain.mine()
    await waiting
    assert await reader.head() == Head(head.height + 1, chain.tip.ref.block_hash)
    await reader.wait_change(head, 0.001)
    assert chain.listeners == []
    reader.is_down = True
    with pytest.raises(NodeUnavailableError):
        await reader.head()


async def test_a_coin_plans_signs_and_sends() -> None:
    chain = FakeChain("ETH", "account")
    coin = make_coin(chain)
    spender = coin.spender
    assert isinstance(spender, FakeSpender)
    hot = await coin.deriver.derive(Branch.HOT, 0)
    assert hot == own_script("ETH", Branch.HOT, 0)
    chain.pay((hot.script, 10**6))
    chain.mine()
    payee = foreign("shop", "ETH")
    assert coin.deriver.parse(payee.address) == payee
    for text in ("btc:00", "eth:00", "eth:zz"):
        with pytest.raises(InvalidAddressError):
            coin.deriver.parse(text)
    output = TxOutput(payee.script, payee.address, 1_000)
    work = PayoutWork("pay_1", "payout", "ETH", output, source=hot, nonce=0, balance=10**6)
    plan = spender.plan(work, await spender.quote())
    bytes_ = await spender.sign(plan)
    assert bytes_ == signed(plan)
    spender.lose_answers = 1
    assert (await spender.broadcast(bytes_)).outcome is BroadcastOutcome.UNKNOWN
    assert (await spender.broadcast(bytes_)).outcome is BroadcastOutcome.KNOWN
    assert await coin.reader.is_in_chain_or_mempool(bytes_.txid)
    with pytest.raises(PlanError):
        spender.plan(replace(work, balance=5), await spender.quote())
