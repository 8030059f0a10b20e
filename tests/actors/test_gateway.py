"""The gateway as an actor: the port opens with it and closes with it, hints are passed on."""

from __future__ import annotations

from actors.gateway import GatewayActor, Server
from actors.messages import OutboxReady
from tests.actors.doors import QuietServer
from tests.actors.house import actor_of, ended, exit_of
from tests.fakes.clock import until


async def test_it_serves_from_its_start_to_its_end_and_passes_hints_on() -> None:
    server = QuietServer()

    async def serve() -> Server:
        return server

    ref = GatewayActor.start(serve)
    actor = actor_of(ref)
    ref.tell(OutboxReady(7))
    await until(lambda: server.sequences == [7])
    assert not server.is_closed
    actor.stop()
    assert await ended(actor) == "stopped"
    assert server.is_closed


async def test_a_port_that_is_taken_is_a_failed_start() -> None:
    async def serve() -> Server:
        raise OSError("address already in use")

    actor = actor_of(GatewayActor.start(serve))
    assert await ended(actor) == "crashed"
    assert isinstance(exit_of(actor).error, OSError)


async def test_a_killed_gateway_closes_its_port_too() -> None:
    server = QuietServer()

    async def serve() -> Server:
        return server

    actor = actor_of(GatewayActor.start(serve))
    await actor.ping()
    actor.kill()
    await ended(actor)
    assert server.is_closed
