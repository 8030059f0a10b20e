"""The monitoring port, over a real socket."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from monitoring.exporter import Exporter, build_app
from monitoring.health import CurrencyHealth, Liveness, Readiness
from monitoring.metrics import Metrics


@dataclass
class World:
    """What the callables answer."""

    live: Liveness = field(default_factory=lambda: Liveness(is_alive=True))
    ready: Readiness = field(
        default_factory=lambda: Readiness(
            is_core_ready=True,
            currencies=(
                CurrencyHealth("BTC", "open", 100, 0),
                CurrencyHealth("LTC", "down", 50, None, "node refuses the connection"),
            ),
        )
    )
    url: str = ""

    async def readiness(self) -> Readiness:
        return self.ready


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    app = build_app(Metrics().render, lambda: world.live, world.readiness)
    exporter = Exporter(app, "127.0.0.1", 0)
    world.url = f"http://127.0.0.1:{await exporter.start()}"
    yield world
    await exporter.stop()


async def get(url: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status, reply.headers["Content-Type"], await reply.text()


async def get_json(url: str) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status, await reply.json()


async def test_metrics_are_served_in_both_forms(world: World) -> None:
    status, content_type, text = await get(f"{world.url}/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert "# TYPE cashier_node_height_blocks gauge" in text
    assert "process_resident_memory_bytes" in text


async def test_healthz_follows_the_process(world: World) -> None:
    assert await get_json(f"{world.url}/healthz") == (200, {"alive": True, "reason": ""})
    world.live = Liveness(is_alive=False, reason="event loop stuck")
    assert await get_json(f"{world.url}/healthz") == (503, {"alive": False, "reason": "event loop stuck"})


async def test_currency_that_is_down_does_not_make_the_server_unready(world: World) -> None:
    status, body = await get_json(f"{world.url}/readyz")
    assert status == 200
    assert body["ready"] is True
    assert body["currencies"] == {
        "BTC": {"ready": True, "state": "open", "height": 100, "lag_blocks": 0, "reason": ""},
        "LTC": {
            "ready": False, "state": "down", "height": 50, "lag_blocks": None,
            "reason": "node refuses the connection",
        },
    }  # fmt: skip


async def test_one_currency_can_be_asked_for(world: World) -> None:
    assert (await get_json(f"{world.url}/readyz?currency=BTC"))[0] == 200
    assert (await get_json(f"{world.url}/readyz?currency=LTC"))[0] == 503
    assert (await get_json(f"{world.url}/readyz?currency=<b>"))[0] == 404


async def test_no_currency_is_ready_without_the_core(world: World) -> None:
    world.ready = Readiness(is_core_ready=False, currencies=world.ready.currencies, reason="ledger restarts")
    status, body = await get_json(f"{world.url}/readyz")
    assert (status, body["reason"]) == (503, "ledger restarts")
    assert (await get_json(f"{world.url}/readyz?currency=BTC"))[0] == 503


async def test_a_stop_of_all_payouts_is_shown_and_the_server_stays_ready(world: World) -> None:
    body = (await get_json(f"{world.url}/readyz"))[1]
    assert (body["payouts_stopped"], body["stop_reason"]) == (False, "")
    world.ready = Readiness(True, world.ready.currencies, stopped="strange payouts")
    status, body = await get_json(f"{world.url}/readyz")
    assert (status, body["payouts_stopped"], body["stop_reason"]) == (200, True, "strange payouts")


@pytest.mark.parametrize(
    ("state", "is_ready"),
    [
        ("open", True),
        ("draining", True),
        ("paused", False),
        ("behind", False),
        ("stalled", False),
        ("halted", False),
    ],
)
def test_readiness_of_a_state(state: str, is_ready: bool) -> None:
    assert CurrencyHealth("BTC", state).is_ready == is_ready


async def test_other_paths_and_methods_are_refused(world: World) -> None:
    assert (await get(f"{world.url}/"))[0] == 404
    async with aiohttp.ClientSession() as session, session.post(f"{world.url}/metrics") as reply:
        assert reply.status == 405


async def test_tree_is_served_where_there_is_one(world: World) -> None:
    assert (await get(f"{world.url}/tree"))[0] == 404

    async def tree() -> dict[str, object]:
        return {"name": "root", "children": []}

    app = build_app(Metrics().render, lambda: world.live, world.readiness, tree)
    exporter = Exporter(app, "127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{await exporter.start()}"
        assert await get_json(f"{url}/tree") == (200, {"name": "root", "children": []})
    finally:
        await exporter.stop()


async def test_port_in_use_is_an_oserror_and_leaves_nothing_open() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        app = build_app(Metrics().render, lambda: Liveness(is_alive=True), World().readiness)
        with pytest.raises(OSError, match="address already in use"):
            await Exporter(app, "127.0.0.1", taken.getsockname()[1]).start()


async def test_a_comparison_is_asked_for_by_a_post_of_json_alone() -> None:
    asked: list[tuple[str, int | None]] = []

    async def compare(chain: str, height: int | None) -> dict[str, object]:
        asked.append((chain, height))
        return {"comparisons": []}

    app = build_app(
        Metrics().render, lambda: Liveness(is_alive=True), World().readiness, compare=compare, token="t0"
    )
    exporter = Exporter(app, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{await exporter.start()}/reconcile"
    try:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer t0"}) as session:
            statuses = []
            bodies: list[object] = [{"chain": "BTC", "height": None}, {"chain": "BTC", "height": 7}]
            bodies += [{"chain": 1}, [], {"chain": "BTC", "height": True}, {"chain": 1, "height": 1}]
            for body in bodies:
                async with session.post(url, json=body) as reply:
                    statuses.append(reply.status)
            async with session.post(url, data='{"chain": "BTC", "height": null}') as reply:
                statuses.append(reply.status)
            async with session.get(url) as reply:
                statuses.append(reply.status)
        assert statuses == [200, 200, 400, 400, 400, 400, 415, 405]
        assert asked == [("BTC", None), ("BTC", 7)]
    finally:
        await exporter.stop()


@pytest.mark.parametrize("token", ["", "t0"])
async def test_a_comparison_is_for_who_shows_the_token_and_for_no_browser(token: str) -> None:
    asked: list[str] = []

    async def compare(chain: str, height: int | None) -> dict[str, object]:
        asked.append(chain)
        return {}

    app = build_app(
        Metrics().render, lambda: Liveness(is_alive=True), World().readiness, compare=compare, token=token
    )
    exporter = Exporter(app, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{await exporter.start()}/reconcile"
    body = {"chain": "BTC", "height": None}
    wrong: list[list[tuple[str, str]]] = [
        [],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Bearer t")],
        [("Authorization", "Bearer t0x")],
        [("Authorization", "t0")],
        [("Authorization", "Basic t0")],
        [("Authorization", "Bearer t\u00e9")],
        [("Authorization", "Bearer t0"), ("Authorization", "Bearer t0")],
    ]
    try:
        async with aiohttp.ClientSession() as session:
            for headers in wrong:
                async with session.post(url, json=body, headers=headers) as reply:
                    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer"), headers
            for origin in ("null", "http://127.0.0.1", "https://evil.example"):
                shown = {"Authorization": "Bearer t0", "Origin": origin}
                async with session.post(url, json=body, headers=shown) as reply:
                    assert reply.status == 403
            assert asked == []
            async with session.post(url, json=body, headers={"Authorization": "Bearer t0"}) as reply:
                assert reply.status == (200 if token else 401)
        assert asked == (["BTC"] if token else [])
    finally:
        await exporter.stop()
