"""Website keys, operators and closed months from the command line, also while a server has the database open.

The server is the single writer of the books. A key, an operator, a closed month or the comparison made for
it touches no account, no journal and nothing the server keeps in memory, so one short SQL transaction beside
it is harmless; every other command is refused here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ledger import dispatch
from ledger.commands import Command, CreateKey, RecordReconciliation, RevokeKey
from ledger.connection import BUSY_TIMEOUT_MS, connect, is_disk_fault
from ledger.context import Tx
from ledger.errors import StoreLockedError, StoreUnavailableError
from ledger.operator_access import CreateOperator, ResetOperator, SetOperator
from ledger.period_command import RecordPeriod
from ledger.reconciliation_view import PERIOD
from ledger.store import SqliteStore

R = TypeVar("R")
HARMLESS = (CreateKey, RevokeKey, CreateOperator, SetOperator, ResetOperator, RecordPeriod)
"""What may be written beside a running server; with them a comparison for a closed month."""


def administer(
    path: Path,
    command: Command[R],
    now_s: int,
    webhook_url: str | None = None,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
) -> R:
    """Carry out one harmless command; its events go to ``webhook_url`` too.

    Raises TypeError for any other command; its DomainError; StoreOpenError or MigrationError when the
    database cannot be used; StoreUnavailableError when the disk fails, or the server writes for longer than
    ``busy_timeout_ms``: then nothing was done.
    """
    is_of_month = isinstance(command, RecordReconciliation) and command.cause == PERIOD
    if type(command) not in HARMLESS and not is_of_month:
        raise TypeError(f"{type(command).__name__} is for the server alone")
    store = SqliteStore(path, now_s=now_s, webhook_url=webhook_url)
    try:
        store.open()
    except StoreLockedError:
        try:
            return _beside(path, command, now_s, webhook_url, busy_timeout_ms)
        except Exception as error:
            if is_disk_fault(error):
                raise StoreUnavailableError(f"the database cannot be written: {error}") from error
            raise
    try:
        reply: R = store.apply_batch([command], now_s)[0].unwrap()
        return reply
    finally:
        store.close()


def _beside(path: Path, command: Command[R], now_s: int, webhook_url: str | None, busy_timeout_ms: int) -> R:
    """The same in a transaction of our own, while a server runs."""
    db = connect(path, busy_timeout_ms=busy_timeout_ms)
    try:
        db.execute("BEGIN IMMEDIATE")
        result = dispatch.execute(Tx(db, now_s, webhook_url), command)
        db.execute("COMMIT" if result.error is None else "ROLLBACK")
        reply: R = result.unwrap()
        return reply
    finally:
        db.close()
