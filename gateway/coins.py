"""What the gateway knows of currencies from the configuration: decimals and what an address reply says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coins.amounts import AmountError, format_amount, parse_amount
from config.schema import BitcoinCoinSettings, CoinBase, CurrencySettings, TokenSettings
from gateway.errors import invalid
from gateway.problem import ProblemError


@dataclass(frozen=True, slots=True)
class Pace:
    """How blocks usually come, and how many until the one that takes a payout."""

    block_interval_s: int
    blocks_to_mine: int


@dataclass(frozen=True, slots=True)
class CoinInfo:
    """What never changes of a currency (decimals, network), and what a client is told about deposits.

    ``chain`` is the currency whose actors serve it: itself, or a token's parent; ``has_accounts`` when it
    has accounts instead of outputs.
    """

    chain: str
    decimals: int
    network: str
    confirmations_required: int
    minimum_deposit: int
    explorer_tx: str | None = None
    has_accounts: bool = False
    pace: Pace | None = None


class Coins:
    """The configured currencies. A currency that leaves the configuration keeps its decimals here."""

    def __init__(self, settings: Mapping[str, CurrencySettings]) -> None:
        """Take over the currencies of a configuration (``Settings.configured``)."""
        self._known: dict[str, CoinInfo] = {}
        self._decimals: dict[str, int] = {}
        self._enabled: frozenset[str] = frozenset()
        self.update(settings)

    def update(self, settings: Mapping[str, CurrencySettings]) -> None:
        """Take over a new configuration, without a restart."""
        for name, coin in settings.items():
            chain = _chain_of(coin)
            explorer_tx = coin.explorer_tx or (settings[chain].explorer_tx if chain in settings else None)
            self._known[name] = CoinInfo(
                chain,
                coin.decimals,
                coin.network,
                coin.confirmations,
                coin.minimum_deposit,
                explorer_tx,
                not isinstance(coin, BitcoinCoinSettings),
                _pace_of(settings.get(chain)),
            )
            self._decimals[name] = coin.decimals
        on = {name for name, coin in settings.items() if coin.enabled}
        self._enabled = frozenset(name for name in on if self._known[name].chain in on)

    def remember(self, decimals: Mapping[str, int]) -> None:
        """Know how amounts are written in currencies that only the books still hold."""
        self._decimals = {**decimals, **self._decimals}

    def offered(self, currency: str) -> CoinInfo:
        """An enabled currency, to ask its actors. Raises ProblemError ``unknown_currency``."""
        if currency not in self._enabled:
            raise ProblemError("unknown_currency")
        return self._known[currency]

    def info(self, currency: str) -> CoinInfo:
        """Any configured currency, also a disabled one. Raises ProblemError ``unknown_currency``."""
        info = self._known.get(currency)
        if info is None:
            raise ProblemError("unknown_currency")
        return info

    def parse(self, currency: str, text: str, path: str = "amount") -> int:
        """Base units of a positive decimal string. Raises ProblemError ``invalid_amount``: never rounded."""
        try:
            amount = parse_amount(text, self.info(currency).decimals)
        except AmountError as error:
            raise invalid(path, str(error), "invalid_amount") from None
        if amount == 0:
            raise invalid(path, "must be more than zero", "invalid_amount")
        return amount

    def display(self, currency: str, amount: int) -> str:
        """Decimal string of whole units. A currency out of the books of this configuration is a fault."""
        return format_amount(amount, self._decimals[currency])

    def fee_currency(self, currency: str) -> str:
        """What fees of a currency's chain txs are paid in: itself, or a token's parent."""
        info = self._known.get(currency)
        return currency if info is None else info.chain

    def pace(self, currency: str) -> Pace | None:
        """How blocks come on a currency's chain; None where the configuration does not say."""
        info = self._known.get(currency)
        return None if info is None else info.pace

    def txid(self, currency: str, text: str) -> str:
        """A txid as the books of an enabled currency write it. Raises ProblemError ``unknown_currency``."""
        digits = text.removeprefix("0x")
        return f"0x{digits}" if self.offered(currency).has_accounts else digits

    def explorer_url(self, currency: str, txid: str | None) -> str | None:
        """The page about a chain tx of a currency, None where none is configured or there is no chain tx."""
        info = self._known.get(currency)
        if txid is None or info is None or info.explorer_tx is None:
            return None
        return info.explorer_tx.replace("{txid}", txid)


def _pace_of(chain: CurrencySettings | None) -> Pace | None:
    """The pace of a chain, where the configuration tells it."""
    if not isinstance(chain, CoinBase) or chain.block_interval_s is None:
        return None
    blocks_to_mine = chain.fee_target_blocks if isinstance(chain, BitcoinCoinSettings) else 1
    return Pace(chain.block_interval_s, blocks_to_mine)


def _chain_of(settings: CurrencySettings) -> str:
    """Whose actors serve a currency."""
    return settings.parent if isinstance(settings, TokenSettings) else settings.currency
