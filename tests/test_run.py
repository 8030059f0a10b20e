"""The command line without a server: what it says, where, and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source import REPOSITORY

OK, PROBLEM, USAGE, UNREACHABLE = 0, 1, 2, 3


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one currency that is not enabled."""
    coins = tmp_path / "coins"
    coins.mkdir()
    (coins / "BTC.toml").write_text((REPOSITORY / "config" / "coins" / "BTC.toml").read_text())
    path = tmp_path / "cashier.toml"
    path.write_text("[gateway]\nport = 8123\n")
    return path


def run(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run one command with an environment of ours alone."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "TERM": "dumb", "COLUMNS": "60"} | extra,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_config_may_be_named_before_the_command(config: Path) -> None:
    before = run("--config", config, "print-config", "--json")
    after = run("print-config", "--json", "--config", config)
    assert (before.returncode, before.stdout) == (OK, after.stdout)
    assert json.loads(before.stdout)["gateway"]["port"] == 8123
    missing = run("--config", config.with_name("none.toml"), "keys", "list")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (USAGE, 1)


def test_check_without_a_currency_says_so(config: Path) -> None:
    done = run("check", "--config", config)
    assert done.returncode == OK
    assert "no currency is enabled" in done.stdout


def test_check_tells_the_whole_trouble_of_a_node(config: Path) -> None:
    url = "http://127.0.0.1:9"
    extra = {"CASHIER__COINS__BTC__ENABLED": "true", "CASHIER__COINS__BTC__NODE__URL": url}
    done = run("check", "--config", config, **extra)
    assert done.returncode == UNREACHABLE
    assert "…" not in done.stdout
    rows = json.loads(run("check", "--json", "--config", config, **extra).stdout)
    assert rows[0]["node"] == url
    assert rows[0]["result"] == "no connection to the node: Connection refused"
    extra["CASHIER__COINS__BTC__WITNESS__URL"] = second = "http://127.0.0.1:8"
    rows = json.loads(run("check", "--json", "--config", config, **extra).stdout)
    assert [row["node"] for row in rows] == [url, second]


def test_check_reads_cold_addresses_as_their_family_does(config: Path) -> None:
    cold = "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk"
    extra = {
        "CASHIER__COINS__BTC__ENABLED": "true",
        "CASHIER__COINS__BTC__NETWORK": "regtest",
        "CASHIER__COINS__BTC__NODE__URL": "http://127.0.0.1:9",
        "CASHIER__COINS__BTC__HOT_CEILING": "1",
        "CASHIER__COINS__BTC__COLD_ADDRESS": cold,
    }
    done = run("check", "--config", config, **extra)
    assert f"BTC: what is above hot_ceiling goes to the cold address {cold}" in done.stdout
    (row,) = json.loads(run("check", "--json", "--config", config, **extra).stdout)
    assert row["cold_addresses"] == {"BTC": cold}
    wrong = run("check", "--config", config, **extra | {"CASHIER__COINS__BTC__NETWORK": "mainnet"})
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (USAGE, 1)
    assert "coins.BTC.cold_address: " in wrong.stderr


def test_keys_of_no_database_and_of_a_damaged_one(config: Path) -> None:
    none = run("keys", "list", "--config", config)
    assert (none.returncode, len(none.stderr.splitlines())) == (UNREACHABLE, 1)
    assert "there is no database" in none.stderr
    database = config.parent / "data" / "cashier.sqlite"
    database.parent.mkdir(mode=0o700)
    database.write_text("this is no database, only a text that is long enough to be read as a header" * 20)
    damaged = run("keys", "list", "--config", config)
    assert (damaged.returncode, len(damaged.stderr.splitlines())) == (UNREACHABLE, 1)
    assert "cannot open the database" in damaged.stderr


def test_tree_of_no_cashier_is_one_line(config: Path) -> None:
    config.write_text("[monitoring]\nport = 9\n")
    done = run("tree", "--config", config)
    assert (done.returncode, done.stderr) == (
        UNREACHABLE,
        "no cashier answers at http://127.0.0.1:9/tree: Connection refused\n",
    )
