"""Corrections over HTTP, on the real ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.types import Holdings, Location
from gateway.adjustment import correct_case
from gateway.adjustment_bodies import CorrectBody
from gateway.adjustment_replies import AdjustmentReply
from ledger.commands import RecordDifferences, RecordReconciliation
from ledger.difference import Found
from ledger.operator_access import CreateOperator
from ledger.verify import verify_file
from tests.gateway.house import QUICK_HASH, House, open_house
from tests.gateway.test_admin import act
from tests.gateway.test_case import mine
from tests.ledger.books import ANCHOR, BTC

BODY = {"currency": "BTC", "amount": "0.00000005", "against": "loss", "reason": "the key was lent"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Alice has 0.01 BTC; above 0.002 BTC another operator must approve."""
    async with open_house(tmp_path) as made:
        await made.ask(replace(BTC, approval_above=200_000))
        await made.ask(CreateOperator("op_bob", "bob", QUICK_HASH, "salt", ("payments",), "test"))
        await made.ask(CreateOperator("op_eve", "eve", QUICK_HASH, "salt", ("viewer",), "test"))
        yield made
    assert verify_file(tmp_path / "books.sqlite") == []


async def compare(house: House, number: int, amount: int) -> str:
    """The chain says so much of the hot wallet."""
    held = Holdings(ANCHOR, {"BTC": {Location.HOT: amount}})
    (view,) = await house.ask(RecordReconciliation(f"rec_{number}", "BTC", held))
    return str(view.status)


async def short(house: House, amount: int) -> str:
    """The chain holds less than the books since the anchor, which is deep enough; the case."""
    assert await compare(house, 1, 1_000_000 - amount) == "mismatch"
    found = Found("stolen_utxo", "hot", -amount, "ab" * 32, "in:0", detail="gone")
    (case,) = await house.ask(RecordDifferences("BTC", ANCHOR.height, ANCHOR.block_hash, (found,)))
    await mine(house, 1, 6)
    return str(case.id)


async def only(house: House, token: str) -> dict[str, Any]:
    (shown,) = (await house.send("GET", "/v1/admin/cases", token)).data["data"]
    assert isinstance(shown, dict)
    return shown


async def test_l11_a_difference_is_corrected_and_ends(house: House) -> None:
    token = await house.operator()
    case = await short(house, 5)
    assert (await only(house, token))["actions"] == ["correct"]
    assert correct_case.__doc__
    assert set(CorrectBody.model_fields) == {"currency", "amount", "against", "reason"}
    made = await act(house, token, f"cases/{case}/correct", BODY, headers={"Idempotency-Key": "once"})
    members = {*AdjustmentReply.model_fields} - {"source", "target"} | {"from", "to"}
    assert (made.status, set(made.data)) == (201, members)
    assert (made.data["status"], made.data["from"], made.data["to"], made.data["case_id"]) == (
        "posted", "onchain:BTC:hot", "loss:BTC", case,
    )  # fmt: skip
    again = await act(house, token, f"cases/{case}/correct", BODY, headers={"Idempotency-Key": "once"})
    assert (again.data["id"], again.headers["Idempotent-Replayed"]) == (made.data["id"], "true")
    more = await act(house, token, f"cases/{case}/correct", BODY)
    assert (more.status, more.code) == (422, "above_maximum")
    shown = await only(house, token)
    assert (shown["status"], shown["history"][-1]["action"], shown["history"][-1]["by"]) == (
        "open", "corrected", "operator:op_ann",
    )  # fmt: skip
    assert await compare(house, 2, 999_995) == "ok"
    assert (await only(house, token))["status"] == "closed"
    late = await act(house, token, f"cases/{case}/correct", BODY)
    assert (late.status, late.code) == (409, "case_decided")


async def test_w40_a_large_correction_waits_for_another_operator(house: House) -> None:
    token = await house.operator()
    case = await short(house, 300_000)
    held = (await act(house, token, f"cases/{case}/correct", {**BODY, "amount": "0.003"})).data
    assert (held["status"], held["approvals_needed"]) == ("held", 1)
    path = f"adjustments/{held['id']}"
    own = await act(house, token, f"{path}/approve", {"digest": held["digest"]})
    assert (own.status, own.code) == (409, "own_request")
    bob = await house.operator(name="bob", code=house.code(operator_id="op_bob"))
    done = await act(house, bob, f"{path}/approve", {"digest": held["digest"]})
    assert (done.status, done.data["status"]) == (200, "posted"), done.raw
    assert [(line["account"], line["before"], line["after"]) for line in done.data["balances"]] == [
        ("onchain:BTC:hot", "0.01000000", "0.00700000"),
        ("loss:BTC", "0.00000000", "0.00300000"),
    ]
    assert await compare(house, 2, 700_000) == "ok"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": "0.00000006"}, 422, "above_maximum"),
        ({"amount": "0"}, 422, "invalid_amount"),
        ({"against": "unexplained"}, 422, "validation_failed"),
        ({"against": "house"}, 409, "insufficient_funds"),
        ({"currency": "DOGE"}, 404, "not_found"),
        ({"reason": ""}, 422, "validation_failed"),
    ],
    ids=str,
)
async def test_what_is_no_correction_is_refused(
    house: House, change: dict[str, str], status: int, code: str
) -> None:
    token = await house.operator()
    case = await short(house, 5)
    answer = await act(house, token, f"cases/{case}/correct", {**BODY, **change})
    assert (answer.status, answer.code) == (status, code), answer.raw


async def test_who_may_not_correct_is_refused(house: House) -> None:
    case = await short(house, 5)
    eve = await house.operator(name="eve", code=house.code(operator_id="op_eve"))
    answer = await act(house, eve, f"cases/{case}/correct", BODY)
    assert (answer.status, answer.code) == (403, "forbidden")
