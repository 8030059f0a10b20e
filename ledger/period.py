"""Closing a month. What belongs to it is a place in the journal, the same for all currencies of a chain.

The month's last block is the one below the first block whose time is not in it any more. The **cut** lies
after the last entry that was booked at or below that block, so that what the books hold there is what the
chain holds at it, and before the first entry booked above it. Between the two stands what no block did
(transfers, decisions); of that belongs to the month what was booked before it was over. The journal only
grows, so a closed month cannot change: what comes later, also a reorg, is an entry of an open one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from coins.types import Location
from ledger import accounts, codec, period_report
from ledger.books_at import LEFT, RIGHT, side_of
from ledger.coin_row import CoinRow
from ledger.connection import Database
from ledger.context import Tx
from ledger.errors import InvalidMonthError, PeriodNotClosableError, UnknownCurrencyError
from ledger.month import end_of, next_month
from ledger.period_command import RecordPeriod
from ledger.period_difference import differences_of
from ledger.period_view import ClosingView, PeriodsClosed, PeriodView
from ledger.views import BooksAt

PERIOD_COLUMNS = "month, chain, currency, cut, height, block_hash, report, digest, closed_at, closed_by"


def to_period(row: tuple[str, str, str, int, int, str, str, str, int, str]) -> PeriodView:
    """A PeriodView of a row selected as PERIOD_COLUMNS."""
    return PeriodView(*row[:6], json.loads(row[6]), *row[7:])


def read_periods(db: Database, where: str, arguments: tuple[object, ...]) -> list[PeriodView]:
    """Closed months matching a condition, which may end with an order and a limit."""
    rows = db.execute(f"SELECT {PERIOD_COLUMNS} FROM period WHERE {where}", arguments)  # nosec B608
    return [to_period(row) for row in rows]


def last_block(db: Database, chain: str, month: str, final_depth: int) -> tuple[int, str]:
    """Height and hash of a month's last block. Raises PeriodNotClosableError, InvalidMonthError."""
    try:
        ends_at = end_of(month)
    except ValueError as error:
        raise InvalidMonthError(str(error)) from None
    row = db.execute(
        "SELECT height FROM block WHERE chain = ? AND time >= ? ORDER BY height LIMIT 1", (chain, ends_at)
    ).fetchone()
    if row is None:
        raise PeriodNotClosableError(f"{chain} has no block after {month} yet")
    last = db.execute(
        "SELECT height, block_hash FROM block WHERE chain = ? AND height = ?", (chain, row[0] - 1)
    ).fetchone()
    if last is None:
        raise PeriodNotClosableError(f"the books of {chain} begin after {month}")
    (tip,) = db.execute("SELECT max(height) FROM block WHERE chain = ?", (chain,)).fetchone()
    if tip - last[0] < final_depth:
        raise PeriodNotClosableError(
            f"block {last[0]} of {chain} can still be reorganised: {tip - last[0]} of {final_depth} above it"
        )
    return last[0], last[1]


def find_cut(db: Database, chain: str, height: int, ends_at: int) -> int:
    """The last journal entry that belongs to what ended with block ``height`` and before ``ends_at``.

    0 when none does.
    """
    row = db.execute(
        "SELECT id FROM journal WHERE chain = ? AND height <= ? ORDER BY id DESC LIMIT 1", (chain, height)
    ).fetchone()
    booked = row[0] if row else 0
    later = db.execute(
        "SELECT id FROM journal WHERE id > ? AND (chain = ? OR at >= ?) ORDER BY id LIMIT 1",
        (booked, chain, ends_at),
    ).fetchone()
    if later is not None:
        return int(later[0]) - 1
    (end,) = db.execute("SELECT max(id) FROM journal").fetchone()
    return end or 0


def currencies_of(db: Database, chain: str) -> list[str]:
    """A chain's own currency and its tokens."""
    rows = db.execute(
        "SELECT currency FROM coin WHERE chain = ? ORDER BY currency <> chain, currency", (chain,)
    )
    return [row[0] for row in rows]


def closed_before(db: Database, chain: str, month: str) -> tuple[int, dict[str, str]]:
    """The cut of the month before, and its digests by currency; (0, {}) when none was closed.

    Raises PeriodNotClosableError when ``month`` is not the one that comes next.
    """
    row = db.execute("SELECT max(month) FROM period WHERE chain = ?", (chain,)).fetchone()
    if row[0] is None:
        return 0, {}
    following = next_month(row[0])
    if month != following:
        raise PeriodNotClosableError(f"the next month to close of {chain} is {following}")
    closed = db.execute(
        "SELECT currency, cut, digest FROM period WHERE chain = ? AND month = ?", (chain, row[0])
    ).fetchall()
    return closed[0][1], {currency: digest for currency, _, digest in closed}


def closing(db: Database, chain: str, month: str, final_depth: int, salt: bytes) -> ClosingView:
    """The month as the books tell it. Raises PeriodNotClosableError, InvalidMonthError."""
    height, block_hash = last_block(db, chain, month, final_depth)
    after, digests = closed_before(db, chain, month)
    cut = find_cut(db, chain, height, end_of(month))
    reports = {}
    for currency in currencies_of(db, chain):
        report = period_report.compute(
            db,
            currency,
            month,
            after=after,
            cut=cut,
            salt=salt,
            previous=digests.get(currency, period_report.GENESIS),
        )
        reports[currency] = {**report, "height": height, "block_hash": block_hash}
    return ClosingView(month, chain, height, block_hash, cut, reports)


def compared(report: dict[str, Any], amounts: dict[Location, int]) -> list[dict[str, str]]:
    """By location what the chain says beside what the books say at the month's last block."""
    booked = {line["account"]: int(line["closing"]) for line in report["accounts"]}
    lines = []
    for location in Location:
        books = booked.get(accounts.onchain(report["currency"], location), 0)
        chain = amounts.get(location, 0)
        lines.append(
            {
                "location": location.value,
                "chain": str(chain),
                "books": str(books),
                "difference": str(chain - books),
            }
        )
    return lines


def books_of(report: dict[str, Any]) -> BooksAt:
    """What a report's books hold at the month's end, as a comparison with the chain takes it."""
    onchain = dict.fromkeys(Location, 0)
    totals = dict.fromkeys((*LEFT, *RIGHT, "clearing"), 0)
    for line in report["accounts"]:
        account, amount = accounts.parse(line["account"]), int(line["closing"])
        totals[side_of(account.kind, account.account_class)] += amount
        if account.kind == "onchain":
            onchain[Location(account.part)] = amount
    return BooksAt(report["currency"], onchain, totals)


def refuse_unasked(coin: CoinRow, report: dict[str, Any], height: int) -> None:
    """What the books hold of a currency that the chain was not asked about cannot be closed.

    Raises PeriodNotClosableError.
    """
    held = books_of(report).onchain
    told = ", ".join(f"{location.value} {amount}" for location, amount in held.items() if amount)
    if not told:
        return
    if coin.is_configured:
        raise PeriodNotClosableError(
            f"the node cannot tell what we own of {coin.currency} at block {height}: the books hold {told}"
        )
    raise PeriodNotClosableError(
        f"{coin.currency} is not watched, and the books hold {told} of it: {ENABLE.format(coin.currency)}"
    )


ENABLE = (
    "enable {} in the configuration again, with its deposits and withdrawals closed if nobody is to use it,"
    " let the cashier read its blocks, and close the month then"
)
"""What is done about a currency that was taken out while the books hold some of it."""


def record_period(tx: Tx, command: RecordPeriod) -> PeriodsClosed:
    """Close the month of every currency of the chain, or of none. A month that is closed stays as it is."""
    month, view, salt = command.closing.month, command.closing, command.salt
    closed = read_periods(tx.db, "chain = ? AND month = ? ORDER BY currency", (view.chain, month))
    if closed:
        return PeriodsClosed(month, view.chain, tuple(closed))
    coin = tx.coin(view.chain)
    if coin.chain != coin.currency:
        raise UnknownCurrencyError(f"{coin.currency} is closed with {coin.chain}")
    place = last_block(tx.db, view.chain, month, coin.final_depth)
    after, _ = closed_before(tx.db, view.chain, month)
    cut = find_cut(tx.db, view.chain, view.height, end_of(month))
    if (place, cut) != ((view.height, view.block_hash), view.cut) or cut < after:
        raise PeriodNotClosableError("the books changed meanwhile: try again")
    at = command.holdings.at
    if (at.height, at.block_hash) != place:
        raise PeriodNotClosableError(f"the chain answered for block {at.height}, not for {view.height}")
    reports = {}
    for currency, report in view.reports.items():
        amounts = command.holdings.amounts.get(currency)
        if amounts is None:
            refuse_unasked(tx.coin(currency), report, view.height)
        lines = [] if amounts is None else compared(report, amounts)
        differences = differences_of(tx.db, report, lines, view.height)
        reports[currency] = {**report, "chain": lines, "differences": differences}
    for currency, report in reports.items():
        tx.db.execute(
            f"INSERT INTO period ({PERIOD_COLUMNS}, salt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # nosec B608
            (
                month,
                view.chain,
                currency,
                cut,
                view.height,
                view.block_hash,
                period_report.canonical(report),
                period_report.digest(report),
                tx.now_s,
                command.by,
                salt,
            ),
        )
    tx.audit(
        command.by, "close_period", "period", f"{view.chain}:{month}", {"height": view.height, "cut": cut}
    )
    periods = read_periods(tx.db, "chain = ? AND month = ? ORDER BY currency", (view.chain, month))
    for period in periods:
        told_of = {name: period.report[name] for name in ("owed", "chain", "differences")}
        told_view = replace(period, report=told_of)
        tx.emit("period.closed", "period", f"{period.currency}:{month}", None, codec.to_dict(told_view))
    return PeriodsClosed(month, view.chain, tuple(periods))


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {RecordPeriod: record_period}
