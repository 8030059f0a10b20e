"""Failed logins counted by name and by address, with pauses that grow; in the books, so that they outlast a
restart.

A try is counted before it is checked and taken back when it succeeds: however many come at once, no more
than the allowed number is ever checked without a pause.
"""

from __future__ import annotations

from ledger.context import Tx
from ledger.errors import LoginLockedError

FORGET_S = 86_400
"""After so long without a failure earlier ones do not count any more."""
SUBJECTS_MAX = 10_000
"""Most names and addresses remembered; those with the fewest and oldest failures are forgotten first."""


def pause_of(failures: int, tries: int, first_s: int, max_s: int) -> int:
    """Seconds of lock-out after so many failures in a row: none below ``tries``, then doubling."""
    if failures < tries:
        return 0
    return min(max_s, first_s << min(failures - tries, 32))


def by_name(name: str) -> str:
    """The subject of a login name."""
    return f"name:{name}"


def by_address(address: str) -> str:
    """The subject of an IP address."""
    return f"address:{address}"


def check(tx: Tx, *subjects: str) -> None:
    """Raises LoginLockedError while one of the subjects is locked out."""
    until = max(_row(tx, subject)[1] for subject in subjects)
    if until > tx.now_s:
        raise LoginLockedError("too many failed logins", wait_s=until - tx.now_s)


def count(tx: Tx, subject: str, tries: int, first_s: int, max_s: int) -> None:
    """One more failure of a subject."""
    failures = _row(tx, subject)[0] + 1
    until = tx.now_s + pause_of(failures, tries, first_s, max_s)
    tx.db.execute(
        "INSERT INTO login_try (subject, failures, locked_until, last_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures,"
        " locked_until = excluded.locked_until, last_at = excluded.last_at",
        (subject, failures, until, tx.now_s),
    )
    _bound(tx)


def forgive(tx: Tx, subject: str) -> None:
    """Forget all failures of a subject."""
    tx.db.execute("DELETE FROM login_try WHERE subject = ?", (subject,))


def take_back(tx: Tx, subject: str) -> None:
    """The last counted try of a subject was no failure; those before it stay."""
    tx.db.execute(
        "UPDATE login_try SET failures = max(0, failures - 1), locked_until = 0 WHERE subject = ?", (subject,)
    )


def _row(tx: Tx, subject: str) -> tuple[int, int]:
    """Failures in a row and the end of the lock-out, zeros for a subject without."""
    row = tx.db.execute(
        "SELECT failures, locked_until FROM login_try WHERE subject = ? AND last_at > ?",
        (subject, tx.now_s - FORGET_S),
    ).fetchone()
    return row or (0, 0)


def _bound(tx: Tx) -> None:
    """Drop what is forgotten or too much; a flood of names does not wash away a long lock-out."""
    (kept,) = tx.db.execute("SELECT count(*) FROM login_try").fetchone()
    if kept > SUBJECTS_MAX:
        tx.db.execute("DELETE FROM login_try WHERE last_at <= ?", (tx.now_s - FORGET_S,))
        tx.db.execute(
            "DELETE FROM login_try WHERE subject IN (SELECT subject FROM login_try"
            " ORDER BY failures DESC, last_at DESC LIMIT -1 OFFSET ?)",
            (SUBJECTS_MAX,),
        )
