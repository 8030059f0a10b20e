"""Clients pay to a cold wallet on real nodes: credited, never spent by us, moved to hot by its own keys."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coins.base58 import encode_check
from coins.bip32 import TPUB_VERSION, PrivateNode, account_node, derive_private, neuter, serialize
from coins.eth_library import Account
from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.operator import Operator, appoint
from tests.flows.shop import Shop
from tests.flows.test_cold import onchain
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]

COLD, OTHER = "cold", "other"
COLD_SEED, OTHER_SEED = bytes(range(7, 71)), bytes(range(9, 73))
_TPRV_VERSION = bytes.fromhex("04358394")
_EXTERNAL = re.compile(r"wpkh\(\[[^\]]+\](tpub[^/]+)/0/\*\)")


def node_of(stage: Stage) -> BitcoinNode:
    """The stage's one node."""
    node = stage.chains[0].node
    assert isinstance(node, BitcoinNode)
    return node


def core_xpub(stage: Stage, wallet: str) -> str:
    """The account key of a wallet of Bitcoin Core's own making, as that tells it (BIP 84)."""
    node = node_of(stage)
    node.rpc("createwallet", wallet)
    told = node.rpc("listdescriptors", wallet=wallet)["descriptors"]
    (xpub,) = [match[1] for each in told if (match := _EXTERNAL.match(each["desc"]))]
    return str(xpub)


def given_xpub(stage: Stage, wallet: str) -> str:
    """The account key of a wallet of litecoind, which was given its keys: it makes none by BIP 84."""
    node = node_of(stage)
    account = account_node(COLD_SEED if wallet == COLD else OTHER_SEED, 84, 1, 0)
    node.rpc("createwallet", wallet, False, True)
    for chain in (0, 1):
        described = f"wpkh({_xprv(account)}/{chain}/*)"
        described += "#" + node.rpc("getdescriptorinfo", described)["checksum"]
        keys = {"desc": described, "timestamp": "now", "range": [0, 50], "internal": chain == 1}
        assert node.rpc("importmulti", [keys], wallet=wallet) == [{"success": True}]
    return serialize(neuter(account), TPUB_VERSION)


def _xprv(node: PrivateNode) -> str:
    """Extended private key of a test network (BIP 32)."""
    place = bytes([node.depth]) + node.parent_fingerprint + node.child_number.to_bytes(4, "big")
    return encode_check(_TPRV_VERSION + place + node.chain_code + b"\0" + node.secret)


def shown(node: BitcoinNode, xpub: str, chain: int, number: int) -> str:
    """The address that the node itself derives from an account key."""
    described = node.rpc("getdescriptorinfo", f"wpkh({xpub}/{chain}/{number})")["descriptor"]
    (address,) = node.rpc("deriveaddresses", described)
    return str(address)


XPUB = {"BTC": core_xpub, "LTC": given_xpub}


def keystore(path: Path, prefix: str) -> dict[str, str]:
    """A hot key as another wallet wrote it; the settings that go with it."""
    key = Account.create()
    path.touch(mode=0o600)
    path.write_text(json.dumps(Account.encrypt(key.key, "pass", kdf="pbkdf2", iterations=1_000)))
    return {
        f"{prefix}KEYSTORE": str(path),
        f"{prefix}KEYSTORE_PASSPHRASE": "pass",
        f"{prefix}ADDRESS": key.address,
    }


@dataclass(frozen=True, slots=True)
class Till:
    """The cashier, its website's view, and an operator of it."""

    stage: Stage
    shop: Shop
    operator: Operator

    async def told(self, txid: str, reason: str) -> None:
        """An operator announces a chain tx of the house."""
        named = {"kind": "announce", "currency": self.shop.currency, "txid": txid, "reason": reason}
        answer = await self.operator.create("house-movements", **named)
        assert answer["txid"].removeprefix("0x") == txid.removeprefix("0x")

    async def funding_address(self) -> str:
        """Where the house funds the hot wallet, as an operator is told."""
        rows = (await self.operator.get("house-addresses"))["data"]
        (address,) = [row["address"] for row in rows if row["location"] == "hot"]
        return str(address)

    async def waits(self, order: dict[str, Any]) -> None:
        """The withdrawal waits for hot money."""
        want = ("approved", "funds")
        read = self.shop.withdrawal
        await self.shop.until(
            lambda: read(order["id"]), lambda row: (row["status"], row["waiting_for"]) == want
        )


@pytest.fixture
async def till(
    make_stage: MakeStage, open_shop: OpenShop, request: pytest.FixtureRequest
) -> AsyncIterator[Till]:
    currency, _, has_keystore = request.param.partition(" ")
    stage = make_stage(currency)
    name = f"CASHIER__COINS__{currency}__"
    if currency in XPUB:
        xpub = XPUB[currency](stage, COLD)
    else:
        xpub = serialize(neuter(account_node(COLD_SEED, 44, 60, 0)))
    stage.extra = {
        f"{name}CUSTODY": "watch_only",
        f"{name}DEPOSIT_XPUB": xpub,
        f"{name}HOT_FLOOR": "0.05",
    }
    if has_keystore:
        stage.extra = {**stage.extra, **keystore(stage.folder / "hot.json", f"{name}HOT_")}
    appoint(stage, "ann", "admin")
    shop = await open_shop(stage)
    operator = Operator(stage, "ann")
    await operator.login()
    yield Till(stage, shop, operator)
    await operator.close()


@pytest.mark.parametrize("till", ["BTC", "LTC"], indirect=True)
async def test_clients_pay_to_the_wallet_of_a_node_and_it_funds_the_payouts(till: Till) -> None:
    stage, shop, node = till.stage, till.shop, till.shop.node
    prefix = f"CASHIER__COINS__{shop.currency}__"
    xpub = str(stage.extra[f"{prefix}DEPOSIT_XPUB"])
    first = await asyncio.to_thread(shown, node, xpub, 0, 0)
    if shop.currency == "BTC":
        assert await asyncio.to_thread(node.new_address, COLD) == first
    said = await asyncio.to_thread(stage.cli, "check")
    assert f"{shop.currency}: the cold wallet must show {first} as its first receiving address" in said

    assert await shop.fund("alice", "1.00000000") == first
    assert (await shop.balance("alice"))["available"] == "1.00000000"
    assert onchain(stage, shop.currency) == {"cold": 100_000_000}
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("alice", "0.30000000", payee)
    await till.waits(order)
    gauges = partial(stage.gauges, shop.currency)
    await shop.until(gauges, lambda found: found.get("cashier_hot_missing_units", 0) > 0)

    # The house funds the hot wallet, not enough yet; then the cold wallet pays, with its own change.
    hot = await till.funding_address()
    await till.told(await asyncio.to_thread(shop.pay, hot, "0.10000000"), "float")
    await shop.mine(6)
    await till.waits(order)
    # Of its own it may send the change to an account of another kind of script, which nobody watches.
    change = await asyncio.to_thread(shown, node, xpub, 1, 7)
    options = {"change_type": "bech32"} if shop.currency == "BTC" else {"change_address": change}
    made = await node.call("send", outputs=[{hot: "0.5"}], options=options, wallet=COLD)
    txid = str(made["txid"])
    await till.told(txid, "cold to hot")
    sent = await asyncio.to_thread(node.rpc, "gettransaction", txid, wallet=COLD)
    cold_fee = -int(Decimal(str(sent["fee"])).scaleb(8))
    await shop.mine(6)
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert [attempt["state"] for attempt in done["attempts"]] == ["mined"]
    assert await shop.chain.received(payee) == 30_000_000

    held = onchain(stage, shop.currency)
    assert held["cold"] == 50_000_000 - cold_fee
    assert 0 < 30_000_000 - held["hot"] < 100_000
    assert held.get("deposit", 0) == 0
    balances = await asyncio.to_thread(node.rpc, "getbalances", wallet=COLD)
    assert int(Decimal(str(balances["mine"]["trusted"])).scaleb(8)) == held["cold"]
    await shop.agree()
    shop.check_books()

    # Another wallet's key under the addresses that were given is refused, and nothing is given out.
    stage.kill()
    other = await asyncio.to_thread(XPUB[shop.currency], stage, OTHER)
    stage.extra = {**stage.extra, f"{prefix}DEPOSIT_XPUB": other}
    await asyncio.to_thread(stage.spawn)

    async def state() -> str:
        found = await asyncio.to_thread(stage.readiness)
        return str(found.get("currencies", {}).get(shop.currency, {}).get("state"))

    await shop.until(state, lambda found: found == "halted")
    assert (
        f"{shop.currency} was registered with another network, key or contract" in stage.log_path.read_text()
    )


@pytest.mark.parametrize("till", ["ETH", "ETH keystore"], indirect=True)
async def test_accounts_of_a_cold_wallet_are_not_swept_and_fund_payouts_as_told(till: Till) -> None:
    stage, shop, anvil = till.stage, till.shop, till.shop.anvil
    key = Account.from_key(derive_private(account_node(COLD_SEED, 44, 60, 0), (0, 0)).secret)
    assert await shop.fund("alice", "2.000000000000000000") == key.address
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("alice", "0.500000000000000000", payee)
    await till.waits(order)
    assert anvil.balance(key.address) == 2 * WEI

    hot = await till.funding_address()
    assert hot == stage.extra.get("CASHIER__COINS__ETH__HOT_ADDRESS", hot)
    await till.told(anvil.send(hot, WEI // 10), "float")
    await shop.mine(6)
    signed = key.sign_transaction(
        {
            "to": hot,
            "value": WEI,
            "gas": 21_000,
            "maxFeePerGas": 3 * 10**9,
            "maxPriorityFeePerGas": 10**9,
            "nonce": 0,
            "chainId": 31337,
        }
    )
    await till.told(anvil.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()), "cold to hot")
    await shop.mine(6)
    await shop.until_withdrawal(order["id"], "final", mine=True)
    assert await shop.chain.received(payee) == WEI // 2
    held = onchain(stage, "ETH")
    assert held["cold"] == anvil.balance(key.address) > 0
    assert held["hot"] == anvil.balance(hot)
    assert held.get("deposit", 0) == 0
    await shop.agree()
    shop.check_books()
