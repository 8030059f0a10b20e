"""Opens and decides withdrawals: the client's money is reserved before anybody plans to send it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from coins.amounts import AMOUNT_MAX, AmountError, format_amount, parse_amount
from coins.types import ForeignAddress
from ledger import accounts
from ledger.accounts import Part
from ledger.approval import approvals_needed, approve
from ledger.attempt import AttemptEvent
from ledger.attempt_row import PAYS, read_attempts
from ledger.coin_row import CoinRow
from ledger.commands import DecideWithdrawal, OpenWithdrawal, RefusePayout, SetWaiting
from ledger.context import Tx
from ledger.currency_state import allowing
from ledger.destination import cooling_until
from ledger.errors import (
    AboveMaximumError,
    AlreadyExistsError,
    BelowMinimumError,
    CurrencyClosedError,
    CurrencyUnavailableError,
    ExternalIdUsedError,
    ForbiddenAddressError,
    IllegalTransitionError,
    InsufficientFundsError,
    LimitExceededError,
    NotCancellableError,
    NotFoundError,
    NotHeldError,
)
from ledger.journal import JournalEntry, Posting
from ledger.limit import refuse_over_client_limits
from ledger.machine import Who, advance
from ledger.maturity import immature
from ledger.payable import cools, payment_of
from ledger.settle import release
from ledger.transition import move_attempt, move_withdrawal, note_history, tip_height
from ledger.views import HistoryEntry, Outcome, WithdrawalView
from ledger.withdrawal import WITHDRAWAL, WithdrawalEvent, WithdrawalState
from ledger.withdrawal_row import (
    COLD,
    WithdrawalRow,
    new_withdrawal,
    read_withdrawals,
    reserve_of,
    source_of,
    to_view,
    view_of,
)

TAKING_STATES = allowing("takes")
"""States in which a new withdrawal is taken; while a node is merely away, it is queued."""

_DECISIONS: Mapping[str, tuple[WithdrawalEvent, Who]] = {
    "cancel": (WithdrawalEvent.CANCELLED, Who.OWNER),
    "approve": (WithdrawalEvent.APPROVED, Who.OPERATOR),
    "reject": (WithdrawalEvent.REJECTED, Who.OPERATOR),
}


_OWN_SCRIPT = "this address belongs to the cashier itself"
_KNOWN = (
    "SELECT (SELECT id FROM withdrawal WHERE website = ?1 AND external_id = ?2),"
    " EXISTS (SELECT 1 FROM withdrawal WHERE id = ?3),"
    " EXISTS (SELECT 1 FROM own_script WHERE chain = ?4 AND script = ?5),"
    " (SELECT balance FROM account WHERE name = ?6),"
    " EXISTS (SELECT 1 FROM deposit WHERE client_id = ?7 AND currency = ?8"
    " AND withdrawable_height > coalesce((SELECT max(height) FROM block WHERE chain = ?4), 0))"
)
"""What the books know of a request, read at once, since to ask costs as much as the answer: the withdrawal
that used its external id; whether its own id is used, whether its script is ours; what its client owes;
whether any credit of his is immature (:func:`ledger.maturity.immature`)."""


def open_withdrawal(tx: Tx, command: OpenWithdrawal) -> Outcome[WithdrawalView]:
    """Reserve amount and fee, and queue a payout; refuses as :class:`OpenWithdrawal` says."""
    coin = tx.coin(command.currency)
    _refuse_closed(coin)
    deficit = accounts.client_deficit(command.client_id, command.currency)
    used_by, is_used, is_own, owed, has_immature = tx.db.execute(
        _KNOWN,
        (command.website, command.external_id, command.id, coin.chain, command.script, deficit,
         command.client_id, coin.currency),
    ).fetchone()  # fmt: skip
    if used_by is not None:
        raise ExternalIdUsedError("this external_id was used by an earlier withdrawal", existing_id=used_by)
    if is_used:
        raise AlreadyExistsError(f"withdrawal {command.id} exists")
    amount = _payee_amount(coin, command)
    if is_own:
        raise ForbiddenAddressError(_OWN_SCRIPT)
    if command.session_id is not None:
        _refuse_over_session(tx, coin, command.session_id, amount)
    refuse_over_client_limits(tx, coin, command.client_id, amount)
    if int(owed or 0):
        raise InsufficientFundsError("an undone deposit is still owed: nothing can be withdrawn")
    if has_immature:
        _refuse_immature(tx, coin, command.client_id, amount + coin.withdrawal_fee)
    row = new_withdrawal(
        command.id,
        tx.next_ordinal(),
        command.currency,
        amount,
        ForeignAddress(command.address, command.script),
        tx.now_s,
        client_id=command.client_id,
        website=command.website,
        external_id=command.external_id,
        session_id=command.session_id,
        fee=coin.withdrawal_fee,
        cooling_until=cooling_until(tx, coin, command.client_id, command.script),
    )
    return Outcome(queue_payout(tx, coin, row, Who.OWNER, command.by))


def queue_payout(
    tx: Tx, coin: CoinRow, row: WithdrawalRow, who: Who, by: str, reason: str = ""
) -> WithdrawalView:
    """Reserve a new withdrawal's money and queue its payout, or hold it for an approval by its amount.

    What goes to the cold address is always held, and reserves nothing: it is paid to ourselves.
    """
    needed = max(approvals_needed(coin, row.amount), int(row.kind == COLD))
    event = WithdrawalEvent.OPENED_ABOVE_LIMIT if needed else WithdrawalEvent.OPENED
    step = advance(WITHDRAWAL, None, event, who)
    waiting_for = "approval" if needed else "cooling" if cools(tx, row) else None
    if (step.to, waiting_for, needed) != (row.status, row.waiting_for, row.approvals_needed):
        row = replace(row, status=step.to, waiting_for=waiting_for, approvals_needed=needed)
    _insert(tx, row)
    if row.kind != COLD:
        postings = (Posting(source_of(row), reserve_of(row), row.amount + row.fee),)
        tx.post(JournalEntry("withdrawal_opened", "withdrawal", row.id, postings, by, reason=reason))
    note_history(tx, row, by)
    history = (HistoryEntry(row.status.value, tx.now_s, by),)
    view = view_of(row, coin.confirmations, None, history)
    tx.emit(step.notify or "", "withdrawal", row.id, row.client_id, tx.json_of(view))
    return view


def _view(tx: Tx, coin: CoinRow, row: WithdrawalRow) -> WithdrawalView:
    return to_view(tx.db, row, coin.confirmations, tip_height(tx, coin.chain))


def _refuse_closed(coin: CoinRow) -> None:
    if coin.state == "halted":
        raise CurrencyUnavailableError(f"{coin.currency} is halted until an operator looked at it")
    is_held = coin.hold is not None or coin.state not in TAKING_STATES
    if coin.withdrawals != "open" or not coin.is_configured or is_held:
        raise CurrencyClosedError(f"withdrawals of {coin.currency} are closed")


def _payee_amount(coin: CoinRow, command: OpenWithdrawal) -> int:
    """What the payee gets, checked against the currency's limits."""
    if type(command.amount) is not int or command.amount < 1:
        raise BelowMinimumError("the amount must be at least one base unit")
    amount = command.amount - coin.withdrawal_fee if command.is_fee_included else command.amount
    if amount > min(coin.maximum_withdrawal, AMOUNT_MAX - coin.withdrawal_fee):
        raise AboveMaximumError(f"more than {_shown(coin, coin.maximum_withdrawal)}")
    least = max(coin.minimum_withdrawal, coin.dust)
    if amount < max(least, 1):
        raise BelowMinimumError(f"the payee would get less than {_shown(coin, least)}")
    return amount


def _shown(coin: CoinRow, amount: int) -> str:
    """An amount as people read it, in whole units."""
    return f"{format_amount(amount, coin.decimals)} {coin.currency}"


def refuse_own_script(tx: Tx, coin: CoinRow, script: bytes) -> None:
    """An address of ours is paid by a transfer inside the books, never by a chain tx."""
    own = tx.db.execute(
        "SELECT 1 FROM own_script WHERE chain = ? AND script = ?", (coin.chain, script)
    ).fetchone()
    if own is not None:
        raise ForbiddenAddressError(_OWN_SCRIPT)


def _refuse_immature(tx: Tx, coin: CoinRow, client_id: str, needed: int) -> None:
    """Credits that are not deep enough yet stay in the house; they may be moved inside the books."""
    held = immature(tx.db, client_id, coin.currency, tip_height(tx, coin.chain))
    available = tx.balance(accounts.client(client_id, coin.currency, Part.AVAILABLE))
    held = min(held, available)
    if available - held < needed <= available:
        raise InsufficientFundsError(
            f"{_shown(coin, held)} of the available balance is not withdrawable yet:"
            " the deposits it came with need more confirmations"
        )


def _refuse_over_session(tx: Tx, coin: CoinRow, session_id: str, amount: int) -> None:
    """All withdrawals of a session in one currency stay within its limit, or the configured cap."""
    session = tx.db.execute("SELECT withdrawal_limit FROM session WHERE id = ?", (session_id,)).fetchone()
    if session is None:
        raise NotFoundError(f"session {session_id} does not exist")
    limit = coin.session_withdrawal_cap if session[0] is None else _session_limit(session[0], coin.decimals)
    if limit is None:
        return
    rows = tx.db.execute(
        "SELECT amount FROM withdrawal WHERE session_id = ? AND currency = ?"
        " AND status NOT IN ('rejected', 'cancelled', 'failed')",
        (session_id, coin.currency),
    )
    if sum(int(taken) for (taken,) in rows) + amount > limit:
        raise LimitExceededError(f"a session may withdraw {_shown(coin, limit)}")


def _session_limit(text: str, decimals: int) -> int:
    """A limit given in whole units; decimals that the currency does not have cannot be withdrawn anyway."""
    whole, _, fraction = text.partition(".")
    try:
        return parse_amount(f"{whole}.{fraction[:decimals]}" if fraction[:decimals] else whole, decimals)
    except AmountError as error:
        raise LimitExceededError(f"the session's limit {text!r} {error}") from error


def _insert(tx: Tx, row: WithdrawalRow) -> None:
    """Write a withdrawal's first row and the intent to pay it."""
    tx.db.execute(
        "INSERT INTO withdrawal (id, ordinal, website, external_id, client_id, session_id, currency, amount,"
        " fee, address, script, status, waiting_for, created_at, case_id, approvals_needed,"
        " cooling_until, kind) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.ordinal,
            row.website,
            row.external_id,
            row.client_id,
            row.session_id,
            row.currency,
            str(row.amount),
            str(row.fee),
            row.address,
            row.script,
            row.status,
            row.waiting_for,
            row.created_at,
            row.case_id,
            row.approvals_needed,
            row.cooling_until,
            row.kind,
        ),
    )
    tx.db.execute(
        "INSERT INTO intent (id, kind, currency, withdrawal_id, amount, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'open', ?)",
        (f"pay_{row.id}", row.kind, row.currency, row.id, str(row.amount), row.created_at),
    )


# -- decisions -----------------------------------------------------------------------------------


def decide_withdrawal(tx: Tx, command: DecideWithdrawal) -> Outcome[WithdrawalView]:
    """Cancel, approve or reject; what ends it unsent gives the reserved money back.

    It leaves with the last approval it needs; until then it is held. A refund of a case, and what
    goes to the cold address, has no client who could cancel it: an operator rejects it while nothing of it
    was signed.
    """
    if command.decision not in _DECISIONS:
        raise IllegalTransitionError(f"{command.decision!r} is no decision")
    rows = read_withdrawals(tx.db, "w.id = ?", (command.withdrawal_id,))
    if (
        not rows
        or command.website not in (None, rows[0].website)
        or command.client_id not in (None, rows[0].client_id)
    ):
        raise NotFoundError(f"withdrawal {command.withdrawal_id} does not exist")
    row, (event, who) = rows[0], _DECISIONS[command.decision]
    is_house = row.case_id is not None or row.kind == COLD
    is_queued = is_house and row.status is WithdrawalState.APPROVED
    if event is WithdrawalEvent.CANCELLED or (event is WithdrawalEvent.REJECTED and is_queued):
        _refuse_started(tx, row)
    elif row.status is not WithdrawalState.HELD:
        raise NotHeldError(f"withdrawal {row.id} is {row.status}")
    elif event is WithdrawalEvent.APPROVED and not approve(
        tx, payment_of(tx, row), command.by, command.digest
    ):
        _note_decision(tx, row, command)
        return Outcome(_view(tx, tx.coin(row.currency), row))
    step = advance(WITHDRAWAL, row.status, event, who)
    if step.to is not WithdrawalState.APPROVED:
        drop_unsigned(tx, row, who)
        release(tx, row, command.by, command.reason)
    is_cooling = step.to is WithdrawalState.APPROVED and cools(tx, row)
    row = replace(row, waiting_for="cooling" if is_cooling else None)
    moved = move_withdrawal(tx, row, event, who, command.by)
    _note_decision(tx, row, command)
    return Outcome(_view(tx, tx.coin(row.currency), moved))


def _note_decision(tx: Tx, row: WithdrawalRow, command: DecideWithdrawal) -> None:
    tx.audit(command.by, f"{command.decision}_withdrawal", "withdrawal", row.id, {"reason": command.reason})


def _refuse_started(tx: Tx, row: WithdrawalRow) -> None:
    """Once bytes are signed they may be out: then only the chain decides."""
    signed = read_attempts(tx.db, f"{PAYS} AND a.state NOT IN ('prepared', 'abandoned')", (row.id,))
    if signed or row.status not in (WithdrawalState.HELD, WithdrawalState.APPROVED):
        raise NotCancellableError(f"withdrawal {row.id} is {row.status}")


def drop_unsigned(tx: Tx, row: WithdrawalRow, who: Who) -> None:
    """Abandon a withdrawal's prepared attempts and close its intent; nothing of it will be sent.

    Others that such an attempt would have paid are planned again without it.
    """
    for attempt in read_attempts(tx.db, f"{PAYS} AND a.state = 'prepared'", (row.id,)):
        move_attempt(tx, attempt, AttemptEvent.ABANDONED, who, "the withdrawal was taken back")
    tx.db.execute("UPDATE intent SET status = 'closed' WHERE withdrawal_id = ?", (row.id,))


def refuse_payout(tx: Tx, command: RefusePayout) -> None:
    """Give back what no chain tx can pay; the others of its batch go on."""
    rows = read_withdrawals(
        tx.db, "w.id = (SELECT i.withdrawal_id FROM intent i WHERE i.id = ?)", (command.intent_id,)
    )
    if not rows:
        raise NotFoundError(f"intent {command.intent_id} pays nobody")
    row = rows[0]
    if row.status is WithdrawalState.REJECTED:
        return
    _refuse_started(tx, row)
    drop_unsigned(tx, row, Who.SENDER)
    release(tx, row, Who.SENDER.value, command.reason)
    move_withdrawal(tx, replace(row, waiting_for=None), WithdrawalEvent.REFUSED, Who.SENDER)
    tx.audit(Who.SENDER.value, "refuse_payout", "withdrawal", row.id, {"reason": command.reason})


def set_waiting(tx: Tx, command: SetWaiting) -> None:
    """Show what the approved withdrawals of a currency wait for, those whose address has cooled."""
    tx.coin(command.currency)
    tx.db.execute(
        "UPDATE withdrawal SET waiting_for = ? WHERE currency = ? AND status = 'approved'"
        " AND waiting_for IS NOT ? AND coalesce(cooling_until, 0) <= ?",
        (command.waiting_for, command.currency, command.waiting_for, tx.now_s),
    )


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    OpenWithdrawal: open_withdrawal,
    DecideWithdrawal: decide_withdrawal,
    RefusePayout: refuse_payout,
    SetWaiting: set_waiting,
}
