"""Unconfirmed payments."""

from __future__ import annotations

import pytest

from coins.bitcoin import mempool
from coins.errors import NodeDataError
from coins.family import Coin
from coins.index import WatchIndex
from tests.coins.bitcoin.fake_node import FakeNode, Refusal


async def test_the_mempool_is_fetched_once(fake_node: FakeNode, fake_coin: Coin) -> None:
    script = b"\x00\x14" + b"\x01" * 20
    raw = (
        "02000000"
        + "01"
        + "11" * 32
        + "00000000"
        + "00"
        + "ffffffff"
        + "01"
        + (500).to_bytes(8, "little").hex()
    )
    raw += "16" + script.hex() + "00000000"
    asked: list[str] = []
    fake_node.results["getrawmempool"] = ["aa" * 32, "bb" * 32]

    def fetch(txid: str, _: bool) -> object:
        asked.append(txid)
        return Refusal(-5) if txid == "bb" * 32 and len(asked) < 3 else raw

    fake_node.results["getrawtransaction"] = fetch
    index = WatchIndex([script])
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


@pytest.mark.parametrize("listed", [None, {}, ["zz" * 32], [1], "ab", [["ab" * 32]]])
async def test_d23_a_hostile_list_is_refused(fake_node: FakeNode, fake_coin: Coin, listed: object) -> None:
    fake_node.results["getrawmempool"] = listed
    with pytest.raises(NodeDataError, match="getrawmempool"):
        await fake_coin.reader.mempool(WatchIndex())
