"""Every document beside its entries, and what we hold beside what moved it.

This room's README says of each table what it is held against; a test keeps that list whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from ledger.connection import Database
from ledger.document import Tell, paired, tell_first
from ledger.document_deposit import check_cases, check_deposits
from ledger.document_payout import check_attempts, check_withdrawals
from ledger.document_transfer import check_adjustments, check_transfers

_SCRIPT = (
    "SELECT s.address FROM own_script s LEFT JOIN script_reservation r"
    " ON (r.currency, r.branch, r.script_index) = (s.currency, s.branch, s.script_index)"
    " WHERE r.purpose IS NOT s.purpose OR r.client_id <> coalesce(s.client_id, '')"
)
_MOVED = (
    "SELECT m.journal_id, m.id, m.currency, m.location, m.delta, m.is_disconnected, s.location, r.id"
    " FROM chain_movement m JOIN own_script s ON s.sequence = m.script_sequence"
    " LEFT JOIN journal r ON r.reverses = m.journal_id WHERE m.journal_id IS NOT NULL"
    " ORDER BY m.journal_id, m.id"
)
_BOOKED = (
    "SELECT p.journal_id, d.name, c.name, p.amount FROM posting p JOIN account d ON d.id = p.debit_id"
    " JOIN account c ON c.id = p.credit_id JOIN journal j ON j.id = p.journal_id"
    " WHERE j.height IS NOT NULL AND +j.reverses IS NULL ORDER BY p.journal_id, p.id"
)


def _check_movements(db: Database, tell: Tell) -> None:
    """``tell`` the first entry whose movements are not what it booked on the chain."""
    for entry, moved, booked in paired(_moved(db, tell), _booked(db)):
        if booked is None and moved:
            tell("movement", f"journal {entry}", "has movements, and booked none")
        elif (moved or {}) != (booked or {}):
            tell("movement", f"journal {entry}", "booked something else than its movements")


def _booked(db: Database) -> Iterator[tuple[int, dict[str, int]]]:
    """What each entry of a block changed on each account of the chain, in their order."""
    for entry, rows in groupby(db.execute(_BOOKED), key=itemgetter(0)):
        net: defaultdict[str, int] = defaultdict(int)
        for _, debit, credit, amount in rows:
            net[debit] += int(amount)
            net[credit] -= int(amount)
        yield entry, {name: each for name, each in net.items() if each and name.startswith("onchain:")}


def _moved(db: Database, tell: Tell) -> Iterator[tuple[int, dict[str, int]]]:
    """What movements changed on each account of the chain, by the entry that booked them, in their order."""
    for entry, rows in groupby(db.execute(_MOVED), key=itemgetter(0)):
        net: defaultdict[str, int] = defaultdict(int)
        for _, movement, currency, location, delta, is_undone, lies, contra in rows:
            if bool(is_undone) is not (contra is not None):
                detail = "stands while its entry is undone, or the other way round"
                tell("movement", f"movement {movement}", detail)
            if location != lies:
                tell("movement", f"movement {movement}", f"moved {location}, its script lies in {lies}")
            net[f"onchain:{currency}:{location}"] += int(delta)
        yield entry, {name: each for name, each in net.items() if each}


_CHECKS = {
    "transfer": check_transfers,
    "adjustment": check_adjustments,
    "deposit": check_deposits,
    "case": check_cases,
    "withdrawal": check_withdrawals,
    "attempt": check_attempts,
    "movement": _check_movements,
}


def check_documents(db: Database, tell: Tell) -> None:
    """``tell`` the first row of each kind of document that is not what the journal says."""
    for kind, check in _CHECKS.items():
        try:
            check(db, tell)
        except (ValueError, TypeError, LookupError) as error:
            tell(kind, kind, f"cannot be read: {error}")
    tell_first(db, tell, "script", "is not what its index was reserved for", _SCRIPT)
