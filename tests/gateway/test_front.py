"""The front as the service uses it: a socket that outlives servers, settings that change while it runs."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession

from actors.front import Front
from gateway.front import HttpFront, make_front
from gateway.secret import GatewaySecretError
from tests.gateway.calls import script
from tests.gateway.fake import SECRET, FakeClock, FakeDirectory, FakeMetrics, FakeRandom, load_settings
from tests.gateway.samples import deposit_view, event_view


def front_of(directory: FakeDirectory) -> Front:
    return HttpFront(load_settings(), directory, FakeMetrics(), FakeClock(), FakeRandom(), SECRET)


async def test_the_socket_serves_again_after_its_server_closed() -> None:
    directory = FakeDirectory()
    script(directory)
    front = front_of(directory)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/openapi.json"
        for _ in range(2):
            server = await front.serve(listener)
            async with ClientSession() as http, http.get(url) as reply:
                described = await reply.json()
                assert described["servers"] == [{"url": url.removesuffix("/openapi.json")}]
            server.outbox_ready(7)
            await server.close()
    async with ClientSession() as http:
        with pytest.raises(ClientConnectionError):
            await http.get(url)


def test_events_of_a_currency_that_was_switched_off_are_still_shown() -> None:
    front = front_of(FakeDirectory())
    front.update(load_settings().model_copy(update={"coins": {}}))
    body = front.render_event(event_view(3, "deposit.credited", deposit_view()))
    assert (body["sequence"], body["type"], body["data"]["amount"]) == (3, "deposit.credited", "0.00150000")


def test_what_was_booked_in_a_currency_without_a_file_any_more_is_still_shown() -> None:
    front = front_of(FakeDirectory())
    front.remember({"DASH": 8, "BTC": 3})
    body = front.render_event(event_view(3, "deposit.credited", deposit_view(currency="DASH")))
    assert (body["data"]["currency"], body["data"]["amount"]) == ("DASH", "0.00150000")
    body = front.render_event(event_view(3, "deposit.credited", deposit_view()))
    assert body["data"]["amount"] == "0.00150000", "the configuration's word counts where there is one"


def test_the_secret_is_made_at_the_first_start(tmp_path: Path) -> None:
    path = tmp_path / "data" / "gateway.secret"
    settings = load_settings(secret_file=path)
    directory: Any = FakeDirectory()
    make_front(settings, directory, FakeMetrics(), FakeClock())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(GatewaySecretError):
        make_front(settings, directory, FakeMetrics(), FakeClock())
