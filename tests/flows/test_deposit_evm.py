"""Deposits on an account chain: failed calls, exact amounts, reorgs, the ways to write an address."""

from __future__ import annotations

import asyncio

import pytest

from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.nodes.regtest import AnvilNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

REVERTING = "0x60006000fd"
"""PUSH1 0 PUSH1 0 REVERT: refuses every call."""
DEPLOY_REVERTING = "0x6460006000fd6000526005601bf3"
"""Puts REVERTING (5 bytes) at the end of the first word of memory and returns it as the contract's code."""


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    return make_module_stage("ETH")


async def test_e01_failed_calls_with_value_credit_nothing(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil, address = shop.anvil, await shop.address("e01")
    made = anvil.rpc("eth_sendTransaction", {"from": anvil.accounts[0], "data": DEPLOY_REVERTING})
    anvil.mine()
    contract = str(anvil.rpc("eth_getTransactionReceipt", made)["contractAddress"])
    assert anvil.rpc("eth_getCode", contract, "latest") == REVERTING
    # Once to a contract that refuses, with our address in its data; once to our address itself.
    data = f"0x{'00' * 16}{address.removeprefix('0x').lower()}"
    calls = [anvil.send(contract, WEI, data=data, gas="0x186a0")]
    anvil.rpc("anvil_setCode", address, REVERTING)
    calls.append(anvil.send(address, WEI, gas="0x186a0"))
    await shop.mine(3)
    for call in calls:
        assert anvil.rpc("eth_getTransactionReceipt", call)["status"] == "0x0"

    async def open_deposits() -> list[str]:
        return [str(row["status"]) for row in await shop.deposits("e01") if row["status"] != "conflicted"]

    # What was seen unconfirmed is given up again, nothing stays pending.
    await shop.until(open_deposits, lambda statuses: statuses == [])
    balance = await shop.balance("e01")
    assert (balance["available"], balance["pending"]) == ("0." + "0" * 18, "0." + "0" * 18)
    anvil.rpc("anvil_setCode", address, "0x")
    await shop.fund("e01", "1", blocks=3)
    assert (await shop.balance("e01"))["available"] == "1." + "0" * 18
    shop.check_books()


async def test_e15_amounts_are_exact_to_the_wei(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    rich = anvil.accounts[1]
    anvil.set_balance(rich, 10**30)
    amounts = {
        "e15-tiny": ("0.000000000000000001", "parked"),
        "e15-odd": ("1.000000000000000001", "credited"),
        # 2^63 wei is 9.2 ETH, and a float holds 53 bits.
        "e15-long": ("9.223372036854775809", "credited"),
        "e15-vast": ("999999999.999999999999999999", "credited"),
    }
    for client, (amount, _) in amounts.items():
        anvil.send(await shop.address(client), int(amount.replace(".", "")), rich)
    await shop.mine(3)
    for client, (amount, status) in amounts.items():
        found = await shop.until_deposit(client, status)
        assert found["amount"] == amount
        available = amount if status == "credited" else "0." + "0" * 18
        assert (await shop.balance(client))["available"] == available
    shop.check_books()


async def test_e27_every_way_to_write_the_address_pays_its_owner(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    address = await shop.address("e27")
    digits = address.removeprefix("0x")
    for number, form in enumerate((digits, digits.lower(), digits.upper()), start=1):
        shop.anvil.send(f"0x{form}", number * WEI)
    await shop.mine(3)
    await shop.until_deposit("e27", "credited")
    rows = await shop.deposits("e27")
    assert sorted(row["amount"] for row in rows) == [f"{n}.{'0' * 18}" for n in (1, 2, 3)]
    assert {row["address"] for row in rows} == {address}
    assert (await shop.balance("e27"))["available"] == f"6.{'0' * 18}"
    await shop.mine(3)
    await shop.until_deposit("e27", "final")

    payee = "0x52908400098527886E0F7030069857D2E4169EE7"  # an example of EIP-55
    for wrong in (payee.replace("E", "e", 1), payee[2:], f"0X{payee[2:]}"):
        assert await shop.refused("e27", "1", wrong) == "invalid_address"
    order = await shop.withdraw("e27", "1", payee.lower())
    assert order["address"] == payee
    await shop.until_withdrawal(order["id"], "confirmed", mine=True)
    assert shop.anvil.balance(payee) == WEI
    shop.check_books()


async def test_e18_reorg_after_credit_is_taken_back(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await shop.fund("e18-other", "3")
    address = await shop.address("e18")
    txid = anvil.send(address, 2 * WEI)
    await shop.mine(3)
    credited = await shop.until_deposit("e18", "credited")
    body = {"from": "e18", "to": "house", "currency": "ETH", "amount": "0.5"}
    await shop.website.post("/v1/transfers", body | {"external_id": "e18", "reason": "a bet"})
    raw = str(anvil.rpc("eth_getRawTransactionByHash", txid))

    await asyncio.to_thread(anvil.reorg, 4)
    await shop.mine()
    found = await shop.until_deposit("e18", "reversed")
    assert found["id"] == credited["id"]
    balance = await shop.balance("e18")
    assert balance["available"] == f"0.{'0' * 18}"
    assert balance["deficit"] == "0.500000000000000000"
    assert await shop.refused("e18", "0.1", await shop.chain.foreign_address()) == "insufficient_funds"
    assert (await shop.balance("e18-other"))["available"] == f"3.{'0' * 18}"

    # The same bytes are mined again elsewhere: the same deposit, credited once, the debt paid.
    anvil.rpc("eth_sendRawTransaction", raw)
    await shop.mine(3)
    again = await shop.until_deposit("e18", "credited")
    assert (again["id"], again["txid"]) == (credited["id"], txid)
    assert again["block_hash"] != credited["block_hash"]
    balance = await shop.balance("e18")
    assert balance["available"] == "1.500000000000000000"
    assert balance["deficit"] == f"0.{'0' * 18}"
    assert len(await shop.deposits("e18")) == 1
    shop.check_books()


async def test_e23_paid_to_the_right_address_on_another_chain(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    address = await shop.address("e23")
    with AnvilNode(stage.folder / "another-chain", chain_id=56) as other:
        other.send(address, 3 * WEI)
        other.mine(40)
        assert other.balance(address) == 3 * WEI
        await shop.mine(6)
        assert await shop.deposits("e23") == []
        assert (await shop.balance("e23"))["available"] == "0." + "0" * 18
        # The same payment on the right chain is credited, and only that one.
        await asyncio.to_thread(shop.pay, address, "1")
        await shop.mine(3)
        await shop.until_deposit("e23", "credited")
        assert [row["amount"] for row in await shop.deposits("e23")] == ["1." + "0" * 18]
        assert (await shop.balance("e23"))["available"] == "1." + "0" * 18
    assert (await shop.currency_row())["state"] == "open"
    shop.check_books()
