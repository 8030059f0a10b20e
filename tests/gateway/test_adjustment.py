"""Adjustments over HTTP, on the real ledger."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from gateway.adjustment import list_adjustments
from gateway.adjustment_bodies import CSV_MAX, IMPORT_BODY_MAX
from gateway.adjustment_csv import COLUMNS
from gateway.adjustment_replies import AdjustmentsReply
from ledger.operator_access import CreateOperator
from ledger.verify import verify_file
from tests.gateway.fake import Answer
from tests.gateway.house import QUICK_HASH, House, open_house
from tests.gateway.test_admin import act
from tests.ledger.books import BTC, rows

HEADER = ",".join(COLUMNS) + "\n"
BODY = {"from": "alice", "to": "bob", "currency": "BTC", "amount": "0.001", "reason": "a lost bet"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Alice has 0.01 BTC; above 0.002 BTC another operator must approve."""
    async with open_house(tmp_path) as made:
        await made.ask(replace(BTC, approval_above=200_000))
        await made.ask(CreateOperator("op_bob", "bob", QUICK_HASH, "salt", ("payments",), "test"))
        yield made
    assert verify_file(tmp_path / "books.sqlite") == []


async def bring(house: House, token: str, text: str, *, dry_run: bool = False, **more: Any) -> Answer:
    return await act(house, token, "adjustments/import", {"csv": text, "dry_run": dry_run}, **more)


async def balance(house: House, client: str) -> list[str]:
    answer = await house.send("GET", f"/v1/clients/{client}/balances", house.token)
    return [line["available"] for line in answer.data["data"]]


def errors(answer: Answer) -> list[tuple[str, str]]:
    assert (answer.status, answer.code) == (422, "import_refused"), answer.raw
    return [(error["path"], error["message"]) for error in answer.data["errors"]]


async def test_money_is_moved_listed_and_moved_back(house: House) -> None:
    assert list_adjustments.__doc__
    token = await house.operator()
    made = await act(house, token, "adjustments", BODY)
    assert (made.status, made.data["status"], made.data["by"]) == (201, "posted", "operator:op_ann")
    assert await balance(house, "bob") == ["0.00100000"]
    back = await act(house, token, f"adjustments/{made.data['id']}/reverse", {"reason": "by mistake"})
    assert (back.status, back.data["from"], back.data["reverses"]) == (201, "bob", made.data["id"])
    again = await act(house, token, f"adjustments/{made.data['id']}/reverse", {"reason": "by mistake"})
    assert (again.status, again.code) == (409, "not_reversible")
    assert await balance(house, "bob") == ["0.00000000"]
    first = (await house.send("GET", "/v1/admin/adjustments?limit=1", token)).data
    assert [line["id"] for line in first["data"]] == [back.data["id"]]
    query = f"?client_id=alice&currency=BTC&status=posted&cursor={first['next_cursor']}"
    rest = (await house.send("GET", f"/v1/admin/adjustments{query}", token)).data
    (found,) = rest["data"]
    assert (found["id"], found["reversed_by"]) == (made.data["id"], back.data["id"])
    events = (await house.send("GET", "/v1/events", house.token)).data["data"]
    moved = [event["data"] for event in events if event["type"] == "transfer.posted"]
    assert [(each["id"], each["amount"]) for each in moved] == [
        (made.data["id"], "0.00100000"),
        (back.data["id"], "0.00100000"),
    ]
    lines = (await house.send("GET", "/v1/clients/bob/statement?currency=BTC", house.token)).data["movements"]
    assert [line["kind"] for line in lines] == ["adjustment", "reversal"]


async def test_w40_a_large_one_waits_for_another_operator(house: House) -> None:
    token = await house.operator()
    held = (await act(house, token, "adjustments", {**BODY, "amount": "0.003"})).data
    assert (held["status"], await balance(house, "bob")) == ("held", [])
    path = f"adjustments/{held['id']}"
    own = await act(house, token, f"{path}/approve", {"digest": held["digest"]})
    assert (own.status, own.code) == (409, "own_request")
    code = house.code(operator_id="op_bob")
    bob = await house.operator(name="bob", code=code)
    stale = await act(house, bob, f"{path}/approve", {"digest": "00" * 32})
    assert (stale.status, stale.code) == (409, "payment_changed")
    done = await act(house, bob, f"{path}/approve", {"digest": held["digest"]})
    assert (done.status, done.data["status"]) == (200, "posted"), done.raw
    assert await balance(house, "bob") == ["0.00300000"]
    late = await act(house, bob, f"{path}/reject", {"reason": "too late"})
    assert (late.status, late.code) == (409, "not_held")


async def test_a_sheet_is_tried_booked_and_booked_once(house: House) -> None:
    token = await house.operator()
    lines = ('alice,bob,BTC,0.001,b-1,"=1+1, ""quoted"""', "", "alice,house,BTC,0.0005,b-2,fee", "")
    text = "\r\n".join(["\ufeff" + HEADER.strip(), *lines])
    dry = await bring(house, token, text, dry_run=True)
    assert set(dry.data) == set(AdjustmentsReply.model_fields)
    assert (dry.status, dry.data["status"], dry.data["rows"]) == (200, "checked", 2), dry.raw
    assert {(b["account"], b["before"], b["after"]) for b in dry.data["balances"]} == {
        ("alice", "0.01000000", "0.00850000"),
        ("bob", "0.00000000", "0.00100000"),
        ("house", "0.00000000", "0.00050000"),
    }
    assert await balance(house, "bob") == []
    key = {"Idempotency-Key": "bonuses"}
    done = await bring(house, token, text, headers=key)
    again = await bring(house, token, text, headers=key)
    assert (done.status, done.data["status"]) == (200, "posted")
    assert (again.data, again.headers["Idempotent-Replayed"]) == (done.data, "true")
    assert await balance(house, "bob") == ["0.00100000"]
    listed = await house.send("GET", f"/v1/admin/adjustments?import_id={done.data['id']}", token)
    assert [line["reason"] for line in listed.data["data"]] == ["fee", '=1+1, "quoted"']
    twice = await bring(house, token, text)
    assert [path for path, _ in errors(twice)] == ["rows.2.external_id", "rows.4.external_id"]


async def test_everything_that_is_wrong_with_a_sheet_is_told_at_once(house: House) -> None:
    token = await house.operator()
    text = HEADER + "\n".join(
        [
            "alice,bob,BTC,0.001,ok-1,fine",
            "al ice,b:b,BTC,0.001,ok-2,two names",
            "alice,bob,XYZ,0.001,ok-3,no such currency",
            "alice,bob,BTC,0.000000001,ok-4,too exact",
            "alice,bob,BTC,=0.1+0.1,ok-5,a formula",
            "alice,bob,BTC,1e3,ok-6,an exponent",
            "alice,bob,BTC,-1,ok-7,a sign",
            "alice,bob,BTC,0.001,,no id",
            "alice,bob,BTC,0.001,ok-9,",
            "alice,bob,BTC,0.001,ok-10",
            "alice,bob,BTC,0.001,ok-1,twice",
            "alice,bob,BTC,1000,ok-12,more than she has",
            "alice,bob,BTC,0.001,ok-13,a\0null",
            "alice,alice,BTC,0.001,ok-14,herself",
            "house,newcomer,BTC,0.001,ok-15,the house has nothing",
            "alice,bob,BTC,0,ok-16,nothing",
            '"alice,bob',
        ]
    )
    for dry_run in (True, False):
        paths = [path for path, _ in errors(await bring(house, token, text, dry_run=dry_run))]
        assert paths == [
            "rows.3.from",
            "rows.3.to",
            "rows.4.currency",
            "rows.5.amount",
            "rows.6.amount",
            "rows.7.amount",
            "rows.8.amount",
            "rows.9.external_id",
            "rows.10.reason",
            "rows.11",
            "rows.12.external_id",
            "rows.13.amount",
            "rows.14.reason",
            "rows.15.to",
            "rows.16.amount",
            "rows.17.amount",
            "rows.18",
        ]
    assert await balance(house, "bob") == []


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ("", "csv", "1 character"),
        ("x" * (CSV_MAX + 1), "csv", "1000000"),
        ("\ufeff", "rows.1", "no rows"),
        (HEADER, "rows.1", "no rows"),
        ("to,from,currency,amount,external_id,reason\n", "rows.1", "header"),
        (HEADER.replace(",", ";"), "rows.1", "header"),
        ("\0" + HEADER, "rows.1", "header"),
        ("\n" + HEADER, "rows.1", "header"),
        (HEADER + "a,b,BTC,1,x,y\n" * 2_001, "rows.2002", "2000"),
        (HEADER + "," * 140_000, "rows.2", "cells"),
        (HEADER + "a" * 140_000, "rows.2", "field larger"),
        (HEADER + '"' + "a\n" * 1_000, "rows.2", "unexpected end"),
        (HEADER + 'a"b,c,BTC,1,x,y\n', "rows.2.from", ""),
        (HEADER + '"a"b,c,BTC,1,x,y\n', "rows.2", "expected"),
        (HEADER + "a\u2028b,c,BTC,1,x,y\n", "rows.2.from", ""),
    ],
    ids=lambda text: repr(text[:12]),
)
async def test_w22_a_hostile_sheet_is_refused_by_name(house: House, text: str, path: str, word: str) -> None:
    answer = await bring(house, await house.operator(), text)
    assert answer.status == 422, answer.raw
    (error,) = answer.data["errors"]
    assert error["path"] == path
    assert word in error["message"]


async def test_w22_ten_megabytes_are_not_read(house: House) -> None:
    token = await house.operator()
    raw = BytesIO(json.dumps({"csv": "x" * (5 * IMPORT_BODY_MAX), "dry_run": False}).encode())
    headers = {**house.idempotency(), "Content-Type": "application/json"}
    answer = await house.send("POST", "/v1/admin/adjustments/import", token, data=raw, headers=headers)
    assert (answer.status, answer.code) == (413, "body_too_large")
    other = await act(house, token, "adjustments", {**BODY, "reason": "x" * 70_000})
    assert (other.status, other.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"from": "a:b"}, "validation_failed"),
        ({"reason": ""}, "validation_failed"),
        ({"reason": "paid \u202etwice"}, "validation_failed"),
        ({"reason": "paid\x9b2J"}, "validation_failed"),
        ({"reason": "paid\u061c"}, "validation_failed"),
        ({"amount": "-1"}, "invalid_amount"),
        ({"amount": "0"}, "invalid_amount"),
        ({"currency": "XYZ"}, "unknown_currency"),
        ({"to": "alice"}, "same_account"),
        ({"amount": "1"}, "insufficient_funds"),
        ({"status": "posted"}, "validation_failed"),
        ({"by": "operator:op_bob"}, "validation_failed"),
        ({"approvals_needed": 0}, "validation_failed"),
    ],
    ids=str,
)
async def test_s10_what_is_no_adjustment_is_refused(house: House, change: dict[str, Any], code: str) -> None:
    answer = await act(house, await house.operator(), "adjustments", {**BODY, **change})
    assert answer.code == code


async def test_a_full_sheet_is_taken_in_one_step(house: House, tmp_path: Path) -> None:
    token = await house.operator()
    lines = [f"alice,client-{n},BTC,0.00000001,full-{n},bonus" for n in range(2_000)]
    done = await bring(house, token, HEADER + "\n".join(lines))
    assert (done.status, done.data["rows"]) == (200, 2_000), done.raw[:300]
    path = tmp_path / "books.sqlite"
    assert rows(path, "SELECT count(*) FROM transfer WHERE website = ''") == [(2_000,)]
    assert json.loads(done.raw)["totals"] == [{"currency": "BTC", "amount": "0.00002000"}]
