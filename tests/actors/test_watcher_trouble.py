"""Nodes that are down, behind, of another network or tell nonsense: a state, and never a wrong number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.errors import (
    CoinError,
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    WrongNetworkError,
)
from ledger import connect
from tests.actors.desk import open_desk
from tests.actors.doors import DeskReader
from tests.ledger.books import rows

MAX_REORG = 5


@pytest.mark.parametrize(
    ("trouble", "state"),
    [
        (NodeUnavailableError("-18: no wallet is loaded"), "down"),
        (NodeSyncingError("-28: loading the block index"), "behind"),
        (NodeSyncingError("initial block download: 5 of 900000"), "behind"),
        (NodeUnavailableError("no answer within 30 s"), "down"),
    ],
)
async def test_d28_d29_an_error_of_the_node_is_a_state_and_never_a_zero(
    tmp_path: Path, trouble: CoinError, state: str
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 200_000)
        desk.readers["BTC"].trouble = trouble
        await desk.poke()
        assert await desk.state() == state
        assert (await desk.status()).detail == str(trouble)
        assert await desk.balance("alice") == (200_000, 0, 0)
        assert rows(desk.path, "SELECT count(*) FROM deposit WHERE status = 'final'") == [(1,)]
        view = await desk.withdraw("alice", 60_000)
        await desk.pass_time(5)
        assert desk.spenders["BTC"].signed == []
        assert (await desk.withdrawal(view.id)).status == "approved"
        desk.readers["BTC"].trouble = None
        await desk.pass_time(5)
        assert await desk.state() == "open"
        assert len(desk.spenders["BTC"].signed) == 1


async def test_d34_a_node_of_another_network_is_refused_at_the_start(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC", is_started=False) as desk:
        reader = desk.readers["BTC"] = DeskReader(desk.chains["BTC"], desk.clock)
        reader.trouble = WrongNetworkError("genesis block differs")
        desk.chains["BTC"].mine(3)
        await desk.start()
        await desk.rest()
        assert await desk.state() == "halted"
        assert desk.height() == -1
        assert reader.blocks_read == []
        assert await desk.state("LTC") == "open"


async def test_e22_a_node_swapped_at_a_reconnect_is_refused_and_nothing_is_signed(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH") as desk:
        amount = 10**17
        await desk.fund("alice", amount, "ETH")
        signed_before = len(desk.spenders["ETH"].signed)
        desk.readers["ETH"].trouble = WrongNetworkError("chain id 56, 31337 is configured")
        view = await desk.withdraw("alice", amount // 10, "ETH")
        await desk.rest()
        assert len(desk.spenders["ETH"].signed) == signed_before
        await desk.pass_time(3)
        assert await desk.state("ETH") == "halted"
        assert len(desk.spenders["ETH"].signed) == signed_before
        assert desk.attempts()[signed_before:] == []
        assert (await desk.withdrawal(view.id)).status == "approved"


async def test_d36_a_block_that_breaks_stops_its_own_coin_only_and_is_tried_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        await desk.pay("alice", 50_000)
        reader = desk.readers["BTC"]
        reader.bad_block = (101, NodeDataError("output 3 holds -1"))
        await desk.mine()
        assert await desk.state() == "halted"
        assert desk.height() == 100
        await desk.fund("bob", 7_000_000, "LTC")
        assert await desk.balance("bob", "LTC") == (7_000_000, 0, 0)
        assert await desk.state("LTC") == "open"
        reader.bad_block = None
        await desk.pass_time(3)
        assert desk.height() == 101
        assert await desk.state() == "open"
        assert await desk.balance("alice") == (0, 0, 50_000)


async def test_d23_a_block_that_the_ledger_refuses_halts_the_coin(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        await desk.pay("alice", 50_000)
        chain = desk.chains["BTC"]
        honest = chain.block

        def lying(block_hash: str, index: Any) -> Any:
            block = honest(block_hash, index)
            return replace(block, receipts=tuple(replace(each, amount=-1) for each in block.receipts))

        chain.block = lying  # type: ignore[method-assign]
        await desk.mine()
        assert await desk.state() == "halted"
        assert desk.height() == 100
        assert await desk.balance("alice") == (0, 0, 0)
        assert await desk.state("LTC") == "open"
        chain.block = honest  # type: ignore[method-assign]
        await desk.pass_time(3)
        assert await desk.state() == "open"
        assert await desk.balance("alice") == (0, 0, 50_000)


@pytest.mark.parametrize("error", [NodeUnavailableError, NodeDataError])
async def test_d36_a_nodes_words_that_nobody_can_write_down_stop_neither_the_ledger_nor_other_coins(
    tmp_path: Path, error: type[CoinError]
) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        desk.readers["BTC"].trouble = error("half of a pair: \ud800")
        await desk.poke()
        await desk.pass_time(20)
        assert await desk.state() == ("halted" if error is NodeDataError else "down")
        assert (await desk.status()).detail == "half of a pair: \\ud800"
        await desk.fund("bob", 7_000_000, "LTC")
        assert (await desk.balance("bob", "LTC"), await desk.state("LTC")) == ((7_000_000, 0, 0), "open")
        desk.readers["BTC"].trouble = None
        await desk.pass_time(5)
        assert await desk.state() == "open"


async def test_d36_a_block_that_the_books_break_on_stops_neither_the_ledger_nor_other_coins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        scripts = [await desk.script_of(f"client{number}") for number in range(100)]
        for script in scripts:
            desk.chains["BTC"].pay((script, 20_000))
        ledger = desk.directory._entries["ledger"].incarnation
        booked: list[object] = []
        honest = connect._book_deposit

        def failing(*arguments: Any) -> None:
            booked.append(arguments)
            if len(booked) % 100 == 37:
                raise KeyError("tx 37 of 100")
            honest(*arguments)

        monkeypatch.setattr(connect, "_book_deposit", failing)
        await desk.mine()
        assert await desk.state() == "halted"
        assert desk.height() == 100
        assert rows(desk.path, "SELECT count(*) FROM deposit") == [(0,)]
        monkeypatch.setattr(connect, "_book_deposit", honest)
        await desk.fund("bob", 7_000_000, "LTC")
        assert await desk.balance("bob", "LTC") == (7_000_000, 0, 0)
        await desk.pass_time(5)
        assert await desk.state() == "open"
        assert rows(desk.path, "SELECT count(*) FROM deposit WHERE currency = 'BTC'") == [(100,)]
        assert desk.directory._entries["ledger"].incarnation == ledger


async def test_d24_a_txid_in_two_blocks_is_credited_once_and_somebody_is_told(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC") as desk:
        tx = await desk.pay("alice", 50_000)
        chain = desk.chains["BTC"]
        honest = chain.block
        await desk.mine(2)
        first = chain.block(desk.chains["BTC"].refs()[1].block_hash, desk.coins["BTC"].index)  # type: ignore[arg-type]
        assert [receipt.txid for receipt in first.receipts] == [tx.txid]

        def repeating(block_hash: str, index: Any) -> Any:
            block = honest(block_hash, index)
            return replace(block, receipts=first.receipts) if block.ref.height == 103 else block

        chain.block = repeating  # type: ignore[method-assign]
        await desk.mine(4)
        assert await desk.balance("alice") == (50_000, 0, 0)
        assert rows(desk.path, "SELECT kind, txid FROM unclaimed_case") == [("duplicate", tx.txid)]
        assert rows(desk.path, "SELECT count(*) FROM event WHERE type = 'case.opened'") == [(1,)]
        assert await desk.state() == "open"
