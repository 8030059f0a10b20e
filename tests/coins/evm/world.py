"""What the tests of this family share: settings, a seed, and the signer's role inside the process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from coins.evm import open_coin
from coins.evm.sign import account_xpub, sign_plan
from coins.family import Coin
from coins.types import AttemptPlan, Branch, OwnScript, PayoutWork, SignedTx, TxOutput
from config.schema import EvmCoinSettings, TokenSettings

SEED = bytes(range(64))
ETHER = 10**18


def eth_settings(
    url: str = "http://127.0.0.1:1", node: dict[str, Any] | None = None, **changes: Any
) -> EvmCoinSettings:
    """Settings of a development chain at ``url``."""
    values: dict[str, Any] = {
        "currency": "ETH",
        "name": "Ether",
        "family": "evm",
        "network": "regtest",
        "decimals": 18,
        "bip44_coin": 60,
        "chain_id": 31337,
        "confirmations": 3,
        "final_depth": 6,
        "max_reorg": 5,
        "minimum_withdrawal": "0.005",
        "maximum_withdrawal": "20",
        "session_withdrawal_cap": "10",
        "signer_tx_cap": "20",
        "signer_day_cap": "50",
        "sweep_threshold": "0.01",
        "node": {"url": url, "poll_interval_s": 0.02, "timeout_s": 10.0, **(node or {})},
    }
    return EvmCoinSettings.model_validate({**values, **changes})


def token_settings(contract: str, currency: str = "USDT-ETH", **changes: Any) -> TokenSettings:
    """Settings of a token on the chain of ``eth_settings``, to be given to that as ``tokens=(…,)``."""
    values: dict[str, Any] = {
        "currency": currency,
        "name": "A token",
        "family": "evm",
        "parent": "ETH",
        "contract": contract,
        "enabled": True,
        "network": "regtest",
        "chain_id": 31337,
        "decimals": 6,
        "confirmations": 3,
        "final_depth": 6,
        "max_reorg": 5,
        "minimum_withdrawal": "1",
        "maximum_withdrawal": "1000",
        "session_withdrawal_cap": "1000",
        "signer_tx_cap": "1000",
        "signer_day_cap": "5000",
        "sweep_threshold": "10",
    }
    return TokenSettings.model_validate({**values, **changes})


class LocalSigner:
    """The signer's role without a process of its own."""

    def __init__(self, settings: EvmCoinSettings, seed: bytes = SEED) -> None:
        self.settings = settings
        self.seed = seed

    async def account_xpub(self, currency: str, account: int) -> str:
        return account_xpub(self.seed, self.settings, account)

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        return sign_plan(self.seed, self.settings, plan)


@contextlib.asynccontextmanager
async def opened(settings: EvmCoinSettings) -> AsyncIterator[Coin]:
    """A coin that is closed in the end."""
    coin = await open_coin(settings, LocalSigner(settings))
    try:
        yield coin
    finally:
        await coin.reader.close()


async def hot_of(coin: Coin) -> OwnScript:
    """The hot account."""
    return await coin.deriver.derive(Branch.HOT, 0)


def payout_of(source: OwnScript, to: str, amount: int, nonce: int, balance: int) -> PayoutWork:
    """Work for one payout."""
    output = TxOutput(bytes.fromhex(to[2:]), to, amount)
    return PayoutWork("w1", "payout", "ETH", output, source=source, nonce=nonce, balance=balance)
