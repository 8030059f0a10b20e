"""Sweeps: final deposits of an account chain go to the hot account, each once, and are no income."""

from __future__ import annotations

from pathlib import Path

from coins.errors import NodeUnavailableError, SignerError
from coins.types import Branch
from tests.actors.desk import Desk, open_desk
from tests.fakes.chain import FakeTx
from tests.fakes.coin import own_script
from tests.ledger.books import rows

DEPOSIT = 10**17


def swept(desk: Desk) -> list[str]:
    """The states of all sweep attempts."""
    sql = (
        "SELECT a.state FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE i.kind = 'sweep' ORDER BY 1"
    )
    return [str(state) for (state,) in rows(desk.path, sql)]


async def test_final_deposits_are_swept_each_from_its_own_account(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH") as desk:
        for number in range(3):
            await desk.pay(f"client{number}", DEPOSIT + number, "ETH")
        await desk.mine(5, "ETH")
        assert swept(desk) == []
        await desk.mine(1, "ETH")
        assert swept(desk) == ["broadcast"] * 3
        await desk.mine(6, "ETH")
        assert swept(desk) == ["mined"] * 3
        senders = {plan.sender.script for plan in desk.spenders["ETH"].signed if plan.sender}
        assert len(senders) == 3
        for number in range(3):
            assert await desk.balance(f"client{number}", "ETH") == (DEPOSIT + number, 0, 0)
        deposits = "SELECT count(*) FROM deposit"
        assert rows(desk.path, deposits) == [(3,)]
        await desk.check_chain("ETH")


async def test_what_is_below_the_threshold_stays(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH") as desk:
        await desk.pay("alice", 10**16 // 2, "ETH")
        await desk.mine(8, "ETH")
        await desk.pass_time(3)
        assert swept(desk) == []
        await desk.pay("alice", 10**16, "ETH")
        await desk.mine(8, "ETH")
        assert swept(desk) == ["mined"]


async def test_no_more_sweeps_are_under_way_than_configured(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__ETH__SWEEPS_PARALLEL_MAX": "2"}
    async with open_desk(tmp_path, "ETH", environ=environ) as desk:
        for number in range(5):
            await desk.pay(f"client{number}", DEPOSIT, "ETH")
        await desk.mine(6, "ETH")
        await desk.pass_time(3)
        assert swept(desk) == ["broadcast"] * 2
        await desk.mine(1, "ETH")
        assert swept(desk).count("broadcast") == 2
        for _ in range(4):
            await desk.mine(1, "ETH")
        assert swept(desk) == ["mined"] * 5


async def test_a_node_that_is_down_only_delays_a_sweep(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH") as desk:
        await desk.pay("alice", DEPOSIT, "ETH")
        await desk.mine(5, "ETH")
        desk.readers["ETH"].trouble = NodeUnavailableError("gone")
        desk.chains["ETH"].mine()
        await desk.pass_time(5)
        assert swept(desk) == []
        desk.readers["ETH"].trouble = None
        await desk.pass_time(5)
        assert swept(desk) == ["broadcast"]


async def test_parked_money_is_swept_no_sooner_than_a_reorg_can_undo_it(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH", environ={"CASHIER__COINS__ETH__MINIMUM_DEPOSIT": "2"}) as desk:
        await desk.pay("alice", DEPOSIT, "ETH")
        await desk.mine(5, "ETH")
        assert rows(desk.path, "SELECT status FROM deposit") == [("parked",)]
        assert swept(desk) == []
        desk.chains["ETH"].reorg(5)
        await desk.poke("ETH")
        await desk.mine(6, "ETH")
        assert swept(desk) == ["broadcast"]
        await desk.mine(6, "ETH")
        assert swept(desk) == ["mined"]
        await desk.check_chain("ETH")


async def test_a_signer_that_refuses_is_not_flooded(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH") as desk:
        desk.spenders["ETH"].refusal = SignerError("no")
        await desk.pay("alice", DEPOSIT, "ETH")
        await desk.mine(6, "ETH")
        await desk.pass_time(60)
        assert set(swept(desk)) == {"abandoned"}
        assert len(desk.spenders["ETH"].signed) <= 7
        desk.spenders["ETH"].refusal = None
        await desk.pass_time(31)
        assert "broadcast" in swept(desk)


async def test_a_lost_answer_of_a_sweep_sends_the_same_bytes(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH") as desk:
        desk.spenders["ETH"].lose_answers = 1
        await desk.pay("alice", DEPOSIT, "ETH")
        await desk.mine(6, "ETH")
        await desk.pass_time(40, 5)
        assert len(set(desk.spenders["ETH"].bytes_sent)) == 1
        await desk.mine(6, "ETH")
        assert swept(desk) == ["mined"]
        await desk.check_chain("ETH")


async def test_accounts_used_before_these_books_go_on_with_their_next_nonce(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH", is_started=False) as desk:
        chain = desk.chains["ETH"]
        accounts = [own_script("ETH", branch, 0).script for branch in (Branch.HOT, Branch.DEPOSIT)]
        for script in accounts:
            chain.pay((script, DEPOSIT))
            chain.mine()
            for nonce in range(3):
                chain.send(FakeTx(((b"p" * 20, DEPOSIT // 4),), sender=script, nonce=nonce, gas_fee=1))
            chain.mine()
        await desk.start()
        await desk.rest()
        await desk.fund("alice", 5 * DEPOSIT, "ETH")
        await desk.pass_time(2)
        assert swept(desk) == ["broadcast"]
        await desk.mine(6, "ETH")
        views = [await desk.withdraw("alice", DEPOSIT, "ETH") for _ in range(2)]
        await desk.pass_time(2)
        await desk.mine(6, "ETH")
        assert [(await desk.withdrawal(view.id)).status for view in views] == ["final", "final"]
        assert rows(desk.path, "SELECT nonce, state FROM attempt ORDER BY created_at, nonce") == [
            (3, "mined"), (3, "mined"), (4, "mined"),
        ]  # fmt: skip


async def test_utxo_chains_have_no_sweep(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "ETH") as desk:
        tree = await desk.tree_states()
        assert "sweep:ETH" in tree
        assert "sweep:BTC" not in tree
