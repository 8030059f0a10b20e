"""What deposits were worth: a running cashier with a table of rates in a file, and with one at an address.

The address answers well, then in every way that a broken or hostile one can; the last good rate holds until
it is too old, and what is booked after that has no value, for ever.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from actors.rates import RatesActor
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(480)]

MAX_AGE_S = 60
WAIT_S = 200.0
VALUE = ("value", "value_currency", "rate", "rate_at")
HOSTILE: tuple[tuple[str, str], ...] = (
    ('{"rates": {"BTC": NaN}}', "NaN is not a number"),
    ('{"rates": {"BTC": -1}}', "the rate of BTC is not a plain positive number"),
    ('{"rates": {"BTC": 1e999}}', "the rate of BTC is not a plain positive number"),
    ('{"rates": {"BTC": ' + "9" * 5_000 + "}}", "the rate of BTC is not a plain positive number"),
    ('{"rates": {"BTC": [1]}}', "the rate of 'BTC' must be a number or a text of one"),
    ('{"rates": [1, 2]}', "`rates` must be an object"),
    ('{"quote": "USD", "rates": {"BTC": 1}}', "`quote` must be EUR"),
    ('{"at": "2999-01-01T00:00:00Z", "rates": {"BTC": 1}}', "`at` is in the future"),
    ("<html>busy</html>", "the first line must be `currency,rate`"),
    ("redirect", "the source answers HTTP 302"),
    ("huge", "the table is larger than 262144 bytes"),
    ("slow", "the source cannot be reached: TimeoutError"),
    ("cut", "the source cannot be reached"),
)
"""What the address answers, and what the log says of it."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Address:
    """A source on loopback: good while ``answers`` is empty, else each in turn, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.given: list[str] = []
        self.told_at: list[str] = []
        self.url = ""
        self.followed = 0

    async def elsewhere(self, _: web.Request) -> web.StreamResponse:
        """Where the redirect points: nobody should come."""
        self.followed += 1
        return web.json_response({"rates": {"BTC": "1"}})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not self.answers:
            self.told_at.append(now())
            return web.json_response({"at": self.told_at[-1], "rates": {"BTC": "61234.50"}})
        text = self.answers[min(len(self.given), len(self.answers) - 1)]
        self.given.append(text)
        if text == "redirect":
            return web.Response(status=302, headers={"Location": str(request.url.with_path("/good"))})
        if text == "huge":
            return web.Response(body=b" " * 10_000_000)
        if text == "slow":
            await asyncio.Event().wait()
        if text == "cut":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"rates": {"BTC": 5')
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(text=text)


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    source = Address()
    app = web.Application()
    app.router.add_get("/table", source.answer)
    app.router.add_get("/good", source.elsewhere)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    source.url = f"http://127.0.0.1:{runner.addresses[0][1]}/table"
    yield source
    await runner.cleanup()


async def lines(shop: Shop, client_id: str) -> list[dict[str, Any]]:
    """What the client's statement says."""
    told = await shop.website.get(f"/v1/clients/{client_id}/statement?currency=BTC")
    found: list[dict[str, Any]] = told["movements"]
    return found


async def until(read: Callable[[], Awaitable[Any]], is_enough: Callable[[Any], bool], what: str) -> None:
    """Wait for something outside, with a bound."""
    seen: Any = None
    for _ in range(int(WAIT_S * 5)):
        seen = await read()
        if is_enough(seen):
            return
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.2)
    raise AssertionError(f"{what}: {seen}")


async def test_rates_of_a_file_give_a_deposit_its_value(make_stage: MakeStage, open_shop: OpenShop) -> None:
    assert RatesActor.__doc__
    at = now()

    def write(stage: Any) -> None:
        stage.folder.mkdir(parents=True, exist_ok=True)
        (stage.folder / "rates.json").write_text(json.dumps({"at": at, "rates": {"BTC": "61234.50"}}))

    stage = make_stage("BTC", before_start=write, CASHIER__RATES__FILE="rates.json")
    shop = await open_shop(stage)
    await until(lambda: stage.gauges("BTC"), lambda seen: seen.get("cashier_rate_usable") == 1, "a rate")
    await shop.fund("alice", "0.50000000", blocks=3)
    (line,) = await lines(shop, "alice")
    assert line["value"] == "30617.25"
    assert (line["value_currency"], line["rate"]) == ("EUR", "61234.50")
    assert datetime.fromisoformat(line["rate_at"]) == datetime.fromisoformat(at)


async def test_rates_of_an_address_that_fails_hold_until_they_are_old(
    make_stage: MakeStage, open_shop: OpenShop, address: Address
) -> None:
    stage = make_stage(
        "BTC",
        CASHIER__RATES__URL=address.url,
        CASHIER__RATES__POLL_S="10",
        CASHIER__RATES__MAX_AGE_S=str(MAX_AGE_S),
        CASHIER__RATES__TIMEOUT_S="1",
    )
    shop = await open_shop(stage)

    async def rate() -> dict[str, float]:
        return await stage.gauges("BTC")

    await until(rate, lambda seen: seen.get("cashier_rate_usable") == 1, "a rate")
    address.answers = [text for text, _ in HOSTILE]
    await shop.fund("alice", "0.50000000", blocks=3)
    await until(_given(address), lambda count: count >= 1, "a hostile answer")
    await shop.fund("bob", "0.10000000", blocks=3)
    for client_id, value in (("alice", "30617.25"), ("bob", "6123.45")):
        (line,) = await lines(shop, client_id)
        assert (line["value"], line["rate"]) == (value, "61234.50")
        assert datetime.fromisoformat(line["rate_at"]) in map(datetime.fromisoformat, address.told_at)
    await until(_given(address), lambda count: count > len(HOSTILE), "every hostile answer")
    await until(rate, lambda seen: seen.get("cashier_rate_usable") == 0, "a rate too old")
    assert (await rate())["cashier_rate_age_seconds"] > MAX_AGE_S
    await shop.fund("carol", "0.20000000", blocks=3)
    said = stage.log_path.read_text()
    for text, words in HOSTILE:
        assert words in said, text[:40]
    assert address.followed == 0
    address.answers = []
    await until(rate, lambda seen: seen.get("cashier_rate_usable") == 1, "a rate again")
    (line,) = await lines(shop, "carol")
    assert [line[name] for name in VALUE] == [None] * 4
    (line,) = await lines(shop, "alice")
    assert line["value"] == "30617.25"


def _given(address: Address) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(address.given)

    return count
