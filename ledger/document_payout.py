"""Withdrawals and the attempts to pay them beside their entries, their approvals and their plans."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from ledger import accounts
from ledger.attempt_row import CANCEL, AttemptRow, plan_of
from ledger.attempt_row import COLUMNS as ATTEMPT_COLUMNS
from ledger.attempt_row import from_row as to_attempt
from ledger.connection import Database
from ledger.document import Tell, beside, first_difference, rows, tell_first, unlike_history
from ledger.withdrawal import RELEASED, RELEASED_SQL, WithdrawalState
from ledger.withdrawal_row import (
    COLD,
    PAID_BY,
    WithdrawalRow,
    payment_digest,
    read_withdrawals,
    reserve_of,
    source_of,
)
from ledger.withdrawal_row import COLUMNS as WITHDRAWAL_COLUMNS
from ledger.withdrawal_row import from_row as to_withdrawal

_STANDS = "NOT EXISTS (SELECT 1 FROM journal r WHERE r.reverses = j.id)"
_MINED = (
    "SELECT a.id FROM journal j JOIN attempt a ON a.id = j.ref_id WHERE j.ref_type = 'attempt'"
    f" AND +j.reverses IS NULL AND {_STANDS} AND (a.state <> 'mined' OR a.txid IS NOT j.txid"  # nosec B608
    " OR a.block_height IS NOT j.height OR a.block_hash IS NOT j.block_hash)"
)
_IN_BLOCK = (
    "SELECT w.id FROM withdrawal w WHERE (w.block_hash IS NOT NULL OR w.status IN ('confirmed', 'final'))"
    f" AND w.status NOT IN {RELEASED_SQL} AND NOT EXISTS (SELECT 1 FROM attempt_payout p"  # nosec B608
    " JOIN attempt a ON a.id = p.attempt_id WHERE p.withdrawal_id = w.id AND a.state IN ('mined', 'reverted')"
    " AND (a.state = 'mined' OR w.status = 'broadcast') AND a.txid IS w.txid"
    " AND a.block_height IS w.block_height AND a.block_hash IS w.block_hash)"
)
_PAID = (
    "SELECT w.id FROM attempt a JOIN attempt_payout p ON p.attempt_id = a.id"
    " JOIN withdrawal w ON w.id = p.withdrawal_id WHERE a.state = 'mined'"
    f" AND w.status NOT IN ('broadcast', 'confirmed', 'final') AND w.status NOT IN {RELEASED_SQL}"  # nosec B608
)
_HISTORY = unlike_history("withdrawal", "withdrawal")
_INTENT = (
    "SELECT w.id FROM withdrawal w LEFT JOIN intent i ON i.id = 'pay_' || w.id"
    " WHERE (i.withdrawal_id, i.kind, i.currency, i.amount) IS NOT (w.id, w.kind, w.currency, w.amount)"
)
_WHOSE = "SELECT id FROM withdrawal WHERE (case_id IS NOT NULL OR kind = 'cold') <> (client_id = 'house')"
_RESERVED = (
    "SELECT u.txid || ':' || u.output_index FROM utxo u WHERE u.reserved_by IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM attempt_input n WHERE (n.attempt_id, n.chain, n.txid, n.output_index)"
    " = (u.reserved_by, u.chain, u.txid, u.output_index))"
)
_FREE = (
    "SELECT u.txid || ':' || u.output_index FROM attempt a JOIN attempt_input n ON n.attempt_id = a.id"
    " JOIN utxo u ON (u.chain, u.txid, u.output_index) = (n.chain, n.txid, n.output_index)"
    " WHERE a.state IN ('prepared', 'signed', 'broadcast', 'unknown') AND u.spent_by IS NULL"
    " AND u.reserved_by IS NULL"
)


def check_withdrawals(db: Database, tell: Tell) -> None:
    """``tell`` the first withdrawal that is not what was booked, approved or mined."""
    sql = f"SELECT {WITHDRAWAL_COLUMNS} FROM withdrawal w ORDER BY w.id"  # nosec B608
    for withdrawal_id, row, entries in beside(
        db, "withdrawal", rows(db, tell, "withdrawal", sql, to_withdrawal)
    ):
        where = f"withdrawal {withdrawal_id}"
        if row is None:
            tell("withdrawal", where, "is booked, and has no row")
            continue
        if (entries is None) is not (row.kind == COLD):
            tell(
                "withdrawal", where, "was never booked" if entries is None else "is booked, and moves nothing"
            )
        wrong = first_difference(entries.debits if entries is not None else {}, _reserved(row))
        if wrong:
            tell("withdrawal", where, f"is {row.status}: {wrong}")
        if row.approvals_needed and not _may_leave(db, row):
            tell("withdrawal", where, f"is {row.status} without the approvals it needs")
    details = (
        ("is in another state than its history ends with", _HISTORY),
        ("is not what its intent is to pay", _INTENT),
        ("is the house's, and names a client, or the other way round", _WHOSE),
        ("is in a block that no attempt to pay it is in", _IN_BLOCK),
        ("is paid, and its state does not say so", _PAID),
    )
    for detail, query in details:
        tell_first(db, tell, "withdrawal", detail, query)


def _reserved(row: WithdrawalRow) -> dict[str, int]:
    """What is debited when a withdrawal is asked for, and once more when it is given back."""
    if row.kind == COLD:
        return {}
    total = row.amount + row.fee
    return {source_of(row): total} | ({reserve_of(row): total} if row.status in RELEASED else {})


def _may_leave(db: Database, row: WithdrawalRow) -> bool:
    """Whether it was approved as it is now by as many operators as it needs, where its state says so."""
    if row.status in (WithdrawalState.HELD, *RELEASED):
        return True
    (given,) = db.execute(
        "SELECT count(*) FROM approval WHERE object_id = ? AND digest = ?", (row.id, payment_digest(row))
    ).fetchone()
    return bool(given >= row.approvals_needed)


def check_attempts(db: Database, tell: Tell) -> None:
    """``tell`` the first attempt that is not what was booked, or whose plan is another payment."""
    sql = f"SELECT {ATTEMPT_COLUMNS} FROM attempt a JOIN intent i ON i.id = a.intent_id ORDER BY a.id"  # nosec B608
    for attempt_id, row, entries in beside(db, "attempt", rows(db, tell, "attempt", sql, to_attempt)):
        where = f"attempt {attempt_id}"
        if row is None:
            tell("attempt", where, "is booked, and has no row")
            continue
        paid = read_withdrawals(db, PAID_BY, (attempt_id,))
        net = entries.net if entries is not None else {}
        booked = {name: amount for name, amount in net.items() if _is_of_payouts(name)}
        if wrong := first_difference(booked, _taken(row, paid)):
            tell("attempt", where, f"is {row.state}: {wrong}")
        if wrong := _misplanned(db, row, paid):
            tell("attempt", where, wrong)
        if row.nonce is None and row.state == "mined":
            fee = net.get(accounts.network_fee(row.currency), 0)
            if fee != row.fee:
                tell("attempt", where, f"says its fee is {row.fee}, {fee} is booked")
    tell_first(db, tell, "attempt", "is booked in another block or chain tx", _MINED)
    tell_first(db, tell, "output", "is reserved for an attempt that does not spend it", _RESERVED)
    tell_first(db, tell, "output", "is spent by an attempt that may be mined, and not reserved for it", _FREE)


def _is_of_payouts(name: str) -> bool:
    account = accounts.parse(name)
    return account.part == "reserved" or account.kind in ("refund_payable", "withdrawal_fee")


def _taken(row: AttemptRow, paid: Iterable[WithdrawalRow]) -> dict[str, int]:
    """What a mined payout has taken from what was reserved: nothing for a withdrawal that was given back."""
    if row.state != "mined":
        return {}
    net: defaultdict[str, int] = defaultdict(int)
    for each in paid:
        if each.kind != COLD and each.status not in RELEASED:
            net[reserve_of(each)] += each.amount + each.fee
            net[accounts.withdrawal_fee(each.currency)] -= each.fee
    return {name: amount for name, amount in net.items() if amount}


def _misplanned(db: Database, row: AttemptRow, paid: Iterable[WithdrawalRow]) -> str:
    """What is wrong with the plan of an attempt, empty when nothing is."""
    try:
        plan = plan_of(row)
    except (ValueError, TypeError, KeyError) as error:
        return f"has a plan that cannot be read: {error}"
    sender = plan.sender.script if plan.sender is not None else None
    if (plan.intent_id, plan.currency, plan.fee, plan.nonce, sender) != (
        row.intent_id,
        row.currency,
        row.fee,
        row.nonce,
        row.sender,
    ):
        return "is not what was planned"
    outputs = Counter((output.script, output.amount) for output in plan.outputs)
    wanted = Counter((each.script, each.amount) for each in paid)
    if plan.kind != CANCEL and wanted - outputs:
        return "was planned to pay something else than the withdrawals it pays"
    inputs = {(utxo.outpoint.txid, utxo.outpoint.index) for utxo in plan.inputs}
    held = db.execute(
        "SELECT txid, output_index FROM attempt_input WHERE attempt_id = ?", (row.id,)
    ).fetchall()
    return "" if set(held) == inputs else "was planned to spend other outputs"
