"""A closed month that somebody edited, with its digest or without, is named by the audit."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from ledger import period_report
from ledger.connection import connect
from ledger.period_check import check_periods
from ledger.verify import verify_file
from tests.ledger.test_period import NOVEMBER, close, turn
from tests.ledger.test_period import till as till
from tests.ledger.till import Till


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("UPDATE period SET report = replace(report, '107000', '107001')", "not what was digested"),
        ("UPDATE period SET digest = 'x'", "not what was digested"),
        ("UPDATE period SET salt = zeroblob(32)", "another report: owed"),
        ("UPDATE period SET cut = cut - 1", "another report"),
        ("UPDATE period SET height = height + 1", "its height is not that of its report"),
        ("UPDATE period SET block_hash = 'ff'", "its block_hash is not that of its report"),
        ("UPDATE period SET chain = 'LTC'", "its chain is LTC, its currency is of BTC"),
        ("UPDATE period SET closed_by = 'operator:eve'", "operator:ann closed it"),
        ("UPDATE period SET closed_at = closed_at + 1", "operator:ann closed it"),
        ("DELETE FROM audit WHERE action = 'close_period'", "nobody closed it"),
        ("UPDATE period SET report = '[]'", "cannot be read"),
        ("UPDATE period SET report = 'no'", "cannot be read"),
    ],
)
def test_l07_a_closed_month_that_was_edited_is_named(till: Till, statement: str, detail: str) -> None:
    till.deposit("alice", 7_000)
    turn(till)
    till.mine(7)
    close(till, NOVEMBER)
    assert verify_file(till.store.path) == []
    db = sqlite3.connect(till.store.path, isolation_level=None)
    db.execute("DROP TRIGGER period_no_update")
    db.execute(statement)
    db.close()
    assert_one_finding(till, detail)


def test_l07_what_the_chain_said_of_a_closed_month_cannot_be_edited_with_its_digest(till: Till) -> None:
    turn(till)
    till.mine(7)
    (period,) = close(till, NOVEMBER).periods
    for name in ("books", "chain", "difference"):
        lines = [{**line, name: "1"} for line in period.report["chain"]]
        edit(till, {**period.report, "chain": lines})
        assert verify_file(till.store.path)
    edit(till, {**period.report, "chain": period.report["chain"][:-1]})
    assert_one_finding(till, "is not one of its books")
    edit(till, {**period.report, "chain": []})
    assert_one_finding(till, "were not compared")
    edit(till, {name: part for name, part in period.report.items() if name != "chain"})
    assert_one_finding(till, "cannot be read")
    edit(till, dict(period.report))
    assert verify_file(till.store.path) == []


def test_a_month_of_before_keeps_the_largest_movements_it_was_closed_with(till: Till) -> None:
    turn(till)
    till.mine(7)
    (period,) = close(till, NOVEMBER).periods
    counted_otherwise = [{"txid": "aa" * 32, "amount": "1"}]
    edit(till, {**period.report, "top": counted_otherwise})
    assert_one_finding(till, "another report: top")
    before = {name: part for name, part in period.report.items() if name != "differences"}
    edit(till, {**before, "top": counted_otherwise})
    assert verify_file(till.store.path) == []


def edit(till: Till, report: dict[str, Any]) -> None:
    """What somebody does who knows how a report is digested."""
    db = sqlite3.connect(till.store.path, isolation_level=None)
    db.execute("DROP TRIGGER IF EXISTS period_no_update")
    digest = period_report.digest(report)
    db.execute("UPDATE period SET report = ?, digest = ?", (period_report.canonical(report), digest))
    db.close()


def test_l07_a_closed_month_that_was_taken_away_is_named(till: Till) -> None:
    turn(till)
    till.mine(7)
    close(till, NOVEMBER)
    db = sqlite3.connect(till.store.path, isolation_level=None)
    db.execute("DROP TRIGGER period_no_delete")
    db.execute("DELETE FROM period")
    db.close()
    (finding,) = verify_file(till.store.path)
    assert (finding.kind, finding.row) == ("period", "period BTC 2023-11")
    assert "is not there" in finding.detail


def assert_one_finding(till: Till, detail: str) -> None:
    """The audit says this of November alone."""
    found: list[tuple[str, str, str]] = []
    db = connect(till.store.path, read_only=True)
    check_periods(db, lambda *finding: found.append(finding))
    db.close()
    kind, row, said = found[0]
    assert (kind, row) == ("period", "period BTC 2023-11")
    assert [finding.kind for finding in verify_file(till.store.path)] == ["period"]
    assert detail in said
