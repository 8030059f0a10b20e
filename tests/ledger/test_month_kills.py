"""Killed at each commit of an import, a comparison and a closing, the books go on as if it had not been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.verify import verify_file
from tests.ledger.books import balance, fund, make_books, rows
from tests.ledger.killed_month import KILLED_AT, MONTH


def run(folder: Path, point: str = "") -> tuple[int, list[str]]:
    """The exit code of a run that is killed at ``point``, and what was answered before."""
    environment = {**os.environ, "CASHIER_FAILPOINT": point}
    command = [sys.executable, "-m", "tests.ledger.killed_month", str(folder)]
    done = subprocess.run(command, env=environment, check=False, timeout=60, capture_output=True, text=True)
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("place", ["before-commit", "after-commit"])
@pytest.mark.parametrize("command", [command.__name__ for command in KILLED_AT])
def test_l05_a_month_end_that_is_killed_is_done_once(tmp_path: Path, place: str, command: str) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 3_000)
    store.close()
    code, told = run(tmp_path, f"{place}:{command}:1")
    assert (code, command in told) == (137, False)
    assert verify_file(store.path) == []
    code, told = run(tmp_path)
    assert (code, told[-1]) == (0, "RecordPeriod")
    for path in (store.path, tmp_path / "copy.sqlite"):
        assert verify_file(path) == []
        assert rows(path, "SELECT count(*) FROM adjustment WHERE status = 'posted'") == [(22,)]
        assert rows(path, "SELECT count(*) FROM transfer") == [(22,)]
        assert rows(path, "SELECT id, status FROM reconciliation") == [("rec_1", "ok")]
        assert rows(path, "SELECT month, height FROM period") == [(MONTH, 101)]
        assert rows(path, "SELECT count(*) FROM event WHERE type = 'period.closed'") == [(1,)]
        assert rows(path, "SELECT count(*) FROM audit WHERE action = 'close_period'") == [(1,)]
        assert balance(path, "client:alice:BTC:available") == 3_000 - sum(range(1, 21))
        assert balance(path, "house:BTC") == 0
