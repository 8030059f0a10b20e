"""Website keys from the command line, also while a server has the database open.

The server is the single writer of the books. A key touches no account, no journal and nothing the
server keeps in memory, so one short SQL transaction beside it is harmless; every other command is
refused here.
"""

from __future__ import annotations

from pathlib import Path

from ledger import dispatch
from ledger.commands import CreateKey, RevokeKey
from ledger.connection import connect
from ledger.context import Tx
from ledger.errors import StoreLockedError
from ledger.store import SqliteStore
from ledger.views import KeyView


def administer(path: Path, command: CreateKey | RevokeKey, now_s: int) -> KeyView:
    """Carry out one command on keys.

    Raises its DomainError, StoreOpenError or MigrationError when the database cannot be used.
    """
    store = SqliteStore(path, now_s=now_s)
    try:
        store.open()
    except StoreLockedError:
        return _beside(path, command, now_s)
    try:
        key: KeyView = store.apply_batch([command], now_s)[0].unwrap()
        return key
    finally:
        store.close()


def _beside(path: Path, command: CreateKey | RevokeKey, now_s: int) -> KeyView:
    """The same in a transaction of our own, while a server runs."""
    db = connect(path)
    try:
        db.execute("BEGIN IMMEDIATE")
        result = dispatch.execute(Tx(db, now_s, None), command)
        db.execute("COMMIT" if result.error is None else "ROLLBACK")
        key: KeyView = result.unwrap()
        return key
    finally:
        db.close()
