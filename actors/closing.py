"""Closing a month of a chain: what the books say, what the chain says at that block, both written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from coins import registry
from coins.types import Holdings
from config.schema import Settings
from ledger.errors import StoreOpenError, UnknownCurrencyError
from ledger.guest import administer
from ledger.liability import SALT_BYTES
from ledger.period_command import GetClosing, RecordPeriod
from ledger.period_view import PeriodsClosed
from ledger.queries import GetOutputsAt, GetWatched
from ledger.reader import LedgerReader

Ask = Callable[[Any], Awaitable[Any]]


async def close_month(
    chain: str,
    month: str,
    by: str,
    salt: bytes,
    *,
    read: Ask,
    holdings_at: Callable[[int], Awaitable[Holdings]],
    record: Ask,
) -> PeriodsClosed:
    """Close a month, or answer the closed one. ``read`` asks the books, ``record`` the writer.

    Raises PeriodNotClosableError, InvalidMonthError, UnknownCurrencyError, and what its doors raise.
    """
    closing = await read(GetClosing(chain, month, salt))
    if isinstance(closing, PeriodsClosed):
        return closing
    closed: PeriodsClosed = await record(RecordPeriod(closing, await holdings_at(closing.height), salt, by))
    return closed


async def close_books(
    settings: Settings, chain: str, month: str, by: str, now_s: int, random_bytes: Callable[[int], bytes]
) -> PeriodsClosed:
    """Close a month of the configured database with the configured node, also beside a running server.

    Raises as :func:`close_month`; StoreError, CoinError.
    """
    path = settings.ledger.path
    if not path.exists():
        raise StoreOpenError(f"there is no database {path} yet")
    coin = settings.enabled_coins.get(chain)
    if coin is None:
        raise UnknownCurrencyError(
            f"{chain} is no enabled chain: {', '.join(settings.enabled_coins) or 'none is'}"
        )
    books = await LedgerReader(path, now_s=lambda: now_s, connections=1).open()
    reader = registry.open_reader(coin, settings.actors.process_workers)
    try:

        async def holdings_at(height: int) -> Holdings:
            await reader.identify()
            watched = await books.answer(GetWatched(chain))
            known = await books.answer(GetOutputsAt(chain, height))
            scripts = [(entry.own.script, entry.location) for entry in watched]
            return await (await reader.history(scripts, height, known)).at(height)

        async def record(command: RecordPeriod) -> PeriodsClosed:
            return administer(path, command, now_s, settings.webhooks.url)

        salt = random_bytes(SALT_BYTES)
        return await close_month(
            chain, month, by, salt, read=books.answer, holdings_at=holdings_at, record=record
        )
    finally:
        await reader.close()
        await books.close()
