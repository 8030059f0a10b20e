"""What operators are shown of payouts."""

from __future__ import annotations

from gateway.coins import Coins
from gateway.operator_render import operator_withdrawal, stop
from gateway.operator_replies import StopReply
from ledger.views import ApprovalView, StopView
from tests.gateway.fake import load_settings
from tests.gateway.samples import NOW, withdrawal_view

COINS = Coins(load_settings().configured)


def test_a_payout_is_shown_with_its_digest_and_who_approved_it() -> None:
    approval = ApprovalView("operator:op_1", "ab" * 32, NOW)
    block = {"website": "shop", "block_hash": "cd" * 32}
    view = withdrawal_view(digest="ab" * 32, approvals_needed=2, approvals=(approval,), **block)
    shown = operator_withdrawal(view, COINS)
    assert (shown.digest, shown.approvals_needed, shown.amount) == ("ab" * 32, 2, "0.00100000")
    assert (shown.website, shown.block_hash, shown.attempts[0].id) == ("shop", "cd" * 32, "att_1")
    (given,) = shown.approvals
    assert (given.by, given.digest, given.at) == ("operator:op_1", "ab" * 32, "2025-10-09T08:53:20Z")


def test_a_stop_is_shown_with_its_reason() -> None:
    assert stop(StopView(False)) == StopReply(stopped=False, at=None, by=None, reason="")
    shown = stop(StopView(True, NOW, "operator:op_1", "strange"))
    assert (shown.stopped, shown.at, shown.reason) == (True, "2025-10-09T08:53:20Z", "strange")
