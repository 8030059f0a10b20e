"""Which package serves which family; imported only when a coin of it is enabled."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import ModuleType
from typing import cast

from coins.errors import UnsupportedError
from coins.family import ChainReader, Coin, Signer, WatchIndex
from coins.index import WatchIndex as ScriptIndex
from coins.turns import Turns
from coins.types import ForeignAddress
from config.schema import CoinSettings

FAMILIES: dict[str, str] = {"bitcoin": "coins.bitcoin", "evm": "coins.evm"}


async def open_coin(
    settings: CoinSettings, signer: Signer, process_workers: int = 0, turns: Turns | None = None
) -> Coin:
    """Open one currency: its reader, deriver, spender and an empty index.

    ``process_workers`` processes may help a family to read blocks while it catches up; 0 for none.
    Long work of its own gives way by ``turns``.
    Asks the signer for account keys where the family needs them; does not ask the node. Raises
    UnsupportedError for a coin that is marked so or whose family is not there, SignerError as the
    signer does.
    """
    opener = cast(Callable[[CoinSettings, Signer, int, Turns], Awaitable[Coin]], _package(settings).open_coin)
    turns = turns or Turns()
    coin = await opener(settings, signer, process_workers, turns)
    return replace(coin, witness=open_witness(settings), turns=turns)


def open_reader(settings: CoinSettings, process_workers: int = 0) -> ChainReader:
    """Open the reader of one currency alone: no key is asked for. Raises UnsupportedError."""
    opener = cast(Callable[[CoinSettings, int], ChainReader], _package(settings).open_reader)
    return opener(settings, process_workers)


def first_cold_address(settings: CoinSettings) -> str:
    """Where the first client would pay with custody ``watch_only``: what the cold wallet must show as well.

    Raises UnsupportedError for a key that is none.
    """
    return cast(Callable[[CoinSettings], str], _package(settings).first_cold_address)(settings)


def parse_address(settings: CoinSettings, text: str) -> ForeignAddress:
    """An address as the currency's family reads it. Raises InvalidAddressError, UnsupportedError."""
    parser = cast(Callable[[CoinSettings, str], ForeignAddress], _package(settings).parse_address)
    return parser(settings, text)


def open_witness(settings: CoinSettings) -> ChainReader | None:
    """Open the reader of the second node, None where there is none. Raises UnsupportedError."""
    if settings.witness is None:
        return None
    return open_reader(settings.model_copy(update={"node": settings.witness, "witness": None}))


def empty_index() -> WatchIndex:
    """An index of no script yet, as every family here uses it."""
    return ScriptIndex()


def _package(settings: CoinSettings) -> ModuleType:
    """The package of the currency's family."""
    if settings.unsupported:
        raise UnsupportedError(f"{settings.currency}: {settings.unsupported}")
    package = FAMILIES.get(settings.family)
    if package is None:
        raise UnsupportedError(f"{settings.currency}: there is no family {settings.family!r}")
    return importlib.import_module(package)
