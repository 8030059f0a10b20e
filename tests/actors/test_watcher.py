"""What a watcher does with what a node tells, in a whole cashier."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from actors.in_flight import GetUnconfirmed
from coins.types import MempoolView
from tests.actors.desk import open_desk
from tests.actors.doors import UNAVAILABLE, DeskDeriver
from tests.fakes.clock import settle
from tests.ledger.books import rows

MAX_REORG = 5


async def test_a_payment_is_seen_confirmed_and_credited_at_the_right_block(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        assert await desk.state() == "open"
        await desk.pay("alice", 50_000)
        await desk.poke()
        assert await desk.balance("alice") == (0, 0, 0)
        await desk.mine()
        assert await desk.balance("alice") == (0, 0, 50_000)
        await desk.mine()
        assert await desk.balance("alice") == (0, 0, 50_000)
        await desk.mine()
        assert await desk.balance("alice") == (50_000, 0, 0)
        await desk.check_chain()


async def test_the_first_block_is_the_anchor_and_what_was_before_is_not_looked_at(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        assert desk.height() == desk.chains["BTC"].anchor.ref.height
        assert desk.readers["BTC"].blocks_read == []
        status = await desk.status()
        assert (status.state, status.height, status.node_height) == ("open", 100, 100)


async def test_d26_twenty_missed_blocks_are_walked(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        chain = desk.chains["BTC"]
        for number in range(20):
            await desk.pay(f"client{number}", 20_000 + number)
            chain.mine()
        assert desk.height() == 100
        await desk.poke()
        assert desk.height() == 120
        assert desk.readers["BTC"].blocks_read == list(range(101, 121))
        for number in range(18):
            assert await desk.balance(f"client{number}") == (20_000 + number, 0, 0)
        assert await desk.balance("client19") == (0, 0, 20_019)
        await desk.check_chain()


async def test_d26_without_any_notice_the_next_look_comes_by_itself(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 50_000)
        desk.chains["BTC"].mine(3)
        await desk.pass_time(1.0, 0.5)
        assert await desk.balance("alice") == (50_000, 0, 0)


async def test_d03_what_is_shown_and_no_longer_held_is_conflicted_at_the_next_look(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        tx = await desk.pay("alice", 50_000)
        await desk.poke()
        assert deposits(desk.path) == ["seen"]
        # Held, but not among the receipts any more: a node that builds a next block may leave it out.
        view = MempoolView((), frozenset({tx.txid}))
        reader = desk.readers["BTC"]

        async def mempool(index: Any) -> MempoolView:
            return view

        reader.mempool = mempool  # type: ignore[method-assign]
        await desk.poke()
        assert deposits(desk.path) == ["seen"]
        view = MempoolView((), frozenset())
        await desk.poke()
        assert deposits(desk.path) == ["conflicted"]
        assert await desk.balance("alice") == (0, 0, 0)


async def test_d03_after_a_restart_the_reader_is_told_what_was_shown(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        tx = await desk.pay("alice", 50_000)
        await desk.poke()
        chain = desk.chains["BTC"]
    async with open_desk(tmp_path, is_started=False) as desk:
        desk.chains["BTC"] = chain
        await desk.start()
        await desk.rest()
        assert desk.readers["BTC"].recalled == {tx.txid}
        assert deposits(desk.path) == ["seen"]


def deposits(path: Path) -> list[str]:
    return [str(status) for (status,) in rows(path, "SELECT status FROM deposit ORDER BY id")]


async def test_d27_notices_twice_or_for_nothing_change_nothing(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 50_000)
        desk.chains["BTC"].mine(2)
        for _ in range(5):
            desk.readers["BTC"].poke()
        await desk.rest()
        desk.chains["BTC"].mine()
        for _ in range(5):
            await desk.poke()
        assert desk.readers["BTC"].blocks_read == [101, 102, 103]
        assert await desk.balance("alice") == (50_000, 0, 0)


async def test_addresses_given_out_during_every_look_do_not_hold_the_chain_up(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        reader = desk.readers["BTC"]
        read_block = reader.read_block
        asked: list[asyncio.Future[Any]] = []

        async def read_slowly(height: int, block_hash: str, index: Any) -> Any:
            asked.append(asyncio.ensure_future(desk.address(f"client{len(asked)}")))
            await settle()
            return await read_block(height, block_hash, index)

        reader.read_block = read_slowly  # type: ignore[method-assign]
        await desk.pay("alice", 50_000)
        desk.chains["BTC"].mine(20)
        reader.poke()
        await desk.rest(lambda: desk.height() == 120)
        assert len(reader.blocks_read) < 100
        issued = await asyncio.gather(*asked)
        assert len({each.view.address for each in issued}) == len(asked)
        assert await desk.balance("alice") == (50_000, 0, 0)


async def test_a_reorg_takes_back_and_gives_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        tx = await desk.pay("alice", 50_000)
        await desk.mine(3)
        assert await desk.balance("alice") == (50_000, 0, 0)
        desk.chains["BTC"].reorg(3, [(), (), (), (tx,)])
        await desk.poke()
        assert await desk.balance("alice") == (0, 0, 50_000)
        assert desk.height() == 104
        await desk.mine(2)
        assert await desk.balance("alice") == (50_000, 0, 0)
        await desk.check_chain()


async def test_w11_a_payout_undone_and_mined_again_much_later_is_still_seen(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 200_000)
        view = await desk.withdraw("alice", 60_000)
        await desk.rest()
        await desk.mine()
        assert [state for _, state, _ in desk.attempts()] == ["mined"]
        desk.chains["BTC"].reorg(1)
        await desk.poke()
        for _ in range(2 * MAX_REORG):
            await desk.mine(txs=())
        assert [state for _, state, _ in desk.attempts()] == ["broadcast"]
        await desk.mine()
        assert [state for _, state, _ in desk.attempts()] == ["mined"]
        await desk.check_chain()
        await desk.mine(6)
        assert (await desk.withdrawal(view.id)).status == "final"
        assert rows(desk.path, "SELECT kind FROM unclaimed_case") == []


async def test_a_reorg_deeper_than_the_guard_halts_and_changes_nothing(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 50_000)
        await desk.mine(8)
        desk.chains["BTC"].reorg(6)
        await desk.poke()
        assert await desk.state() == "halted"
        assert await desk.balance("alice") == (50_000, 0, 0)
        assert desk.height() == 108


async def test_a_node_that_is_behind_is_a_state_and_takes_nothing_back(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        chain = desk.chains["BTC"]
        await desk.pay("alice", 50_000)
        await desk.mine(3)
        best = chain.tip.ref.block_hash
        chain.switch(chain.tip.ref.parent_hash)
        await desk.poke()
        assert await desk.state() == "behind"
        assert await desk.balance("alice") == (50_000, 0, 0)
        chain.switch(best)
        await desk.pass_time(3)
        assert await desk.state() == "open"


async def test_a_block_scanned_without_a_new_address_is_scanned_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        script = await desk.script_of("alice")
        # As if the scan had begun before the address was issued.
        slot = desk.parts.slots["BTC"]
        slot.coin.index.scripts.discard(script)  # type: ignore[attr-defined]
        slot.address_seq -= 1
        slot.loaded_seq = slot.address_seq
        desk.chains["BTC"].pay((script, 50_000))
        await desk.mine(3)
        assert desk.readers["BTC"].blocks_read == [101, 101, 102, 103]
        assert await desk.balance("alice") == (50_000, 0, 0)


async def test_an_answer_of_the_ledger_that_is_lost_credits_once(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 50_000)
        desk.faults.append("after commit")
        await desk.mine()
        await desk.pass_time(3)
        assert desk.height() == 101
        await desk.mine(2)
        assert await desk.balance("alice") == (50_000, 0, 0)
        await desk.check_chain()


async def test_l04_while_the_disk_is_full_nothing_is_lost_and_it_goes_on_alone(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 50_000)
        desk.faults.extend([UNAVAILABLE] * 12)
        await desk.mine(3)
        assert await desk.balance("alice") == (0, 0, 0)
        await desk.pass_time(30)
        assert desk.faults == []
        assert await desk.balance("alice") == (50_000, 0, 0)
        assert await desk.state() == "open"
        assert (await desk.tree_states())["watcher:BTC"] == "up"


async def test_the_mempool_is_told_only_when_it_changes(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 50_000)
        await desk.poke()
        seen = "SELECT count(*) FROM event WHERE type = 'deposit.seen'"
        assert rows(desk.path, seen) == [(1,)]
        batches = len(desk.batches)
        await desk.poke()
        await desk.poke()
        assert len(desk.batches) == batches
        await desk.pay("bob", 60_000)
        await desk.poke()
        assert rows(desk.path, seen) == [(2,)]


async def test_the_last_look_at_the_mempool_is_told_with_its_block_and_not_of_a_silent_node(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path) as desk:
        tx = await desk.pay("alice", 50_000)
        await desk.poke()
        last = await desk.ask("watcher:BTC", GetUnconfirmed())
        assert last.block_hash == desk.chains["BTC"].tip.ref.block_hash
        assert last.view.txids == {tx.txid}
        desk.readers["BTC"].is_down = True
        await desk.poke()
        assert await desk.ask("watcher:BTC", GetUnconfirmed()) is None


async def test_a_mempool_read_while_a_block_came_in_does_not_count(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        tx = await desk.pay("alice", 50_000)
        await desk.poke()
        reader = desk.readers["BTC"]
        honest = reader.mempool

        async def late(index: Any) -> Any:
            desk.chains["BTC"].mine()
            reader.mempool = honest  # type: ignore[method-assign]
            return await honest(index)

        reader.mempool = late  # type: ignore[method-assign]
        await desk.poke()
        assert rows(desk.path, "SELECT status FROM deposit WHERE txid = ?", tx.txid) == [("confirming",)]
        assert rows(desk.path, "SELECT count(*) FROM event WHERE type = 'deposit.conflicted'") == [(0,)]


async def test_after_a_restart_old_scripts_and_outputs_are_known_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        script = await desk.script_of("alice")
        await desk.fund("alice", 50_000)
        refs = desk.chains["BTC"]
    async with open_desk(tmp_path, is_started=False) as desk:
        desk.chains["BTC"] = refs
        refs.pay((script, 30_000))
        refs.mine(3)
        await desk.start()
        await desk.rest()
        assert await desk.balance("alice") == (80_000, 0, 0)
        await desk.check_chain()


async def test_scripts_are_loaded_whole_even_when_an_address_is_issued_during_the_start(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path) as desk:
        scripts = [await desk.script_of(f"client{number}") for number in range(4)]
        chain = desk.chains["BTC"]
    async with open_desk(tmp_path, is_started=False) as desk:
        desk.chains["BTC"] = chain
        deriver = desk.derivers["BTC"] = DeskDeriver("BTC")
        slot = desk.parts.slots["BTC"]

        def issue_the_newest() -> None:
            # Recorded before the watcher has loaded: its number says nothing of the older scripts.
            slot.address_seq = len(scripts) + 1

        deriver.on_derive = issue_the_newest
        await desk.start()
        await desk.rest()
        for script in scripts:
            chain.pay((script, 20_000))
        await desk.mine(3)
        for number in range(4):
            assert await desk.balance(f"client{number}") == (20_000, 0, 0)


async def test_no_block_for_long_is_stalled_until_one_comes(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__BTC__NODE__STALLED_AFTER_S": "20"}
    async with open_desk(tmp_path, environ=environ) as desk:
        assert await desk.state() == "open"
        await desk.pass_time(25)
        assert await desk.state() == "stalled"
        await desk.mine(4)
        assert await desk.state() == "open"


async def test_a_drained_currency_says_so(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ={"CASHIER__COINS__BTC__DRAINING": "true"}) as desk:
        assert await desk.state() == "draining"


async def test_metrics_tell_blocks_lag_and_credits(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 50_000)
        value = desk.metrics.registry.get_sample_value
        labels = {"currency": "BTC"}
        assert value("cashier_blocks_processed_total", labels) == 6
        assert value("cashier_node_height_blocks", labels) == 106
        assert value("cashier_node_lag_blocks", labels) == 0
        assert value("cashier_deposit_credit_seconds_count", labels) == 1
        assert value("cashier_currency_state", {**labels, "state": "open"}) == 1
