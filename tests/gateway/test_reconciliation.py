"""Comparisons over HTTP: what is shown, who may have one made, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import DeadlineAfterStart
from actors.messages import GetReconciliation, ListReconciliations, Page, Reconcile
from gateway.reconciliation import create_reconciliation
from gateway.reconciliation_bodies import ReconcileBody
from gateway.reconciliation_replies import ReconciliationReply
from ledger.errors import CurrencyUnavailableError, InvalidCursorError, ReconciliationBusyError
from tests.gateway.fake import running
from tests.gateway.samples import reconciliation_view

PATH = "/v1/admin/reconciliations"


async def test_comparisons_are_listed_and_shown_in_whole_units() -> None:
    async with running() as rig:
        rig.directory.replies[ListReconciliations] = Page((reconciliation_view(),), "next")
        rig.directory.replies[GetReconciliation] = lambda _, message: (
            reconciliation_view() if message.reconciliation_id == "rec_1" else None
        )
        viewer = rig.operator("viewer")
        listed = await rig.send("GET", f"{PATH}?currency=BTC&limit=2&cursor=abc", viewer)
        assert listed.data["next_cursor"] == "next"
        assert rig.directory.last(ListReconciliations) == ListReconciliations("BTC", 2, "abc")
        (shown,) = listed.data["data"]
        assert set(shown) == set(ReconciliationReply.model_fields)
        assert shown["lines"] == [
            {"location": "hot", "chain": "0.00150000", "books": "0.00150001", "difference": "-0.00000001"}
        ]
        assert shown["totals"]["liabilities"] == "0.00150001"
        assert shown["inputs"] == {
            "node": "http://127.0.0.1:8332", "method": "scantxoutset", "scripts": 3, "from_height": 900,
        }  # fmt: skip
        assert (shown["status"], shown["height"], shown["number"]) == ("ok", 900, 7)
        assert (await rig.send("GET", f"{PATH}/rec_1", viewer)).data == shown
        assert (await rig.send("GET", f"{PATH}/rec_2", viewer)).code == "not_found"
        rig.directory.replies[ListReconciliations] = InvalidCursorError("not one of this list")
        assert (await rig.send("GET", f"{PATH}?cursor=x", viewer)).code == "invalid_cursor"


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"currency": "BTC"}, Reconcile("BTC")),
        ({"currency": "BTC", "height": 7}, Reconcile("BTC", 7)),
        ({"currency": "ETH"}, Reconcile("ETH")),
    ],
)
async def test_a_comparison_is_of_the_whole_chain(body: dict[str, Any], asked: Reconcile) -> None:
    assert create_reconciliation.__doc__
    assert set(ReconcileBody.model_fields) == {"currency", "height"}
    async with running() as rig:
        views = (reconciliation_view(status="mismatch"), reconciliation_view(id="rec_1.USDT-ETH"))
        rig.directory.replies[Reconcile] = views
        answer = await rig.send("POST", PATH, rig.operator("payments"), json=body, headers=rig.idempotency())
        assert (answer.status, answer.data["next_cursor"]) == (201, None)
        assert [view["id"] for view in answer.data["data"]] == ["rec_1", "rec_1.USDT-ETH"]
        assert answer.data["data"][0]["status"] == "mismatch"
        assert rig.directory.asked == [("reconciler", asked)]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (ReconciliationBusyError("blocks of BTC came in between 5 times"), 503, "reconciliation_busy"),
        (CurrencyUnavailableError("BTC is not running"), 503, "currency_unavailable"),
        (DeadlineAfterStart("Reconcile was begun"), 504, "outcome_unknown"),
    ],
)
async def test_a_comparison_that_is_not_to_be_had_says_why(
    refusal: Exception, status: int, code: str
) -> None:
    async with running() as rig:
        rig.directory.replies[Reconcile] = refusal
        answer = await rig.send(
            "POST", PATH, rig.operator(), json={"currency": "BTC"}, headers=rig.idempotency()
        )
        assert (answer.status, answer.code) == (status, code)


async def test_what_is_no_question_asks_nobody() -> None:
    async with running() as rig:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({}, "validation_failed"),
            ({"currency": "BTC", "height": -1}, "validation_failed"),
            ({"currency": "BTC", "height": 2**53}, "validation_failed"),
            ({"currency": "BTC", "height": "7"}, "validation_failed"),
            ({"currency": "BTC", "height": True}, "validation_failed"),
            ({"currency": "XMR"}, "unknown_currency"),
        ]
        for body, code in wrong:
            answer = await rig.send("POST", PATH, rig.operator(), json=body, headers=rig.idempotency())
            assert answer.code == code, body
        bare = await rig.send("POST", PATH, rig.operator(), json={"currency": "BTC"})
        assert bare.code == "idempotency_key_required"
        for role in ("viewer", "support", "sre", "marketing"):
            answer = await rig.send(
                "POST", PATH, rig.operator(role), json={"currency": "BTC"}, headers=rig.idempotency()
            )
            assert answer.code == "forbidden"
        assert rig.directory.asked == []
