"""The audit as a command: beside a database of a whole till, with its findings as lines and exit code."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from actors.verification import verify_books
from config.loader import load
from gateway.audit_commands import audit_app
from gateway.terminal import OK, PROBLEM, UNREACHABLE, USAGE
from ledger.errors import StoreOpenError
from tests.actors.desk import COIN_FILES
from tests.ledger.till import Till
from tests.test_run import run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose database holds a deposit and a payout."""
    (tmp_path / "data").mkdir()
    till = Till(tmp_path / "data")
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 20_000)
    till.pay_all()
    till.mine(6)
    till.close()
    (tmp_path / "data" / "books.sqlite").rename(tmp_path / "data" / "cashier.sqlite")
    path = tmp_path / "cashier.toml"
    path.write_text("[gateway]\nport = 8123\n")
    return path


def database(config: Path) -> Path:
    return config.parent / "data" / "cashier.sqlite"


def test_sound_books_are_told_so(config: Path) -> None:
    assert {command.callback.__name__ for command in audit_app.registered_commands if command.callback} == {
        "verify",
        "rescan",
    }
    done = run("verify", "--config", config)
    assert (done.returncode, done.stdout) == (OK, "books: all is well\n"), done.stderr
    shown = json.loads(run("verify", "--json", "--config", config).stdout)
    assert shown == {"is_well": True, "findings": [], "chains": {}, "unread": {}}


def test_l14_a_balance_that_was_edited_ends_with_1_and_its_name(config: Path) -> None:
    with sqlite3.connect(database(config)) as db:
        db.execute("UPDATE account SET balance = '1' WHERE name = 'client:alice:BTC:available'")
    db.close()
    done = run("verify", "--config", config)
    assert done.returncode == PROBLEM
    assert "balance: client:alice:BTC:available: stored 1, its postings give" in done.stdout
    shown = json.loads(run("verify", "--json", "--config", config).stdout)
    assert not shown["is_well"]
    assert {found["kind"] for found in shown["findings"]} >= {"balance", "rebuild"}


def test_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cashier.toml"
    path.write_text("[gateway]\nport = 8123\n")
    done = run("verify", "--config", path)
    assert done.returncode == UNREACHABLE
    assert "there is no database" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_how_far_it_is_is_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.verify.EVERY", 2)
    told: list[tuple[str, int, int]] = []
    settings = load(config, {})
    done = await verify_books(settings, with_chains=True, now_s=0, on_step=lambda *step: told.append(step))
    assert done.is_well
    assert {what for what, _, _ in told} == {"books"}
    assert [count for _, count, _ in told] == sorted(count for _, count, _ in told)
    database(config).unlink()
    with pytest.raises(StoreOpenError):
        await verify_books(settings, with_chains=False, now_s=0, on_step=lambda *step: None)


def test_a_chain_that_cannot_be_read_is_told_and_hides_nothing(config: Path) -> None:
    assert run("verify", "--chain", "--config", config).returncode == USAGE
    shutil.copytree(COIN_FILES, config.parent / "coins")
    node = {"NETWORK": "regtest", "ENABLED": "true", "NODE__URL": "http://127.0.0.1:9"}
    extra = {f"CASHIER__COINS__BTC__{name}": value for name, value in node.items()}
    done = run("verify", "--chain", "--config", config, **extra)
    assert (done.returncode, done.stderr) == (UNREACHABLE, "")
    well, unread = done.stdout.splitlines()
    assert well == "books: all is well"
    assert unread.startswith("BTC: could not be read again: no connection to the node")
    alone = run("rescan", "--currency", "BTC", "--from-height", "0", "--config", config, **extra)
    assert (alone.returncode, alone.stderr.startswith("BTC: no connection")) == (UNREACHABLE, True)
