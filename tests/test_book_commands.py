"""`run.py statement` and `run.py export`: what an accountant types, read back by other means."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import statement_sheet
from gateway.book_commands import JOURNAL_SUFFIXES
from gateway.terminal import OK, PROBLEM, UNREACHABLE, USAGE, WIDTH, wrapped
from ledger.store import SqliteStore
from run import app
from tests.ledger.books import NOW, do, fund, make_books, transfer
from tests.test_run import run

OF_ALICE = ("--client", "alice", "--currency", "BTC")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Alice had 1,000 and gave 1, 2, 3 to bob and 4 to the house, an hour apart."""
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    for number, payee in enumerate(["bob", "bob", "bob", "house"], 1):
        do(store, transfer(number, "alice", payee, number), NOW + number * 3_600)
    store.close()
    path = tmp_path / "cashier.toml"
    path.write_text('[ledger]\npath = "books.sqlite"\n')
    return path


def statement(config: Path, *more: str | Path) -> Any:
    return run("statement", *more, "--config", config)


def test_a_clients_statement_adds_up_also_beside_a_server(config: Path) -> None:
    store = SqliteStore(config.parent / "books.sqlite", now_s=NOW)
    store.open()
    done = statement(config, *OF_ALICE, "--json")
    store.close()
    assert done.returncode == OK, done.stderr
    told = json.loads(done.stdout)
    assert [line["balance"][-4:] for line in told["movements"]] == ["1000", "0999", "0997", "0994", "0990"]
    assert told["closing"]["balance"] == told["closing"]["available"] == "0.00000990"
    assert [line["counterpart"] for line in told["movements"][1:]] == ["client"] * 3 + ["house"]


def test_a_table_for_people(config: Path) -> None:
    told = json.loads(statement(config, "--account", "house:BTC", "--json").stdout)
    done = statement(config, "--account", "house:BTC")
    assert done.returncode == OK, done.stderr
    assert done.stdout.splitlines() == [
        "Statement of house:BTC",
        "opening",
        "  balance 0.00000000",
        "2023-11-15T02:13:20Z  transfer  (entry 5)",
        "  credit 0.00000004   balance 0.00000004",
        "  counterpart client:alice:BTC:available",
        "  reason test",
        "closing  (entry 5)",
        "  debit 0.00000000   credit 0.00000004   fee 0.00000000   balance 0.00000004",
        f"journal hash {told['hash']}",
        "not closed: there may be more",
    ]


@pytest.mark.parametrize("suffix", ["json", "csv", "html", "xlsx"])
def test_every_format_into_a_file_that_is_whole_or_not_there(config: Path, suffix: str) -> None:
    target = config.parent / f"alice.{suffix}"
    done = statement(config, *OF_ALICE, "--output", target, "--json")
    assert done.returncode == OK, done.stderr
    told = json.loads(done.stdout)
    assert (told["lines"], told["opening"], told["closing"]) == (5, "0.00000000", "0.00000990")
    assert (told["debits"], told["credits"]) == ("0.00000010", "0.00001000")
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(config.parent.glob("*.part"))
    if suffix == "json":
        assert len(json.loads(target.read_bytes())["movements"]) == 5
    elif suffix == "csv":
        with target.open(newline="") as file:
            assert [row["kind"] for row in csv.DictReader(file)][1:-1] == ["adjustment", *["transfer"] * 4]
    elif suffix == "xlsx":
        assert zipfile.ZipFile(target).testzip() is None
    else:
        assert target.read_text().endswith("</html>\n")


def test_months_chain_and_ranges_of_any_zone_are_the_same_moment(config: Path) -> None:
    month = json.loads(statement(config, *OF_ALICE, "--month", "2023-11", "--json").stdout)
    assert (month["from"], month["to"]) == ("2023-11-01T00:00:00Z", "2023-12-01T00:00:00Z")
    following = json.loads(statement(config, *OF_ALICE, "--month", "2023-12", "--json").stdout)
    assert following["opening"] == month["closing"]
    assert following["movements"] == []
    utc = statement(config, *OF_ALICE, "--from", "2023-11-15T00:00:00Z", "--json").stdout
    east = statement(config, *OF_ALICE, "--from", "2023-11-15T05:30:00+05:30", "--json").stdout
    assert utc == east
    assert len(json.loads(utc)["movements"]) == 3


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--client", "alice"),
        ("--currency", "BTC"),
        ("--account", "house:BTC", "--client", "alice", "--currency", "BTC"),
        (*OF_ALICE, "--month", "2023-13"),
        (*OF_ALICE, "--month", "2023-11-02"),
        (*OF_ALICE, "--month", "2023-11", "--from", "2023-11"),
        (*OF_ALICE, "--from", "tomorrow"),
        (*OF_ALICE, "--from", "2023-12", "--to", "2023-11"),
        (*OF_ALICE, "--from", "2023-11-15T00:00:00"),
        (*OF_ALICE, "--output", "alice.pdf"),
    ],
)
def test_wrong_usage_is_one_line(config: Path, options: tuple[str, ...]) -> None:
    done = statement(config, *options)
    assert (done.returncode, len(done.stderr.splitlines())) == (USAGE, 1), done.stderr


def test_what_is_not_there_is_one_line(config: Path) -> None:
    for options, code in (
        (("--account", "moon:BTC"), USAGE),
        (("--client", "alice", "--currency", "DOGE"), USAGE),
        (("--client", "house", "--currency", "BTC"), USAGE),
        (("--client", "carl", "--currency", "BTC"), PROBLEM),
        (("--account", "client:carl:BTC:available"), PROBLEM),
        ((*OF_ALICE, "--output", "/nowhere/alice.csv"), USAGE),
        ((*OF_ALICE, "--output", "/dev/full/alice.csv"), USAGE),
    ):
        done = statement(config, *options)
        assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    (config.parent / "books.sqlite").unlink()
    assert statement(config, *OF_ALICE).returncode == UNREACHABLE


def test_l07_a_stranger_computes_the_exported_chain_again(config: Path) -> None:
    lines, table = (config.parent / f"journal{suffix}" for suffix in JOURNAL_SUFFIXES)
    told = [json.loads(run("export", "-o", f, "--json", "--config", config).stdout) for f in (lines, table)]
    prev, entries = bytes(32), []
    for line in lines.read_text().splitlines():
        row = json.loads(line)
        body = json.dumps(row["hashed"], separators=(",", ":")).encode()
        prev = hashlib.sha256(prev + body).digest()
        assert prev.hex() == row["hash"]
        entries.append(row["hashed"][0])
    assert entries == [1, 2, 3, 4, 5]
    assert [(each["entries"], each["last_entry"], each["hash"]) for each in told] == [(5, 5, prev.hex())] * 2
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["amount"] for row in rows] == ["0.00001000", *(f"0.0000000{n}" for n in range(1, 5))]
    assert rows[-1]["hash"] == prev.hex()
    assert rows[-1]["credit"] == "house:BTC"
    later = run("export", "--after", "3", "--config", config)
    assert [json.loads(line)["hashed"][0] for line in later.stdout.splitlines()] == [4, 5]


def test_l07_a_changed_entry_is_named_and_no_file_is_left(config: Path) -> None:
    db = sqlite3.connect(config.parent / "books.sqlite")
    db.execute("DROP TRIGGER posting_no_update")
    db.execute("UPDATE posting SET amount = '7' WHERE journal_id = 3")
    db.commit()
    db.close()
    target = config.parent / "journal.jsonl"
    done = run("export", "-o", target, "--config", config)
    assert done.returncode == PROBLEM
    assert "entry 3" in done.stderr
    assert not target.exists()
    assert not list(config.parent.glob("*.part"))
    broken = statement(config, *OF_ALICE)
    assert broken.returncode == PROBLEM
    assert "do not add up" in broken.stderr


def test_the_trial_balance_of_a_range_and_its_files(config: Path) -> None:
    of_btc = ("trial-balance", "--currency", "BTC", "--config", config)
    done = run(*of_btc, "--json")
    assert done.returncode == OK, done.stderr
    told = json.loads(done.stdout)
    closing = {line["account"]: line["closing"] for line in told["accounts"]}
    assert closing == {
        "client:alice:BTC:available": "0.00000990",
        "client:bob:BTC:available": "0.00000006",
        "house:BTC": "0.00000004",
        "onchain:BTC:hot": "0.00001000",
    }
    assert told["totals"]["closing"] == {"debit": "0.00001000", "credit": "0.00001000"}
    shown = run(*of_btc, "--month", "2023-12")
    assert shown.returncode == OK, shown.stderr
    assert "opening 0.00000990" in shown.stdout
    assert "debits 0.00000000" in shown.stdout
    target = config.parent / "trial.csv"
    assert json.loads(run(*of_btc, "-o", target, "--json").stdout)["accounts"] == 4
    with target.open() as file:
        assert [row["account"] for row in csv.DictReader(file)] == [*closing, "total", "total"]
    assert run(*of_btc, "-o", "trial.pdf").returncode == USAGE
    assert run("trial-balance", "--currency", "DOGE", "--config", config).returncode == USAGE


def test_l05_a_trial_balance_that_is_none_ends_with_a_problem(config: Path) -> None:
    db = sqlite3.connect(config.parent / "books.sqlite")
    db.execute("DROP TRIGGER posting_no_update")
    db.execute("UPDATE posting SET amount = '7' WHERE journal_id = 3")
    db.commit()
    db.close()
    done = run("trial-balance", "--currency", "BTC", "--config", config, "-o", config.parent / "trial.csv")
    assert done.returncode == PROBLEM
    assert "do not add up" in done.stderr
    assert not list(config.parent.glob("trial*"))


def test_an_export_of_another_kind_is_refused(config: Path) -> None:
    assert run("export", "-o", "journal.xml", "--config", config).returncode == USAGE


def test_an_export_goes_on_behind_an_entry_that_is_there(config: Path) -> None:
    told = json.loads(run("export", "-o", config.parent / "all.jsonl", "--json", "--config", config).stdout)
    none = run("export", "--after", "5", "-o", config.parent / "none.jsonl", "--json", "--config", config)
    assert json.loads(none.stdout) == told | {"file": str(config.parent / "none.jsonl"), "entries": 0}
    done = run("export", "--after", "6", "--config", config)
    assert (done.returncode, done.stdout, done.stderr) == (USAGE, "", "there is no entry 6 in the journal\n")


def test_l07_an_export_that_goes_on_sees_that_the_entry_before_was_changed(config: Path) -> None:
    db = sqlite3.connect(config.parent / "books.sqlite")
    db.execute("DROP TRIGGER journal_no_update")
    db.execute("UPDATE journal SET hash = zeroblob(32) WHERE id = 3")
    db.commit()
    db.close()
    done = run("export", "--after", "3", "--config", config)
    assert (done.returncode, "entry 4" in done.stderr) == (PROBLEM, True)


def test_an_amount_is_not_torn_on_a_narrow_terminal() -> None:
    amounts = [f"{name} {'9' * 20}" for name in ("debit", "credit", "fee", "balance")]
    lines = wrapped(amounts)
    assert max(map(len, lines)) <= WIDTH
    assert [word for line in lines for word in line.split("   ")] == amounts
    assert (wrapped([]), wrapped(["9" * 99])) == ([], ["9" * 99])


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--after", "9" * 30),
        ("statement", "--account", "onchain:\udcff:hot"),
        ("statement", "--client", "alice", "--currency", "\udcff"),
        ("statement", "--client", "ал", "--currency", "BTC"),
    ],
)
def test_s27_what_cannot_be_asked_for_is_wrong_usage_and_no_crash(
    config: Path, arguments: tuple[str, ...]
) -> None:
    done = run(*arguments, "--config", config)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_s27_more_rows_than_a_sheet_has_are_one_line_and_no_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_sheet, "ROWS_MAX", 4)
    target = config.parent / "alice.xlsx"
    arguments = ["statement", *OF_ALICE, "-o", str(target), "--config", str(config)]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert done.stderr == f"{target}: a sheet has at most 4 rows: take a shorter range, or CSV\n"
    assert sorted(config.parent.glob("*alice*")) == []
