"""Unconfirmed payments."""

from __future__ import annotations

import json
from typing import cast

import pytest

from coins.bitcoin import mempool
from coins.bitcoin.mempool import MempoolReader
from coins.bitcoin.reader import block_rules
from coins.bitcoin.rpc import RpcClient
from coins.bitcoin.wire import Tx, TxIn, TxOut
from coins.errors import NodeDataError
from coins.family import Coin
from coins.index import WatchIndex
from coins.types import Outpoint, Spend
from tests.coins.bitcoin.fake_node import FakeNode, Raw, Refusal
from tests.coins.bitcoin.setup import coin_settings

SCRIPT = b"\x00\x14" + b"\x01" * 20
RAW = Tx(2, (TxIn(Outpoint("11" * 32, 0), 2**32 - 1, b"", ()),), (TxOut(500, SCRIPT),), 0).serialize().hex()


async def test_the_mempool_is_fetched_once(fake_node: FakeNode, fake_coin: Coin) -> None:
    asked: list[str] = []
    fake_node.results["getrawmempool"] = ["aa" * 32, "bb" * 32]

    def fetch(txid: str, _: bool) -> object:
        asked.append(txid)
        return Refusal(-5) if txid == "bb" * 32 and len(asked) < 3 else RAW

    fake_node.results["getrawtransaction"] = fetch
    index = WatchIndex([SCRIPT])
    for count in (1, 2, 2):
        view = await fake_coin.reader.mempool(index)
        assert [(r.position, r.amount) for r in view.receipts] == [("0", 500)] * count
        assert view.txids == {"aa" * 32, "bb" * 32}
    assert sorted(asked) == ["aa" * 32, "bb" * 32, "bb" * 32]
    fake_node.results["getrawmempool"] = []
    assert (await fake_coin.reader.mempool(index)).receipts == ()
    fake_node.results |= {"getrawmempool": ["cc" * 32], "getrawtransaction": "00"}
    with pytest.raises(NodeDataError, match="breaks off"):
        await fake_coin.reader.mempool(index)


def spending(*points: Outpoint, script: bytes = SCRIPT) -> Tx:
    return Tx(2, tuple(TxIn(point, 2**32 - 1, b"", ()) for point in points), (TxOut(400, script),), 0)


async def test_spends_of_what_is_ours_are_told_whoever_made_them(
    fake_node: FakeNode, fake_coin: Coin
) -> None:
    ours, other = Outpoint("22" * 32, 1), Outpoint("22" * 32, 2)
    # The list is in no order: what spends an unconfirmed payment to us comes before it here.
    child, parent = "aa" * 32, "bb" * 32
    raws = {
        child: spending(Outpoint(parent, 0), script=b"\x51" * 22),
        parent: spending(Outpoint("33" * 32, 0)),
        "cc" * 32: spending(other, ours, script=b"\x51" * 22),
        "dd" * 32: spending(other, script=b"\x51" * 22),
    }
    fake_node.results |= {
        "getrawmempool": list(raws),
        "getrawtransaction": lambda txid, _: raws[txid].serialize().hex(),
    }
    index = WatchIndex([SCRIPT], [ours])
    for _ in range(2):
        view = await fake_coin.reader.mempool(index)
        assert set(view.spends) == {Spend(child, Outpoint(parent, 0), 400), Spend("cc" * 32, ours, 400)}
    fake_node.results["getrawmempool"] = []
    assert (await fake_coin.reader.mempool(index)).spends == ()


async def test_one_look_fetches_a_bounded_number(
    fake_node: FakeNode, fake_coin: Coin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mempool, "FETCHES_PER_LOOK", 120)
    txids = [f"{number:064x}" for number in range(300)]
    asked: list[str] = []
    fake_node.results["getrawmempool"] = txids

    def fetch(txid: str, _: bool) -> object:
        asked.append(txid)
        return Refusal(-5)  # gone meanwhile

    fake_node.results["getrawtransaction"] = fetch
    view = await fake_coin.reader.mempool(WatchIndex())
    assert (len(view.txids), len(asked)) == (300, 120)
    assert fake_node.batch_max == mempool.BATCH


async def test_what_is_new_comes_before_what_lay_there(
    fake_node: FakeNode, fake_coin: Coin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mempool, "FETCHES_PER_LOOK", 100)
    old = [f"{number:064x}" for number in range(2_500)]
    new = [f"{number:064x}" for number in range(9_000, 9_050)]
    asked: list[str] = []

    def fetch(txid: str, _: bool) -> object:
        asked.append(txid)
        return RAW

    fake_node.results |= {"getrawtransaction": fetch, "getrawmempool": old}
    index = WatchIndex([SCRIPT])
    assert len((await fake_coin.reader.mempool(index)).receipts) == 100
    fake_node.results["getrawmempool"] = Raw(json.dumps([*old, *new], separators=(",", ":")))
    view = await fake_coin.reader.mempool(index)
    assert (len(view.receipts), len(view.txids)) == (200, 2_550)
    assert set(new) < set(asked)
    for _ in range(24):
        view = await fake_coin.reader.mempool(index)
    assert (len(view.receipts), len(asked)) == (2_550, 2_550)


async def test_a_look_for_a_hint_leaves_the_node_in_peace_in_between() -> None:
    node = SlowNode()
    rules = block_rules(coin_settings("BTC"))
    reader = MempoolReader(cast(RpcClient, node), rules, lambda: node.now_s)
    assert reader.rest_s() < 0
    await reader.read(WatchIndex())
    assert reader.rest_s() == pytest.approx(mempool.REST_MIN_S)
    node.now_s += mempool.REST_MIN_S
    assert reader.rest_s() == pytest.approx(0)
    node.answer_s = 0.5
    await reader.read(WatchIndex())
    assert reader.rest_s() == pytest.approx(mempool.REST_SHARE * 0.5)


class SlowNode:
    """An empty mempool, told after ``answer_s``."""

    now_s = 100.0
    answer_s = 0.0

    async def call_text(self, method: str, *params: object) -> bytes:
        self.now_s += self.answer_s
        return b"[]"

    async def batch(self, method: str, params: object) -> list[object]:
        raise AssertionError("nothing to fetch")


ONE = "ab" * 32


@pytest.mark.parametrize("broken", [f'["{ONE}","{ONE}]', "[]x", f'["{ONE}" "{ONE}"]', f'["{ONE}",]'])
async def test_d23_a_list_that_is_none_is_refused(fake_node: FakeNode, fake_coin: Coin, broken: str) -> None:
    fake_node.results["getrawmempool"] = Raw(broken)
    with pytest.raises(NodeDataError):
        await fake_coin.reader.mempool(WatchIndex())


async def test_d23_one_bad_hash_among_thousands_is_refused(fake_node: FakeNode, fake_coin: Coin) -> None:
    for place in (0, 1_500, 2_999):
        listed = [f"{number:064x}" for number in range(3_000)]
        listed[place] = "x" * 64
        fake_node.results["getrawmempool"] = Raw(json.dumps(listed, separators=(",", ":")))
        with pytest.raises(NodeDataError, match="getrawmempool"):
            await fake_coin.reader.mempool(WatchIndex())


@pytest.mark.parametrize("listed", [None, {}, ["zz" * 32], [1], "ab", [["ab" * 32]]])
async def test_d23_a_hostile_list_is_refused(fake_node: FakeNode, fake_coin: Coin, listed: object) -> None:
    fake_node.results["getrawmempool"] = listed
    with pytest.raises(NodeDataError, match="getrawmempool"):
        await fake_coin.reader.mempool(WatchIndex())
