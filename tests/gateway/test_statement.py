"""Statements over HTTP, on a real ledger: what an accountant reads, and what a stranger does not."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError

from actors.errors import NotDelivered
from actors.messages import ListStatementLines, StatementPage
from gateway.context import GATEWAY
from gateway.statement_replies import StatementReply
from gateway.statement_text import COLUMNS, Tally, safe_cell
from tests.gateway.calls import Caller, script
from tests.gateway.fake import Answer, Rig, running
from tests.gateway.house import House, open_house
from tests.gateway.samples import statement_line, statement_view
from tests.ledger.books import NOW, transfer

CLIENT = "/v1/clients/alice/statement?currency=BTC"
ACCOUNTS = "/v1/admin/statements"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def moved(house: House, count: int = 3) -> None:
    """Alice gives bob 1, 2, 3 … satoshi, a minute apart."""
    for number in range(1, count + 1):
        await house.clock.advance(60)  # type: ignore[attr-defined]
        await house.ask(transfer(number, "alice", "bob", number))


def rows_of(answer: Answer) -> list[dict[str, str]]:
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.raw.decode())))


async def test_it_adds_up_and_fits_its_description(house: House) -> None:
    await moved(house)
    answer = await house.send("GET", CLIENT, house.token)
    assert answer.status == 200, answer.raw
    told = StatementReply.model_validate({**answer.data, "from_": answer.data["from"]})
    balance = Decimal(told.opening.balance)
    assert [line.kind for line in told.movements] == ["adjustment", *["transfer"] * 3]
    for line in told.movements:
        balance += Decimal(line.credit or 0) - Decimal(line.debit or 0)
        assert Decimal(line.balance) == balance
    assert told.closing.balance == "0.00999994"
    assert told.closing.available == "0.00999994"
    assert told.closing.deficit == "0.00000000"
    assert (told.credits, told.debits) == ("0.01000000", "0.00000006")
    assert {line.counterpart for line in told.movements} == {"onchain", "client"}
    assert b"bob" not in answer.raw


async def test_a_range_of_time_and_its_parts_in_csv(house: House) -> None:
    await moved(house, 5)
    begin = NOW + 90
    times = [house_time(at) for at in (begin, begin + 120)]
    query = f"{CLIENT}&from={times[0]}&to={times[1]}"
    rows = rows_of(await house.send("GET", query, house.token, headers={"Accept": "text/csv"}))
    assert tuple(rows[0]) == COLUMNS
    assert [row["kind"] for row in rows] == ["opening", "transfer", "transfer", "closing"]
    assert [row["balance"] for row in rows] == ["0.00999999", "0.00999997", "0.00999994", "0.00999994"]
    assert rows[-1]["debit"] == "0.00000005"
    told = (await house.send("GET", query, house.token)).data
    assert [line["reference"] for line in told["movements"]] == ["tr_2", "tr_3"]
    assert (told["from"], told["to"]) == tuple(times)


def house_time(at: int) -> str:
    from gateway.render import moment

    return moment(at)


async def test_operators_read_any_account(house: House) -> None:
    await moved(house)
    token = await house.operator()
    told = (await house.send("GET", f"{ACCOUNTS}?account=client:bob:BTC:available", token)).data
    assert [line["credit"] for line in told["movements"]] == ["0.00000001", "0.00000002", "0.00000003"]
    assert {line["counterpart"] for line in told["movements"]} == {"client:alice:BTC:available"}
    assert told["account"] == "client:bob:BTC:available"
    chain = (await house.send("GET", f"{ACCOUNTS}?account=onchain:BTC:hot", token)).data
    assert chain["movements"][0]["block_hash"] == "aa" * 32
    of_client = (await house.send("GET", f"{ACCOUNTS}?client_id=bob&currency=BTC", token)).data
    assert of_client["closing"]["balance"] == "0.00000006"


@pytest.mark.parametrize(
    "query",
    [
        "?currency=BTC&from=yesterday",
        "?currency=BTC&from=2026-13",
        "?currency=BTC&from=2026-05-01T00:00:00",
        "?currency=BTC&from=0000-01-01",
        "?currency=BTC&from=2026-06&to=2026-05",
        "?currency=BTC&from=%00",
        "?currency=BTC&from=" + "9" * 5_000,
        "?currency=btc",
        "?currency=BTC&currency=LTC",
        "?from=2026-05",
        "",
    ],
)
async def test_a_range_that_is_none_is_refused(query: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("get_client_statement", query=query or "?")
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert rig.directory.asked == []


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("2026-05", 1_777_593_600),
        ("2026-05-01", 1_777_593_600),
        ("2026-05-01T00:00:00Z", 1_777_593_600),
        ("2026-05-01T00:00:00%2B02:00", 1_777_593_600 - 7_200),
        ("2026-05-01T00:00:00-11:30", 1_777_593_600 + 41_400),
        ("0001-01-01", -62_135_596_800),
    ],
)
async def test_months_days_and_moments_of_any_zone(text: str, since: int) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("get_client_statement", query=f"?currency=BTC&from={text}")
        assert answer.status == 200, answer.raw
        assert rig.directory.asked[0][1].since == since


async def test_what_does_not_exist_is_said(house: House) -> None:
    token = await house.operator()
    for path, of, status, code in (
        ("/v1/clients/alice/statement?currency=DOGE", house.token, 404, "unknown_currency"),
        ("/v1/clients/house/statement?currency=BTC", house.token, 422, "validation_failed"),
        (f"{ACCOUNTS}?account=moon:BTC", token, 404, "not_found"),
        (f"{ACCOUNTS}?account=house:DOGE", token, 404, "unknown_currency"),
        (ACCOUNTS, token, 422, "validation_failed"),
        (f"{ACCOUNTS}?account=house:BTC&client_id=alice&currency=BTC", token, 422, "validation_failed"),
        (f"{ACCOUNTS}?client_id=alice", token, 422, "validation_failed"),
    ):
        answer = await house.send("GET", path, of)
        assert (answer.status, answer.code) == (status, code), path
    nobody = await house.send("GET", "/v1/clients/nobody/statement?currency=BTC", house.token)
    assert nobody.data["movements"] == []
    refused = await house.send("GET", CLIENT, house.token, headers={"Accept": "image/png"})
    assert (refused.status, refused.code) == (406, "not_acceptable")


async def test_s08_a_client_reaches_no_statement_and_a_key_needs_its_scope() -> None:
    async with running(script) as rig:
        for path in (CLIENT, f"{ACCOUNTS}?account=house:BTC"):
            for token in (rig.session(client_id="bob"), rig.session(client_id="alice"), ""):
                assert (await rig.send("GET", path, token)).status == 401
        assert (await rig.send("GET", CLIENT, rig.key("deposits")[0])).status == 403
        assert (await rig.send("GET", CLIENT, rig.operator())).status == 401
        assert rig.directory.asked == []


async def test_a_statement_that_fails_on_its_way_is_broken_off() -> None:
    """Half of one must not look like a whole one."""

    async def first_then(rig: Rig, second: Any) -> None:
        pages = iter([StatementPage((statement_line(balance=80_000),), 100_000, 7), second])

        def page(*_: Any) -> Any:
            found = next(pages)
            if isinstance(found, BaseException):
                raise found
            return found

        rig.directory.replies[ListStatementLines] = page
        with pytest.raises(ClientError):
            await Caller.of(rig).call("get_client_statement")
        assert rig.app[GATEWAY].statements == 0

    async with running(script) as rig:
        await first_then(rig, NotDelivered("ledger_reader", "restarts"))
        await first_then(rig, StatementPage((), 99, None))  # does not go on where the first ended
        await first_then(rig, StatementPage((), 80_000, None))  # does not end as the books do


async def test_only_so_many_at_once() -> None:
    async with running(script, statements_max=1) as rig:
        begun, gate = asyncio.Event(), asyncio.Event()

        class Slow:
            def __init__(self, directory: Any) -> None:
                self._directory = directory

            async def ask(self, name: str, message: Any, **options: Any) -> Any:
                if isinstance(message, ListStatementLines):
                    begun.set()
                    await gate.wait()
                return await self._directory.ask(name, message, **options)

        rig.app[GATEWAY].directory = Slow(rig.directory)
        caller = Caller.of(rig)
        first = asyncio.create_task(caller.call("get_client_statement"))
        await begun.wait()
        refused = await caller.call("get_client_statement")
        assert (refused.status, refused.code) == (503, "unavailable")
        gate.set()
        assert (await first).status == 200
        assert (await caller.call("get_client_statement")).status == 200


HOSTILE = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "|calc", "%0A=1", '=HYPERLINK("http://x","y")']
HOSTILE += ["\uff1d1+1", "\uff0bcmd", "\uff0d2+3", "\uff20SUM(A1)"]  # full width, as in East Asia


@pytest.mark.parametrize("text", HOSTILE)
async def test_s16_no_cell_is_a_formula(text: str) -> None:
    async with running(script) as rig:
        line = statement_line(reason=text, counterpart=text, reference=text)
        rig.directory.replies[ListStatementLines] = StatementPage((line,), 100_000, None)
        answer = await Caller.of(rig).call("get_client_statement", headers={"Accept": "text/csv"})
        row = rows_of(answer)[1]
        assert {row["reason"], row["counterpart"], row["reference"]} == {f"'{text}"}


def test_numbers_stay_numbers() -> None:
    assert [safe_cell(text) for text in ("-0.5", "0.5", "-1", "")] == ["-0.5", "0.5", "-1", ""]
    assert safe_cell("-0.5+1") == "'-0.5+1"


def test_sums_are_exact_at_any_size() -> None:
    huge = 2**256 - 1
    tally = Tally(0)
    line = statement_line(debit=0, credit=huge, balance=huge)
    tally.add(StatementPage((line,), 0, None))
    tally.close(statement_view(opening=0, closing=huge))
    assert tally.credits == huge
