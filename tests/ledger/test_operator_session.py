"""Sessions of operators: opened by a code's unused step, ended by logout, time, or another's hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import NotFoundError
from ledger.operator_access import (
    BeginLogin,
    CreateOperator,
    EndOperatorSession,
    LoginLimits,
    LoginOperator,
    ResetOperator,
    SetOperator,
    TouchOperatorSession,
)
from ledger.operator_view import OperatorCredentials, OperatorSessionView
from ledger.queries import GetOperatorSession
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from tests.ledger.books import NOW, do, open_store, rows

ANN = CreateOperator("op_ann", "ann", "hash", "salt", ("admin",), "cli")
LIMITS = LoginLimits(tries=3, tries_per_address=3, pause_s=30, pause_max_s=900)
BEGIN = BeginLogin("ann", "192.0.2.1", LIMITS)
LOGIN = LoginOperator(
    "ops_1", "token", OperatorCredentials("op_ann", "hash", "salt"), 7, "ann", "192.0.2.1", 1_000, 100
)


def with_ann(folder: Path) -> SqliteStore:
    store = open_store(folder)
    do(store, ANN)
    return store


async def look(store: SqliteStore, token_hash: str, now_s: int) -> OperatorSessionView | None:
    reader = await LedgerReader(store.path, now_s=lambda: now_s).open()
    try:
        return await reader.answer(GetOperatorSession(token_hash))
    finally:
        await reader.close()


async def state(store: SqliteStore, now_s: int) -> str:
    view = await look(store, "token", now_s)
    assert view is not None
    return view.state


async def test_a_session_is_found_by_its_token_until_it_is_over(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    view = do(store, LOGIN)
    assert (view.name, view.roles, view.state) == ("ann", ("admin",), "open")
    assert await look(store, "other", NOW) is None
    assert [await state(store, NOW + s) for s in (0, 99, 100)] == ["open", "open", "expired"]
    do(store, TouchOperatorSession("ops_1"), NOW + 90)
    assert [await state(store, NOW + s) for s in (189, 190)] == ["open", "expired"]
    do(store, TouchOperatorSession("ops_1"), NOW + 200)
    assert await state(store, NOW + 201) == "expired", "what is over does not begin again"
    store.close()


async def test_use_does_not_prolong_a_session_beyond_its_life(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    do(store, LOGIN)
    for at in range(90, 1_000, 90):
        do(store, TouchOperatorSession("ops_1"), NOW + at)
    assert [await state(store, NOW + s) for s in (999, 1_000)] == ["open", "expired"]
    store.close()


async def test_a_logout_ends_it_once(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    do(store, LOGIN)
    assert do(store, EndOperatorSession("ops_1", "operator:op_ann"), NOW + 5).value.state == "ended"
    do(store, TouchOperatorSession("ops_1"), NOW + 6)
    assert await state(store, NOW + 6) == "ended"
    with pytest.raises(NotFoundError):
        do(store, EndOperatorSession("ops_2", "operator:op_ann"))
    store.close()


def test_a_step_is_used_once_and_never_an_older_one(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    assert do(store, LOGIN) is not None
    for number, step in enumerate((7, 6, 0)):
        assert do(store, replace(LOGIN, session_id=f"ops_x{number}", totp_step=step)) is None
    assert do(store, replace(LOGIN, session_id="ops_2", token_hash="t2", totp_step=8)) is not None
    store.close()
    actions = [row[0] for row in rows(store.path, "SELECT action FROM audit ORDER BY id")]
    assert actions == ["create_operator", "login", *["login_failed"] * 3, "login"]
    assert rows(store.path, "SELECT count(*) FROM operator_session") == [(2,)]


@pytest.mark.parametrize(
    "change",
    [
        SetOperator("op_ann", "cli", is_disabled=True, may_leave_no_admin=True),
        ResetOperator("op_ann", "hash-2", "salt-2", "cli"),
        ResetOperator("op_ann", "hash", "salt-2", "cli"),
    ],
)
async def test_who_was_changed_while_he_logged_in_is_not_let_in(
    tmp_path: Path, change: SetOperator | ResetOperator
) -> None:
    store = with_ann(tmp_path)
    before = do(store, replace(LOGIN, session_id="ops_0", token_hash="token", totp_step=1))
    do(store, change, NOW + 1)
    assert await state(store, NOW + 1) == "ended"
    assert do(store, replace(LOGIN, token_hash="t2")) is None
    assert before.state == "open"
    store.close()


def test_a_disabled_name_gives_nothing_to_check_against(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    assert do(store, BEGIN) == OperatorCredentials("op_ann", "hash", "salt")
    do(store, SetOperator("op_ann", "cli", is_disabled=True, may_leave_no_admin=True))
    assert do(store, BEGIN) is None
    assert do(store, replace(BEGIN, name="nobody")) is None
    store.close()


def test_a_success_takes_back_its_own_try_of_the_address_and_all_of_the_name(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    for name in ("guess", "ann"):
        do(store, replace(BEGIN, name=name))
    do(store, BEGIN)
    do(store, LOGIN)
    store.close()
    left = rows(store.path, "SELECT subject, failures, locked_until FROM login_try ORDER BY subject")
    assert left == [("address:192.0.2.1", 2, 0), ("name:guess", 1, NOW)]
