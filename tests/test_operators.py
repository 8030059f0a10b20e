"""`run.py operators`: the first operator of a new cashier, and help for one who is locked out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.operator_commands import operators_app
from gateway.password import is_right
from gateway.terminal import OK, PROBLEM, UNREACHABLE, USAGE
from ledger.operator_access import BeginLogin, LoginLimits
from ledger.store import SqliteStore
from tests.ledger.books import NOW, do, rows
from tests.test_run import run

PASSWORD = "correct horse battery"
LIMITS = LoginLimits(tries=2, tries_per_address=99, pause_s=900, pause_max_s=900)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cashier.toml"
    path.write_text("[gateway]\nport = 8123\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return path


def database(config: Path) -> Path:
    return config.parent / "data" / "cashier.sqlite"


def add(config: Path, name: str, *more: str, password: str = "password") -> Any:
    return run(
        "operators", "add", name, "--role", "admin", *more,
        "--password-file", config.parent / password, "--config", config,
    )  # fmt: skip


def listed(config: Path) -> list[dict[str, Any]]:
    done = run("operators", "list", "--json", "--config", config)
    assert done.returncode == OK, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_first_operator_is_made_without_a_server(config: Path) -> None:
    assert len(operators_app.registered_commands) == 5
    done = add(config, "ann", "--role", "sre", "--json")
    assert done.returncode == OK, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["name"], shown["roles"]) == ("ann", ["admin", "sre"])
    secret = parse_qs(urlsplit(shown["otpauth_uri"]).query)["secret"][0]
    assert len(secret) == 32
    (view,) = listed(config)
    assert "otpauth_uri" not in view
    assert (view["id"], view["name"], view["disabled_at"]) == (shown["id"], "ann", None)
    ((kept,),) = rows(database(config), "SELECT password_hash FROM operator")
    assert is_right(kept, PASSWORD)
    raw = database(config).read_bytes()
    assert PASSWORD.encode() not in raw
    assert secret.encode() not in raw
    table = run("operators", "list", "--config", config)
    assert "ann" in table.stdout


def test_beside_a_running_server_and_twice(config: Path) -> None:
    database(config).parent.mkdir()
    store = SqliteStore(database(config), now_s=NOW)
    store.open()
    try:
        done = add(config, "ann")
        assert (done.returncode, "otpauth://totp/" in done.stdout) == (OK, True), done.stderr
        again = add(config, "ann")
        assert (again.returncode, again.stderr) == (PROBLEM, "there is an operator ann\n")
    finally:
        store.close()
    assert len(listed(config)) == 1


def test_the_only_admin_can_be_shut_out_and_let_in(config: Path) -> None:
    add(config, "ann")
    done = run("operators", "disable", "ann", "--json", "--config", config)
    assert json.loads(done.stdout)["disabled_at"]
    assert listed(config)[0]["disabled_at"]
    done = run("operators", "enable", "ann", "--config", config)
    assert (done.returncode, listed(config)[0]["disabled_at"]) == (OK, None)


def test_a_reset_gives_new_credentials_and_ends_a_lock_out(config: Path) -> None:
    first = json.loads(add(config, "ann", "--json").stdout)
    store = SqliteStore(database(config), now_s=NOW)
    store.open()
    for _ in range(2):
        do(store, BeginLogin("ann", "192.0.2.1", LIMITS))
    store.close()
    (config.parent / "new").write_text("another horse battery")
    done = run(
        "operators", "reset", "ann", "--json", "--password-file", config.parent / "new", "--config", config
    )
    second = json.loads(done.stdout)
    assert (second["id"], second["otpauth_uri"] != first["otpauth_uri"]) == (first["id"], True)
    ((kept,),) = rows(database(config), "SELECT password_hash FROM operator")
    assert is_right(kept, "another horse battery")
    assert rows(database(config), "SELECT 1 FROM login_try WHERE subject = 'name:ann'") == []


@pytest.mark.parametrize(
    ("arguments", "password", "code", "words"),
    [
        (("add", "Ann", "--role", "admin"), PASSWORD, USAGE, "'Ann' is no login name"),
        (("add", "ann", "--role", "root"), PASSWORD, USAGE, "root"),
        (("add", "ann"), PASSWORD, USAGE, "--role"),
        (("add", "ann", "--role", "admin"), "short", USAGE, "12 to 1024 characters"),
        (("reset", "bob"), PASSWORD, UNREACHABLE, "there is no database"),
        (("disable", "bob"), None, UNREACHABLE, "there is no database"),
        (("list",), None, UNREACHABLE, "there is no database"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    config: Path, arguments: tuple[str, ...], password: str | None, code: int, words: str
) -> None:
    more: list[str | Path] = []
    if password is not None:
        (config.parent / "password").write_text(password)
        more = ["--password-file", config.parent / "password"]
    done = run("operators", *arguments, *more, "--config", config)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert password is None or password not in done.stderr + done.stdout
    assert not database(config).exists()


def test_a_name_that_is_not_there_and_a_file_that_cannot_be_read(config: Path) -> None:
    add(config, "ann")
    done = run("operators", "disable", "bob", "--config", config)
    assert (done.returncode, "there is no operator bob" in done.stderr) == (PROBLEM, True)
    done = add(config, "bob", password="none")
    assert (done.returncode, "No such file" in done.stderr) == (USAGE, True)
    assert len(listed(config)) == 1
