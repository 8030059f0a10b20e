"""`run.py close`: which chains it is about, and what it says of them; no node is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from actors.messages import GetBooks, ListCurrencies, PeriodsClosed
from gateway.closing_commands import closing_app
from gateway.terminal import Desk, fail
from ledger.views import BooksView
from tests.actors.desk import chain_of, desk_settings
from tests.gateway.samples import currency_view, period_view

OWED = {"total": "5"}
PARTS = [
    {"location": "hot", "chain": "150000000", "books": "150000005", "difference": "-5"},
    {"location": "cold", "chain": "7", "books": "7", "difference": "0"},
]
PART = {
    "case": "case_1", "kind": "short", "location": "hot", "amount": "-5", "height": 890, "block_hash": "",
    "txid": "", "reason": "stolen_utxo: left by a chain tx that is not ours",
}  # fmt: skip


def close(
    folder: Path, held: dict[str, int], *arguments: str, report: dict[str, Any] | None = None
) -> tuple[int, list[str], str, str]:
    """Exit code, the chains that were to be closed, stdout and stderr; the books hold something of each."""
    settings = desk_settings(folder, ("BTC",))
    asked: list[str] = []

    def work(_: Any, chain: str, *__: Any) -> PeriodsClosed:
        asked.append(chain)
        if chain not in settings.enabled_coins:
            raise fail(f"{chain} is not watched", 1)
        period = period_view()
        object.__setattr__(
            period, "report", report or {"owed": {"total": "5"}, "chain": [], "journal_hash": ""}
        )
        return PeriodsClosed("2026-01", chain, (period,))

    def read(_: Any, query: Any) -> Any:
        if isinstance(query, ListCurrencies):
            return tuple(replace(currency_view(chain_of(name)), currency=name) for name in held)
        assert isinstance(query, GetBooks)
        return BooksView(query.currency, None, {}, {"hot": held[query.currency], "cold": 0})

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("not its door")

    doors: Any = (lambda _: settings, never, read, never, never, never, work, never)
    desk = Desk(*doors)
    done = CliRunner().invoke(closing_app, ["2026-01", *arguments], obj=desk)
    return done.exit_code, asked, done.stdout, done.stderr


def test_a_chain_that_was_taken_out_with_money_in_the_books_is_not_passed_over(tmp_path: Path) -> None:
    held = {"BTC": 5, "ETH": 0, "USDT-ETH": 9, "LTC": 0}
    code, asked, told, said = close(tmp_path, held)
    assert (code, asked, said) == (1, ["BTC", "ETH"], "ETH is not watched\n")
    assert told.startswith("BTC 2026-01 is closed")
    assert close(tmp_path, {"BTC": 5, "LTC": 0})[:2] == (0, ["BTC"])
    assert close(tmp_path, held, "--currency", "ETH")[:2] == (1, ["ETH"])
    code, asked, _, said = close(tmp_path, held, "--currency", "LTC")
    assert (code, asked) == (2, [])
    assert said == "LTC is no chain of these books: one of BTC, ETH\n"


def test_each_part_of_a_difference_is_told_with_its_case(tmp_path: Path) -> None:
    report = {"owed": OWED, "chain": PARTS, "journal_hash": "", "differences": [PART]}
    code, _, told, _ = close(tmp_path, {}, report=report)
    assert code == 0
    assert told.splitlines()[1:3] == [
        "  on the chain     1.50000007",
        "  in the books     1.50000012",
    ]
    assert told.splitlines()[-1] == (
        "  differs by       -0.00000005 at hot since block 890: case_1 (short), stolen_utxo: left by a chain"
        " tx that is not ours"
    )
