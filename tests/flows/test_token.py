"""A token on a real chain: credited, swept with gas from the house, paid; and one that will not move."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from functools import partial
from typing import Any

import pytest

from tests.demo.chains import WEI, TokenChain
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address
from tests.nodes.contract import Mode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]

TOKEN = "USDT-ETH"


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    return make_module_stage("ETH", TOKEN, CASHIER__COINS__ETH__SWEEP_RETRY_S="60")


def asked(stage: Stage, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Rows of the books."""
    path = stage.folder / "data" / "cashier.sqlite"
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as db:
        found = db.execute(sql, arguments).fetchall()
    db.close()
    return found


def token_of(shop: Shop) -> TokenChain:
    assert isinstance(shop.chain, TokenChain)
    return shop.chain


async def compare(stage: Stage, shop: Shop) -> None:
    """Books and chain hold the same of both currencies, by account of ours."""
    token = token_of(shop)
    assert token.token is not None
    held = {"ETH": 0, TOKEN: 0}
    for (address,) in asked(stage, "SELECT address FROM own_script WHERE chain = 'ETH'"):
        held["ETH"] += shop.anvil.balance(address)
        held[TOKEN] += await token.received(address)
    booked = {
        currency: sum(
            int(balance)
            for (balance,) in asked(
                stage, "SELECT balance FROM account WHERE name LIKE ?", f"onchain:{currency}:%"
            )
        )
        for currency in held
    }
    assert booked == held
    shop.check_books()


async def until_sweep(stage: Stage, shop: Shop, state: str, count: int) -> None:
    """Mine until so many sweeps of the token are in this state."""
    sql = (
        "SELECT count(*) FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE i.kind = 'sweep'"
        " AND a.currency = ? AND a.state = ?"
    )

    async def read() -> int:
        return int(asked(stage, sql, TOKEN, state)[0][0])

    await shop.until(read, lambda found: found == count, mine=True)


async def test_a_token_comes_in_is_swept_and_goes_out(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, TOKEN)
    native = await open_shop(stage, "ETH")
    token = token_of(shop)
    hot = hot_address(stage)
    shop.anvil.send(hot, 2 * WEI)
    address = await shop.fund("alice", "120.5")
    assert await native.address("alice") == address
    assert (await shop.balance("alice"))["available"] == "120.500000"
    await until_sweep(stage, shop, "mined", 1)
    assert (await token.received(hot), await token.received(address)) == (120_500_000, 0)
    assert (await native.balance("alice"))["available"] == f"0.{'0' * 18}"

    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("alice", "50.25", payee)
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert await token.received(payee) == 50_250_000
    assert [attempt["txid"] for attempt in done["attempts"]] == [done["txid"]]
    # The wrong asset to the same address is not lost.
    await native.fund("alice", "0.005")
    assert (await native.balance("alice"))["available"] == f"0.005{'0' * 15}"
    await compare(stage, shop)


async def test_w37_contract_and_own_addresses_are_refused(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop).token
    assert token is not None
    await shop.fund("w37", "100")
    own = await shop.address("somebody")
    for address in (token.address, own):
        assert await shop.refused("w37", "20", address) == "forbidden_address"
    assert await shop.refused("w37", "20", "0x" + "00" * 20) == "invalid_address"
    await shop.mine(12)
    await compare(stage, shop)


async def test_e18_a_token_deposit_reorged_after_its_credit(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, TOKEN)
    address = await shop.fund("e18", "40", blocks=3)
    assert (await shop.balance("e18"))["available"] == "40.000000"
    await asyncio.to_thread(shop.anvil.reorg, 3)
    await shop.mine()
    await shop.until_deposit("e18", "reversed")
    assert (await shop.balance("e18"))["available"] == "0.000000"
    await asyncio.to_thread(shop.pay, address, "40")
    await shop.mine(3)
    await shop.until_deposit("e18", "credited")
    assert (await shop.balance("e18"))["available"] == "40.000000"
    await compare(stage, shop)


async def test_e06_a_payout_answered_with_false_is_given_back_when_final(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop).token
    assert token is not None
    await shop.fund("e06", "30", blocks=3)
    token.send("setMode", int(Mode.FALSE))
    await shop.mine()
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("e06", "20", payee)
    await shop.until(partial(shop.withdrawal, order["id"]), lambda row: row["attention"], mine=True)
    await shop.until_withdrawal(order["id"], "failed", mine=True)
    token.send("setMode", int(Mode.NORMAL))
    await shop.mine()
    assert await token_of(shop).received(payee) == 0
    assert (await shop.balance("e06"))["available"] == "30.000000"
    await compare(stage, shop)


async def test_e09_what_the_token_keeps_of_a_sweep_is_an_expense_of_the_house(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop).token
    assert token is not None
    address = await shop.address("e09")
    await asyncio.to_thread(shop.pay, address, "200")
    shop.anvil.mine()
    token.send("setMode", int(Mode.FEE))
    await shop.mine(6)

    async def lost() -> int:
        rows = asked(stage, "SELECT balance FROM account WHERE name = ?", f"token_fee:{TOKEN}")
        return int(rows[0][0]) if rows else 0

    await shop.until(lost, lambda fee: fee >= 20_000_000, mine=True)
    token.send("setMode", int(Mode.NORMAL))
    await shop.mine()
    assert (await shop.balance("e09"))["available"] == "200.000000"
    await compare(stage, shop)


async def test_e14_a_blocked_account_is_tried_again_later_and_the_credit_stands(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop).token
    assert token is not None
    address = await shop.address("e14")
    token.send("setBlocked", address, True)
    shop.anvil.mine()
    token.send("setBlocked", address, False)
    await asyncio.to_thread(shop.pay, address, "60")
    token.send("setBlocked", address, True)
    await shop.mine(6)
    await shop.until_deposit("e14", "final")
    await until_sweep(stage, shop, "reverted", 1)
    await shop.mine(8)
    sql = "SELECT status FROM unclaimed_case WHERE kind = 'illiquid'"
    assert asked(stage, sql) == [("open",)]
    assert (await shop.balance("e14"))["available"] == "60.000000"
    gas = asked(stage, "SELECT count(*) FROM attempt WHERE state = 'reverted'")
    await shop.mine(5)
    assert asked(stage, "SELECT count(*) FROM attempt WHERE state = 'reverted'") == gas
    await compare(stage, shop)


async def test_a_rescan_finds_nothing_that_is_not_booked(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, TOKEN)
    await shop.until_tip()
    stage.kill()
    told = json.loads(stage.cli("rescan", "--currency", TOKEN, "--from-height", "0", "--json"))
    assert (told["differences"], told["movements"] > 0) == ([], True)
