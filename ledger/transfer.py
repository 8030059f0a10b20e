"""Money moved inside the books between clients and the house, and house money announced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coins.amounts import AMOUNT_MAX
from ledger import accounts
from ledger.accounts import HOUSE, Part, is_client_id
from ledger.commands import PostTransfer
from ledger.context import Tx
from ledger.errors import (
    AboveMaximumError,
    AlreadyExistsError,
    BelowMinimumError,
    ExternalIdUsedError,
    InsufficientFundsError,
    InvalidClientError,
    SameAccountError,
)
from ledger.journal import JournalEntry, Posting
from ledger.solvency import surplus
from ledger.views import Outcome, TransferView


def post_transfer(tx: Tx, command: PostTransfer) -> Outcome[TransferView]:
    """Book ``source`` to ``target``; the house gives only what it has and what nobody is owed."""
    refuse_move(tx, command.source, command.target, command.currency, command.amount)
    _refuse_used_ids(tx, command)
    view = TransferView(
        id=command.id,
        external_id=command.external_id,
        source=command.source,
        target=command.target,
        currency=command.currency,
        amount=command.amount,
        reason=command.reason,
        created_at=tx.now_s,
    )
    book_transfer(tx, view, entry_of(view, "transfer", command.by), command.website)
    return Outcome(view)


def refuse_move(tx: Tx, source: str, target: str, currency: str, amount: int) -> None:
    """What can be no transfer, whatever the balances are.

    Raises UnknownCurrencyError, InvalidClientError, BelowMinimumError, AboveMaximumError, SameAccountError.
    """
    tx.coin(currency)
    for party in (source, target):
        if party != HOUSE and not is_client_id(party):
            raise InvalidClientError("a transfer is between clients and house")
    if type(amount) is not int or amount < 1:
        raise BelowMinimumError("a transfer moves at least one base unit")
    if amount > AMOUNT_MAX:
        raise AboveMaximumError("no amount is that large")
    if source == target:
        raise SameAccountError("a transfer needs two different accounts")


def entry_of(view: TransferView, kind: str, by: str) -> JournalEntry:
    """The journal entry of a transfer."""
    debit, credit = (account_of(party, view.currency) for party in (view.source, view.target))
    postings = (Posting(debit, credit, view.amount),)
    return JournalEntry(kind, "transfer", view.id, postings, by, reason=view.reason)


def book_transfer(tx: Tx, view: TransferView, entry: JournalEntry, website: str) -> int:
    """Book a transfer and tell of it; answers the journal id. Raises InsufficientFundsError."""
    if view.source == HOUSE:
        _refuse_shortage(tx, view.currency, view.amount)
    journal_id = tx.post(entry)
    tx.db.execute(
        "INSERT INTO transfer (id, website, external_id, source, target, currency, amount, reason, by,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            view.id,
            website,
            view.external_id,
            view.source,
            view.target,
            view.currency,
            str(view.amount),
            view.reason,
            entry.by,
            view.created_at,
        ),
    )
    # Between two clients the event is nobody's own: each would be told of the other.
    clients = [party for party in (view.source, view.target) if party != HOUSE]
    owner = clients[0] if len(clients) == 1 else None
    tx.emit("transfer.posted", "transfer", view.id, owner, tx.json_of(view))
    return journal_id


def account_of(party: str, currency: str) -> str:
    """The account of a party: the house's equity, or the client's available balance."""
    return accounts.house(currency) if party == HOUSE else accounts.client(party, currency, Part.AVAILABLE)


def _refuse_used_ids(tx: Tx, command: PostTransfer) -> None:
    row = tx.db.execute(
        "SELECT id FROM transfer WHERE website = ? AND external_id = ?",
        (command.website, command.external_id),
    ).fetchone()
    if row is not None:
        raise ExternalIdUsedError("this external_id was used by an earlier transfer", existing_id=row[0])
    if tx.db.execute("SELECT 1 FROM transfer WHERE id = ?", (command.id,)).fetchone():
        raise AlreadyExistsError(f"transfer {command.id} exists")


def _refuse_shortage(tx: Tx, currency: str, amount: int) -> None:
    """The house must have the money, and giving it must leave clients covered by the chain."""
    if tx.balance(accounts.house(currency)) < amount or surplus(tx.db, currency) < amount:
        raise InsufficientFundsError(f"the house's own {currency} does not cover this")


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    PostTransfer: post_transfer,
}
