"""The website's endpoints: what reaches the actors, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from actors.messages import (
    CreateSession,
    DecideWithdrawal,
    GetDeposit,
    GetWithdrawal,
    IssueAddress,
    ListDeposits,
    ListEvents,
    Outcome,
    PostTransfer,
    RequestWithdrawal,
)
from gateway.secret import session_code
from gateway.token import token_hash
from ledger.errors import DomainError
from tests.gateway.calls import BODIES, Caller, script
from tests.gateway.fake import SECRET, running
from tests.gateway.samples import (
    NOW,
    deposit_view,
    event_view,
    issued_address,
    session_view,
    transfer_view,
    withdrawal_view,
)


async def test_s23_the_handshake_gives_a_link_to_us_with_a_code_only_we_can_make() -> None:
    async with running(script, public_url="https://cashier.example") as rig:
        rig.directory.replies[CreateSession] = lambda _, m: Outcome(session_view(id=m.id))
        answer = await Caller.of(rig).call(
            "create_session",
            {
                "client_id": "alice",
                "actions": ["deposit", "withdraw"],
                "currencies": ["BTC"],
                "ttl_s": 600,
                "locale": "en-GB",
                "return_url": "https://shop.example/",
                "withdrawal_limit": "0.5",
            },
            headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
        )
        message = rig.directory.last(CreateSession)
        code = answer.data["code"]
        assert answer.status == 201
        assert answer.data["url"] == f"https://cashier.example/cashier#{code}"
        assert answer.data["code_expires_at"] == "2025-10-09T08:54:20Z"
        assert code == session_code(SECRET, message.id)
        assert message.code_hash == token_hash(code)
        assert (message.website, message.client_id, message.ttl_s, message.code_ttl_s) == (
            "shop",
            "alice",
            600,
            60,
        )
        assert (message.actions, message.currencies) == (("deposit", "withdraw"), ("BTC",))


async def test_w16_a_repeated_handshake_gives_the_same_code() -> None:
    async with running(script) as rig:
        rig.directory.replies[CreateSession] = Outcome(session_view(id="ses_first"), is_replayed=True)
        caller = Caller.of(rig)
        codes = {(await caller.call("create_session")).data["code"] for _ in range(3)}
        assert codes == {session_code(SECRET, "ses_first")}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ttl_s": 3601}, "ttl_s"),
        ({"ttl_s": 59}, "ttl_s"),
        ({"ttl_s": "900"}, "ttl_s"),
        ({"ttl_s": 900.0}, "ttl_s"),
        ({"ttl_s": True}, "ttl_s"),
        ({"actions": []}, "actions"),
        ({"actions": ["approve"]}, "actions.0"),
        ({"client_id": "house"}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_id": "alice\n"}, "client_id"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "http://shop.example/"}, "return_url"),
        ({"return_url": "https://user@shop.example/"}, "return_url"),
        ({"locale": "<b>"}, "locale"),
        ({"withdrawal_limit": "-1"}, "withdrawal_limit"),
        ({"withdrawal_limit": "1e3"}, "withdrawal_limit"),
    ],
)
async def test_a_bad_handshake_is_refused(change: dict[str, Any], path: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("create_session", {**BODIES["create_session"], **change})
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert [error["path"] for error in answer.data["errors"]] == [path]
        assert rig.directory.asked == []


async def test_an_address_is_made_once_and_then_found() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        first = await caller.call("get_or_create_address")
        rig.directory.replies[IssueAddress] = issued_address(is_new=False)
        second = await caller.call("get_or_create_address")
        assert (first.status, second.status) == (201, 200)
        assert (
            first.data
            == second.data
            == {
                "currency": "BTC",
                "address": "bcrt1qalice",
                "uri": "bitcoin:bcrt1qalice",
                "network": "regtest",
                "confirmations_required": rig.settings.coins["BTC"].confirmations,
                "minimum_deposit": answer_amount(rig.settings.coins["BTC"].minimum_deposit),
                "created_at": "2025-10-09T08:53:20Z",
            }
        )
        assert rig.directory.asked[-1] == ("address:BTC", IssueAddress("alice", "BTC"))
        await caller.call("create_address")
        fresh = rig.directory.last(IssueAddress)
        assert (fresh.is_fresh, fresh.addresses_max, fresh.idempotency.owner) == (True, 20, "website:shop")


def answer_amount(amount: int) -> str:
    return f"{amount // 10**8}.{amount % 10**8:08d}"


async def test_a_withdrawal_goes_to_its_currency_with_everything_it_needs() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        answer = await caller.call("create_withdrawal", {**BODIES["create_withdrawal"], "fee_included": True})
        name, message = rig.directory.asked[-1]
        assert isinstance(message, RequestWithdrawal)
        assert name == "withdrawal:BTC"
        assert (message.amount, message.is_fee_included, message.address) == (100_000, True, "bcrt1qbob")
        assert (message.website, message.client_id, message.external_id) == ("shop", "alice", "order-1")
        assert message.by == f"key:{caller.key[1]}"
        assert message.session_id is None
        assert message.nonce is not None
        assert message.nonce.key_id == caller.key[1]
        assert len(message.id) == 35
        assert answer.data["amount"] == "0.00100000"
        assert answer.data["fee"] == "0.00005000"
        assert answer.data["history"] == [
            {"status": "approved", "at": "2025-10-09T08:53:20Z", "by": "key:key_1"}
        ]
        assert answer.data["attempts"][0]["fee"] == "0.00000300"


@pytest.mark.parametrize(
    ("code", "status"),
    [("insufficient_funds", 409), ("invalid_address", 422), ("wrong_network", 422),
     ("forbidden_address", 422), ("below_minimum", 422), ("above_maximum", 422),
     ("limit_exceeded", 422), ("currency_closed", 409),
     ("currency_unavailable", 503), ("nonce_used", 401)],
)  # fmt: skip
async def test_a_refused_withdrawal_says_why(code: str, status: int) -> None:
    async with running(script) as rig:
        rig.directory.replies[RequestWithdrawal] = DomainError("because", code=code)
        answer = await Caller.of(rig).call("create_withdrawal")
        assert (answer.status, answer.code, answer.data["detail"]) == (status, code, "because")


async def test_a_currency_that_is_off_takes_no_withdrawal_and_gives_no_address() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        answer = await caller.call("create_withdrawal", {**BODIES["create_withdrawal"], "currency": "DOGE"})
        assert (answer.status, answer.code) == (404, "unknown_currency")
        assert (await caller.call("get_or_create_address", currency="DOGE")).code == "unknown_currency"
        answer = await caller.call("create_session", {**BODIES["create_session"], "currencies": ["XYZ"]})
        assert answer.code == "unknown_currency"
        assert rig.directory.asked == []


async def test_a_cancel_is_bound_to_website_key_and_nonce() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        answer = await caller.call("cancel_withdrawal", id="wd_9")
        message = rig.directory.last(DecideWithdrawal)
        assert (message.withdrawal_id, message.decision, message.website) == ("wd_9", "cancel", "shop")
        assert message.nonce is not None
        assert answer.data["status"] == "cancelled"


async def test_a_transfer_may_go_to_and_from_the_house() -> None:
    async with running(script) as rig:
        rig.directory.replies[PostTransfer] = lambda _, m: Outcome(
            transfer_view(id=m.id, source=m.source, target=m.target, amount=m.amount, currency=m.currency)
        )
        body = {**BODIES["create_transfer"], "from": "house", "to": "alice", "currency": "ETH"}
        answer = await Caller.of(rig).call("create_transfer", {**body, "amount": "1.000000000000000001"})
        assert (answer.data["from"], answer.data["to"]) == ("house", "alice")
        assert answer.data["amount"] == "1.000000000000000001"
        assert rig.directory.last(PostTransfer).amount == 10**18 + 1


async def test_filters_reach_the_list_and_the_cursor_comes_back() -> None:
    async with running(script, page_limit_max=100) as rig:
        caller = Caller.of(rig)
        txid = "ab" * 32
        query = (
            "?client_id=alice&currency=BTC&status=credited&limit=500&cursor=bzE&from=2025-10-09T08:53:20Z"
            f"&to=2025-10-09T10:53:20%2B02:00&txid={txid}"
        )
        answer = await caller.call("list_deposits", query=query)
        message = rig.directory.last(ListDeposits)
        assert (message.limit, message.cursor) == (100, "bzE")
        chosen = message.filter
        assert (chosen.client_id, chosen.currency, chosen.status, chosen.txid) == (
            "alice",
            "BTC",
            "credited",
            txid,
        )
        assert (chosen.since, chosen.until) == (NOW, NOW)
        assert answer.data["next_cursor"] == "next"
        rig.directory.replies[ListDeposits] = DomainError("not ours", code="invalid_cursor")
        assert (await caller.call("list_deposits")).status == 422


async def test_what_is_not_there_is_404() -> None:
    async with running(script) as rig:
        rig.directory.replies |= {GetDeposit: lambda *_: None, GetWithdrawal: lambda *_: None}
        caller = Caller.of(rig)
        for name in ("get_deposit", "get_withdrawal"):
            answer = await caller.call(name)
            assert (answer.status, answer.code) == (404, "not_found")


async def test_the_feed_shows_objects_as_get_returns_them() -> None:
    async with running(script) as rig:
        rig.directory.replies[ListEvents] = (
            event_view(5, "deposit.credited", deposit_view()),
            event_view(6, "withdrawal.signed", withdrawal_view()),
            event_view(7, "transfer.posted", transfer_view()),
            event_view(8, "case.opened", {"id": "case_1", "currency": "ETH", "amount": 1, "created_at": NOW}),
            event_view(9, "reconciliation.ok", {"id": "rec_1", "currency": "BTC", "lines": []}),
        )
        caller = Caller.of(rig)
        answer = await caller.call("list_events", query="?after=4&limit=10")
        data = answer.data["data"]
        assert rig.directory.last(ListEvents) == ListEvents(4, 10)
        assert answer.data["next_after"] == 9
        assert data[0]["data"] == (await caller.call("get_deposit")).data
        assert data[1]["data"] == (await caller.call("get_withdrawal")).data
        assert data[2]["data"] == (await caller.call("create_transfer")).data
        assert data[3]["data"]["amount"] == "0.000000000000000001"
        assert data[3]["data"]["created_at"] == "2025-10-09T08:53:20Z"
        rig.directory.replies[ListEvents] = ()
        assert (await caller.call("list_events", query="?after=4")).data == {"data": [], "next_after": 4}
