"""The gateway on the real ledger: what only both together can show."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app import outbox_ready
from gateway.token import token_hash
from tests.gateway.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def bet(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "from": "alice",
        "to": "house",
        "currency": "BTC",
        "amount": "0.00100000",
        "external_id": "bet-1",
        "reason": "bet",
    }
    return body | changes


async def available(house: House) -> str:
    answer = await house.send("GET", "/v1/clients/alice/balances", house.token)
    return str(answer.data["data"][0]["available"])


async def test_w16_fifty_at_once_with_one_key_move_money_once(house: House) -> None:
    answers = await asyncio.gather(*(house.post("/v1/transfers", bet(), "k1") for _ in range(50)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.raw for answer in answers}) == 1
    replays = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert (replays.count(None), replays.count("true")) == (1, 49)
    assert await available(house) == "0.00900000"


async def test_w17_another_body_or_another_key_for_one_external_id_moves_nothing(house: House) -> None:
    first = await house.post("/v1/transfers", bet(), "k1")
    for changes in ({"amount": "0.002"}, {"to": "bob"}, {"external_id": "bet-2"}, {"reason": "other"}):
        answer = await house.post("/v1/transfers", bet(**changes), "k1")
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    answer = await house.post("/v1/transfers", bet(), "k2")
    assert (answer.status, answer.code, answer.data["existing_id"]) == (
        409,
        "external_id_used",
        first.data["id"],
    )
    assert await available(house) == "0.00900000"


async def test_a_refusal_is_judged_anew(house: House) -> None:
    body = bet(**{"from": "bob", "to": "alice", "amount": "0.005", "external_id": "b"})
    assert (await house.post("/v1/transfers", body, "k1")).code == "insufficient_funds"
    await house.post("/v1/transfers", bet(to="bob", amount="0.005"), "k2")
    assert (await house.post("/v1/transfers", body, "k1")).status == 201


async def test_a_nonce_is_good_once_also_for_another_request(house: House) -> None:
    assert (await house.post("/v1/transfers", bet(), "k1", nonce="nonce-once")).status == 201
    for body, key in ((bet(), "k1"), (bet(external_id="bet-2"), "k2")):
        answer = await house.post("/v1/transfers", body, key, nonce="nonce-once")
        assert (answer.status, answer.code) == (401, "nonce_used")
    assert await available(house) == "0.00900000"


async def test_s01_a_link_opens_one_session_for_its_client_in_time(house: House) -> None:
    body = {"client_id": "alice", "actions": ["deposit"], "ttl_s": 600}
    opened = await house.post("/v1/sessions", dict(body), "s1")
    again = await house.post("/v1/sessions", dict(body), "s1")
    assert (opened.status, again.status) == (201, 201)
    assert opened.data == again.data
    code = {"code": opened.data["code"]}
    given = await house.send("POST", "/v1/cashier/session", json=code)
    token = given.data["token"]
    assert (await house.send("POST", "/v1/cashier/session", json=code)).code == "session_invalid"
    session = await house.send("GET", "/v1/cashier/session", token)
    assert (session.data["client_id"], session.data["actions"]) == ("alice", ["deposit"])
    balances = await house.send("GET", "/v1/cashier/balances", token)
    assert balances.data["data"][0]["available"] == "0.01000000"
    ended = await house.send("DELETE", f"/v1/sessions/{opened.data['id']}", house.token)
    assert (ended.status, ended.raw) == (204, b"")
    assert (await house.send("GET", "/v1/cashier/session", token)).status == 401
    late = await house.post("/v1/sessions", dict(body), "s2")
    await house.clock.advance(61)  # type: ignore[attr-defined]
    answer = await house.send("POST", "/v1/cashier/session", json={"code": late.data["code"]})
    assert (answer.status, answer.code) == (401, "session_invalid")
    assert token_hash(token) not in answer.raw.decode()


async def test_the_feed_and_its_stream_tell_the_same(house: House) -> None:
    for number in range(3):
        await house.post("/v1/transfers", bet(external_id=f"bet-{number}"), f"k{number}")
    feed = (await house.send("GET", "/v1/events?limit=500", house.token)).data["data"]
    assert [event["type"] for event in feed][-3:] == ["transfer.posted"] * 3
    assert feed[-1]["data"]["amount"] == "0.00100000"
    headers = {"Authorization": f"Bearer {house.token}"}
    async with house.http.get(f"{house.url}/v1/events/stream", headers=headers) as reply:
        streamed: list[object] = []
        async with asyncio.timeout(10):
            while len(streamed) < len(feed):
                line = (await reply.content.readline()).decode()
                if line.startswith("data: "):
                    streamed.append(json.loads(line[6:]))
        assert streamed == feed
    outbox_ready(house.app, feed[-1]["sequence"])


async def test_pages_of_a_list_have_no_gap_and_a_made_up_cursor_is_refused(house: House) -> None:
    for path in ("/v1/deposits", "/v1/withdrawals"):
        assert (await house.send("GET", path, house.token)).data == {"data": [], "next_cursor": None}
        answer = await house.send("GET", f"{path}?cursor=made-up", house.token)
        assert (answer.status, answer.code) == (422, "invalid_cursor")


async def test_currencies_are_shown_as_registered(house: House) -> None:
    answer = await house.send("GET", "/v1/currencies", house.token)
    assert [(item["currency"], item["state"]) for item in answer.data["data"]] == [("BTC", "open")]
