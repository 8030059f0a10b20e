"""What operators do to currencies and held withdrawals, on the real ledger, and what the audit keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.types import Branch
from gateway.admin import get_tree
from ledger.commands import GetPayoutWork, Idempotency, OpenWithdrawal, ReserveScript, SetCurrencyState
from ledger.errors import CurrencyClosedError, PayoutsHeldError
from ledger.operator_access import CreateOperator, SetOperator
from tests.fakes.clock import FakeClock
from tests.gateway.calls import Caller, script
from tests.gateway.fake import Answer, running
from tests.gateway.house import QUICK_HASH, House, fill, open_house, serve
from tests.ledger.books import BTC, NOW


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def opening(withdrawal_id: str, amount: int = 5_000) -> OpenWithdrawal:
    """A payout alice asks for."""
    return OpenWithdrawal(
        id=withdrawal_id,
        website="shop",
        client_id="alice",
        currency="BTC",
        amount=amount,
        is_fee_included=False,
        address="bcrt1qpayee",
        script=b"payee",
        external_id=withdrawal_id,
        by="key:shop",
        idempotency=Idempotency("website:shop", withdrawal_id, "hash"),
    )


async def act(house: House, token: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> Answer:
    """One POST of an operator."""
    headers = more.pop("headers", house.idempotency())
    return await house.send("POST", f"/v1/admin/{path}", token, json=body or {}, headers=headers)


async def state(house: House) -> tuple[str, str, str]:
    """BTC as the website sees it: state, deposits, withdrawals."""
    (btc,) = (await house.send("GET", "/v1/currencies", house.token)).data["data"]
    return btc["state"], btc["deposits"], btc["withdrawals"]


async def report(house: House, name: str) -> None:
    """What the watcher says of its node."""
    await house.ask(SetCurrencyState("BTC", name, f"the node is {name}"))


async def new_address(house: House) -> None:
    await house.ask(ReserveScript("BTC", Branch.DEPOSIT, "client:bob:0", "bob"))


async def test_a_pause_holds_payouts_and_outlasts_watcher_and_restart(tmp_path: Path) -> None:
    made, clock = fill(tmp_path), FakeClock(NOW)
    async with serve(tmp_path, made, clock) as house:
        await house.ask(opening("wd_1"))
        assert len(await house.ask(GetPayoutWork("BTC"))) == 1
        token = await house.operator()
        answer = await act(house, token, "currencies/BTC/pause", {"reason": "the node is moved"})
        assert (answer.status, answer.data["state"]) == (200, "paused")
        for reported in ("open", "down", "open"):
            await report(house, reported)
            assert await state(house) == ("paused", "closed", "closed")
        await house.ask(replace(BTC, minimum_deposit=7))  # registered anew, as a start or a reload does
    async with serve(tmp_path, made, clock) as house:
        assert await state(house) == ("paused", "closed", "closed")
        with pytest.raises(PayoutsHeldError):
            await house.ask(GetPayoutWork("BTC"))
        with pytest.raises(CurrencyClosedError):
            await house.ask(opening("wd_2"))
        with pytest.raises(CurrencyClosedError):
            await new_address(house)
        resumed = await act(house, token, "currencies/BTC/resume", headers={"Idempotency-Key": "resume"})
        assert resumed.data["state"] == "open"
        assert len(await house.ask(GetPayoutWork("BTC"))) == 1
        await new_address(house)


async def test_draining_pays_what_is_open_and_takes_nothing_new(house: House) -> None:
    await house.ask(opening("wd_1"))
    token = await house.operator()
    answer = await act(house, token, "currencies/BTC/drain", {"reason": "retired"})
    assert answer.data["state"] == "draining"
    await report(house, "open")
    assert await state(house) == ("draining", "closed", "closed")
    assert len(await house.ask(GetPayoutWork("BTC"))) == 1
    for reported in ("open", "down"):
        await report(house, reported)
        with pytest.raises(CurrencyClosedError):
            await house.ask(opening("wd_2"))
        with pytest.raises(CurrencyClosedError):
            await new_address(house)


async def test_a_halted_coin_does_not_pay_because_it_is_drained(house: House) -> None:
    await house.ask(opening("wd_1"))
    await report(house, "halted")
    token = await house.operator()
    answer = await act(house, token, "currencies/BTC/drain", {"reason": "retired"})
    assert answer.data["state"] == "halted"
    with pytest.raises(PayoutsHeldError):
        await house.ask(GetPayoutWork("BTC"))
    assert (await act(house, token, "currencies/BTC/pause", {"reason": "x"})).data["state"] == "paused"
    assert (await act(house, token, "currencies/BTC/resume")).data["state"] == "halted"


async def test_a_currency_is_told_of_once_per_change(house: House) -> None:
    token = await house.operator()
    for _ in range(2):
        await act(house, token, "currencies/BTC/pause", {"reason": "x"})
    await report(house, "down")
    await act(house, token, "currencies/BTC/resume")
    events = (await house.send("GET", "/v1/events?limit=500", house.token)).data["data"]
    told = [event["type"] for event in events if event["type"].startswith("currency.")]
    assert told[-2:] == ["currency.paused", "currency.down"]


async def test_one_key_holds_once_and_another_body_is_refused(house: House) -> None:
    token, headers = await house.operator(), {"Idempotency-Key": "once"}
    path, body = "currencies/BTC/pause", {"reason": "x"}
    first = await act(house, token, path, body, headers=headers)
    assert (await act(house, token, "currencies/BTC/resume")).data["state"] == "open"
    again = await act(house, token, path, body, headers=headers)
    assert (again.raw, again.headers["Idempotent-Replayed"]) == (first.raw, "true")
    assert (await state(house))[0] == "open"
    other = await act(house, token, path, {"reason": "y"}, headers=headers)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert (await act(house, token, path, body, headers={})).code == "idempotency_key_required"
    # Another operator's key of the same name is his own.
    await house.ask(CreateOperator("op_bob", "bob", QUICK_HASH, "salt", ("sre",), "test"))
    bob = await house.operator(name="bob", code=house.code(operator_id="op_bob"))
    assert (await act(house, bob, path, {"reason": "y"}, headers=headers)).data["state"] == "paused"


async def test_what_is_not_there_is_not_found(house: House) -> None:
    token = await house.operator()
    for path in ("currencies/XMR/pause", "currencies/btc/pause"):
        answer = await act(house, token, path, {"reason": "x"})
        assert (answer.status, answer.code) == (404, "unknown_currency")
    answer = await act(house, token, "withdrawals/wd_none/approve", {"digest": "ab" * 32})
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_held_withdrawal_is_approved_or_rejected_once(house: House) -> None:
    await house.ask(replace(BTC, approval_above=10_000))
    for number in (1, 2):
        view = (await house.ask(opening(f"wd_{number}", amount=20_000))).value
        assert (view.status, view.waiting_for) == ("held", "approval")
    token = await house.operator()
    shown = (await house.send("GET", "/v1/admin/withdrawals/wd_1", token)).data
    assert (shown["approvals_needed"], shown["approvals"]) == (1, [])
    assert (await act(house, token, "withdrawals/wd_1/approve")).status == 422
    stale = await act(house, token, "withdrawals/wd_1/approve", {"digest": "ab" * 32})
    assert (stale.status, stale.code) == (409, "payment_changed")
    seen = {"digest": shown["digest"]}
    approved = await act(house, token, "withdrawals/wd_1/approve", seen)
    assert (approved.status, approved.data["status"]) == (200, "approved")
    assert approved.data["history"][-1]["by"] == "operator:op_ann"
    rejected = await act(house, token, "withdrawals/wd_2/reject", {"reason": "the address is a mixer's"})
    assert rejected.data["status"] == "rejected"
    for path, body in (("wd_1/approve", seen), ("wd_1/reject", {"reason": "x"}), ("wd_2/approve", seen)):
        answer = await act(house, token, f"withdrawals/{path}", body)
        assert (answer.status, answer.code) == (409, "not_held")
    assert [work.intent_id for work in await house.ask(GetPayoutWork("BTC", 9))] == ["pay_wd_1"]
    assert (await act(house, token, "withdrawals/wd_2/reject")).status == 422


async def test_w40_two_operators_approve_a_large_withdrawal(house: House) -> None:
    await house.ask(replace(BTC, approval_above=10_000, second_approval_above=20_000))
    await house.ask(opening("wd_1", amount=30_000))
    await house.ask(CreateOperator("op_bob", "bob", QUICK_HASH, "salt", ("payments",), "test"))
    ann, bob = await house.operator(), await house.operator(name="bob", code=house.code(operator_id="op_bob"))
    (held,) = (await house.send("GET", "/v1/admin/withdrawals?status=held", ann)).data["data"]
    path, seen = "withdrawals/wd_1/approve", {"digest": held["digest"]}
    headers = {"Idempotency-Key": "first"}
    first = await act(house, ann, path, seen, headers=headers)
    assert (first.status, first.data["status"], first.data["waiting_for"]) == (200, "held", "approval")
    again = await act(house, ann, path, seen, headers=headers)
    assert (again.raw, again.headers["Idempotent-Replayed"]) == (first.raw, "true")
    twice = await act(house, ann, path, seen)
    assert (twice.status, twice.code) == (409, "already_approved")
    assert await house.ask(GetPayoutWork("BTC")) == ()
    second = await act(house, bob, path, seen)
    assert second.data["status"] == "approved"
    assert [each["by"] for each in second.data["approvals"]] == ["operator:op_ann", "operator:op_bob"]
    assert len(await house.ask(GetPayoutWork("BTC"))) == 1
    public = (await house.send("GET", "/v1/withdrawals/wd_1", house.token)).data
    assert (public["digest"], public["approvals_needed"]) == (held["digest"], 2)
    assert public["approvals"] == second.data["approvals"]


async def test_w40_a_disabled_operator_approves_nothing(house: House) -> None:
    await house.ask(replace(BTC, approval_above=10_000))
    digest = (await house.ask(opening("wd_1", amount=30_000))).value.digest
    await house.ask(CreateOperator("op_bob", "bob", QUICK_HASH, "salt", ("payments",), "test"))
    bob = await house.operator(name="bob", code=house.code(operator_id="op_bob"))
    await house.ask(SetOperator("op_bob", "test", is_disabled=True))
    answer = await act(house, bob, "withdrawals/wd_1/approve", {"digest": digest})
    assert (answer.status, answer.code) == (401, "unauthorized")


async def test_w38_a_cooling_address_is_shown_to_the_website(house: House) -> None:
    await house.ask(replace(BTC, destination_cooling_s=3_600))
    await house.ask(opening("wd_1"))
    shown = (await house.send("GET", "/v1/withdrawals/wd_1", house.token)).data
    assert (shown["status"], shown["waiting_for"]) == ("approved", "cooling")
    assert (shown["created_at"][11:13], shown["cooling_until"][11:13]) == ("22", "23")
    (btc,) = (await house.send("GET", "/v1/currencies", house.token)).data["data"]
    assert btc["destination_cooling_s"] == 3_600


async def test_the_audit_tells_who_and_why(house: House) -> None:
    token = await house.operator()
    await act(house, token, "currencies/BTC/pause", {"reason": "the node is moved"})
    await act(house, token, "currencies/BTC/resume")
    page = (await house.send("GET", "/v1/admin/audit?limit=1", token)).data
    assert page["data"][0]["data"] == {"hold": None, "hold_before": "paused", "reason": ""}
    rest = await house.send("GET", f"/v1/admin/audit?limit=2&cursor={page['next_cursor']}", token)
    paused, login = rest.data["data"]
    assert (paused["action"], paused["by"], paused["by_name"]) == ("hold_currency", "operator:op_ann", "ann")
    assert paused["data"]["reason"] == "the node is moved"
    assert (paused["object_type"], paused["object_id"], login["action"]) == ("currency", "BTC", "login")
    for query in ("?action=hold_currency", "?object_id=BTC", "?by=operator:op_ann&from=2020-01-01T00:00:00Z"):
        assert (await house.send("GET", f"/v1/admin/audit{query}", token)).data["data"][0][
            "object_id"
        ] == "BTC"


async def test_the_tree_is_shown_as_the_supervisors_tell_it() -> None:
    assert get_tree.__doc__
    async with running(script) as rig:
        answer = await Caller.of(rig).call("get_tree")
        assert answer.data["name"] == "root"
        (child,) = answer.data["children"]
        assert (child["name"], child["restarts"], child["inbox_depth"], child["last_error"]) == (
            "ledger",
            1,
            2,
            "x",
        )
