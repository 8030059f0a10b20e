"""An operator and the money that credits nobody, over HTTP on the real ledger."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from coins.types import Block, BlockRef, Branch, ChainDelta, Location, OwnScript, Receipt
from ledger.commands import ApplyChainDelta, RecordScript, ReserveScript
from tests.gateway.calls import BODIES, Caller, script
from tests.gateway.fake import Answer, running
from tests.gateway.house import House, open_house
from tests.ledger.books import ANCHOR, NOW, rows

SCRIPT = b"\x00\x14alice"
TXID = "ab" * 32


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        await opened.ask(ReserveScript("BTC", Branch.DEPOSIT, "client:alice:0"))
        own = OwnScript(SCRIPT, "bcrt1qalice", Branch.DEPOSIT, 0)
        await opened.ask(RecordScript("BTC", "client:alice:0", own, Location.DEPOSIT, "alice"))
        yield opened


async def mine(house: House, first: int, count: int, amount: int | None = None) -> None:
    """Blocks above the anchor; the first one pays alice ``amount``."""
    receipts = () if amount is None else (Receipt("BTC", TXID, "0", SCRIPT, amount),)
    hashes = [ANCHOR.block_hash, *(f"{number:064x}" for number in range(1, first + count))]
    blocks = tuple(
        Block(BlockRef(ANCHOR.height + n, hashes[n], hashes[n - 1], NOW), receipts if n == first else ())
        for n in range(first, first + count)
    )
    await house.ask(ApplyChainDelta(ChainDelta("BTC", (), blocks, address_seq=10**6)))


async def act(house: House, token: str, path: str, **body: Any) -> Answer:
    headers = {**house.idempotency(), "Content-Type": "application/json"}
    data = json.dumps({"reason": "she asked", **body})
    return await house.send("POST", f"/v1/admin/{path}", token, data=data, headers=headers)


async def only_case(house: House, token: str) -> dict[str, Any]:
    (shown,) = (await house.send("GET", "/v1/admin/cases?status=open", token)).data["data"]
    assert isinstance(shown, dict)
    return shown


async def balances(house: House) -> dict[str, str]:
    """What the client has beside the 0.01 that the books began with."""
    (shown,) = (await house.send("GET", "/v1/clients/alice/balances", house.token)).data["data"]
    assert isinstance(shown, dict)
    return shown


async def test_one_parked_payment_goes_from_case_to_credit(house: House, tmp_path: Path) -> None:
    token = await house.operator()
    await mine(house, 1, 2, amount=999)
    shown = await only_case(house, token)
    assert (shown["amount"], shown["reason"], shown["client_id"]) == ("0.00000999", "below_minimum", "alice")
    assert (shown["txid"], shown["address"], shown["confirmations"]) == (TXID, "bcrt1qalice", 2)
    path = f"cases/{shown['id']}"
    early = await act(house, token, f"{path}/assign", client_id="alice")
    assert (early.status, early.code) == (409, "not_confirmed")
    await mine(house, 3, 1)
    answer = await act(house, token, f"{path}/assign", client_id="alice")
    assert (answer.status, answer.data["status"], answer.data["actions"]) == (200, "assigned", [])
    assert (await balances(house))["available"] == "0.01000999"
    (deposit,) = (await house.send("GET", "/v1/deposits", house.token)).data["data"]
    assert (deposit["status"], deposit["amount"]) == ("credited", "0.00000999")
    last = answer.data["history"][-1]
    assert (last["action"], last["by"], last["reason"]) == ("assigned", "operator:op_ann", "she asked")
    assert (await house.send("GET", f"/v1/admin/{path}", token)).data == answer.data
    sql = "SELECT by, action FROM audit WHERE object_type = 'case'"
    assert rows(tmp_path / "books.sqlite", sql) == [("operator:op_ann", "assign_case")]
    again = await act(house, token, f"{path}/assign", client_id="alice")
    assert (again.status, again.code) == (409, "case_decided")


async def test_the_event_tells_the_case_as_its_get_does(house: House) -> None:
    token = await house.operator()
    await mine(house, 1, 6, amount=999)
    shown = await only_case(house, token)
    answer = await act(house, token, f"cases/{shown['id']}/write-off")
    assert answer.data["status"] == "written_off"
    events = (await house.send("GET", "/v1/events?limit=500", house.token)).data["data"]
    closed = next(event for event in events if event["type"] == "case.closed")
    assert closed["data"] == answer.data


async def test_the_same_key_decides_once(house: House) -> None:
    token = await house.operator()
    await mine(house, 1, 6, amount=999)
    shown = await only_case(house, token)
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    path, body = f"/v1/admin/cases/{shown['id']}/assign", '{"client_id": "alice", "reason": "she asked"}'
    first = await house.send("POST", path, token, data=body, headers=headers)
    again = await house.send("POST", path, token, data=body, headers=headers)
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await balances(house))["available"] == "0.01000999"


async def test_d47_a_blocked_client_is_parked_and_credited_once_when_unblocked(house: House) -> None:
    token = await house.operator()
    blocked = await act(house, token, "clients/alice/block-deposits")
    assert (blocked.status, blocked.data["client_id"]) == (200, "alice")
    await mine(house, 1, 3, amount=50_000)
    shown = await only_case(house, token)
    assert shown["reason"] == "client_blocked"
    refused = await act(house, token, f"cases/{shown['id']}/release")
    assert (refused.status, refused.code) == (409, "action_not_allowed")
    assert (await act(house, token, "clients/alice/unblock-deposits")).data == {"released": 1, "left": 0}
    assert (await balances(house))["available"] == "0.01050000"
    by_cause = {"currency": "BTC", "cause": "client_blocked"}
    assert (await act(house, token, "cases/release", **by_cause)).data == {"released": 0, "left": 0}


@pytest.mark.parametrize(
    ("name", "change", "path"),
    [
        ("assign_case", {"client_id": "no way"}, "client_id"),
        ("assign_case", {"reason": ""}, "reason"),
        ("refund_case", {"address": "a b"}, "address"),
        ("release_cases", {"cause": "internal"}, "cause"),
        ("write_off_case", {"more": 1}, "more"),
    ],
)
async def test_a_wrong_member_is_named(name: str, change: dict[str, Any], path: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call(name, BODIES[name] | change)
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert [error["path"] for error in answer.data["errors"]] == [path]


async def test_a_case_that_is_not_there_is_not_found(house: House) -> None:
    token = await house.operator()
    for answer in (
        await house.send("GET", "/v1/admin/cases/case_none", token),
        await act(house, token, "cases/case_none/assign", client_id="alice"),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
