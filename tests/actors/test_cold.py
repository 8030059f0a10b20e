"""The cold address: checked and watched at the start, paid after an approval, never one of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coins.types import Branch
from ledger.commands import DecideWithdrawal
from ledger.operator_access import CreateOperator
from ledger.queries import Filter, ListWithdrawals
from ledger.views import WithdrawalView
from tests.actors.desk import Desk, open_desk
from tests.fakes.coin import foreign, own_script
from tests.ledger.books import balance, rows

FUNDS = 1_000_000
COLD = foreign("cold")


def environ(address: str = COLD.address, currency: str = "BTC") -> dict[str, str]:
    name = f"CASHIER__COINS__{currency}__"
    return {f"{name}COLD_ADDRESS": address, f"{name}HOT_CEILING": "0.005", f"{name}HOT_TARGET": "0.003"}


async def movements(desk: Desk) -> list[WithdrawalView]:
    page: Any = await desk.ask("ledger_reader", ListWithdrawals(Filter()))
    return [view for view in page.data if view.kind == "cold"]


async def test_above_the_ceiling_it_is_proposed_approved_and_moved(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=environ()) as desk:
        await desk.fund("alice", FUNDS)
        await desk.mine(6)
        await desk.pass_time(3)
        (view,) = await movements(desk)
        assert (view.status, view.amount, view.address) == ("held", FUNDS - 300_000, COLD.address)
        await desk.pass_time(5)
        assert len(await movements(desk)) == 1
        await desk.ask("ledger", CreateOperator("op_ann", "ann", "hash", "salt", ("payments",), "test"))
        await desk.ask("ledger", DecideWithdrawal(view.id, "approve", "operator:op_ann", digest=view.digest))
        await desk.pass_time(2)
        assert (await desk.withdrawal(view.id)).status == "broadcast"
        await desk.mine(7)
        assert (await desk.withdrawal(view.id)).status == "final"
        assert balance(desk.path, "onchain:BTC:cold") == FUNDS - 300_000
        await desk.check_chain()


@pytest.mark.parametrize(
    "address",
    [
        "eth:00",
        own_script("BTC", Branch.HOT, 0).address,
        own_script("BTC", Branch.DEPOSIT, 7).address,
        own_script("BTC", Branch.CHANGE, 3).address,
    ],
)
async def test_a_wrong_cold_address_halts_its_currency_alone_and_leaves_nothing(
    tmp_path: Path, address: str
) -> None:
    async with open_desk(tmp_path, "BTC", "LTC", environ=environ(address)) as desk:
        await desk.pass_time(2)
        assert await desk.state("BTC") == "halted"
        assert await desk.state("LTC") == "open"
        assert rows(desk.path, "SELECT 1 FROM own_script WHERE location = 'cold'") == []


async def test_an_address_once_cold_stays_watched(tmp_path: Path) -> None:
    path = tmp_path
    for address in (COLD.address, foreign("newer").address):
        async with open_desk(tmp_path, environ=environ(address)) as desk:
            await desk.address("alice")
            path = desk.path
    sql = "SELECT address FROM own_script WHERE location = 'cold' ORDER BY sequence"
    assert rows(path, sql) == [(COLD.address,), (foreign("newer").address,)]


async def approve(desk: Desk, view: WithdrawalView) -> None:
    await desk.ask("ledger", CreateOperator("op_ann", "ann", "hash", "salt", ("payments",), "test"))
    await desk.ask("ledger", DecideWithdrawal(view.id, "approve", "operator:op_ann", digest=view.digest))


@pytest.mark.parametrize("later", [{}, environ(foreign("newer").address)], ids=["removed", "changed"])
async def test_what_was_approved_for_an_address_of_before_is_taken_back_and_holds_no_client(
    tmp_path: Path, later: dict[str, str]
) -> None:
    async with open_desk(tmp_path, environ=environ()) as desk:
        await desk.fund("alice", FUNDS)
        await desk.mine(6)
        await desk.pass_time(3)
        (view,) = await movements(desk)
        desk.spenders["BTC"].is_down = True
        await approve(desk, view)
        await desk.pass_time(2)
        chain = desk.chains["BTC"]
    async with open_desk(tmp_path, environ=later, is_started=False) as desk:
        desk.chains["BTC"] = chain
        await desk.start()
        await desk.pass_time(5)
        found = [(each.status, each.address) for each in await movements(desk)]
        assert ("rejected", COLD.address) in found
        assert [address for status, address in found if status == "held"] == [
            foreign("newer").address for _ in range(bool(later))
        ]
        assert desk.spenders["BTC"].signed == []
