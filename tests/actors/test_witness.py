"""Two nodes that disagree, one that is away or behind, and a node without peers: credits and payouts wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.errors import OutcomeUnknown
from coins.errors import (
    CoinError,
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    WrongNetworkError,
)
from ledger.commands import ApplyChainDelta
from ledger.operator_access import HoldCurrency
from tests.actors.desk import Desk, open_desk
from tests.actors.doors import DeskReader
from tests.fakes.chain import TwinChain
from tests.ledger.books import rows

WITNESS = {
    "CASHIER__COINS__BTC__WITNESS__URL": "http://127.0.0.1:2",
    "CASHIER__COINS__BTC__WITNESS__RETRY_MAX_S": "4",
}
REQUIRED = WITNESS | {"CASHIER__COINS__BTC__WITNESS_REQUIRED": "true"}


def up(desk: Desk, node: str) -> float | None:
    return desk.metrics.registry.get_sample_value("cashier_node_up", {"currency": "BTC", "node": node})


def deposits(desk: Desk) -> list[str]:
    return [str(row[0]) for row in rows(desk.path, "SELECT status FROM deposit ORDER BY ordinal")]


def credits(desk: Desk) -> int:
    """How many credits were ever told."""
    return int(rows(desk.path, "SELECT count(*) FROM event WHERE type = 'deposit.credited'")[0][0])


async def part(desk: Desk, depth: int) -> None:
    """Both nodes mine on from the same block, each ``depth`` blocks of its own."""
    desk.twin().part()
    desk.twin().mine(depth, [])
    await desk.mine(depth)


async def test_d32_no_credit_above_the_fork_and_no_payout_until_both_agree(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.fund("alice", 500_000)
        await desk.pay("bob", 70_000)
        assert (await desk.state(), up(desk, "node"), up(desk, "witness")) == ("open", 1, 1)
        fork = desk.height()
        await part(desk, 3)
        status = await desk.status()
        ours = desk.chains["BTC"].refs()[2].block_hash
        theirs = desk.twin().refs()[2].block_hash
        assert (await desk.state(), status.state, status.height) == ("disagree", "disagree", fork + 3)
        for named in (f"height {fork + 1}", ours, theirs):
            assert named in status.detail
        gauge = desk.metrics.registry.get_sample_value
        assert gauge("cashier_currency_state", {"currency": "BTC", "state": "disagree"}) == 1
        view = await desk.withdraw("alice", 60_000)
        desk.twin().mine(4, [])
        await desk.mine(4)
        await desk.pass_time(5)
        assert deposits(desk) == ["final", "confirming"]
        assert await desk.balance("bob") == (0, 0, 70_000)
        assert desk.spenders["BTC"].signed == []
        assert (await desk.withdrawal(view.id)).waiting_for == "node"
        desk.twin().rejoin()
        await desk.pass_time(6)
        assert await desk.state() == "open"
        assert await desk.balance("bob") == (70_000, 0, 0)  # without another block
        assert len(desk.spenders["BTC"].signed) == 1
        await desk.mine(3)
        assert credits(desk) == 2
        await desk.check_chain()


async def test_d32_the_followed_node_was_wrong_and_turns_to_the_other_branch(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        tx = await desk.pay("bob", 70_000)
        rival = desk.chains["BTC"].pay((b"somebody else", 1), conflicts=tx)
        desk.twin().part()
        desk.twin().mine(1, [rival])
        desk.twin().mine(4, [])
        await desk.mine(4)
        assert (await desk.state(), deposits(desk)) == ("disagree", ["confirming"])
        chain = desk.chains["BTC"]
        chain.switch(desk.twin().tip.ref.block_hash)
        desk.twin().rejoin()
        await desk.poke()
        await desk.mine(6)
        assert (await desk.state(), deposits(desk), credits(desk)) == ("open", ["orphaned"], 0)
        assert await desk.balance("bob") == (0, 0, 0)
        await desk.check_chain()


async def test_d32_an_answer_lost_while_they_differed_leaves_no_credit_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.pay("bob", 70_000)
        desk.twin().part()
        desk.twin().mine(3, [])
        desk.chains["BTC"].mine(3)
        ask = desk.directory.ask

        async def ask_unheard(name: str, message: Any, *, timeout_s: float) -> Any:
            answer = await ask(name, message, timeout_s=timeout_s)
            if isinstance(message, ApplyChainDelta):
                monkeypatch.undo()
                raise OutcomeUnknown("too late")
            return answer

        monkeypatch.setattr(desk.directory, "ask", ask_unheard)
        await desk.poke()
        assert (desk.height(), deposits(desk)) == (103, ["confirming"])
        desk.twin().rejoin()  # before the next look
        await desk.pass_time(6)
        assert (await desk.state(), deposits(desk), credits(desk)) == ("open", ["credited"], 1)


async def test_d32_nodes_may_differ_above_the_depth_that_is_credited(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.pay("alice", 70_000)
        await desk.mine(2)
        await part(desk, 2)
        assert await desk.state() == "open"
        assert deposits(desk) == ["credited"]
        desk.twin().mine(1, [])
        await desk.mine()
        assert await desk.state() == "disagree"


async def test_d32_what_lies_below_the_fork_is_credited_as_ever(tmp_path: Path) -> None:
    environ = WITNESS | {"CASHIER__COINS__BTC__FINAL_DEPTH": "9"}
    async with open_desk(tmp_path, environ=environ) as desk:
        desk.twin().part()
        await desk.pay("alice", 70_000)
        desk.chains["BTC"].mine(1)
        desk.twin().rejoin()
        await part(desk, 1)
        await desk.pay("bob", 30_000)
        desk.twin().mine(2, [])
        await desk.mine(2)
        assert (await desk.state(), deposits(desk)) == ("disagree", ["credited", "confirming"])


async def test_d32_a_lower_head_on_another_branch_is_a_disagreement_too(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.mine(5)
        desk.twin().part()
        desk.twin().reorg(2, [[], []])
        await desk.mine(4)
        assert await desk.state() == "disagree"
        assert f"height {desk.height() - 5}" in (await desk.status()).detail


async def test_d32_a_witness_that_goes_away_settles_nothing(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.pay("bob", 70_000)
        await part(desk, 4)
        desk.witnesses["BTC"].trouble = NodeUnavailableError("gone")
        await desk.mine(3)
        assert (await desk.state(), deposits(desk), up(desk, "witness")) == ("disagree", ["confirming"], 0)
        await desk.ask("ledger", HoldCurrency("BTC", "paused", "olga", "a look at the nodes"))
        chain = desk.chains["BTC"]
    async with open_desk(tmp_path, environ=WITNESS, is_started=False) as desk:
        desk.chains["BTC"] = chain
        witness = desk.witnesses["BTC"] = DeskReader(TwinChain(chain), desk.clock)
        witness.trouble = NodeUnavailableError("gone")
        await desk.start()
        await desk.rest()
        await desk.ask("ledger", HoldCurrency("BTC", None, "olga", "it goes on"))
        await desk.mine(3)
        await desk.pass_time(5)
        assert (await desk.state(), deposits(desk)) == ("disagree", ["confirming"])
        desk.witnesses["BTC"].trouble = None
        await desk.pass_time(40)
        assert (await desk.state(), deposits(desk), credits(desk)) == ("open", ["final"], 1)


@pytest.mark.parametrize(
    ("trouble", "shown"),
    [
        (NodeUnavailableError("gone too"), "disagree"),
        (NodeSyncingError("starts"), "disagree"),
        (NodeDataError("nonsense"), "halted"),
    ],
)
async def test_d32_a_disagreement_outlives_trouble_of_the_node_and_a_start(
    tmp_path: Path, trouble: CoinError, shown: str
) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.pay("bob", 70_000)
        await part(desk, 4)
        assert (await desk.state(), deposits(desk)) == ("disagree", ["confirming"])
        desk.readers["BTC"].trouble = trouble
        await desk.poke()
        assert await desk.state() == shown
        assert str(trouble) in (await desk.status()).detail
        chain = desk.chains["BTC"]
    async with open_desk(tmp_path, environ=WITNESS, is_started=False) as desk:
        desk.chains["BTC"] = chain
        witness = desk.witnesses["BTC"] = DeskReader(TwinChain(chain), desk.clock)
        witness.trouble = NodeUnavailableError("gone")
        await desk.start()
        await desk.rest()
        await desk.mine(3)
        await desk.pass_time(5)
        assert (await desk.state(), deposits(desk)) == ("disagree", ["confirming"])
        witness.trouble = None
        await desk.pass_time(40)
        assert (await desk.state(), deposits(desk), credits(desk)) == ("open", ["final"], 1)


@pytest.mark.parametrize(
    "trouble",
    [NodeUnavailableError("refused"), WrongNetworkError("serves LTC"), NodeDataError("nonsense")],
)
async def test_d32_a_witness_that_gives_no_answer_is_a_note_and_holds_nothing(
    tmp_path: Path, trouble: CoinError
) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        desk.witnesses["BTC"].trouble = trouble
        await desk.fund("alice", 70_000)
        status = await desk.status()
        assert (status.state, status.detail) == ("open", f"the second node: {trouble}")
        assert (await desk.balance("alice"), up(desk, "witness")) == ((70_000, 0, 0), 0)
        asked = desk.witnesses["BTC"].identified
        await desk.mine(2)
        assert desk.witnesses["BTC"].identified == asked  # it is left alone for a while
        desk.witnesses["BTC"].trouble = None
        await desk.pass_time(10)
        assert ((await desk.status()).detail, up(desk, "witness")) == ("", 1)


async def test_d32_a_required_witness_that_is_away_holds_credits_and_payouts(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=REQUIRED) as desk:
        await desk.fund("alice", 500_000)
        desk.witnesses["BTC"].trouble = NodeUnavailableError("refused")
        await desk.pay("bob", 70_000)
        await desk.mine(5)
        await desk.withdraw("alice", 60_000)
        await desk.pass_time(5)
        assert (await desk.state(), deposits(desk)) == ("down", ["final", "confirming"])
        assert desk.spenders["BTC"].signed == []
        desk.witnesses["BTC"].trouble = None
        await desk.pass_time(10)
        assert (await desk.state(), deposits(desk)) == ("open", ["final", "credited"])
        assert len(desk.spenders["BTC"].signed) == 1


async def test_d32_a_witness_that_is_behind_is_a_note_unless_it_is_required(tmp_path: Path) -> None:
    for required, expected in (("false", ("open", "credited")), ("true", ("behind", "confirming"))):
        folder = tmp_path / required
        folder.mkdir()
        environ = WITNESS | {"CASHIER__COINS__BTC__WITNESS_REQUIRED": required}
        async with open_desk(folder, environ=environ) as desk:
            await desk.mine(3)
            desk.twin().part()
            await desk.pay("bob", 70_000)
            await desk.mine(4)
            assert (await desk.state(), deposits(desk)[0]) == expected
            assert "the second node is behind" in (await desk.status()).detail
            desk.twin().rejoin()
            await desk.pass_time(3)
            assert (await desk.state(), deposits(desk), credits(desk)) == ("open", ["credited"], 1)


async def test_d30_a_node_far_behind_the_second_one_is_behind(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=WITNESS) as desk:
        await desk.fund("alice", 500_000)
        desk.twin().part()
        desk.twin().mine(6, [])  # max_reorg is 5
        await desk.pass_time(3)
        assert await desk.state() == "behind"
        await desk.withdraw("alice", 60_000)
        await desk.pass_time(3)
        assert desk.spenders["BTC"].signed == []
        desk.chains["BTC"].switch(desk.twin().tip.ref.block_hash)
        await desk.poke()
        assert await desk.state() == "open"


async def test_d30_a_node_without_peers_is_stalled_within_one_look(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__BTC__NODE__PEERS_MIN": "2"}
    async with open_desk(tmp_path, environ=environ) as desk:
        await desk.fund("alice", 500_000)
        assert await desk.state() == "open"
        desk.readers["BTC"].peer_count = 1
        await desk.pass_time(1)
        assert await desk.state() == "stalled"
        assert (await desk.status()).detail == "the node has 1 peers, peers_min is 2"
        await desk.withdraw("alice", 60_000)
        await desk.pay("bob", 70_000)
        await desk.mine(4)
        assert (await desk.state(), deposits(desk)) == ("stalled", ["final", "confirming"])
        assert desk.spenders["BTC"].signed == []
        desk.readers["BTC"].peer_count = 2
        await desk.pass_time(3)
        assert (await desk.state(), deposits(desk)) == ("open", ["final", "credited"])
        assert len(desk.spenders["BTC"].signed) == 1


async def test_d30_blocks_of_an_old_tip_are_read_and_credit_nobody(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__BTC__NODE__STALLED_AFTER_S": "7200"}
    async with open_desk(tmp_path, environ=environ) as desk:
        script = await desk.script_of("alice")
        chain = desk.chains["BTC"]
    async with open_desk(tmp_path, environ=environ, is_started=False) as desk:
        desk.chains["BTC"] = chain
        chain.pay((script, 70_000))
        chain.mine(8)
        await desk.clock.advance(chain.tip.ref.time + 7_300 - desk.clock.now_s())
        await desk.start()
        await desk.rest()
        assert (await desk.state(), deposits(desk)) == ("stalled", ["confirming"])
        for _ in range(12):
            await desk.mine()
        assert (await desk.state(), deposits(desk), credits(desk)) == ("open", ["final"], 1)
