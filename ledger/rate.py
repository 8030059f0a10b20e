"""Rates, kept with the place in the journal from which on they hold.

A rate that comes later never says anything of an entry that was there before: a statement printed again
shows the same values, and what was unknown stays unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.connection import Database
from ledger.context import Tx
from ledger.cut import last_entry
from ledger.rate_command import RecordRates
from ledger.statement_query import Rate


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of a currency for a range of entries, in the order in which they came."""

    found: tuple[Rate, ...]
    places: tuple[int, ...]

    def at(self, entry: int, at: int) -> Rate | None:
        """The last one known when an entry was booked, None where there was none or it was too old."""
        number = bisect_right(self.places, entry - 1)
        if not number:
            return None
        rate = self.found[number - 1]
        return rate if is_usable(rate, at) else None


def is_usable(rate: Rate, at: int) -> bool:
    """Whether a rate still says what something booked at a moment (unix seconds) is worth."""
    return at - rate.quoted_at <= rate.valid_s


def record_rates(tx: Tx, command: RecordRates) -> tuple[str, ...]:
    """Keep what is new; answers the currencies that are none here."""
    after, unknown = last_entry(tx.db), []
    for currency, rate in sorted(command.rates.items()):
        if tx.db.execute("SELECT 1 FROM coin WHERE currency = ?", (currency,)).fetchone() is None:
            unknown.append(currency)
            continue
        last = tx.db.execute(
            "SELECT quote, rate, quoted_at, valid_s FROM rate WHERE currency = ? ORDER BY id DESC LIMIT 1",
            (currency,),
        ).fetchone()
        if last is not None and last[0] == command.quote and _is_old(last, rate, command):
            continue
        tx.db.execute(
            "INSERT INTO rate (currency, quote, rate, quoted_at, valid_s, after_entry, recorded_at, source)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                currency, command.quote, rate, command.quoted_at, command.valid_s, after, tx.now_s,
                command.source,
            ),
        )  # fmt: skip
    return tuple(unknown)


def _is_old(last: tuple[str, str, int, int], rate: str, command: RecordRates) -> bool:
    """Whether a rate is the one that is there, or older."""
    same = (rate, command.quoted_at, command.valid_s) == tuple(last[1:])
    return same or command.quoted_at < last[2]


def read_rates(db: Database, currency: str, after: int, last: int) -> Rates:
    """The rates that hold for the entries after ``after`` up to ``last``."""
    rows = db.execute(
        "SELECT after_entry, quote, rate, quoted_at, valid_s FROM rate"
        " WHERE currency = ?1 AND after_entry < ?3 AND after_entry >= coalesce(("
        "SELECT max(after_entry) FROM rate WHERE currency = ?1 AND after_entry <= ?2), 0)"
        " ORDER BY after_entry, id",
        (currency, after, last),
    ).fetchall()
    found = tuple(Rate(*row) for row in rows)
    return Rates(found, tuple(rate.after_entry for rate in found))


def newest_rate(db: Database, currency: str) -> Rate | None:
    """The rate that what is booked now is worth by, however old it is."""
    row = db.execute(
        "SELECT after_entry, quote, rate, quoted_at, valid_s FROM rate WHERE currency = ?"
        " ORDER BY after_entry DESC, id DESC LIMIT 1",
        (currency,),
    ).fetchone()
    return Rate(*row) if row else None


NO_RATES = Rates((), ())
"""Where there is no entry."""
HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {RecordRates: record_rates}
