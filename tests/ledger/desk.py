"""An operator at a till: cases as they are, and every decision about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.commands import (
    AssignCase,
    BlockDeposits,
    Idempotency,
    RefundCase,
    ReleaseCase,
    ReleaseCases,
    UnblockDeposits,
    WriteOffCase,
)
from ledger.views import CasesReleased, CaseView
from tests.fakes.coin import foreign
from tests.ledger.till import Till


def case_id(till: Till, status: str = "open") -> str:
    """The one case of a state."""
    (row,) = till.rows("SELECT id FROM unclaimed_case WHERE status = ?", status)
    found: str = row[0]
    return found


def states(till: Till) -> list[str]:
    """What became of every case, in order."""
    return [row[0] for row in till.rows("SELECT status FROM unclaimed_case ORDER BY ordinal")]


def history(till: Till, of: str) -> list[tuple[str, str, str]]:
    """(action, by, reason) of a case."""
    sql = "SELECT action, by, reason FROM case_history WHERE case_id = ? ORDER BY id"
    return till.rows(sql, of)


def key(till: Till) -> Idempotency:
    """A key that was not used before."""
    number = till.number()
    return Idempotency("op:olga", f"k{number}", f"h{number}")


def assign(till: Till, of: str, assignee: str) -> CaseView:
    view: CaseView = till.do(AssignCase(of, assignee, "olga", "she asked", key(till))).value
    return view


def release(till: Till, of: str) -> CaseView:
    view: CaseView = till.do(ReleaseCase(of, "olga", "it is over", key(till))).value
    return view


def release_all(till: Till, cause: str, limit: int = 500) -> CasesReleased:
    command = ReleaseCases(till.currency, cause, "olga", "open again", key(till), limit)
    view: CasesReleased = till.do(command).value
    return view


def refund(till: Till, of: str, **changes: Any) -> CaseView:
    number = till.number()
    payee = foreign(f"sender{number}", till.currency)
    command = RefundCase(
        of, f"wd_r{number}", till.currency, payee.address, payee.script, "olga", "sent back", key(till)
    )
    view: CaseView = till.do(replace(command, **changes)).value
    return view


def write_off(till: Till, of: str) -> CaseView:
    view: CaseView = till.do(WriteOffCase(of, "olga", "nobody asked for a year", key(till))).value
    return view


def block(till: Till, client_id: str) -> None:
    till.do(BlockDeposits(client_id, "olga", "asked by the bank", key(till)))


def unblock(till: Till, client_id: str) -> CasesReleased:
    view: CasesReleased = till.do(UnblockDeposits(client_id, "olga", "cleared", key(till))).value
    return view
