"""`run.py close`: what an accountant reads of a month that is closed, and what a wrong word ends with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gateway.closing_commands import LEFT, RIGHT
from gateway.terminal import OK, PROBLEM, USAGE, WIDTH, equation
from ledger.month import end_of
from tests.actors.desk import COIN_FILES
from tests.ledger.test_period import NOVEMBER, close
from tests.ledger.till import Till
from tests.test_run import run

ENABLED = {"CASHIER__COINS__BTC__ENABLED": "true", "CASHIER__COINS__BTC__NODE__URL": "http://127.0.0.1:9"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Alice paid in 100,000 and took 20,000 out, and November 2023 is closed."""
    (tmp_path / "data").mkdir()
    till = Till(tmp_path / "data")
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 20_000)
    till.pay_all()
    till.mine(6)
    till.chain.block_time_s = end_of(NOVEMBER) + 1 - till.chain.tip.ref.time
    till.mine(1)
    till.chain.block_time_s = 600
    till.mine(6)
    close(till, NOVEMBER)
    till.close()
    (tmp_path / "data" / "books.sqlite").rename(tmp_path / "data" / "cashier.sqlite")
    shutil.copytree(COIN_FILES, tmp_path / "coins")
    path = tmp_path / "cashier.toml"
    path.write_text("[gateway]\nport = 8123\n")
    return path


def test_l13_a_closed_month_shows_what_its_totals_consist_of(config: Path) -> None:
    done = run("close", NOVEMBER, "--config", config, **ENABLED)
    assert (done.returncode, done.stderr) == (OK, "")
    (period,) = json.loads(run("close", NOVEMBER, "--json", "--config", config, **ENABLED).stdout)
    report = period["report"]
    fee = 20_500 - 20_000
    spent = next(int(line["closing"]) for line in report["accounts"] if line["class"] == "expense")
    held = 80_000 - spent
    assert done.stdout.splitlines() == [
        f"BTC {NOVEMBER} is closed",
        f"  on the chain     0.000{held}",
        f"  in the books     0.000{held}",
        "  owed to clients  0.00079500",
        f"  last block       {period['height']}",
        f"    {period['block_hash']}",
        f"  journal          up to entry {report['entries_to']}, whose hash is",
        f"    {report['journal_hash']}",
        "  proof            root of what is owed to 1 client",
        f"    {report['owed']['root']}",
        f"  report           closed {period['closed_at']} by operator:ann, sha256",
        f"    {period['digest']}",
        "  accounts",
        f"    asset      onchain:BTC:hot         0.000{held}",
        f"    expense    network_fee:BTC         0.0000{spent:04}",
        "    liability  client:*:BTC:available  0.00079500",
        f"    revenue    withdrawal_fee:BTC      0.00000{fee}",
        f"    asset 0.000{held}   + expense 0.0000{spent:04}   = liability 0.00079500",
        f"    + revenue 0.00000{fee}",
    ]
    assert held + spent == 79_500 + fee


def test_both_sides_are_said_also_of_nothing() -> None:
    assert equation(dict.fromkeys(LEFT, 0), dict.fromkeys(RIGHT, 0), 8) == [
        "asset 0.00000000   = liability 0.00000000"
    ]
    assert equation({"asset": 10**20}, {"liability": 10**20 + 5, "equity": -5}, 18) == [
        "asset 100.000000000000000000   = liability 100.000000000000000005",
        "+ equity -0.000000000000000005",
    ]
    assert equation({"asset": 3}, {"liability": 3}, None) == ["asset 3 base units   = liability 3 base units"]
    assert max(len(line) for line in equation({"asset": 10**30}, {"liability": 10**30}, 18)) <= WIDTH


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("2023-13",), USAGE, "a month is written YYYY-MM, not '2023-13'"),
        (("11-2023",), USAGE, "a month is written YYYY-MM, not '11-2023'"),
        ((NOVEMBER, "--currency", "LTC"), USAGE, "LTC is no chain of these books: one of BTC"),
        (("2023-12",), PROBLEM, "BTC has no block after 2023-12 yet"),
    ],
)
def test_a_wrong_word_is_one_line(config: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run("close", *arguments, "--config", config, **ENABLED)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"{words}\n")
