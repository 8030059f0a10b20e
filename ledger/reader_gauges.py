"""What operators watch, read in one go: waiting withdrawals, cases, hot money, fees, undelivered events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coins.types import Location
from ledger import accounts
from ledger.queries import GetGauges
from ledger.rate import is_usable, newest_rate
from ledger.snapshot import Snapshot
from ledger.stop_row import read_stop
from ledger.views import CurrencyGauges, Gauges

WEEK_S = 7 * 86_400
UNSIGNED = ("held", "approved")
UNCONFIRMED = ("signed", "broadcast")
PAID = ("signed", "broadcast", "confirmed", "final")
ACCOUNT_FAMILIES = frozenset({"evm"})


def get_gauges(snapshot: Snapshot, query: GetGauges) -> Gauges:
    """Every currency of the configuration, and the outbox."""
    db = snapshot.db
    names = db.execute("SELECT currency FROM coin WHERE is_configured = 1 ORDER BY currency").fetchall()
    waiting, oldest = db.execute(
        "SELECT count(*), min(event_sequence) FROM delivery WHERE state = 'pending'"
    ).fetchone()
    (dead,) = db.execute("SELECT count(*) FROM delivery WHERE state = 'dead'").fetchone()
    oldest_at = None
    if oldest is not None:
        (oldest_at,) = db.execute("SELECT occurred_at FROM event WHERE sequence = ?", (oldest,)).fetchone()
    (last_sequence,) = db.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()
    return Gauges(
        currencies=tuple(_currency(snapshot, name) for (name,) in names),
        last_sequence=last_sequence,
        deliveries_waiting=waiting,
        oldest_delivery_at=oldest_at,
        deliveries_dead=dead,
        is_stopped=read_stop(db).is_stopped,
    )


def _currency(snapshot: Snapshot, name: str) -> CurrencyGauges:
    db = snapshot.db
    coin = snapshot.coin(name)
    hot = _balance(snapshot, accounts.onchain(name, Location.HOT))
    if coin.family not in ACCOUNT_FAMILIES:
        # Payouts spend the outputs of deposits as well: there is no sweep.
        hot += _balance(snapshot, accounts.onchain(name, Location.DEPOSIT))
    (attention,) = db.execute(
        "SELECT count(*) FROM withdrawal WHERE currency = ? AND status IN ('signed', 'broadcast')"
        " AND attention = 1",
        (name,),
    ).fetchone()
    (cases,) = db.execute(
        "SELECT count(*) FROM unclaimed_case WHERE currency = ? AND status = 'open'", (name,)
    ).fetchone()
    rate = newest_rate(db, name)
    return CurrencyGauges(
        currency=name,
        state=coin.state,
        decimals=coin.decimals,
        oldest_unsigned_at=_oldest(snapshot, name, UNSIGNED),
        oldest_unconfirmed_at=_oldest(snapshot, name, UNCONFIRMED),
        attention=attention,
        cases=cases,
        hot=hot,
        paid_in_week=_paid_since(snapshot, name, snapshot.now_s - WEEK_S),
        network_fees=_balance(snapshot, accounts.network_fee(name)),
        rate_at=rate.quoted_at if rate is not None else None,
        is_rate_usable=rate is not None and is_usable(rate, snapshot.now_s),
    )


def _balance(snapshot: Snapshot, account: str) -> int:
    row = snapshot.db.execute("SELECT balance FROM account WHERE name = ?", (account,)).fetchone()
    return int(row[0]) if row else 0


def _oldest(snapshot: Snapshot, currency: str, statuses: tuple[str, ...]) -> int | None:
    """When the oldest withdrawal in one of these states was asked for.

    An address that cools is no delay, nor is money for the cold address that nobody has approved.
    """
    found = []
    for status in statuses:
        row = snapshot.db.execute(
            "SELECT created_at FROM withdrawal WHERE currency = ? AND status = ?"
            " AND (status <> 'approved' OR coalesce(cooling_until, 0) <= ?)"
            " AND (status <> 'held' OR kind <> 'cold') ORDER BY ordinal LIMIT 1",
            (currency, status, snapshot.now_s),
        ).fetchone()
        if row is not None:
            found.append(row[0])
    return min(found, default=None)


def _paid_since(snapshot: Snapshot, currency: str, since: int) -> int:
    """Sum of the payouts sent that were asked for since then; newest first, so old ones cost nothing."""
    total = 0
    for status in PAID:
        for amount, created_at in snapshot.db.execute(
            "SELECT amount, created_at FROM withdrawal WHERE currency = ? AND status = ?"
            " AND kind = 'payout' ORDER BY ordinal DESC",
            (currency, status),
        ):
            if created_at < since:
                break
            total += int(amount)
    return total


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {GetGauges: get_gauges}
