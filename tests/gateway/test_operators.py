"""Operators made, changed and reset through the API, on the real ledger; and that the new ones can log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from gateway.operators import create_operator
from tests.gateway.fake import Answer
from tests.gateway.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def create(house: House, token: str, key: str = "k1", **changes: Any) -> Answer:
    body = {"name": "bob", "roles": ["viewer", "sre"], **changes}
    return await house.send("POST", "/v1/admin/operators", token, json=body, headers={"Idempotency-Key": key})


async def change(house: House, token: str, operator_id: str, **body: Any) -> Answer:
    return await house.send("PATCH", f"/v1/admin/operators/{operator_id}", token, json=body)


async def log_in(house: House, given: dict[str, Any], drift_s: int = 0) -> Answer:
    """With what was handed over, as a person with an authenticator app does."""
    secret = parse_qs(urlsplit(given["otpauth_uri"]).query)["secret"][0]
    code = pyotp.TOTP(secret).at(house.clock.now_s() + drift_s)
    return await house.login(name=given["name"], password=given["password"], code=code)


async def test_a_new_operator_can_log_in_with_what_was_shown_once(house: House) -> None:
    assert create_operator.__doc__
    ann = await house.operator()
    made = await create(house, ann)
    assert (made.status, made.data["roles"], made.data["created_by"]) == (
        201,
        ["viewer", "sre"],
        "operator:op_ann",
    )
    bob = await log_in(house, made.data)
    assert bob.status == 200
    assert (await house.send("GET", "/v1/admin/operators", bob.data["token"])).status == 403
    listed = (await house.send("GET", "/v1/admin/operators", ann)).data["data"]
    assert [view["name"] for view in listed] == ["ann", "bob"]
    for text in ("password", "otpauth", "salt", "hash", "totp"):
        assert not [name for view in listed for name in view if text in name]


async def test_the_same_key_gives_the_same_operator_with_the_same_password(house: House) -> None:
    token = await house.operator()
    first, again = await create(house, token), await create(house, token)
    assert (again.raw, again.headers["Idempotent-Replayed"]) == (first.raw, "true")
    assert (await log_in(house, again.data)).status == 200
    assert (await create(house, token, "k2")).code == "already_exists"


async def test_a_reset_makes_everything_of_before_useless(house: House) -> None:
    token = await house.operator()
    before = (await create(house, token)).data
    session = (await log_in(house, before)).data["token"]
    path = f"/v1/admin/operators/{before['id']}/reset"
    after = await house.send("POST", path, token, headers=house.idempotency())
    assert after.status == 200
    assert (await house.send("GET", "/v1/admin/me", session)).status == 401
    assert (await log_in(house, before, 30)).code == "login_failed"
    assert (await log_in(house, after.data)).status == 200


async def test_a_disabled_operator_is_out_until_he_is_enabled(house: House) -> None:
    token = await house.operator()
    bob = (await create(house, token)).data
    session = (await log_in(house, bob)).data["token"]
    assert (await change(house, token, bob["id"], disabled=True)).data["disabled_at"]
    assert (await house.send("GET", "/v1/admin/me", session)).status == 401
    assert (await log_in(house, bob, 30)).code == "login_failed"
    assert (await change(house, token, bob["id"], disabled=False)).data["disabled_at"] is None
    assert (await log_in(house, bob, 30)).status == 200


async def test_the_last_admin_can_neither_leave_nor_be_demoted(house: House) -> None:
    token = await house.operator()
    for body in ({"disabled": True}, {"roles": ["viewer"]}):
        answer = await change(house, token, "op_ann", **body)
        assert (answer.status, answer.code) == (409, "last_admin")
    bob = (await create(house, token, roles=["admin"])).data
    assert (await change(house, token, "op_ann", roles=["viewer"])).status == 200
    assert (await change(house, token, bob["id"], disabled=True)).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Bob"},
        {"name": ""},
        {"name": "b b"},
        {"roles": []},
        {"roles": ["root"]},
        {"password": "x" * 20},
    ],
)
async def test_what_cannot_be_an_operator_is_refused(house: House, body: dict[str, Any]) -> None:
    answer = await create(house, await house.operator(), **body)
    assert (answer.status, answer.code) == (422, "validation_failed")


async def test_nobody_is_not_found(house: House) -> None:
    token = await house.operator()
    assert (await change(house, token, "op_none", disabled=True)).code == "not_found"
    path = "/v1/admin/operators/op_none/reset"
    assert (await house.send("POST", path, token, headers=house.idempotency())).code == "not_found"
