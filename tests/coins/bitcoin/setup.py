"""Settings, keys and a signer for the tests of this family; no test by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from coins.bitcoin.sign import account_xpub, sign_plan
from coins.bitcoin.wire import sha256d
from coins.codec import decode_plan, encode_plan
from coins.types import AttemptPlan, SignedTx
from config.schema import BitcoinCoinSettings
from tests.nodes.regtest import BitcoinNode

COIN_FILES = Path(__file__).parents[3] / "config" / "coins"
SEED = bytes.fromhex(  # BIP 39's first vector ("abandon … about") without a passphrase
    "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
    "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
)


def coin_settings(
    currency: str, network: str = "regtest", node: dict[str, Any] | None = None, **changes: Any
) -> BitcoinCoinSettings:
    """The settings of a coin file for one of its networks, with changes."""
    data = tomllib.loads((COIN_FILES / f"{currency}.toml").read_text("utf-8"))
    networks = data.pop("networks", {})
    if network != "mainnet":
        data |= networks[network]
    data |= {"currency": currency, "network": network} | changes
    data["node"] = data["node"] | (node or {})
    return BitcoinCoinSettings.model_validate(data)


def settings_for(
    node: BitcoinNode, access: dict[str, Any] | None = None, **changes: Any
) -> BitcoinCoinSettings:
    """The settings to use a real node; ``access`` changes those of its section ``node``."""
    door = {"url": node.rpc_url, "user": node.rpc_user, "password": SecretStr(node.rpc_password)} | (
        access or {}
    )
    return coin_settings("BTC" if node.kind == "bitcoind" else "LTC", "regtest", door, **changes)


class FakeSigner:
    """The signer's two functions in this process; the plan passes through its stored form."""

    def __init__(self, settings: BitcoinCoinSettings, seed: bytes = SEED) -> None:
        self.settings = settings
        self.seed = seed

    async def account_xpub(self, currency: str, account: int) -> str:
        assert currency == self.settings.currency
        return account_xpub(self.seed, self.settings, account)

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        return sign_plan(self.seed, self.settings, decode_plan(encode_plan(plan)))


def merkle_root(digests: list[bytes]) -> bytes:
    """The root of txids as bytes, by the definition: an odd one is paired with itself."""
    if len(digests) == 1:
        return digests[0]
    pairs = [digests[at : at + 2] * (2 if at + 1 == len(digests) else 1) for at in range(0, len(digests), 2)]
    return merkle_root([sha256d(b"".join(pair)) for pair in pairs])
