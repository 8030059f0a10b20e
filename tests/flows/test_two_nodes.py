"""Two real nodes of one chain that part: no credit above the fork, no payout, until they agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.nodes.errors import RpcError
from tests.nodes.regtest import AnvilNode, BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]


@pytest.fixture
def nodes() -> Iterator[ExitStack]:
    """Second nodes, ended with the test."""
    with ExitStack() as stack:
        yield stack


def relay(source: BitcoinNode, target: BitcoinNode, fork: int = 0) -> None:
    """Give ``target`` the blocks of ``source`` above ``fork``, as a peer would."""
    for height in range(fork + 1, source.height + 1):
        block_hash = source.rpc("getblockhash", height)
        try:
            target.rpc("getblockheader", block_hash)
        except RpcError:
            assert target.rpc("submitblock", source.rpc("getblock", block_hash, 0)) in (None, "inconclusive")


async def part(shop: Shop, second: BitcoinNode, ours: int, theirs: int) -> int:
    """Both mine on from the same block, for themselves; the last height they share."""
    fork = shop.node.height
    assert second.tip == shop.node.tip
    await asyncio.to_thread(second.mine, theirs)
    await shop.mine(ours)
    return fork


async def heard(shop: Shop) -> None:
    """The second node answers now; after an answer of no use it is left alone for a while."""
    up = f'cashier_node_up{{currency="{shop.currency}",node="witness"}} 1.0'
    await shop.until(partial(asyncio.to_thread, shop.stage._metrics), lambda text: up in text)


async def named(shop: Shop, fork: int, second: BitcoinNode) -> None:
    """Health, metrics and list of currencies tell of the disagreement, with both hashes."""
    row = await shop.until_state("disagree")
    assert row["height"] == shop.node.height
    health = (await asyncio.to_thread(shop.stage.readiness))["currencies"][shop.currency]
    assert health["state"] == "disagree"
    for node in (shop.node, second):
        assert str(node.rpc("getblockhash", fork + 1)) in health["reason"]
    drawn = " ".join((await asyncio.to_thread(shop.stage.cli, "tree")).split())
    assert f"coin:{shop.currency} up disagree at height {fork + 1}" in drawn
    text = await asyncio.to_thread(shop.stage._metrics)
    assert 'cashier_currency_state{currency="BTC",state="disagree"} 1.0' in text
    assert 'cashier_node_up{currency="BTC",node="witness"} 1.0' in text


async def test_d32_two_bitcoinds_part_and_agree_again(
    make_stage: MakeStage, open_shop: OpenShop, nodes: ExitStack
) -> None:
    made: list[BitcoinNode] = []

    def add_second(stage: Stage) -> None:
        second = nodes.enter_context(BitcoinNode("bitcoind", stage.folder / "second"))
        stage.extra = {
            "CASHIER__COINS__BTC__WITNESS__URL": second.rpc_url,
            "CASHIER__COINS__BTC__WITNESS__USER": second.rpc_user,
            "CASHIER__COINS__BTC__WITNESS__PASSWORD": second.rpc_password,
            "CASHIER__COINS__BTC__WITNESS__RETRY_MAX_S": "1",
            "CASHIER__COINS__BTC__FINAL_DEPTH": "12",
            "CASHIER__COINS__BTC__MAX_REORG": "11",
        }
        made.append(second)

    stage = make_stage("BTC", before_start=add_second)
    second = made[0]
    shop = await open_shop(stage)
    first = shop.node
    await shop.fund("alice", "0.50000000", blocks=12)
    await asyncio.to_thread(relay, first, second)
    await shop.until_state("open")
    await heard(shop)

    await asyncio.to_thread(shop.pay, await shop.address("bob"), "0.20000000")
    fork = await part(shop, second, ours=3, theirs=3)
    await named(shop, fork, second)
    order = await shop.withdraw("alice", "0.10000000", await shop.chain.foreign_address())
    await asyncio.to_thread(second.mine, 3)
    await shop.mine(3)
    waiting = await shop.until(
        partial(shop.withdrawal, order["id"]), lambda row: row["waiting_for"] == "node"
    )
    assert (waiting["status"], waiting["attempts"]) == ("approved", [])
    assert [row["status"] for row in await shop.deposits("bob")] == ["confirming"]
    assert (await shop.balance("bob"))["available"] == "0.00000000"

    # The second one was wrong: it takes the first one's branch, and no block has to come.
    height = first.height
    await asyncio.to_thread(second.invalidate, str(second.rpc("getblockhash", fork + 1)))
    await asyncio.to_thread(relay, first, second, fork)
    await shop.until_state("open")
    await shop.until_deposit("bob", "credited")
    assert first.height == height
    await shop.until_withdrawal(order["id"], "confirmed", "final", mine=True)
    assert (await shop.balance("bob"))["available"] == "0.20000000"

    # The first one was wrong: it is reorganised, and what it alone had is credited where it is mined again.
    await asyncio.to_thread(relay, first, second, fork)
    await asyncio.to_thread(shop.pay, await shop.address("carol"), "0.30000000")
    fork = await part(shop, second, ours=4, theirs=6)
    await named(shop, fork, second)
    assert [row["status"] for row in await shop.deposits("carol")] == ["confirming"]
    await asyncio.to_thread(relay, second, first, fork)
    await shop.until_tip()
    await shop.until_state("open")
    assert (await shop.balance("carol"))["available"] == "0.00000000"
    await shop.mine(3)
    await asyncio.to_thread(relay, first, second, fork)
    await shop.until_deposit("carol", "credited")
    rows = await shop.deposits("carol")
    assert [row["block_height"] for row in rows if row["status"] == "credited"] == [fork + 7]
    assert (await shop.balance("carol"))["available"] == "0.30000000"
    assert (await shop.balance("alice"))["deficit"] == "0.00000000"
    shop.check_books()


def anvil_beside(first: AnvilNode, folder: Path) -> AnvilNode:
    """A second anvil with the first one's blocks so far, and its own from there."""
    return AnvilNode(folder, chain_id=first.chain_id, extra=("--fork-url", first.rpc_url))


def take_over(first: AnvilNode, second: AnvilNode) -> None:
    """The second one drops its own blocks and takes the first one's."""
    second.rpc("anvil_reset", {"forking": {"jsonRpcUrl": first.rpc_url, "blockNumber": first.height}})
    assert second.tip == first.tip


async def test_d32_two_anvils_part_and_agree_again(
    make_stage: MakeStage, open_shop: OpenShop, nodes: ExitStack, tmp_path: Path
) -> None:
    stage = make_stage("ETH")
    first = stage.chains[0].node
    assert isinstance(first, AnvilNode)
    first.mine(3)
    second = nodes.enter_context(anvil_beside(first, tmp_path / "second"))
    stage.extra = {
        "CASHIER__COINS__ETH__WITNESS__URL": second.rpc_url,
        "CASHIER__COINS__ETH__WITNESS__RETRY_MAX_S": "1",
        "CASHIER__COINS__ETH__WITNESS_REQUIRED": "true",
    }
    shop = await open_shop(stage)
    address = await shop.address("bob")
    await asyncio.to_thread(shop.pay, address, "2")
    await asyncio.to_thread(second.mine, 4)
    await shop.mine(4)
    fork = first.height - 4
    await shop.until_state("disagree")
    reason = (await asyncio.to_thread(stage.readiness))["currencies"]["ETH"]["reason"]
    for node in (first, second):
        assert str(node.rpc("eth_getBlockByNumber", hex(fork + 1), False)["hash"]) in reason
    assert [row["status"] for row in await shop.deposits("bob")] == ["confirming"]

    await asyncio.to_thread(take_over, first, second)
    await shop.until_state("open")
    found: dict[str, Any] = await shop.until_deposit("bob", "credited")
    assert found["block_height"] == fork + 1
    assert (await shop.balance("bob"))["available"] == f"2.{'0' * 18}"

    # Required and gone: nothing is credited, nothing leaves.
    await asyncio.to_thread(second.kill)
    await asyncio.to_thread(shop.pay, await shop.address("carol"), "1")
    await shop.mine(5)
    await shop.until_state("down")
    order = await shop.withdraw("bob", "1", await shop.chain.foreign_address())
    read = partial(shop.withdrawal, order["id"])
    await shop.until(read, lambda row: row["waiting_for"] == "node")
    assert [row["status"] for row in await shop.deposits("carol")] == ["confirming"]
    await asyncio.to_thread(second.start)
    await asyncio.to_thread(take_over, first, second)
    await shop.until_deposit("carol", "credited")
    await shop.until_state("open")
    await shop.until(
        read, lambda row: row["waiting_for"] == "funds"
    )  # nothing was swept to the hot account yet
    shop.check_books()
