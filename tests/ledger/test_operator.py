"""Operators: made once, changed, reset, and never the last admin gone by mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import AlreadyExistsError, LastAdminError, NotFoundError
from ledger.operator_access import CreateOperator, ResetOperator, SetOperator
from ledger.request import Idempotency
from tests.ledger.books import NOW, do, open_store, rows

ANN = CreateOperator("op_ann", "ann", "hash", "salt", ("admin",), "cli")
BOB = CreateOperator("op_bob", "bob", "hash", "salt", ("viewer", "sre"), "operator:op_ann")


def test_an_operator_is_made_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    view = do(store, ANN).value
    assert (view.id, view.name, view.roles, view.created_by) == ("op_ann", "ann", ("admin",), "cli")
    assert (view.created_at, view.last_login_at, view.disabled_at) == (NOW, None, None)
    for other in (replace(ANN, id="op_2"), replace(ANN, name="ann2")):
        with pytest.raises(AlreadyExistsError):
            do(store, other)
    again = replace(BOB, idempotency=Idempotency("operator:op_ann", "k", "h"))
    first, second = do(store, again), do(store, again)
    assert (first.value, second.is_replayed) == (second.value, True)
    store.close()
    assert rows(store.path, "SELECT by, action, object_id FROM audit") == [
        ("cli", "create_operator", "op_ann"),
        ("operator:op_ann", "create_operator", "op_bob"),
    ]


def test_roles_change_and_the_audit_tells_both(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    do(store, ANN)
    do(store, BOB)
    view = do(store, SetOperator("op_bob", "operator:op_ann", roles=("payments",))).value
    assert (view.roles, view.disabled_at) == (("payments",), None)
    assert do(store, SetOperator("op_bob", "cli", is_disabled=True), NOW + 5).value.disabled_at == NOW + 5
    assert do(store, SetOperator("op_bob", "cli", is_disabled=True), NOW + 9).value.disabled_at == NOW + 5
    assert do(store, SetOperator("op_bob", "cli", is_disabled=False)).value.disabled_at is None
    store.close()
    (data, *_) = rows(store.path, "SELECT data FROM audit WHERE action = 'set_operator' ORDER BY id")
    assert json.loads(data[0]) == {"name": "bob", "roles_before": ["viewer", "sre"], "roles": ["payments"]}


@pytest.mark.parametrize("change", [{"roles": ("viewer",)}, {"is_disabled": True}])
def test_the_last_admin_stays(tmp_path: Path, change: dict[str, object]) -> None:
    store = open_store(tmp_path)
    do(store, ANN)
    do(store, BOB)
    command = SetOperator("op_ann", "operator:op_ann", **change)  # type: ignore[arg-type]
    with pytest.raises(LastAdminError):
        do(store, command)
    do(store, SetOperator("op_bob", "operator:op_ann", roles=("admin",)))
    do(store, command)
    with pytest.raises(LastAdminError):
        do(store, SetOperator("op_bob", "operator:op_bob", is_disabled=True))
    do(store, SetOperator("op_bob", "cli", is_disabled=True, may_leave_no_admin=True))
    store.close()


def test_whoever_is_not_there_cannot_be_changed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for command in (SetOperator("op_x", "cli", is_disabled=True), ResetOperator("op_x", "h", "s", "cli")):
        with pytest.raises(NotFoundError):
            do(store, command)
    store.close()
    assert rows(store.path, "SELECT count(*) FROM audit") == [(0,)]
