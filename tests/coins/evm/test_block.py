"""Tokens and payments by contracts in whole blocks, on a real chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from coins.evm.block import NATIVE, BlockBody
from coins.evm.trace import INTERNAL, InternalTransfer
from coins.evm.wire import FullBlock, Log, Tx
from coins.family import Coin
from coins.types import Block, Location, Receipt, TokenSend
from tests.coins.evm.world import eth_settings, opened, token_settings
from tests.nodes.contract import Contract, Mode, deploy, deploy_token
from tests.nodes.regtest import AnvilNode

DEP, DEP_2 = "0x" + "5b" * 20, "0x" + "5c" * 20
OWN = (bytes.fromhex(DEP[2:]), bytes.fromhex(DEP_2[2:]))


def settings_for(node: AnvilNode, *tokens: Contract, **changes: Any) -> Any:
    """Ether with these tokens as T0-ETH, T1-ETH …"""
    named = [token_settings(token.address, f"T{n}-ETH") for n, token in enumerate(tokens)]
    return eth_settings(node.rpc_url, tokens=tuple(named), **changes)


async def block_at(coin: Coin, height: int | None = None) -> Block:
    """A block of the chain, the latest one unless told."""
    head = await coin.reader.head()
    ref = await coin.reader.block_ref(head.height if height is None else height)
    assert ref is not None
    return await coin.reader.read_block(ref.height, ref.block_hash, coin.index)


async def latest_of(node: AnvilNode, *tokens: Contract, own: Sequence[bytes] = OWN, **changes: Any) -> Block:
    """Mine, and read the block with these accounts watched."""
    await asyncio.to_thread(node.mine)
    async with opened(settings_for(node, *tokens, **changes)) as coin:
        coin.index.add_scripts(own)
        return await block_at(coin)


def brief(block: Block) -> list[tuple[str, str, int, str]]:
    return [(one.currency, one.position, one.amount, one.doubt) for one in block.receipts]


# --- tokens -----------------------------------------------------------------------------------------


async def test_a_token_payment_is_a_receipt_of_that_token(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil)
    txid = token.send("transfer", DEP, 1_500_000)
    block = await latest_of(fresh_anvil, token)
    payer = bytes.fromhex(fresh_anvil.accounts[0][2:])
    assert block.receipts == (Receipt("T0-ETH", txid, "log:0", OWN[0], 1_500_000, sender=payer),)
    assert (block.sent, block.token_sends) == ((), ())


async def test_positions_count_inside_the_transaction(fresh_anvil: AnvilNode) -> None:
    """Events of other transactions before it, of strangers in it, and the same one mined again elsewhere."""
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    stranger = "0x" + "77" * 20
    for nonce in range(3):
        await node.call(
            "eth_sendTransaction",
            {
                "from": node.accounts[0], "to": token.address, "gas": "0x2dc6c0", "nonce": hex(nonce + 1),
                "data": token.data("transferMany", [stranger, DEP, stranger, DEP_2, DEP], [1, 2, 3, 4, 5]),
            },
        )  # fmt: skip
    block = await latest_of(node, token)
    expected = [("T0-ETH", f"log:{n}", amount, "") for n, amount in ((1, 2), (3, 4), (4, 5))]
    assert brief(block) == expected * 3
    assert len({receipt.txid for receipt in block.receipts}) == 3


async def test_sends_from_own_accounts_and_between_them(fresh_anvil: AnvilNode) -> None:
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    own = [bytes.fromhex(account[2:]) for account in node.accounts[:2]]
    outside = token.send("transfer", DEP, 70)
    inside = token.send("transfer", node.accounts[1], 30)
    block = await latest_of(node, token, own=own)
    assert block.token_sends == (
        TokenSend("T0-ETH", outside, "log:0", own[0], OWN[0], 70),
        TokenSend("T0-ETH", inside, "log:0", own[0], own[1], 30),
    )
    assert block.receipts == (Receipt("T0-ETH", inside, "log:0", own[1], 30, sender=own[0]),)
    assert {sent.txid for sent in block.sent} == {outside, inside}


async def test_tokens_taken_out_by_somebody_else_are_sends_too(fresh_anvil: AnvilNode) -> None:
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    own = [bytes.fromhex(node.accounts[0][2:])]
    token.send("approve", node.accounts[5], 10)
    await asyncio.to_thread(node.mine)
    txid = token.send("transferFrom", node.accounts[0], DEP, 10, sender=node.accounts[5])
    block = await latest_of(node, token, own=own)
    assert [(send.txid, send.amount) for send in block.token_sends] == [(txid, 10)]
    assert block.sent == ()


async def test_e06_a_token_that_says_false_moves_nothing(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil, mode=Mode.FALSE)
    token.send("transfer", DEP, 1000)
    assert brief(await latest_of(fresh_anvil, token)) == []


async def test_e07_an_event_without_movement_is_no_receipt(
    fresh_anvil: AnvilNode, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a contract that is listed by mistake; of one that is not, nothing is even looked at."""
    listed, unlisted = deploy_token(fresh_anvil, mode=Mode.LYING), deploy_token(fresh_anvil)
    txid = listed.send("transfer", DEP, 1000)
    listed.send("fake", fresh_anvil.accounts[3], DEP, 5000)
    unlisted.send("fake", fresh_anvil.accounts[3], DEP, 7000)
    unlisted.send("transfer", DEP, 1000)
    assert brief(await latest_of(fresh_anvil, listed)) == []
    assert f"T0-ETH: the contract told of 1000 in {txid} (log:0), 0 came" in caplog.text


async def test_e08_a_token_of_the_same_name_is_another_one(fresh_anvil: AnvilNode) -> None:
    true, false = (deploy_token(fresh_anvil, "USDT") for _ in range(2))
    false.send("transfer", DEP, 10**12)
    true.send("transfer", DEP, 5)
    assert brief(await latest_of(fresh_anvil, true)) == [("T0-ETH", "log:0", 5, "")]


async def test_e09_a_fee_on_the_way_is_not_credited(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil, mode=Mode.FEE)
    token.send("transfer", DEP, 1_000_000)
    token.send("transfer", DEP_2, 10)
    block = await latest_of(fresh_anvil, token)
    assert brief(block) == [("T0-ETH", "log:0", 900_000, ""), ("T0-ETH", "log:0", 9, "")]
    assert [token.call("balanceOf", account) for account in (DEP, DEP_2)] == [900_000, 9]


async def test_e12_payments_of_nothing_are_not_there(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil)
    own = [*OWN, bytes.fromhex(fresh_anvil.accounts[0][2:])]
    for _ in range(20):
        token.send("transferMany", [DEP] * 50, [0] * 50, sender=fresh_anvil.accounts[4])
    token.send("fake", fresh_anvil.accounts[0], DEP, 0, sender=fresh_anvil.accounts[4])
    block = await latest_of(fresh_anvil, token, own=own)
    assert (block.receipts, block.token_sends) == ((), ())


async def test_e13_events_of_another_form_are_skipped(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil)
    token.send("fakeCollectible", fresh_anvil.accounts[3], DEP, 1)
    for size in (0, 31, 33, 64):
        token.send("fakeData", fresh_anvil.accounts[3], DEP, size)
    token.send("transfer", DEP, 8)
    assert brief(await latest_of(fresh_anvil, token)) == [("T0-ETH", "log:0", 8, "")]


async def test_e14_a_token_that_is_paused_or_blocks_us_pays_nothing(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil)
    token.send("setBlocked", DEP, True)
    await asyncio.to_thread(fresh_anvil.mine)
    token.send("transfer", DEP, 5)
    token.send("transfer", DEP_2, 6)
    assert brief(await latest_of(fresh_anvil, token)) == [("T0-ETH", "log:0", 6, "")]
    token.send("setPaused", True)
    await asyncio.to_thread(fresh_anvil.mine)
    token.send("transfer", DEP_2, 7)
    assert brief(await latest_of(fresh_anvil, token)) == []


async def test_a_token_that_gives_no_result_pays_all_the_same(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil, mode=Mode.SILENT)
    token.send("transfer", DEP, 1000)
    assert brief(await latest_of(fresh_anvil, token)) == [("T0-ETH", "log:0", 1000, "")]


async def test_e15_amounts_are_exact_whatever_the_decimals(fresh_anvil: AnvilNode) -> None:
    """Base units go through untouched: from one to the largest number a contract can hold."""
    most = 2**256 - 1
    tokens = [deploy_token(fresh_anvil, "D", decimals, supply=most) for decimals in (0, 6, 8, 18, 30)]
    for token in tokens:
        token.send("transfer", DEP, 1)
        token.send("transfer", DEP_2, most - 1)
    block = await latest_of(fresh_anvil, *tokens)
    found = {(receipt.currency, receipt.script): receipt.amount for receipt in block.receipts}
    names = [f"T{n}-ETH" for n in range(5)]
    assert found == {
        **{(name, OWN[0]): 1 for name in names},
        **{(name, OWN[1]): most - 1 for name in names},
    }


async def test_a_balance_that_shrinks_in_the_same_block_cuts_the_receipt(fresh_anvil: AnvilNode) -> None:
    token = deploy_token(fresh_anvil)
    token.send("transfer", DEP, 1000)
    token.send("setBalance", DEP, 400)
    assert brief(await latest_of(fresh_anvil, token)) == [("T0-ETH", "log:0", 400, "")]


async def test_e18_the_same_payment_mined_again_has_the_same_position(fresh_anvil: AnvilNode) -> None:
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    async with opened(settings_for(node, token)) as coin:
        coin.index.add_scripts(OWN)
        token.send("transfer", "0x" + "77" * 20, 1, sender=node.accounts[0])
        token.send("transferMany", [DEP, DEP_2], [5, 6])
        await asyncio.to_thread(node.mine)
        before = await block_at(coin)
        raw = await node.call("eth_getRawTransactionByHash", before.receipts[0].txid)
        other = await node.call("eth_getRawTransactionByBlockNumberAndIndex", hex(before.ref.height), "0x0")
        await asyncio.to_thread(node.mine)
        await asyncio.to_thread(node.reorg, 2, [(other, 0), (raw, 1)])
        first, second = [await block_at(coin, before.ref.height + n) for n in (0, 1)]
        assert first.receipts == ()
        assert second.receipts == before.receipts


async def test_e05_holdings_tell_what_no_transaction_told(fresh_anvil: AnvilNode) -> None:
    """Value that appears from nowhere is nobody's credit; it is seen where chain and books are compared."""
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    forwarder = deploy(node, "Forwarder")
    token.send("transfer", DEP, 1000)
    token.send("setBalance", DEP_2, 77)
    forwarder.send("payByBomb", DEP, amount=5)
    block = await latest_of(node, token)
    assert brief(block) == [("T0-ETH", "log:0", 1000, "")]
    await asyncio.to_thread(node.set_balance, DEP_2, 9)
    async with opened(settings_for(node, token)) as coin:
        held = await coin.reader.holdings([(OWN[0], Location.DEPOSIT), (OWN[1], Location.HOT)])
    assert held.at == block.ref
    assert held.amounts == {
        "ETH": {Location.DEPOSIT: 5, Location.HOT: 9},
        "T0-ETH": {Location.DEPOSIT: 1000, Location.HOT: 77},
    }


async def test_holdings_leave_out_a_token_that_does_not_answer(fresh_anvil: AnvilNode) -> None:
    """Not known is not zero."""
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    nothing_there = Contract(node, "Token", "0x" + "66" * 20)
    async with opened(settings_for(node, token, nothing_there)) as coin:
        held = await coin.reader.holdings([(OWN[0], Location.DEPOSIT)])
    assert held.amounts.keys() == {"ETH", "T0-ETH"}


# --- payments by contracts --------------------------------------------------------------------------

TRACERS = ["trace_block", "debug"]


@pytest.mark.parametrize("internal", TRACERS)
async def test_e02_a_payment_by_a_contract_is_seen_once(fresh_anvil: AnvilNode, internal: str) -> None:
    forwarder = deploy(fresh_anvil, "Forwarder")
    txid = forwarder.send("pay", DEP, amount=10)
    block = await latest_of(fresh_anvil, internal=internal)
    assert block.receipts == (
        Receipt("ETH", txid, "trace:0", OWN[0], 10, sender=forwarder.script, doubt=INTERNAL),
    )
    async with opened(settings_for(fresh_anvil, internal=internal, internal_deposits="credit")) as coin:
        coin.index.add_scripts(OWN)
        (receipt,) = (await block_at(coin)).receipts
    assert receipt.doubt == ""


async def test_e02_without_a_tracer_it_is_not_seen(fresh_anvil: AnvilNode) -> None:
    deploy(fresh_anvil, "Forwarder").send("pay", DEP, amount=10)
    assert (await latest_of(fresh_anvil)).receipts == ()


@pytest.mark.parametrize("internal", TRACERS)
async def test_e04_one_refused_share_undoes_all(fresh_anvil: AnvilNode, internal: str) -> None:
    forwarder, refuser = deploy(fresh_anvil, "Forwarder"), deploy(fresh_anvil, "Refuser")
    forwarder.send("payMany", [DEP, DEP_2, refuser.address], amount=30)
    assert (await latest_of(fresh_anvil, internal=internal)).receipts == ()


@pytest.mark.parametrize("internal", TRACERS)
async def test_e04_what_an_inner_call_undid_was_never_paid(fresh_anvil: AnvilNode, internal: str) -> None:
    """The transaction succeeds; the frame that pays looks good, its parent failed."""
    forwarder, refuser = deploy(fresh_anvil, "Forwarder"), deploy(fresh_anvil, "Refuser")
    forwarder.send("payAndUndo", DEP, amount=10)
    forwarder.send("tryMany", [DEP, refuser.address, DEP_2], amount=30)
    forwarder.send("payDelegated", DEP, amount=7)
    forwarder.send("payByBomb", DEP_2, amount=8)
    fresh_anvil.send(DEP, 5)
    block = await latest_of(fresh_anvil, internal=internal)
    paid = [(receipt.position, receipt.script, receipt.amount) for receipt in block.receipts]
    assert sorted(paid) == sorted(
        [
            (NATIVE, OWN[0], 5),
            ("trace:0", OWN[0], 10),
            ("trace:2", OWN[1], 10),
            ("trace:0.0", OWN[0], 7),
            ("trace:0.0", OWN[1], 8),
        ]
    )
    assert fresh_anvil.balance(DEP) == 22
    assert fresh_anvil.balance(DEP_2) == 18


@pytest.mark.parametrize("internal", TRACERS)
async def test_blocks_of_all_kinds_at_once(fresh_anvil: AnvilNode, internal: str) -> None:
    """A contract pays tokens and value; an empty block has neither."""
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    forwarder = deploy(node, "Forwarder")
    token.send("transfer", forwarder.address, 100)
    assert (await latest_of(node, token, internal=internal)).receipts == ()
    forwarder.send("payToken", token.address, DEP, 40)
    forwarder.send("pay", DEP, amount=3)
    block = await latest_of(node, token, internal=internal)
    assert brief(block) == [("ETH", "trace:0", 3, INTERNAL), ("T0-ETH", "log:0", 40, "")]
    assert (await latest_of(node, token, internal=internal)).receipts == ()


def test_the_size_of_a_body_grows_with_all_that_is_in_it() -> None:
    tx = Tx("0x1", "0x2", "0x0", "0x0")
    log = Log("0x1", [], "0x", "0x1", "0x0")
    moved = InternalTransfer("0x1", (0,), OWN[0], OWN[1], 1)
    full = FullBlock("0x1", "0x2", "0x3", "0x4", transactions=[tx])
    bodies = [BlockBody(full), BlockBody(full, [log]), BlockBody(full, [], [moved])]
    alone, *more = [body.size_bytes for body in bodies]
    assert 0 < alone < min(more)
