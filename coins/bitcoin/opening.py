"""One currency of this family, put together from its settings."""

from __future__ import annotations

from coins.bip32 import Bip32Error, parse_xpub
from coins.bitcoin.derive import NodeDeriver, XpubDeriver
from coins.bitcoin.reader import BitcoinReader
from coins.bitcoin.rpc import RpcClient
from coins.bitcoin.spender import BitcoinSpender
from coins.coldkey import check_cold, cold_account
from coins.errors import SignerError, UnsupportedError
from coins.family import ChainReader, Coin, Signer
from coins.index import WatchIndex
from coins.turns import Turns
from coins.types import Branch
from config.schema import BitcoinCoinSettings


async def open_coin(
    settings: BitcoinCoinSettings, signer: Signer, process_workers: int = 0, turns: Turns | None = None
) -> Coin:
    """The coin's bundle. Asks the signer for account keys (but with custody ``node``), never the node.

    ``process_workers`` fetch and outline blocks beside this process while catching up; 0 for none.
    Reading blocks gives way by ``turns``.
    Raises UnsupportedError for what this version cannot do, SignerError when the signer does not
    answer or holds other keys than the settings name.
    """
    _check_supported(settings)
    rpc = RpcClient(settings.node)
    deriver: NodeDeriver | XpubDeriver
    if settings.custody == "node":
        deriver = NodeDeriver(settings, rpc)
    else:
        deposit = await _deposit_xpub(settings, signer)
        hot = await _xpub(settings, signer, 1, settings.hot_xpub)
        deriver = XpubDeriver(settings, deposit, hot)
    spender = BitcoinSpender(settings, rpc, signer)
    return Coin(
        currency=settings.currency,
        family=settings.family,
        reader=BitcoinReader(settings, rpc, process_workers, turns),
        deriver=deriver,
        spender=spender,
        index=WatchIndex(),
        bumper=spender,
        consolidator=spender,
    )


def open_reader(settings: BitcoinCoinSettings, process_workers: int = 0) -> ChainReader:
    """The reader alone. Raises UnsupportedError."""
    _check_supported(settings)
    return BitcoinReader(settings, RpcClient(settings.node), process_workers)


def first_cold_address(settings: BitcoinCoinSettings) -> str:
    """The cold wallet's first receiving address. Raises UnsupportedError."""
    _check_supported(settings)
    cold = settings.deposit_xpub or ""
    cold_account(settings.currency, cold)
    return XpubDeriver(settings, cold, cold).derive_now(Branch.DEPOSIT, 0).address


def _check_supported(settings: BitcoinCoinSettings) -> None:
    """Refuse plainly what is not proven."""
    if settings.unsupported:
        raise UnsupportedError(f"{settings.currency}: {settings.unsupported}")
    if settings.address_type != "p2wpkh":
        raise UnsupportedError(f"{settings.currency}: addresses of type {settings.address_type}")
    if settings.tx.forkid or settings.tx.auxpow:
        raise UnsupportedError(f"{settings.currency}: tx.forkid and tx.auxpow are not proven on a real node")


async def _deposit_xpub(settings: BitcoinCoinSettings, signer: Signer) -> str:
    """The account key of the deposits: the cold wallet's where the keys are not ours, else the signer's."""
    if settings.is_watch_only and settings.deposit_xpub is not None:
        await check_cold(settings.currency, settings.deposit_xpub, signer)
        return settings.deposit_xpub
    return await _xpub(settings, signer, 0, settings.deposit_xpub)


async def _xpub(settings: BitcoinCoinSettings, signer: Signer, account: int, configured: str | None) -> str:
    """The signer's account key; one named in the settings must be the same key.

    Money sent to an address of another key could not be spent by this signer.
    """
    held = await signer.account_xpub(settings.currency, account)
    if configured is None:
        return held
    try:
        ours, theirs = parse_xpub(held), parse_xpub(configured)
    except Bip32Error as error:
        raise UnsupportedError(f"{settings.currency}: account {account}: {error}") from None
    if (ours.public_key, ours.chain_code) != (theirs.public_key, theirs.chain_code):
        raise SignerError(
            f"{settings.currency}: the signer's key of account {account} is not the configured one"
        )
    return held
