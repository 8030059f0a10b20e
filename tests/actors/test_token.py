"""Tokens ride on their chain's actors: credited, paid, swept with gas from the hot account; hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import ForbiddenAddressError, UnknownCurrencyError
from tests.actors.desk import TOKEN, Desk, open_desk
from tests.fakes.coin import GAS_MAX
from tests.ledger.books import rows

COINS = ("ETH", TOKEN)
UNIT = 10**6
FREE = {
    "CASHIER__COINS__USDT_ETH__APPROVAL_ABOVE": "1000000",
    "CASHIER__COINS__USDT_ETH__WITHDRAWAL_FEE": "0",
    "CASHIER__COINS__USDT_ETH__MINIMUM_DEPOSIT": "1",
}


def attempts(desk: Desk, kind: str) -> list[str]:
    """The states of all attempts of a kind, oldest first."""
    sql = (
        "SELECT a.state FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE i.kind = ?"
        " ORDER BY a.created_at, a.rowid"
    )
    return [str(state) for (state,) in rows(desk.path, sql, kind)]


def booked(desk: Desk, name: str) -> int:
    """The balance of an account."""
    found = rows(desk.path, "SELECT balance FROM account WHERE name = ?", name)
    return int(found[0][0]) if found else 0


async def give_gas(desk: Desk, amount: int = 10**18) -> None:
    """The house funds its hot account."""
    hot = rows(desk.path, "SELECT script FROM own_script WHERE purpose = 'hot' AND chain = 'ETH'")
    desk.chains["ETH"].pay((bytes(hot[0][0]), amount))
    await desk.mine(6, "ETH")


async def test_a_tokens_address_is_that_of_its_chain(tmp_path: Path) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        token = await desk.address("alice", TOKEN)
        native = await desk.address("alice", "ETH")
        assert (token.view.currency, native.view.currency) == (TOKEN, "ETH")
        assert (token.view.address, token.is_new, native.is_new) == (native.view.address, True, False)
        assert token.uri.endswith(f"token={TOKEN}")
        assert rows(desk.path, "SELECT count(*) FROM own_script WHERE client_id = 'alice'") == [(1,)]
        await desk.pay("alice", 30 * UNIT, TOKEN)
        await desk.pay("alice", 10**17, "ETH")
        await desk.mine(3, "ETH")
        assert await desk.balance("alice", TOKEN) == (30 * UNIT, 0, 0)
        assert await desk.balance("alice", "ETH") == (10**17, 0, 0)
        await desk.check_chain("ETH")


async def test_a_token_is_paid_and_swept_with_gas_from_the_hot_account(tmp_path: Path) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        await give_gas(desk)
        await desk.fund("alice", 100 * UNIT, TOKEN)
        await desk.pass_time(3)
        assert attempts(desk, "top_up") == ["broadcast"]
        assert attempts(desk, "sweep") == []
        await desk.mine(1, "ETH")
        await desk.pass_time(2)
        assert attempts(desk, "sweep") == ["broadcast"]
        await desk.mine(6, "ETH")
        assert attempts(desk, "sweep") == ["mined"]
        assert booked(desk, f"onchain:{TOKEN}:hot") == 100 * UNIT
        assert await desk.balance("alice", "ETH") == (0, 0, 0)
        view = await desk.withdraw("alice", 40 * UNIT, TOKEN)
        await desk.pass_time(2)
        await desk.mine(6, "ETH")
        assert (await desk.withdrawal(view.id)).status == "final"
        assert await desk.balance("alice", TOKEN) == (60 * UNIT, 0, 0)
        assert booked(desk, f"onchain:{TOKEN}:hot") == 60 * UNIT
        assert booked(desk, "network_fee:ETH") == 3 * (GAS_MAX // 2)
        assert rows(desk.path, "SELECT count(*) FROM deposit WHERE currency = 'ETH'") == [(0,)]
        assert attempts(desk, "top_up") == ["mined"]
        await desk.check_chain("ETH")


async def test_w33_without_gas_in_the_hot_account_everything_waits_and_no_nonce_is_used(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        await desk.fund("alice", 100 * UNIT, TOKEN)
        await desk.pass_time(5)
        view = await desk.withdraw("alice", 40 * UNIT, TOKEN)
        await desk.pass_time(5)
        assert (await desk.withdrawal(view.id)).waiting_for in ("funds", "gas")
        assert rows(desk.path, "SELECT count(*) FROM attempt") == [(0,)]
        await give_gas(desk)
        await desk.pass_time(5)
        for _ in range(14):
            await desk.mine(1, "ETH")
            await desk.pass_time(1)
        assert (await desk.withdrawal(view.id)).status == "final"
        await desk.check_chain("ETH")


async def test_e14_a_paused_token_costs_little_gas_and_the_credit_stands(tmp_path: Path) -> None:
    environ = FREE | {"CASHIER__COINS__ETH__SWEEP_RETRY_S": "60"}
    async with open_desk(tmp_path, *COINS, environ=environ) as desk:
        await give_gas(desk)
        desk.chains["ETH"].paused.add(TOKEN)
        await desk.fund("alice", 100 * UNIT, TOKEN)
        await desk.pass_time(2)
        await desk.mine(1, "ETH")
        await desk.pass_time(1)
        await desk.mine(7, "ETH")
        assert attempts(desk, "sweep") == ["reverted"]
        assert await desk.balance("alice", TOKEN) == (100 * UNIT, 0, 0)
        assert rows(desk.path, "SELECT status, amount FROM unclaimed_case WHERE kind = 'illiquid'") == [
            ("open", str(100 * UNIT))
        ]
        await desk.pass_time(30, 15)
        assert attempts(desk, "sweep") == ["reverted"]
        desk.chains["ETH"].paused.clear()
        await desk.pass_time(60, 20)
        await desk.mine(1, "ETH")
        await desk.pass_time(1)
        await desk.mine(6, "ETH")
        assert attempts(desk, "sweep") == ["reverted", "mined"]
        assert booked(desk, f"onchain:{TOKEN}:hot") == 100 * UNIT
        assert rows(desk.path, "SELECT status FROM unclaimed_case WHERE kind = 'illiquid'") == [("closed",)]
        await desk.check_chain("ETH")


async def test_e06_a_payout_that_the_token_answers_with_false_is_refunded_at_finality(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        await give_gas(desk)
        await desk.fund("alice", 100 * UNIT, TOKEN)
        for _ in range(9):
            await desk.pass_time(1)
            await desk.mine(1, "ETH")
        desk.chains["ETH"].silent.add(TOKEN)
        view = await desk.withdraw("alice", 40 * UNIT, TOKEN)
        await desk.pass_time(2)
        await desk.mine(1, "ETH")
        seen = await desk.withdrawal(view.id)
        assert (seen.status, seen.attention) == ("broadcast", True)
        await desk.mine(5, "ETH")
        assert (await desk.withdrawal(view.id)).status == "failed"
        assert await desk.balance("alice", TOKEN) == (100 * UNIT, 0, 0)
        await desk.check_chain("ETH")


async def test_w37_the_contract_of_a_token_and_own_accounts_are_not_paid(tmp_path: Path) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        await desk.fund("alice", 100 * UNIT, TOKEN)
        (token,) = desk.parts.slots["ETH"].tokens
        for currency in COINS:
            with pytest.raises(ForbiddenAddressError):
                await desk.withdraw(
                    "alice", 20 * UNIT, currency, address=f"eth:{token.contract_script.hex()}"
                )
        own = (await desk.address("bob", "ETH")).view.address
        with pytest.raises(ForbiddenAddressError):
            await desk.withdraw("alice", 20 * UNIT, TOKEN, address=own)


async def test_a_token_that_became_another_is_left_out_and_its_chain_goes_on(tmp_path: Path) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        await desk.fund("alice", 100 * UNIT, TOKEN)
    other = FREE | {"CASHIER__COINS__USDT_ETH__CONTRACT": "0x" + "11" * 20}
    async with open_desk(tmp_path, *COINS, environ=other, is_started=False) as desk:
        await desk.start()
        await desk.rest()
        assert await desk.state("ETH") == "behind"  # a fresh chain, shorter than the books
        state = "SELECT state, is_configured FROM coin WHERE currency = ?"
        assert rows(desk.path, state, TOKEN) == [("disabled", 0)]
        assert desk.readers["ETH"].tokens == ()
        with pytest.raises(UnknownCurrencyError):
            await desk.address("alice", TOKEN)
        assert await desk.balance("alice", TOKEN) == (100 * UNIT, 0, 0)


async def test_e18_a_token_deposit_undone_after_its_credit_is_taken_back(tmp_path: Path) -> None:
    async with open_desk(tmp_path, *COINS, environ=FREE) as desk:
        await desk.pay("alice", 100 * UNIT, TOKEN)
        await desk.mine(3, "ETH")
        assert await desk.balance("alice", TOKEN) == (100 * UNIT, 0, 0)
        desk.chains["ETH"].reorg(3)
        await desk.poke("ETH")
        assert await desk.balance("alice", TOKEN) == (0, 0, 0)
        await desk.mine(3, "ETH")
        assert await desk.balance("alice", TOKEN) == (100 * UNIT, 0, 0)
        assert rows(desk.path, "SELECT count(*) FROM deposit") == [(1,)]
        await desk.check_chain("ETH")
