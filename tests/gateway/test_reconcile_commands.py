"""`run.py reconcile`: what it says of a result, and of a wrong question."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.reconcile_commands import reconcile
from tests.actors.desk import COIN_FILES
from tests.test_run import run


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("BTC",), 2, "BTC is not enabled: one of none"),
        (("--height", "x"), 2, "integer"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    assert "Exit code 1" in (reconcile.__doc__ or "")
    config = tmp_path / "cashier.toml"
    config.write_text("[monitoring]\nport = 9\n")
    done = run("reconcile", *arguments, "--config", config)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert words in done.stderr


def test_nothing_enabled_and_no_server_is_an_empty_answer(tmp_path: Path) -> None:
    config = tmp_path / "cashier.toml"
    config.write_text("[monitoring]\nport = 9\n")
    done = run("reconcile", "--json", "--config", config)
    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_without_a_server_and_a_database_it_says_so(tmp_path: Path) -> None:
    config = tmp_path / "cashier.toml"
    config.write_text("[monitoring]\nport = 9\n")
    shutil.copytree(COIN_FILES, tmp_path / "coins")
    extra = {"CASHIER__COINS__BTC__ENABLED": "true"}
    done = run("reconcile", "BTC", "--config", config, **extra)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert "there is no database" in done.stderr
    both = {**extra, "CASHIER__COINS__LTC__ENABLED": "true"}
    done = run("reconcile", "--height", "5", "--config", config, **both)
    assert (done.returncode, done.stderr) == (
        2, "--height needs a currency: each chain has its own heights\n",
    )  # fmt: skip
