"""What the actors of one currency share: its settings and the opened coin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coins.family import Coin
from config.schema import BitcoinCoinSettings, CurrencySettings, EvmCoinSettings, TokenSettings

AnyCoinSettings = BitcoinCoinSettings | EvmCoinSettings
OpenCoin = Callable[[AnyCoinSettings], Awaitable[Coin]]


class CoinSlot:
    """Holds one currency's settings and its coin.

    The first actor of the currency opens the coin in its ``on_start``; its elder is nobody, its
    younger siblings start after it and find the coin open. ``address_seq`` is the number of the
    last own script recorded, whose script is in the coin's index by then; ``loaded_seq`` that of the last
    one loaded from the ledger: all up to it are in the index. ``may_record`` is set but while new scripts
    have to wait for one look at the chain: with one recorded during every look, none would ever count.
    """

    def __init__(self, settings: AnyCoinSettings, open_coin: OpenCoin) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self._open_coin = open_coin
        self._coin: Coin | None = None
        self.address_seq = 0
        self.loaded_seq = 0
        self.may_record = asyncio.Event()
        self.may_record.set()

    @property
    def is_open(self) -> bool:
        """Whether the coin is open now."""
        return self._coin is not None

    @property
    def currency(self) -> str:
        """The currency's name."""
        return self.settings.currency

    @property
    def tokens(self) -> tuple[TokenSettings, ...]:
        """The enabled tokens of the chain; they ride on its node, its actors and its accounts."""
        return self.settings.tokens if isinstance(self.settings, EvmCoinSettings) else ()

    @property
    def currencies(self) -> dict[str, CurrencySettings]:
        """The chain's own currency, then its tokens, by name."""
        return {each.currency: each for each in (self.settings, *self.tokens)}

    @property
    def coin(self) -> Coin:
        """The opened coin. Raises RuntimeError before ``open``."""
        if self._coin is None:
            raise RuntimeError(f"{self.currency} is not open")
        return self._coin

    async def open(self) -> Coin:
        """Open the coin anew, with an empty index; errors of the family and the signer pass."""
        await self.close()
        self._coin = await self._open_coin(self.settings)
        self.address_seq = self.loaded_seq = 0
        self.may_record.set()
        return self._coin

    async def close(self) -> None:
        """Close the coin's connections, if it is open."""
        coin, self._coin = self._coin, None
        if coin is not None:
            await coin.reader.close()
            if coin.witness is not None:
                await coin.witness.close()
