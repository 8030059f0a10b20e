"""One delivery: signed as Standard Webhooks say, to public addresses only, bounded both ways."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import socket
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from actors.webhook import PublicResolver, Verdict, WebhookSender, headers, is_public, render_body, verdict
from config.schema import WebhookSettings
from ledger.views import EventView
from tests.actors.website import Website, open_website

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
EVENT = EventView("evt_1", 1, "deposit.credited", 1_700_000_000, "alice", {})
BODY = {"id": "evt_1", "sequence": 1, "data": {"amount": "0.00000001", "note": "Grüße"}}


def settings(url: str, **options: Any) -> WebhookSettings:
    """Settings with the new secret that allow loopback."""
    values = {"url": url, "secret": SecretStr(NEW), "allow_private": True, **options}
    return WebhookSettings(**values)


async def send(website: Website, now_s: int | None = None, **options: Any) -> Verdict:
    """One delivery now."""
    sender = WebhookSender(settings(website.url, **options))
    try:
        return await sender.send(EVENT, BODY, int(time.time()) if now_s is None else now_s)
    finally:
        await sender.close()


async def test_the_library_of_the_standard_accepts_it() -> None:
    async with open_website() as website:
        assert await send(website) == Verdict(True, 204, "HTTP 204")
        (got,) = website.got
        assert Webhook(NEW).verify(got.body, got.headers) == BODY
        assert got.headers["webhook-id"] == "evt_1"
        assert got.headers["content-type"] == "application/json"
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(got.body + b" ", got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD).verify(got.body, got.headers)


async def test_while_secrets_are_exchanged_both_verify() -> None:
    async with open_website() as website:
        await send(website, secret_previous=SecretStr(OLD))
        (got,) = website.got
        assert Webhook(NEW).verify(got.body, got.headers) == BODY
        assert Webhook(OLD).verify(got.body, got.headers) == BODY
        assert len(got.headers["webhook-signature"].split(" ")) == 2


def test_the_signature_is_that_of_the_reference() -> None:
    body = render_body(BODY)
    made = headers([NEW], "evt_1", 1_700_000_000, body)
    at = datetime.datetime.fromtimestamp(1_700_000_000, datetime.UTC)
    assert made["webhook-signature"] == Webhook(NEW).sign("evt_1", at, body.decode())


def test_the_body_is_compact_json_that_comes_back_the_same() -> None:
    assert json.loads(render_body(BODY)) == BODY
    assert b", " not in render_body(BODY)
    assert "Grüße".encode() in render_body(BODY)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_accepts(status: int) -> None:
    assert verdict(status, None).is_delivered


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
async def test_everything_else_does_not(status: int) -> None:
    async with open_website() as website:
        website.say(status, Location=website.url + "/elsewhere")
        result = await send(website)
        assert (result.is_delivered, result.status_code) == (False, status)
        assert len(website.got) == 1  # a redirect is never followed


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("", None),
        (None, None),
        ("-5", None),
        ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("٣", None),
        ("9" * 5_000, 999_999_999),
    ],
)
def test_retry_after_is_read_in_seconds_and_nothing_hostile_breaks_it(
    value: str | None, seconds: int | None
) -> None:
    assert verdict(503, value).retry_after_s == seconds


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_addresses_that_are_public(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "127.1", "2130706433", "0x7f000001", "0"],
)
async def test_a_private_address_is_refused_however_it_is_written(host: str) -> None:
    async with open_website() as website:
        port = website.url.rpartition(":")[2]
        sender = WebhookSender(settings(f"http://{host}:{port}", allow_private=False, timeout_s=5.0))
        result = await sender.send(EVENT, BODY, 1)
        await sender.close()
        assert not result.is_delivered
        assert result.status_code is None
        assert website.got == []


async def test_a_name_is_judged_by_each_address_it_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Names:
        async def resolve(self, host: str, port: int, family: int) -> Sequence[dict[str, Any]]:
            return [{"host": "93.184.216.34", "port": port}, {"host": "10.0.0.1", "port": port}]

        async def close(self) -> None:
            return None

    monkeypatch.setattr(aiohttp, "ThreadedResolver", Names)
    with pytest.raises(OSError, match="not public"):
        await PublicResolver(allow_private=False).resolve("shop.example", 443, socket.AF_INET)
    found = await PublicResolver(allow_private=True).resolve("shop.example", 443, socket.AF_INET)
    assert len(found) == 2


async def test_a_refused_private_address_says_so_and_nothing_else() -> None:
    sender = WebhookSender(settings("http://localhost:1/secret-path", allow_private=False))
    result = await sender.send(EVENT, BODY, 1)
    await sender.close()
    assert result.detail == "the host leads to an address that is not public"


async def test_an_endless_answer_is_read_to_its_limit_only() -> None:
    async with open_website() as website:
        over = asyncio.Event()

        async def endless(request: web.Request) -> web.StreamResponse:
            reply = web.StreamResponse(status=200)
            await reply.prepare(request)
            try:
                while True:
                    await reply.write(b"x" * 65_536)
            except (ConnectionError, asyncio.CancelledError):
                over.set()
                raise

        website.answers.append(endless)
        result = await send(website, response_limit_bytes=1_000)
        assert result == Verdict(True, 200, "HTTP 200")
        await asyncio.wait_for(over.wait(), 20)


async def test_an_answer_that_does_not_come_ends_at_the_bound() -> None:
    async with open_website() as website:

        async def never(request: web.Request) -> web.StreamResponse:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        website.answers.append(never)
        result = await send(website, timeout_s=0.05)
        assert (result.is_delivered, result.status_code) == (False, None)
        assert "Timeout" in result.detail


async def test_a_port_where_nobody_listens_is_no_delivery() -> None:
    sender = WebhookSender(settings("http://127.0.0.1:9"))
    result = await sender.send(EVENT, BODY, 1)
    await sender.close()
    assert (result.is_delivered, result.status_code) == (False, None)
    assert "127.0.0.1" not in result.detail
