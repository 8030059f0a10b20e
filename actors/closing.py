"""Closing a month of a chain: what the books say, what the chain says at that block, both written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from actors.comparer import apart_of
from actors.contradiction import check_consistent
from actors.identity import Ids
from actors.place import change_of
from coins import registry
from coins.types import Holdings
from config.schema import Settings
from ledger.commands import Command, RecordReconciliation
from ledger.errors import PeriodNotClosableError, StoreOpenError
from ledger.guest import administer
from ledger.liability import SALT_BYTES
from ledger.period import ENABLE, books_of
from ledger.period_command import GetClosing, RecordPeriod
from ledger.period_view import PeriodsClosed
from ledger.queries import GetBooksAt, GetOutputsAt, GetWatched
from ledger.reader import LedgerReader
from ledger.reconciliation_view import PERIOD
from ledger.views import BooksAt

Ask = Callable[[Any], Awaitable[Any]]
HoldingsAt = Callable[[int], Awaitable[Holdings]]
"""What the chain says we own at a height."""


async def close_month(
    chain: str,
    month: str,
    by: str,
    random_bytes: Callable[[int], bytes],
    *,
    read: Ask,
    holdings_at: HoldingsAt,
    record: Ask,
) -> PeriodsClosed:
    """Close a month, or answer the closed one. ``read`` asks the books, ``record`` the writer.

    What the chain said is kept as a comparison of the cause ``period``, also when the month is then refused.
    Raises PeriodNotClosableError, InvalidMonthError, UnknownCurrencyError, NodeDoubtError, and what its doors
    raise.
    """
    salt = random_bytes(SALT_BYTES)
    closing = await read(GetClosing(chain, month, salt))
    if isinstance(closing, PeriodsClosed):
        return closing
    books = tuple(books_of(report) for report in closing.reports.values())
    holdings = await _told_twice(holdings_at, closing.height, books)
    compared_id = Ids(random_bytes).new("rec")
    change, compared = await _with_change(read, chain, holdings, books)
    await record(RecordReconciliation(compared_id, chain, holdings, PERIOD, None, compared, change))
    closed: PeriodsClosed = await record(RecordPeriod(closing, holdings, salt, by))
    return closed


async def _told_twice(holdings_at: HoldingsAt, height: int, books: tuple[BooksAt, ...]) -> Holdings:
    """What the chain says of what the books know; a difference counts once the node has told it twice.

    Raises NodeDoubtError when it tells two things.
    """
    holdings = await _known_at(holdings_at, height, books)
    known = [each for each in books if each.currency in holdings.amounts]
    if any(apart_of(holdings, known, {}).values()):
        again = await _known_at(holdings_at, height, books)
        check_consistent(replace(holdings, scripts={}), replace(again, scripts={}), {})
    return holdings


async def _with_change(
    read: Ask, chain: str, holdings: Holdings, books: tuple[BooksAt, ...]
) -> tuple[dict[str, int], tuple[BooksAt, ...]]:
    """What lies on change scripts by the chain, and the books with the same."""
    at, change = holdings.at, change_of(holdings, await read(GetWatched(chain)))
    held = await read(GetBooksAt(chain, at.height, at.block_hash, tuple(change)))
    changes = {each.currency: each.change for each in held or ()}
    return change, tuple(replace(each, change=changes.get(each.currency)) for each in books)


async def _known_at(holdings_at: HoldingsAt, height: int, books: tuple[BooksAt, ...]) -> Holdings:
    """What the chain says by location, of the currencies that the books know."""
    told = await holdings_at(height)
    names = {each.currency for each in books} & told.amounts.keys()
    return replace(told, amounts={currency: told.amounts[currency] for currency in names})


async def close_books(
    settings: Settings, chain: str, month: str, by: str, now_s: int, random_bytes: Callable[[int], bytes]
) -> PeriodsClosed:
    """Close a month of the configured database with the configured node, also beside a running server.

    Raises as :func:`close_month`; PeriodNotClosableError for a chain that is not enabled; StoreError,
    CoinError.
    """
    path = settings.ledger.path
    if not path.exists():
        raise StoreOpenError(f"there is no database {path} yet")
    coin = settings.enabled_coins.get(chain)
    books = await LedgerReader(path, now_s=lambda: now_s, connections=1).open()
    reader = None if coin is None else registry.open_reader(coin, settings.actors.process_workers)
    try:

        async def holdings_at(height: int) -> Holdings:
            if reader is None:
                raise PeriodNotClosableError(f"{chain} is not watched: {ENABLE.format(chain)}")
            await reader.identify()
            watched = await books.answer(GetWatched(chain))
            known = await books.answer(GetOutputsAt(chain, height))
            scripts = [(entry.own.script, entry.location) for entry in watched]
            return await (await reader.history(scripts, height, known)).at(height)

        async def record(command: Command[Any]) -> Any:
            return administer(path, command, now_s, settings.webhooks.url)

        return await close_month(
            chain, month, by, random_bytes, read=books.answer, holdings_at=holdings_at, record=record
        )
    finally:
        if reader is not None:
            await reader.close()
        await books.close()
