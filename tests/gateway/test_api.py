"""What every route does before its handler is asked, and how it answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.errors import DeadlineAfterStart, InboxFull
from actors.messages import GetBalances, GetKey, Idempotency, Outcome, PostTransfer, RequestWithdrawal
from gateway.api import Route
from gateway.principal import ForWebsite
from gateway.routes import ROUTES
from ledger.errors import ExternalIdUsedError, IdempotencyKeyReusedError, NonceUsedError
from tests.gateway.calls import ASKS, BODIES, BY_NAME, Caller, path_of, script
from tests.gateway.fake import running
from tests.gateway.samples import transfer_view

PLAIN = [route for route in ROUTES if not route.is_stream]
WITH_BODY = [route for route in PLAIN if route.body is not None]


def requires(route: Route) -> set[str]:
    """Members a body must have."""
    assert route.body is not None
    fields = route.body.model_fields.items()
    return {str(field.validation_alias or name) for name, field in fields if field.is_required()}


@pytest.mark.parametrize("route", [r for r in WITH_BODY if not requires(r)], ids=lambda route: route.name)
async def test_a_body_may_be_left_out_where_nothing_is_required(route: Route) -> None:
    async with running(script) as rig:
        assert (await Caller.of(rig).call(route.name, raw=b"")).status == route.status


@pytest.mark.parametrize("route", PLAIN, ids=lambda route: route.name)
async def test_a_good_request_is_one_ask_and_fits_its_description(route: Route) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call(route.name)
        expected = {201} if route.method == "PUT" else {route.status}
        assert answer.status in expected, answer.raw
        assert len(rig.directory.asked) == ASKS.get(route.name, 1)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"].startswith("req_")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "cashier"
        if route.reply is not None:
            aliases = {field.serialization_alias or name for name, field in route.reply.model_fields.items()}
            assert set(answer.data) == aliases
        assert rig.metrics.requests[-1] == (route.path, answer.status)


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
@pytest.mark.parametrize("member", ["status", "approved", "fee", "client_id", "id", "website", "__class__"])
async def test_s10_extra_members_are_refused(route: Route, member: str) -> None:
    body = BODIES[route.name]
    if member in body:
        return
    async with running(script) as rig:
        answer = await Caller.of(rig).call(route.name, {**body, member: "house"})
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert [error["path"] for error in answer.data["errors"]] == [member]
        assert rig.directory.asked == []


@pytest.mark.parametrize("route", [r for r in WITH_BODY if requires(r)], ids=lambda route: route.name)
async def test_every_missing_member_is_named_at_once(route: Route) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call(route.name, {})
        assert {error["path"] for error in answer.data["errors"]} == requires(route)
        assert answer.data["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "amount", [-1, 0, 1e-9, 1, 0.001, 1e30, None, True, [], {}, "-1", "0", "", "abc", "1e8", "0.123456789"]
)
@pytest.mark.parametrize("name", ["create_withdrawal", "create_client_withdrawal", "create_transfer"])
async def test_w22_bad_amounts_reach_no_actor(name: str, amount: Any) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call(name, {**BODIES[name], "amount": amount})
        assert answer.status == 422
        assert [error["path"] for error in answer.data["errors"]] == ["amount"]
        assert rig.directory.asked == []


async def test_w16_w17_the_key_is_bound_to_owner_and_parsed_body() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        key = {"Idempotency-Key": "same"}
        good = BODIES["create_transfer"]
        spaced = json.dumps(dict(reversed(good.items())), indent=3).encode()
        for raw in (json.dumps(good).encode(), spaced, json.dumps({**good, "amount": "0.002"}).encode()):
            await caller.call("create_transfer", raw=raw, headers=key)
        first, again, other = [message.idempotency for _, message in rig.directory.asked]
        assert isinstance(first, Idempotency)
        assert first == again
        assert (first.owner, first.key) == ("website:shop", "same")
        assert other.request_hash != first.request_hash
        second_key = Caller(rig, rig.key(website="shop"), caller.session)
        await second_key.call("create_transfer", headers=key)
        assert rig.directory.last(PostTransfer).idempotency == first
        await caller.call("create_client_withdrawal", headers=key)
        assert rig.directory.last(RequestWithdrawal).idempotency.owner == "client:shop:alice"


async def test_w16_a_replay_says_so() -> None:
    async with running(script) as rig:
        rig.directory.replies[PostTransfer] = Outcome(transfer_view(), is_replayed=True)
        answer = await Caller.of(rig).call("create_transfer")
        assert (answer.status, answer.headers["Idempotent-Replayed"]) == (201, "true")


async def test_w17_a_reused_key_and_a_taken_external_id_are_told() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        rig.directory.replies[PostTransfer] = IdempotencyKeyReusedError("other body")
        answer = await caller.call("create_transfer")
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")
        rig.directory.replies[PostTransfer] = ExternalIdUsedError("taken", existing_id="tr_9")
        answer = await caller.call("create_transfer")
        assert (answer.status, answer.code, answer.data["existing_id"]) == (409, "external_id_used", "tr_9")
        rig.directory.replies[PostTransfer] = NonceUsedError("seen")
        answer = await caller.call("create_transfer")
        assert (answer.status, answer.code) == (401, "nonce_used")


@pytest.mark.parametrize(
    "route", [route for route in PLAIN if route.is_idempotent], ids=lambda route: route.name
)
async def test_a_change_without_a_usable_key_is_refused(route: Route) -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        for value, code in (("a b", "idempotency_key_invalid"), ("x" * 256, "idempotency_key_invalid")):
            answer = await caller.call(route.name, headers={"Idempotency-Key": value})
            assert (answer.status, answer.code) == (400, code)
        rig.idempotency = dict  # type: ignore[method-assign]
        answer = await caller.call(route.name)
        assert (answer.status, answer.code) == (400, "idempotency_key_required")
        assert rig.directory.asked == []


async def test_delivery_errors_are_503_and_504() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        rig.directory.replies[PostTransfer] = InboxFull("ledger has 4096 messages")
        answer = await caller.call("create_transfer")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "1")
        rig.directory.replies[PostTransfer] = DeadlineAfterStart("PostTransfer was begun")
        answer = await caller.call("create_transfer")
        assert (answer.status, answer.code) == (504, "outcome_unknown")
        rig.directory.replies[GetKey] = InboxFull("ledger_reader")
        assert (await caller.call("get_balances")).status == 503


@pytest.mark.parametrize(
    "path", ["/v1/clients/a b/balances", "/v1/clients/house/balances", f"/v1/clients/{'a' * 65}/balances"]
)
async def test_an_impossible_client_is_named(path: str) -> None:
    async with running(script) as rig:
        answer = await rig.send("GET", path, rig.key()[0])
        assert (answer.status, answer.data["errors"][0]["path"]) == (422, "path.client_id")


async def test_what_cannot_exist_is_not_found() -> None:
    async with running(script) as rig:
        token = rig.key()[0]
        for path, code in (
            ("/v1/withdrawals/..%2F..%2Fetc", "not_found"),
            ("/v1/deposits/'%20OR%201=1", "not_found"),
            ("/nothing", "route_not_found"),
            ("/v1/admin/nothing", "route_not_found"),
        ):
            answer = await rig.send("GET", path, token)
            assert (answer.status, answer.code) == (404, code), path
        answer = await rig.send("PUT", "/v1/clients/alice/addresses/DOGECOIN", token)
        assert (answer.status, answer.code) == (404, "unknown_currency")
        answer = await rig.send("PATCH", "/v1/transfers", token)
        assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "method_not_allowed", "POST")
        assert rig.directory.asked == []
        assert {route for route, _ in rig.metrics.requests} <= {
            "unmatched",
            *(route.path for route in ROUTES),
        }


@pytest.mark.parametrize(
    ("query", "path"),
    [("?limit=0", "query.limit"), ("?limit=501", "query.limit"), ("?limit=x", "query.limit"),
     ("?cursor=a%20b", "query.cursor"),
     ("?page=2", "query.page"), ("?limit=1&limit=2", "query"), ("?from=yesterday", "query.from"),
     ("?to=9999-12-31T23:59:59-23:59", "query.to"), ("?from=0001-01-01T00:00:00%2B23:59", "query.from"),
     ("?to=2026-01-01T00:00:00", "query.to"), ("?status=A%00", "query.status"), ("?txid=zz", "query.txid"),
     ("?client_id=house", "query.client_id")],
)  # fmt: skip
async def test_a_bad_query_is_named(query: str, path: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("list_deposits", query=query)
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert answer.data["errors"][0]["path"] == path


async def test_a_body_or_query_where_none_belongs_is_refused() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        assert (await caller.call("cancel_client_withdrawal", {"approve": True})).status == 422
        assert (await caller.call("cancel_client_withdrawal", raw=b"{}")).status == 200
        assert (await caller.call("get_balances", query="?secret=1")).status == 422


@pytest.mark.parametrize("given", ["abc-1", "A.b_c", "x" * 64])
async def test_a_request_id_is_carried_on(given: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("get_balances", headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "ä"])
async def test_a_bad_request_id_is_replaced(given: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("get_balances", headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize("layer", ["handler", "auth", "render"])
async def test_s27_a_fault_in_any_layer_leaks_nothing(layer: str) -> None:
    fault = RuntimeError(
        'SELECT secret FROM api_key -- File "/srv/cashier/ledger/store.py" http://user:pw@node:8332'
    )
    async with running(script) as rig:
        rig.directory.replies[{"handler": GetBalances, "auth": GetKey, "render": GetBalances}[layer]] = (
            (object(),) if layer == "render" else fault
        )
        answer = await Caller.of(rig).call("get_balances")
        assert (answer.status, answer.code) == (500, "internal_error")
        text = answer.raw.decode() + str(dict(answer.headers))
        for word in (
            "SELECT",
            "Traceback",
            "File",
            "/srv",
            "http://",
            "RuntimeError",
            "object",
            "aiohttp",
            "Python",
        ):
            assert word not in text


def test_every_path_can_be_made() -> None:
    assert all("{" not in path_of(route) for route in ROUTES)
    assert set(BODIES) == {route.name for route in WITH_BODY}
    assert isinstance(BY_NAME["create_transfer"].access, ForWebsite)
