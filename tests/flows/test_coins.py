"""All three currencies in one process: foreign addresses, coins switched on and off while it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

AMOUNT = {"BTC": "0.01000000", "LTC": "0.02000000", "ETH": "0.01"}


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    return make_module_stage("BTC", "LTC", "ETH")


# Examples of the standards (BIP 173, BIP 350, EIP-55) and well-known addresses of each network.
SCRIPT_TAGS = "<script>alert(1)</script>"
FOREIGN = {
    "bitcoin mainnet p2pkh": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "bitcoin mainnet p2sh": "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
    "bitcoin mainnet p2wpkh": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "bitcoin mainnet p2tr": "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "bitcoin testnet p2wpkh": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
    "litecoin mainnet p2pkh": "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1",
    "litecoin mainnet p2wpkh": "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
    "litecoin mweb": "tmweb1qqgn4u6v3s0rjf2pmqrn3wh6adg9xq0gfl",
    "dogecoin": "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",
    "tron": "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
    "monero": "4" + "A" * 94,
    "ens name": "vitalik.eth",
}
MALFORMED = {
    "empty": "",
    "blank": " ",
    "ten kilobytes": "b" * 10_240,
    "script tag": SCRIPT_TAGS,
    "sql": "'; DROP TABLE withdrawal; --",
    "format": "%s%n{0}",
    "null byte": "bcrt1q\x00",
    "newline": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\n",
    "look-alike": "bсrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",  # a Cyrillic letter
    "right to left": "\u202ebcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "uri": "bitcoin:bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "bad checksum": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081",
    "mixed case": "bcrt1QW508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "unknown witness version": "bcrt1zw508d6qejxtdg4y5r3zarvaryvqyzf3du",
    "base58 bad checksum": "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfm",
    "evm too short": "0x52908400098527886E0F7030069857D2E4169EE",
    "evm too long": "0x52908400098527886E0F7030069857D2E4169EE7a",
    "evm bad checksum": "0x52908400098527886E0F7030069857D2E4169eE7",
    "evm without 0x": "52908400098527886E0F7030069857D2E4169EE7",
    "evm zero": "0x" + "0" * 40,
    "only 0x": "0x",
}
BITCOIN_REGTEST = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
BOTH_REGTESTS = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
"""The version bytes of Bitcoin's and Litecoin's regtest are the same, so both chains have this address."""


async def test_w35_only_addresses_of_the_right_network_are_paid(stage: Stage, open_shop: OpenShop) -> None:
    shops = {currency: await open_shop(stage, currency) for currency in ("BTC", "LTC", "ETH")}
    own = {currency: await shop.chain.foreign_address() for currency, shop in shops.items()}
    right = {
        "BTC": {own["BTC"], own["BTC"].upper(), BITCOIN_REGTEST, BOTH_REGTESTS},
        "LTC": {own["LTC"], own["LTC"].upper(), BOTH_REGTESTS},
        "ETH": {own["ETH"], ETHEREUM, ETHEREUM.lower()},
    }
    every = {*FOREIGN.values(), *MALFORMED.values(), *own.values(), *(a for s in right.values() for a in s)}
    assert len(every) >= 40
    for currency, shop in shops.items():
        deposit = await shop.fund("w35", "5" if currency != "ETH" else "5.0")
        taken = 0
        for address in sorted(every):
            if address in right[currency]:
                await shop.withdraw("w35", AMOUNT[currency], address)
                taken += 1
                continue
            code = await shop.refused("w35", AMOUNT[currency], address)
            assert code in ("invalid_address", "wrong_network", "validation_failed"), address
        # A client's own deposit address is no place to pay to either.
        assert await shop.refused("w35", AMOUNT[currency], deposit) == "forbidden_address"
        rows = await shop.withdrawals("w35")
        assert len([row for row in rows if row["currency"] == currency]) == taken == len(right[currency])
    for currency, shop in shops.items():
        for row in [row for row in await shop.withdrawals("w35") if row["currency"] == currency]:
            await shop.until_withdrawal(row["id"], "confirmed", "final", mine=True)
    shops["BTC"].check_books()


@asynccontextmanager
async def steady_load(shop: Shop) -> AsyncIterator[list[int]]:
    """Requests one after the other until the end; their statuses."""
    statuses: list[int] = []
    is_over = asyncio.Event()

    async def ask() -> None:
        while not is_over.is_set():
            answer = await shop.send("PUT", f"/v1/clients/load{len(statuses)}/addresses/{shop.currency}")
            statuses.append(answer.status)
            statuses.append((await shop.send("GET", "/v1/currencies")).status)

    asking = asyncio.create_task(ask())
    try:
        yield statuses
    finally:
        is_over.set()
        await asking


async def test_sighup_drains_disables_and_enables_a_coin_under_load(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    # The file decides what the environment does not name.
    names = ("CASHIER__COINS__LTC__ENABLED", "CASHIER__COINS__LTC__CONFIRMATIONS")
    stage = make_stage("BTC", "LTC", **dict.fromkeys(names, ""))
    stage.write_coin("LTC", enabled="true", confirmations="3")
    btc, ltc = await open_shop(stage, "BTC"), await open_shop(stage, "LTC")
    old = await ltc.fund("reload", "1.00000000")
    payee = await ltc.chain.foreign_address()
    async with steady_load(btc) as statuses:
        order = await ltc.withdraw("reload", "0.10000000", payee)
        stage.write_coin("LTC", draining="true")
        await ltc.until_state("draining")
        refused = await ltc.send("PUT", "/v1/clients/late/addresses/LTC")
        assert (refused.status, refused.code) == (409, "currency_closed")
        assert await ltc.refused("reload", "0.10000000", payee) == "currency_closed"
        await ltc.until_withdrawal(order["id"], "final", mine=True)
        assert await ltc.chain.received(payee) == 10_000_000

        stage.write_coin("LTC", enabled="false", draining="false")
        ask = partial(ltc.send, "PUT", "/v1/clients/late/addresses/LTC")
        gone = await ltc.until(ask, lambda answer: answer.status == 404)
        assert gone.code == "unknown_currency"
        await asyncio.to_thread(ltc.pay, old, "0.40000000")
        await ltc.chain.mine(3)

        stage.write_coin("LTC", enabled="true", confirmations='"three"')
        read_log = partial(asyncio.to_thread, stage.log_path.read_text)
        await ltc.until(read_log, lambda text: "the configuration stays as it was" in text)
        assert (await ask()).status == 404
        assert (await btc.currency_row())["state"] == "open"

        stage.write_coin("LTC", confirmations="3")
        await ltc.until_state("open")
        # What came in while it was off is found by the walk over the blocks.
        read_balance = partial(ltc.balance, "reload")
        await ltc.until(read_balance, lambda row: row["available"] == "1.29500000")
        await ltc.fund("late", "0.20000000", blocks=3)
        await btc.fund("reload", "0.30000000", blocks=3)
    assert len(statuses) > 20
    assert set(statuses) <= {200, 201}
    btc.check_books()
