"""Views of adjustments as the ledger would answer them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from actors.messages import AdjustmentsView, AdjustmentView
from ledger.adjustment_view import PartyBalance, TotalView
from tests.gateway.samples import NOW


def adjustment_view(**changes: Any) -> AdjustmentView:
    view = AdjustmentView(
        id="adj_1",
        import_id=None,
        external_id="bonus-1",
        source="house",
        target="alice",
        currency="BTC",
        amount=100_000,
        reason="a bonus",
        status="held",
        approvals_needed=1,
        digest="ab" * 32,
        reverses=None,
        reversed_by=None,
        by="operator:op_1",
        created_at=NOW,
        decided_by=None,
        decided_at=None,
        decision_reason="",
    )
    return replace(view, **changes)


def adjustments_view(**changes: Any) -> AdjustmentsView:
    view = AdjustmentsView(
        id="imp_1",
        status="posted",
        rows=1,
        approvals_needed=0,
        digest="ab" * 32,
        by="operator:op_1",
        totals=(TotalView("BTC", 100_000),),
        balances=(PartyBalance("alice", "BTC", 0, 100_000),),
    )
    return replace(view, **changes)
