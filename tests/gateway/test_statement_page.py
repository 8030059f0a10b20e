"""The page to print: what it shows, and that nothing of ours or theirs runs in it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from gateway.statement_page import POLICY, HtmlStatement
from gateway.statement_text import Tally
from ledger.statement_query import Rate
from tests.gateway.calls import Caller, script
from tests.gateway.fake import running
from tests.gateway.samples import TXID, statement_line, statement_view


class _Reader(HTMLParser):
    """Elements, attributes and the cells of each row."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


def page(**changes: Any) -> str:
    writer, tally = HtmlStatement(statement_view()), Tally(100_000)
    parts = [writer.head(), writer.lines([statement_line(**changes)]), writer.tail(tally)]
    return b"".join(parts).decode()


def test_it_shows_every_line_and_both_balances() -> None:
    rows = read(page()).rows
    assert [row[0] for row in rows] == ["Entry", "Opening balance", "7", "", "Closing balance"]
    assert rows[2][2:] == ["withdrawal", "0.00020500", "", "0.00000500", "0.00079500", ""]
    assert rows[3][1] == f"bcrt1qbob  {TXID}  block 101  wd_1"
    assert (rows[1][-2], rows[4][-2]) == ("0.00100000", "0.00079500")
    assert len(rows[0]) == len(rows[2]) == len(rows[1]) + 2 == len(rows[4]) + 2


def test_only_a_range_whose_books_are_closed_looks_closed() -> None:
    view = replace(statement_view(), until=1_780_272_000)
    ends = [HtmlStatement(replace(view, is_final=is_final)).head().decode() for is_final in (False, True)]
    assert "2026-06-01T00:00:00Z (not included)</dd>" in ends[1]
    assert "2026-06-01T00:00:00Z (not included); not closed: there may be more</dd>" in ends[0]
    assert "A4 landscape" in ends[0]


def test_a_line_says_what_it_is_where_its_kind_does_not() -> None:
    kinds: list[dict[str, Any]] = [
        {"kind": "adjustment", "entry_kind": "withdrawal_opened"},
        {"kind": "reversal", "reverses": 5},
        {"kind": "deposit"},
    ]
    shown = [read(page(**kind)).rows[2][2] for kind in kinds]
    assert shown == ["withdrawal opened", "reversal of entry 5", "deposit"]


def test_a_line_whose_worth_was_known_shows_it() -> None:
    rows = read(page(rate=Rate(1, "EUR", "61234.50", 1_760_000_000, 60))).rows
    assert rows[2][-1] == "12.55 EUR"


def test_hostile_texts_are_shown_and_not_obeyed() -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x"
    clean, dirty = read(page()), read(page(reason=bad, counterpart=bad, reference=bad, kind=bad))
    assert dirty.elements == clean.elements
    assert dirty.attributes == clean.attributes
    assert (dirty.rows[2][2], dirty.rows[3][1].count(bad)) == (bad, 1)


async def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("get_client_statement", headers={"Accept": "text/html"})
        other = await Caller.of(rig).call("get_client_statement", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == POLICY
    (style,) = re.findall("<style>(.*?)</style>", answer.raw.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'" == POLICY
    assert other.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "style=" not in answer.raw.decode()
