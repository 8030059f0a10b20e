"""The trial balance as it is written, read back, and refused when its sides are not equal."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from aiohttp import ClientError

from actors.messages import ListTrialLines, TrialLine, TrialPage
from gateway.api import NODE_TIMEOUT_S
from gateway.render import moment
from gateway.statement_page import POLICY
from gateway.statement_replies import TrialReply
from gateway.statement_text import StatementBrokenError
from gateway.trial_format import COLUMNS, TRIAL_BY_SUFFIX, TRIAL_FORMATS, TrialPaper
from tests.gateway.calls import Caller, script
from tests.gateway.fake import running
from tests.gateway.house import House, open_house
from tests.gateway.trial_samples import LINES, TRIAL, TRIAL_PAGE
from tests.ledger.books import NOW, transfer

PATH = "/v1/admin/trial-balance?currency=BTC"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def written(suffix: str, *pages: TrialPage) -> bytes:
    paper = TrialPaper(TRIAL, TRIAL_BY_SUFFIX[suffix](TRIAL))
    return b"".join([paper.head(), *(paper.add(page) for page in pages), paper.tail()])


def test_json_says_all_and_both_sides() -> None:
    told = json.loads(written("json", TrialPage(LINES[:1], "x"), TrialPage(LINES[1:], None)))
    assert told["accounts"][1] == {
        "account": "onchain:BTC:hot",
        "class": "asset",
        "side": "debit",
        "opening": "0.00000000",
        "debits": "0.00100000",
        "credits": "0.00020000",
        "closing": "0.00080000",
    }
    assert told["totals"] == {
        "opening": {"debit": "0.00000000", "credit": "0.00000000"},
        "debits": "0.00120500",
        "credits": "0.00120500",
        "closing": {"debit": "0.00080000", "credit": "0.00080000"},
    }
    assert (told["first_entry"], told["last_entry"], told["hash"]) == (0, 9, "ab" * 32)
    assert json.loads(written("json", TrialPage((), None)))["accounts"] == []


def test_a_table_ends_with_its_sums() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", TRIAL_PAGE).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["account"] for row in rows] == [*(line.account for line in LINES), "total", "total"]
    debit, credit = rows[-2:]
    assert (debit["side"], debit["debits"], debit["credits"]) == ("debit", "0.00120500", "")
    assert (credit["side"], credit["debits"], credit["credits"]) == ("credit", "", "0.00120500")
    assert debit["closing"] == credit["closing"] == "0.00080000"
    assert debit["note"] == f"entries 1 to 9, hash {'ab' * 32}; not closed: there may be more"


def test_the_page_holds_no_markup_of_a_client() -> None:
    text = written(
        "html", TrialPage((LINES[0]._replace(account="client:<b>:BTC:available"), *LINES[1:]), None)
    )
    assert b"<b>" not in text
    cells: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            cells.append(data)

    Reader().feed(text.decode())
    assert "client:<b>:BTC:available" in cells
    assert cells.count("0.00080000") == 3  # the hot wallet, and both sums


def test_the_workbook_has_a_row_for_each() -> None:
    with zipfile.ZipFile(io.BytesIO(written("xlsx", TRIAL_PAGE))) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = sheet.findall(f".//{SHEET}row")
    assert len(rows) == 1 + len(LINES) + 2
    closing = rows[2].findall(f"{SHEET}c")[COLUMNS.index("closing")]
    assert closing.findtext(f"{SHEET}v") == "0.00080000"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINES[2]._replace(credits=499), "withdrawal_fee:BTC"),
        (LINES[2]._replace(credits=499, closing=499), "closing: 80000 in debit, 79999 in credit"),
        (LINES[2]._replace(opening=1, credits=499), "opening: 0 in debit, 1 in credit"),
    ],
)
def test_l05_sides_that_differ_are_no_trial_balance(line: TrialLine, said: str) -> None:
    with pytest.raises(StatementBrokenError, match=said):
        written("csv", TrialPage((*LINES[:2], line), None))


# -- over HTTP -------------------------------------------------------------------------------------


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def test_operators_read_every_account_of_a_month(house: House) -> None:
    for number in range(1, 4):
        await house.clock.advance(60)  # type: ignore[attr-defined]
        await house.ask(transfer(number, "alice", "bob", number))
    token = await house.operator()
    answer = await house.send("GET", PATH, token)
    assert answer.status == 200, answer.raw
    accounts = [{**line, "class_": line["class"]} for line in answer.data["accounts"]]
    told = TrialReply.model_validate({**answer.data, "from_": answer.data["from"], "accounts": accounts})
    assert told.totals.debits == told.totals.credits
    assert told.totals.closing.debit == told.totals.closing.credit == "0.01000000"
    by_name = {line.account: line for line in told.accounts}
    assert by_name["client:bob:BTC:available"].closing == "0.00000006"
    assert [line.account for line in told.accounts] == sorted(by_name)
    later = (await house.send("GET", f"{PATH}&from={moment(NOW + 90)}", token)).data
    bob = next(line for line in later["accounts"] if line["account"] == "client:bob:BTC:available")
    assert (bob["opening"], bob["credits"], bob["closing"]) == ("0.00000001", "0.00000005", "0.00000006")
    assert Decimal(later["totals"]["debits"]) == Decimal("0.00000005")
    for media_type in TRIAL_FORMATS:
        shown = await house.send("GET", PATH, token, headers={"Accept": media_type})
        assert shown.headers["Content-Type"].startswith(media_type)
        assert shown.headers["Content-Disposition"].startswith('inline; filename="trial-balance-BTC.')
        assert (shown.headers.get("Content-Security-Policy") == POLICY) is (media_type == "text/html")
    unknown = await house.send("GET", PATH.replace("BTC", "DOGE"), token)
    assert (unknown.status, unknown.code) == (404, "unknown_currency")


async def test_books_that_do_not_add_up_end_in_no_reply(caplog: pytest.LogCaptureFixture) -> None:
    async with running(script) as rig:
        rig.directory.replies[ListTrialLines] = TrialPage(LINES[:1], None)
        with pytest.raises(ClientError):
            await Caller.of(rig).call("get_trial_balance", query="?currency=BTC")
    assert "a statement failed" in caplog.text


async def test_accounts_with_many_postings_are_given_the_time_they_take() -> None:
    async with running(script) as rig:
        await Caller.of(rig).call("get_trial_balance", query="?currency=BTC")
        assert rig.directory.timeouts_s[ListTrialLines] == NODE_TIMEOUT_S
