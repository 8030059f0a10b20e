"""Who gets in: bearer tokens, scopes, signatures over HTTP, rates, addresses behind proxies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from actors.messages import PostTransfer
from gateway import signature
from gateway.api import Route
from gateway.auth import client_address
from gateway.principal import ForClient, ForOperator, ForWebsite, Public, Scope
from gateway.routes import ROUTES
from gateway.token import token_hash
from tests.gateway.calls import Caller, path_of, script
from tests.gateway.fake import running

GUARDED = [route for route in ROUTES if not isinstance(route.access, Public)]


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
async def test_nobody_gets_in_without_the_right_kind_of_token(route: Route) -> None:
    async with running(script) as rig:
        key, session = rig.key()[0], rig.session()
        wrong = session if isinstance(route.access, ForWebsite) else key
        operator = rig.operator() if not isinstance(route.access, ForOperator) else session
        last = "0" if key[-1] != "0" else "1"
        for value in (None, "", "Bearer", "Bearer ", f"Basic {key}", key, f"Bearer {wrong}", "Bearer ck_x_y",
                      f"Bearer {key[:-1]}{last}", f"Bearer {key}x", f"Bearer {session[:-1]}f0",
                      f"Bearer {operator}"):  # fmt: skip
            headers = {} if value is None else {"Authorization": value}
            answer = await rig.send(route.method, path_of(route), headers=headers)
            assert (answer.status, answer.code) == (401, "unauthorized"), value
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert rig.directory.asked == []


@pytest.mark.parametrize(
    "route", [r for r in GUARDED if isinstance(r.access, ForWebsite)], ids=lambda r: r.name
)
async def test_a_key_without_the_scope_is_forbidden(route: Route) -> None:
    assert isinstance(route.access, ForWebsite)
    others = [scope.value for scope in Scope if scope is not route.access.scope]
    async with running(script) as rig:
        caller = Caller(rig, rig.key(*others), rig.session())
        answer = await caller.call(route.name)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert rig.directory.asked == []


@pytest.mark.parametrize(
    "route", [r for r in GUARDED if isinstance(r.access, ForClient) and r.access.action], ids=lambda r: r.name
)
async def test_a_session_without_the_action_is_forbidden(route: Route) -> None:
    assert isinstance(route.access, ForClient)
    others = tuple(action for action in ("deposit", "withdraw") if action != route.access.action)
    async with running(script) as rig:
        answer = await Caller.of(rig, actions=others).call(route.name)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert rig.directory.asked == []


@pytest.mark.parametrize("state", ["ended", "expired"])
async def test_s01_a_session_that_is_over_is_nobody(state: str) -> None:
    async with running(script) as rig:
        answer = await rig.send("GET", "/v1/cashier/session", rig.session(state=state))
        assert answer.status == 401


async def test_a_revoked_key_is_dead_at_once() -> None:
    async with running(script) as rig:
        token, _ = rig.key()
        assert (await rig.send("GET", "/v1/currencies", token)).status == 200
        view = rig.directory.keys[token_hash(token)]
        rig.directory.keys[token_hash(token)] = replace(view, revoked_at=1)
        assert (await rig.send("GET", "/v1/currencies", token)).status == 401


@pytest.mark.parametrize("name", ["create_withdrawal", "create_transfer", "cancel_withdrawal"])
async def test_money_moves_only_signed(name: str) -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        other_token, other_id = rig.key()
        for changes, code in (
            ({signature.HEADER: "nonsense"}, "signature_invalid"),
            (rig.signed(other_id, "POST", "/v1/transfers", b""), "signature_invalid"),
            (rig.signed(caller.key[1], "POST", "/v1/else", b""), "signature_invalid"),
        ):
            answer = await caller.call(name, headers=changes)
            assert (answer.status, answer.code) == (401, code)
        rig.signed = lambda *_, **__: {}  # type: ignore[method-assign]
        answer = await caller.call(name)
        assert (answer.status, answer.code) == (401, "signature_required")
        assert rig.directory.asked == []
        assert other_token


@pytest.mark.parametrize(("skew", "status"), [(-301, 401), (-300, 201), (300, 201), (301, 401)])
async def test_a_signature_lives_300_seconds(skew: int, status: int) -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        sign = rig.signed
        rig.signed = lambda *a, **o: sign(*a, signed_at=rig.clock.now + skew, **o)  # type: ignore[method-assign]
        answer = await caller.call("create_transfer")
        assert answer.status == status
        if status == 401:
            assert answer.code == "signature_expired"


async def test_the_nonce_travels_with_the_command() -> None:
    async with running(script) as rig:
        await Caller.of(rig).call("create_transfer")
        nonce = rig.directory.last(PostTransfer).nonce
        assert nonce.nonce == "nonce-00000001"
        # Remembered at least as long as the signature could be sent again.
        assert nonce.expires_at >= rig.clock.now + 300


async def test_s22_callers_are_slowed_down_each_by_itself() -> None:
    async with running(script, session_burst=3, session_rate_per_s=1.0) as rig:
        first, second = rig.session(id="ses_1"), rig.session(id="ses_2")
        statuses = [(await rig.send("GET", "/v1/cashier/session", first)).status for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        answer = await rig.send("GET", "/v1/cashier/session", first)
        assert (answer.code, answer.headers["Retry-After"]) == ("rate_limited", "1")
        assert (await rig.send("GET", "/v1/cashier/session", second)).status == 200
        rig.clock.elapsed = 1.0
        assert (await rig.send("GET", "/v1/cashier/session", first)).status == 200


async def test_s22_guessing_tokens_costs_the_address_and_a_spoofed_one_does_not_help() -> None:
    async with running(script, ip_burst=3, ip_rate_per_s=0.1) as rig:
        statuses = []
        for number in range(6):
            headers = {"X-Forwarded-For": f"10.0.0.{number}"}
            statuses.append((await rig.send("GET", "/v1/currencies", "ck_x", headers=headers)).status)
        assert statuses == [401, 401, 401, 429, 429, 429]


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "expected"),
    [
        ("1.2.3.4", [], (), "1.2.3.4"),
        ("1.2.3.4", ["9.9.9.9"], (), "1.2.3.4"),
        ("1.2.3.4", ["9.9.9.9"], ("10.0.0.0/8",), "1.2.3.4"),
        ("10.0.0.1", ["9.9.9.9"], ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", ["6.6.6.6, 9.9.9.9"], ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", ["6.6.6.6, 9.9.9.9, 10.0.0.2"], ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", ["6.6.6.6", "9.9.9.9"], ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", ["nonsense"], ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], ("10.0.0.0/8",), "10.0.0.2"),
        ("2001:db8:1:2:3::4", [], (), "2001:db8:1:2::/64"),
    ],
)
def test_s22_only_a_trusted_proxy_is_believed(
    remote: str, forwarded: list[str], trusted: tuple[str, ...], expected: str
) -> None:
    request: Any = make_mocked_request(
        "GET", "/", headers=[("X-Forwarded-For", value) for value in forwarded]
    )
    assert client_address(request.clone(remote=remote), trusted) == expected
