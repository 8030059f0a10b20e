"""An operator of a running cashier: made beside it, logged in, and his pause outlasts a kill."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from aiohttp import ClientSession

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

PASSWORD = "correct horse battery"


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    return make_stage("BTC")


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


def add_operator(stage: Stage) -> str:
    """Ann's one-time-code secret, as her app reads it."""
    password = stage.folder / "password"
    password.write_text(PASSWORD)
    shown = json.loads(
        stage.cli("operators", "add", "ann", "--role", "sre", "--password-file", str(password), "--json")
    )
    return str(parse_qs(urlsplit(shown["otpauth_uri"]).query)["secret"][0])


def names(tree: dict[str, Any]) -> set[str]:
    """Everybody in a tree."""
    return {tree["name"], *(name for child in tree["children"] for name in names(child))}


async def test_a_pause_by_an_operator_outlasts_the_node_and_a_kill(
    stage: Stage, open_shop: OpenShop, http: ClientSession
) -> None:
    shop = await open_shop(stage)
    secret = add_operator(stage)
    body = {"name": "ann", "password": PASSWORD, "code": pyotp.TOTP(secret).now()}
    async with http.post(f"{stage.base_url}/v1/admin/login", json=body) as answer:
        assert answer.status == 200, await answer.text()
        headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    async with http.get(f"{stage.base_url}/v1/admin/tree", headers=headers) as answer:
        assert {"root", "ledger", "coin:BTC", "watcher:BTC", "gateway"} <= names(await answer.json())

    async def hold(what: str, key: str) -> str:
        url = f"{stage.base_url}/v1/admin/currencies/BTC/{what}"
        reason = {"reason": "the node is moved"}
        async with http.post(url, json=reason, headers=headers | {"Idempotency-Key": key}) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["state"])

    await shop.fund("alice", "0.01")
    assert await hold("pause", "k1") == "paused"
    await shop.mine()
    assert (await shop.currency_row())["state"] == "paused"
    address = await shop.chain.foreign_address()
    assert await shop.refused("alice", "0.001", address) == "currency_closed"
    stage.kill()
    stage.spawn()
    await shop.until_state("paused")
    await shop.mine()
    assert (await shop.currency_row())["state"] == "paused"
    assert await hold("resume", "k2") == "open"
    assert (await shop.withdraw("alice", "0.001", address))["status"] == "approved"
