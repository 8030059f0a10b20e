"""The trial balance: every account of a currency over any range of the books, page by page.

Balances are read from the postings that left them; debits and credits are added from the postings themselves,
so that opening, movements and closing are told by different rows and have to agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import accounts
from ledger.connection import Database
from ledger.cut import frame_of, posting_after
from ledger.snapshot import Snapshot
from ledger.statement import balance_before
from ledger.trial_query import GetTrialBalance, ListTrialLines, TrialLine, TrialPage, TrialView

PAGE_MAX = 500
"""Most accounts looked at for one page."""


def get_trial_balance(snapshot: Snapshot, query: GetTrialBalance) -> TrialView:
    """Where a trial balance lies in the journal."""
    coin = snapshot.coin(query.currency)
    frame = frame_of(snapshot.db, query.currency, query.since, query.until)
    return TrialView(query.currency, coin.decimals, query.since, query.until, *frame)


def list_trial_lines(snapshot: Snapshot, query: ListTrialLines) -> TrialPage:
    """Some accounts of a trial balance."""
    db, view = snapshot.db, query.view
    limit = max(1, min(query.limit, PAGE_MAX))
    first, behind = posting_after(db, view.first_entry), posting_after(db, view.last_entry)
    rows = db.execute(
        "SELECT id, name FROM account WHERE currency = ? AND name > ? ORDER BY name LIMIT ?",
        (view.currency, query.after, limit),
    ).fetchall()
    lines = [_line(db, account_id, name, first, behind) for account_id, name in rows]
    used = tuple(line for line in lines if line.opening or line.debits or line.credits or line.closing)
    return TrialPage(used, rows[-1][1] if len(rows) == limit else None)


def _line(db: Database, account_id: int, name: str, first: int, behind: int) -> TrialLine:
    account = accounts.parse(name)
    debits, credits = (_moved(db, side, account_id, first, behind) for side in ("debit", "credit"))
    opening, closing = (balance_before(db, account_id, posting) for posting in (first, behind))
    side = "debit" if account.is_debit_normal else "credit"
    return TrialLine(name, account.account_class.value, side, opening, debits, credits, closing)


def _moved(db: Database, side: str, account_id: int, first: int, behind: int) -> int:
    """What was booked on one side of an account in postings from ``first`` to before ``behind``."""
    rows = db.execute(
        f"SELECT amount FROM posting WHERE {side}_id = ? AND id >= ? AND id < ?",  # nosec B608
        (account_id, first, behind),
    )
    return sum(int(amount) for (amount,) in rows)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetTrialBalance: get_trial_balance,
    ListTrialLines: list_trial_lines,
}
