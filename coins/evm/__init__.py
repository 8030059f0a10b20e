"""Family ``evm``: the native currency of chains of Ethereum's kind."""

from __future__ import annotations

from coins.coldkey import cold_account
from coins.evm import address
from coins.evm.derive import EvmDeriver, open_deriver
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from coins.evm.spender import EvmSpender
from coins.family import ChainReader, Coin, Signer
from coins.index import WatchIndex
from coins.turns import Turns
from coins.types import Branch, ForeignAddress
from config.schema import CoinSettings, EvmCoinSettings


async def open_coin(
    settings: CoinSettings, signer: Signer, process_workers: int = 0, turns: Turns | None = None
) -> Coin:
    """The bundle of one currency. Asks the signer for the account keys, not yet the node for anything.

    ``process_workers`` and ``turns`` have no use here: decoding a block takes a few milliseconds, a
    fraction of what it costs the node.
    Raises SignerError, TypeError for settings of another family.
    """
    if not isinstance(settings, EvmCoinSettings):
        raise TypeError(f"{settings.currency} is not of family evm")
    deriver = await open_deriver(settings, signer)
    rpc = EvmRpc(settings.node, settings.chain_id)
    spender = EvmSpender(settings, rpc, signer)
    return Coin(
        currency=settings.currency,
        family=settings.family,
        reader=EvmReader(settings, rpc),
        deriver=deriver,
        spender=spender,
        index=WatchIndex(),
        bumper=spender,
    )


def first_cold_address(settings: CoinSettings) -> str:
    """The cold wallet's first account. Raises UnsupportedError, TypeError for settings of another family."""
    if not isinstance(settings, EvmCoinSettings):
        raise TypeError(f"{settings.currency} is not of family evm")
    cold = settings.deposit_xpub or ""
    cold_account(settings.currency, cold)
    return EvmDeriver(settings, cold, cold).own(Branch.DEPOSIT, 0).address


def open_reader(settings: CoinSettings, process_workers: int = 0) -> ChainReader:
    """The reader alone: asks the signer for nothing. Raises TypeError for settings of another family."""
    if not isinstance(settings, EvmCoinSettings):
        raise TypeError(f"{settings.currency} is not of family evm")
    return EvmReader(settings, EvmRpc(settings.node, settings.chain_id))


def parse_address(settings: CoinSettings, text: str) -> ForeignAddress:
    """See :func:`coins.evm.address.parse_address`; one form on all of these chains."""
    return address.parse_address(text)
