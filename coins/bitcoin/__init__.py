"""Chains of Bitcoin's kind: blocks of chain txs with inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coins.family import ChainReader, Coin, Signer
    from coins.turns import Turns
    from coins.types import ForeignAddress
    from config.schema import BitcoinCoinSettings

__all__ = ["first_cold_address", "open_coin", "open_reader", "parse_address"]

# Imported where it is used: the worker processes need none of it, and each would hold it in memory.


async def open_coin(
    settings: BitcoinCoinSettings, signer: Signer, process_workers: int = 0, turns: Turns | None = None
) -> Coin:
    """See :func:`coins.bitcoin.opening.open_coin`."""
    from coins.bitcoin import opening

    return await opening.open_coin(settings, signer, process_workers, turns)


def open_reader(settings: BitcoinCoinSettings, process_workers: int = 0) -> ChainReader:
    """See :func:`coins.bitcoin.opening.open_reader`."""
    from coins.bitcoin import opening

    return opening.open_reader(settings, process_workers)


def first_cold_address(settings: BitcoinCoinSettings) -> str:
    """See :func:`coins.bitcoin.opening.first_cold_address`."""
    from coins.bitcoin import opening

    return opening.first_cold_address(settings)


def parse_address(settings: BitcoinCoinSettings, text: str) -> ForeignAddress:
    """See :func:`coins.bitcoin.address.parse_address`."""
    from coins.bitcoin import address, derive

    return address.parse_address(text, derive.network_of(settings))
