"""The whole configuration as frozen, checked objects; the module the other rooms import.

The classes live in `config.sections` (main file) and `config.currency`, `config.coin` (coin files).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.changes import CoinChanges, diff, take_over
from config.coin import BitcoinCoinSettings, CoinBase, EvmCoinSettings, FeeRate, NodeSettings, TxFormat
from config.currency import CurrencySettings, Tier
from config.fields import FromOtherFiles, Section, parse_amount, problem
from config.rates import RatesSettings
from config.sections import (
    ActorSettings,
    GatewaySettings,
    LedgerSettings,
    MonitoringSettings,
    SignerSettings,
    WebhookSettings,
)
from config.token import TokenSettings

__all__ = [
    "ActorSettings",
    "BitcoinCoinSettings",
    "CoinBase",
    "CoinChanges",
    "CoinSettings",
    "CurrencySettings",
    "EvmCoinSettings",
    "FeeRate",
    "GatewaySettings",
    "LedgerSettings",
    "MonitoringSettings",
    "NodeSettings",
    "RatesSettings",
    "Settings",
    "SignerSettings",
    "Tier",
    "TokenSettings",
    "TxFormat",
    "WebhookSettings",
    "diff",
    "parse_amount",
    "take_over",
]

CoinSettings = Annotated[BitcoinCoinSettings | EvmCoinSettings, Field(discriminator="family")]
"""The settings of one currency; its `family` tells which class."""


class Settings(Section):
    """Everything that can be configured."""

    gateway: GatewaySettings = GatewaySettings()
    """The HTTP server."""
    ledger: LedgerSettings = LedgerSettings()
    """The database."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """Metrics, health and logs."""
    webhooks: WebhookSettings = WebhookSettings()
    """Events to the website."""
    actors: ActorSettings = ActorSettings()
    """The supervision tree."""
    rates: RatesSettings = RatesSettings()
    """Fiat values."""
    signer: SignerSettings = SignerSettings()
    """The holder of the seeds."""
    coins: Annotated[dict[str, CoinSettings], FromOtherFiles()] = Field(default_factory=dict)
    """Every chain that has a file, enabled or not, by its currency; it holds its enabled tokens."""
    tokens: Annotated[dict[str, TokenSettings], FromOtherFiles()] = Field(default_factory=dict)
    """Every token that has a file, enabled or not, by its currency."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gateway.port and self.gateway.port == self.monitoring.port:
            raise problem(f"gateway.port and monitoring.port are both {self.gateway.port}")
        return self

    @property
    def enabled_coins(self) -> dict[str, BitcoinCoinSettings | EvmCoinSettings]:
        """The enabled chains by currency: what is watched."""
        return {name: coin for name, coin in self.coins.items() if coin.enabled}

    @property
    def currencies(self) -> dict[str, CurrencySettings]:
        """Every enabled currency by name: each enabled chain's own, followed by its enabled tokens."""
        found: dict[str, CurrencySettings] = {}
        for name, coin in self.enabled_coins.items():
            found[name] = coin
            if isinstance(coin, EvmCoinSettings):
                found.update((token.currency, token) for token in coin.tokens)
        return found

    @property
    def configured(self) -> dict[str, CurrencySettings]:
        """Every currency that has a file, enabled or not, by name: chains, then tokens."""
        return {**self.coins, **self.tokens}
