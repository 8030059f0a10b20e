"""How long who is locked out, and how much of it is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import lockout
from ledger.errors import LoginLockedError
from ledger.lockout import FORGET_S, pause_of
from ledger.operator_access import BeginLogin, LoginLimits
from ledger.store import SqliteStore
from tests.ledger.books import NOW, do, open_store, rows

LIMITS = LoginLimits(tries=3, tries_per_address=100, pause_s=30, pause_max_s=900)


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [pause_of(failures, 3, 30, 900) for failures in range(11)]
    assert pauses == [0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert pause_of(10**9, 3, 30, 900) == 900


def attempt(store: SqliteStore, name: str, now_s: int) -> int:
    """Seconds of lock-out the try meets; it counts when that is 0."""
    try:
        do(store, BeginLogin(name, "192.0.2.1", LIMITS), now_s)
    except LoginLockedError as error:
        return error.wait_s
    return 0


def test_a_lock_out_ends_in_time_and_old_failures_are_forgotten(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert [attempt(store, "ann", NOW) for _ in range(4)] == [0, 0, 0, 30]
    assert attempt(store, "ann", NOW + 29) == 1
    assert attempt(store, "ann", NOW + 30) == 0
    assert attempt(store, "ann", NOW + 30) == 60
    later = NOW + 30 + FORGET_S
    assert [attempt(store, "ann", later) for _ in range(4)] == [0, 0, 0, 30]
    store.close()


def test_a_flood_of_names_does_not_wash_a_lock_out_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockout, "SUBJECTS_MAX", 10)
    store = open_store(tmp_path)
    for _ in range(3):
        attempt(store, "ann", NOW)
    for number in range(40):
        assert attempt(store, f"name{number}", NOW + 1) == 0
    assert attempt(store, "ann", NOW + 1) == 29
    store.close()
    assert rows(store.path, "SELECT count(*) FROM login_try") == [(10,)]
