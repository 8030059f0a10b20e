"""A withdrawal as it is answered: when it should be confirmed, its fees, and what old events lack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.coins import Coins
from gateway.model import Model
from gateway.withdrawal_render import client_withdrawal, confirmation_expected_s, withdrawal, withdrawal_event
from gateway.withdrawal_replies import ClientWithdrawalReply, WithdrawalReply
from ledger.codec import to_dict
from ledger.withdrawal_view import ApprovalView, ChildAttempt
from tests.gateway.fake import load_settings
from tests.gateway.samples import NOW, TXID, withdrawal_view

SETTINGS = load_settings()
COINS = Coins(SETTINGS.configured)
TEN_MINUTES = 600


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({"status": "approved"}, 6 - 1 + 3),
        ({"status": "broadcast"}, 6 - 1 + 3),
        ({"status": "broadcast", "block_height": 101, "confirmations": 1}, 2),
        ({"status": "broadcast", "block_height": 101, "confirmations": 4}, 0),
    ],
)
def test_it_should_be_confirmed_as_blocks_usually_come(changes: dict[str, Any], blocks: int) -> None:
    assert confirmation_expected_s(withdrawal_view(**changes), COINS) == blocks * TEN_MINUTES


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "held"},
        {"status": "confirmed"},
        {"status": "final"},
        {"status": "rejected"},
        {"status": "approved", "waiting_for": "funds"},
        {"status": "broadcast", "attention": True},
        {"currency": "GONE"},
    ],
)
def test_nobody_can_tell_when_what_waits_for_a_person_is_confirmed(changes: dict[str, Any]) -> None:
    assert confirmation_expected_s(withdrawal_view(**changes), COINS) is None


def test_a_coin_without_a_pace_promises_nothing_and_a_token_has_its_chains() -> None:
    configured = dict(SETTINGS.configured)
    silent = Coins({**configured, "BTC": configured["BTC"].model_copy(update={"block_interval_s": None})})
    assert confirmation_expected_s(withdrawal_view(), silent) is None
    token = withdrawal_view(currency="USDT-ETH", confirmations_required=12)
    assert confirmation_expected_s(token, COINS) == 12 * 12


def test_a_child_is_shown_with_its_candidate() -> None:
    view = withdrawal_view()
    child = ChildAttempt("att_2", TXID, "broadcast", 777, NOW)
    paid = replace(view.attempts[0], txid="cd" * 32, inputs=2, child=child, fee_currency="BTC")
    (shown,) = withdrawal(replace(view, attempts=(paid,)), COINS).attempts
    assert shown.child is not None
    assert (shown.child.txid, shown.child.fee, shown.inputs) == (TXID, "0.00000777", 2)


def test_an_event_says_what_its_get_does_also_an_old_one() -> None:
    child = ChildAttempt("att_2", TXID, "broadcast", 777, NOW)
    plain = withdrawal_view()
    view = withdrawal_view(
        approvals=(ApprovalView("operator:op_1", "ab" * 32, NOW),),
        attempts=(replace(plain.attempts[0], child=child),),
    )
    assert withdrawal_event(to_dict(view), COINS) == withdrawal(view, COINS)
    old = to_dict(plain)
    for name in ("block_at", "approvals", "digest", "approvals_needed", "kind", "cooling_until"):
        del old[name]
    old["attempts"] = [
        {"id": "att_1", "txid": None, "state": "prepared", "fee": 300, "created_at": NOW},
    ]
    (attempt,) = withdrawal_event(old, COINS).attempts
    assert (attempt.kind, attempt.fee_share, attempt.fee_currency) == ("payout", "0.00000300", "BTC")


def test_a_client_is_not_told_who_approved() -> None:
    view = withdrawal_view(approvals=(ApprovalView("operator:op_1", "ab" * 32, NOW),), approvals_needed=2)
    only = set(WithdrawalReply.model_fields) - set(ClientWithdrawalReply.model_fields)
    assert only == {"digest", "approvals_needed", "approvals"}
    shown: Model = client_withdrawal(view, COINS)
    text = shown.model_dump_json()
    assert "op_1" not in text
    assert "approvals" not in text
