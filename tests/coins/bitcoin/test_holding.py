"""What scripts own by the node's set of unspent outputs: exact, by script, and never of two blocks."""

from __future__ import annotations

import pytest

from coins.bitcoin.holding import METHOD, SCRIPTS_MAX, Unspent, read_unspent
from coins.bitcoin.rpc import RpcClient
from coins.errors import NodeDataError, NodeUnavailableError
from coins.registry import open_coin
from coins.types import BlockRef, Branch, Location, Outpoint
from tests.coins.bitcoin.fake_node import FakeNode, Raw, Refusal, door
from tests.coins.bitcoin.setup import FakeSigner, settings_for

MONEY = 21_000_000 * 10**8
TIP = "ab" * 32


def scanned(*unspents: str, height: int = 5) -> Raw:
    return Raw(
        f'{{"success": true, "height": {height}, "bestblock": "{TIP}", "unspents": [{", ".join(unspents)}]}}'
    )


def output(number: int, script: str, amount: str, vout: int = 0) -> str:
    place = f'"txid": "{number:064x}", "vout": {vout}, "height": 1'
    return f'{{{place}, "scriptPubKey": "{script}", "amount": {amount}}}'


async def test_each_script_with_what_it_owns_at_one_block(fake_node: FakeNode) -> None:
    fake_node.results[METHOD] = scanned(
        output(1, "0051", "0.00000001"), output(1, "0051", "20999999.99999999", 1), output(2, "0052", "0.5"),
        output(3, "0099", "1"),
    )  # fmt: skip
    rpc = RpcClient(door(fake_node))
    unspent = await read_unspent(rpc, [b"\x00\x51", b"\x00\x52", b"\x00\x53"], MONEY)
    await rpc.close()
    assert len(unspent.outputs) == 3
    places = {b"\x00\x51": Location.DEPOSIT, b"\x00\x52": Location.HOT, b"\x00\x53": Location.COLD}
    held = unspent.holdings(BlockRef(5, TIP, "cd" * 32), "http://node", "BTC", places)
    assert held.amounts["BTC"] == {
        Location.DEPOSIT: 21_000_000 * 10**8, Location.HOT: 5 * 10**7, Location.COLD: 0,
    }  # fmt: skip
    assert held.scripts["BTC"] == {b"\x00\x51": 21_000_000 * 10**8, b"\x00\x52": 5 * 10**7}
    assert held.asked is not None
    assert (held.asked.method, held.asked.scripts, held.asked.from_height) == (METHOD, 3, 5)
    with pytest.raises(NodeDataError, match="do not belong together"):
        unspent.holdings(BlockRef(6, TIP, "cd" * 32), "", "BTC", places)


async def test_an_output_told_twice_and_too_many_scripts_are_refused(fake_node: FakeNode) -> None:
    fake_node.results[METHOD] = scanned(output(1, "0051", "1"), output(1, "0051", "1"))
    rpc = RpcClient(door(fake_node))
    with pytest.raises(NodeDataError, match="twice"):
        await read_unspent(rpc, [b"\x00\x51"], MONEY)
    with pytest.raises(NodeUnavailableError, match="more than"):
        await read_unspent(rpc, [b"\x00"] * (SCRIPTS_MAX + 1), MONEY)
    await rpc.close()


def test_nothing_unspent_is_zero_everywhere() -> None:
    held = Unspent(5, TIP, {}).holdings(BlockRef(5, TIP, "cd" * 32), "", "BTC", {b"\x51": Location.HOT})
    assert held.amounts == {"BTC": dict.fromkeys(Location, 0)}
    assert Unspent(5, TIP, {Outpoint("ab", 0): (b"\x51", 3)}).outputs


async def test_a_scan_for_somebody_else_is_waited_for_and_another_refusal_is_not(
    fake_node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coins.bitcoin.holding.BUSY_S", 0)
    busy = Refusal(-8, 'Scan already in progress, use action "abort" or "status"')
    answers: list[object] = [busy, busy, scanned(output(1, "0051", "1"))]
    fake_node.results[METHOD] = lambda *_: answers.pop(0)
    rpc = RpcClient(door(fake_node))
    assert len((await read_unspent(rpc, [b"\x00\x51"], MONEY)).outputs) == 1
    fake_node.results[METHOD] = busy
    with pytest.raises(NodeUnavailableError, match="in progress"):
        await read_unspent(rpc, [b"\x00\x51"], MONEY)
    asked = len(fake_node.seen)
    fake_node.results[METHOD] = Refusal(-8, "Invalid descriptor")
    with pytest.raises(NodeUnavailableError, match="descriptor"):
        await read_unspent(rpc, [b"\x00\x51"], MONEY)
    assert len(fake_node.seen) == asked + 1
    await rpc.close()


@pytest.mark.parametrize("kind", ["bitcoind", "litecoind"])
async def test_single_scripts_find_what_a_ranged_descriptor_finds(
    request: pytest.FixtureRequest, kind: str
) -> None:
    node = request.getfixturevalue(kind)
    settings, first, count = settings_for(node), 5_000, 40
    coin = await open_coin(settings, FakeSigner(settings))
    rpc = RpcClient(settings.node)
    try:
        own = [await coin.deriver.derive(Branch.DEPOSIT, first + number) for number in range(count)]
        for number, amount_display in ((0, "0.01"), (17, "0.02"), (17, "0.03"), (count - 1, "0.04")):
            node.send(own[number].address, amount_display)
        node.mine()
        single = await read_unspent(rpc, [each.script for each in own], settings.max_money)
        xpub = await FakeSigner(settings).account_xpub(settings.currency, 0)
        wanted = [{"desc": f"wpkh({xpub}/0/*)", "range": [first, first + count - 1]}]
        ranged = node.rpc("scantxoutset", "start", wanted)
    finally:
        await rpc.close()
        await coin.reader.close()
    assert (single.height, single.block_hash) == (ranged["height"], ranged["bestblock"])
    assert {(at.txid, at.index, *each, single.heights[at]) for at, each in single.outputs.items()} == {
        (
            each["txid"],
            each["vout"],
            bytes.fromhex(each["scriptPubKey"]),
            round(float(each["amount"]) * 10**8),
            each["height"],
        )
        for each in ranged["unspents"]
    }
    assert sorted(amount for _, amount in single.outputs.values())[-4:] == [1e6, 2e6, 3e6, 4e6]
