"""Website keys made and revoked by an admin, on the real ledger; and that a new one opens what it is for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import signature
from gateway.key import create_key
from gateway.token import token_hash
from tests.gateway.fake import Answer
from tests.gateway.house import House, open_house
from tests.ledger.books import rows


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def create(house: House, token: str, key: str = "k1", **changes: Any) -> Answer:
    body = {"website": "shop", "scopes": ["read"], **changes}
    return await house.send("POST", "/v1/admin/keys", token, json=body, headers={"Idempotency-Key": key})


def kept_in(folder: Path, secret: str) -> list[str]:
    """The files of the books that hold a secret."""
    return [file.name for file in folder.iterdir() if secret.encode() in file.read_bytes()]


async def test_a_website_key_is_listed_and_dead_once_revoked(house: House) -> None:
    token = await house.operator()
    (key,) = (await house.send("GET", "/v1/admin/keys", token)).data["data"]
    assert (key["id"], key["website"], key["revoked_at"]) == (house.key_id, "shop", None)
    assert (await house.send("DELETE", f"/v1/admin/keys/{house.key_id}", token)).status == 204
    assert (await house.send("GET", "/v1/currencies", house.token)).status == 401
    assert (await house.send("GET", "/v1/admin/keys", token)).data["data"][0]["revoked_at"]
    assert (await house.send("DELETE", "/v1/admin/keys/key_none", token)).code == "not_found"
    audit = (await house.send("GET", "/v1/admin/audit?action=revoke_key", token)).data["data"]
    assert [(line["by_name"], line["object_id"]) for line in audit] == [("ann", house.key_id)]


async def test_a_new_key_opens_exactly_what_it_is_for(house: House) -> None:
    assert create_key.__doc__
    token = await house.operator()
    made = await create(house, token, scopes=["read", "read"])
    assert (made.status, made.data["website"], made.data["scopes"]) == (201, "shop", ["read"])
    assert (await house.send("GET", "/v1/currencies", made.data["key"])).status == 200
    body = {"client_id": "alice", "actions": ["deposit"]}
    headers = {"Idempotency-Key": "s1"}
    refused = await house.send("POST", "/v1/sessions", made.data["key"], json=body, headers=headers)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert (await house.send("DELETE", f"/v1/admin/keys/{made.data['id']}", token)).status == 204
    assert (await house.send("GET", "/v1/currencies", made.data["key"])).status == 401


async def test_a_new_key_signs_with_the_secret_it_was_given(house: House) -> None:
    given = (await create(house, await house.operator(), scopes=["read", "transfers"])).data
    body = {"from": "alice", "to": "house", "currency": "BTC", "amount": "0.001", "external_id": "bet-1"}
    raw = json.dumps({**body, "reason": "bet"}).encode()
    parts: dict[str, Any] = {"signed_at": house.clock.now_s(), "nonce": "nonce-00000001", "method": "POST"}
    signed = signature.sign(given["signing_secret"], **parts, target="/v1/transfers", body=raw)
    headers = {"Content-Type": "application/json", "Idempotency-Key": "t1", signature.HEADER: signed}
    answer = await house.send("POST", "/v1/transfers", given["key"], data=raw, headers=headers)
    assert answer.status == 201, answer.raw


async def test_its_secrets_are_shown_once_and_kept_nowhere(house: House, tmp_path: Path) -> None:
    token = await house.operator()
    given = (await create(house, token)).data
    secret = given["key"].rpartition("_")[2]
    listed = await house.send("GET", "/v1/admin/keys", token)
    audit = await house.send("GET", "/v1/admin/audit?action=create_key", token)
    for told in (listed.raw, audit.raw):
        assert given["id"].encode() in told
        assert secret.encode() not in told
        assert given["signing_secret"].encode() not in told
    assert not kept_in(tmp_path, secret)
    assert not kept_in(tmp_path, given["signing_secret"])
    (kept,) = rows(tmp_path / "books.sqlite", f"SELECT key_hash FROM api_key WHERE id = '{given['id']}'")
    assert kept == (token_hash(given["key"]),)
    assert audit.data["data"][0]["data"] == {"website": "shop", "scopes": ["read"]}
    assert audit.data["data"][0]["by_name"] == "ann"


async def test_the_same_idempotency_key_gives_the_same_key(house: House) -> None:
    token = await house.operator()
    first, again = await create(house, token), await create(house, token)
    assert (again.status, again.raw, again.headers["Idempotent-Replayed"]) == (201, first.raw, "true")
    assert (await house.send("GET", "/v1/currencies", again.data["key"])).status == 200
    assert (await create(house, token, scopes=["deposits"])).code == "idempotency_key_reused"
    other = await create(house, token, "k2")
    assert other.data["id"] != first.data["id"]
    assert other.data["key"].rpartition("_")[2] != first.data["key"].rpartition("_")[2]


async def test_a_second_website_is_refused(house: House) -> None:
    answer = await create(house, await house.operator(), website="bazaar")
    assert (answer.status, answer.code) == (409, "already_exists")


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": "read"},
        {"scopes": ["read"] * 6},
        {"website": ""},
        {"website": " shop"},
        {"website": "sh\nop"},
        {"website": "x" * 129},
        {"website": None},
        {"secret": "0" * 64},
    ],
)
async def test_what_cannot_be_a_key_is_refused(house: House, body: dict[str, Any]) -> None:
    token = await house.operator()
    answer = await create(house, token, **body)
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert len((await house.send("GET", "/v1/admin/keys", token)).data["data"]) == 1
