"""Deposits and cases beside their entries: amounts, clients, states, places."""

from __future__ import annotations

from collections import defaultdict

from coins.types import booked_at
from ledger import accounts
from ledger.accounts import HOUSE, Part
from ledger.adjustment_row import read_adjustments
from ledger.case import IN_SUSPENSE, CaseKind, CaseState
from ledger.case_row import COLUMNS as CASE_COLUMNS
from ledger.case_row import SOURCE as CASE_SOURCE
from ledger.case_row import CaseRow
from ledger.case_row import from_row as to_case
from ledger.connection import Database
from ledger.deposit import DepositState
from ledger.deposit_row import COLUMNS as DEPOSIT_COLUMNS
from ledger.deposit_row import SOURCE as DEPOSIT_SOURCE
from ledger.deposit_row import DepositRow
from ledger.deposit_row import from_row as to_deposit
from ledger.difference_case import location_of
from ledger.document import (
    Tell,
    beside,
    booked,
    first_difference,
    of_client,
    rows,
    summed,
    tell_first,
    unlike_history,
)
from ledger.withdrawal import RELEASED_SQL

_IN_BLOCK = "'confirming', 'credited', 'final', 'parked'"
_PLACE = (
    "SELECT d.id FROM chain_movement m"
    " CROSS JOIN journal j ON j.id = m.journal_id AND j.ref_type = 'deposit'"
    " CROSS JOIN deposit d ON d.id = j.ref_id CROSS JOIN own_script s ON s.sequence = d.script_sequence"
    " WHERE m.is_disconnected = 0 AND ((m.chain, m.currency, m.txid, m.script_sequence, m.delta, m.height,"
    " m.block_hash, s.client_id) IS NOT (d.chain, d.currency, d.txid, d.script_sequence, d.amount,"
    " d.block_height, d.block_hash, d.client_id) OR m.position NOT IN (d.position, 'out:' || d.position))"
)
_OUTSIDE = (
    f"SELECT id FROM deposit WHERE (block_hash IS NOT NULL) <> (status IN ({_IN_BLOCK}))"  # nosec B608
    " OR (block_height IS NULL) <> (block_hash IS NULL)"
)
_CREDIT = (
    "SELECT d.id FROM deposit d WHERE d.status = 'credited' AND d.withdrawable_height IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM journal j LEFT JOIN posting p ON p.journal_id = j.id AND +p.credit_id ="
    " (SELECT id FROM account WHERE name = 'client:' || d.client_id || ':' || d.currency || ':available')"
    " WHERE j.id = (SELECT max(k.id) FROM journal k WHERE k.ref_type = 'deposit' AND k.ref_id = d.id"
    " AND k.kind = 'deposit_credited') AND coalesce(p.amount, '0') = d.credited_amount)"
)
"""What became available says how much may not be withdrawn yet; where nothing waits, nobody reads it."""
_PARKED = (
    "SELECT c.id FROM unclaimed_case c LEFT JOIN deposit d ON d.id = c.deposit_id"
    " WHERE (c.kind = 'parked') <> (d.id IS NOT NULL)"
    " OR c.currency <> d.currency OR c.txid <> d.txid OR c.position <> d.position"
    " OR c.status <> 'closed' AND c.block_hash IS NOT NULL AND c.amount <> d.amount"
    " OR (c.status IN ('open', 'refunding', 'refunded', 'written_off')"
    " OR c.status = 'assigned' AND c.client_id = 'house') AND d.status <> 'parked'"
)
_REFUND = (
    "SELECT c.id FROM unclaimed_case c WHERE (c.status IN ('refunding', 'refunded')) <> (SELECT count(*)"
    f" FROM withdrawal w WHERE w.case_id = c.id AND w.status NOT IN {RELEASED_SQL}"  # nosec B608
    " AND w.amount = c.amount AND w.currency = c.currency)"
)
_HISTORY = unlike_history("case", "unclaimed_case")
_CAME = (
    "SELECT c.txid || ':' || c.position AS place, c.id, c.currency, c.amount FROM unclaimed_case c"
    " WHERE c.kind IN ('funding', 'unseen') AND c.status <> 'closed' ORDER BY place"
)


def check_deposits(db: Database, tell: Tell) -> None:
    """``tell`` the first deposit that is not what was booked of it."""
    locations: dict[int, str] = dict(db.execute("SELECT sequence, location FROM own_script").fetchall())
    sql = f"SELECT {DEPOSIT_COLUMNS} FROM {DEPOSIT_SOURCE} ORDER BY d.id"  # nosec B608
    for deposit_id, row, entries in beside(db, "deposit", rows(db, tell, "deposit", sql, to_deposit)):
        net = summed(entries.net) if entries is not None else {}
        if row is None:
            tell("deposit", f"deposit {deposit_id}", "is booked, and has no row")
        elif wrong := first_difference(net, _expected(row, locations[row.script_sequence])):
            tell("deposit", f"deposit {deposit_id}", f"is {row.status}: {wrong}")
    tell_first(db, tell, "deposit", "is another payment than the block brought", _PLACE)
    tell_first(db, tell, "deposit", "names a block, and its state does not, or the other way round", _OUTSIDE)
    tell_first(db, tell, "deposit", "another part of it became available", _CREDIT)


def _expected(row: DepositRow, location: str) -> dict[str, int]:
    """What the entries of a deposit in this state leave."""
    parts = {
        DepositState.CONFIRMING: accounts.client(row.client_id, row.currency, Part.PENDING),
        DepositState.CREDITED: of_client(row.client_id, row.currency),
        DepositState.FINAL: of_client(row.client_id, row.currency),
        DepositState.PARKED: accounts.suspense(row.currency),
    }
    if row.status not in parts:
        return {}
    return {f"onchain:{row.currency}:{location}": row.amount, parts[row.status]: -row.amount}


def check_cases(db: Database, tell: Tell) -> None:
    """``tell`` the first case that is not what was booked, and a currency whose open cases are not its
    suspense."""
    suspense: defaultdict[str, int] = defaultdict(int)
    sql = f"SELECT {CASE_COLUMNS} FROM {CASE_SOURCE} ORDER BY c.id"  # nosec B608
    for case_id, row, entries in beside(db, "case", rows(db, tell, "case", sql, to_case)):
        if row is None:
            tell("case", f"case {case_id}", "is booked, and has no row")
            continue
        net = summed(entries.net) if entries is not None else {}
        try:
            decided = _decided(db, row)
        except ValueError as error:
            tell("case", f"case {case_id}", f"cannot be read: {error}")
            continue
        if wrong := first_difference(net, decided):
            tell("case", f"case {case_id}", f"is {row.status}: {wrong}")
        if row.kind in IN_SUSPENSE and row.status is CaseState.OPEN:
            suspense[row.currency] += row.amount
    _check_receipts(db, tell)
    tell_first(db, tell, "case", "is not what its deposit is", _PARKED)
    tell_first(
        db, tell, "case", "is refunded by no withdrawal of its amount, or by one and does not say so", _REFUND
    )
    tell_first(db, tell, "case", "is in another state than its history ends with", _HISTORY)
    for name, balance in db.execute("SELECT name, balance FROM account WHERE name LIKE 'suspense:%'"):
        currency = name.partition(":")[2]
        if suspense.pop(currency, 0) != int(balance):
            tell("case", f"case {name}", f"holds {balance}, which is not what the open cases add up to")


def _check_receipts(db: Database, tell: Tell) -> None:
    """``tell`` the first case of money that came in which is not about what the block brought to suspense."""
    receipts = booked(db, "receipt")
    receipt = next(receipts, None)
    for place, case_id, currency, amount in db.execute(_CAME):
        while receipt is not None and receipt.ref_id < place:
            receipt = next(receipts, None)
        net = receipt.net if receipt is not None and receipt.ref_id == place else {}
        came = -net.get(accounts.suspense(currency), 0)
        if str(came) != amount:
            tell("case", f"case {case_id}", f"is about {amount}, the block brought {came}")


def _corrected(db: Database, row: CaseRow) -> dict[str, int]:
    """What the corrections of a difference have booked, between its own place and what took it."""
    place = accounts.onchain(row.currency, booked_at(location_of(row)))
    net: defaultdict[str, int] = defaultdict(int)
    for corrected in read_adjustments(db, "case_id = ? AND status = 'posted'", (row.id,)):
        for name, amount in ((corrected.target, corrected.amount), (corrected.source, -corrected.amount)):
            net[place if name.startswith("onchain:") else name] += amount
    return {name: amount for name, amount in net.items() if amount}


def _decided(db: Database, row: CaseRow) -> dict[str, int]:
    """What an operator's decision about a case has booked; a release and a refund are booked elsewhere."""
    if row.kind in (CaseKind.SHORT, CaseKind.SURPLUS):
        return _corrected(db, row)
    if row.kind not in IN_SUSPENSE or row.amount == 0:
        return {}
    source = f"suspense:{row.currency}"
    if row.status is CaseState.WRITTEN_OFF:
        return {source: row.amount, accounts.unclaimed(row.currency): -row.amount}
    if row.status is not CaseState.ASSIGNED:
        return {}
    if row.client_id == HOUSE:
        return {source: row.amount, accounts.house(row.currency): -row.amount}
    if row.deposit_id is not None:
        return {}
    return {source: row.amount, of_client(str(row.client_id), row.currency): -row.amount}
