"""A supervised house for the tests of supervisors: fake clock, real actors, a diary."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from actors.childspec import ChildSpec, ChildView
from actors.directory import Directory
from actors.runtime import AsyncioActor
from actors.supervisor import Strategy, Supervisor
from tests.actors.house import EchoActor, Fail, actor_of, ended
from tests.fakes.clock import FakeClock, settle, until

PATIENCE_S = 30.0


class BrokenInvariantError(Exception):
    """No restart can mend this."""


@dataclass
class House:
    """A supervised house whose clock stands still, and a diary of what its actors did."""

    clock: FakeClock = field(default_factory=FakeClock)
    directory: Directory = field(default_factory=Directory)
    diary: list[str] = field(default_factory=list)
    failing: dict[str, BaseException] = field(default_factory=dict)
    given_up: list[BaseException] = field(default_factory=list)
    actors: dict[str, EchoActor] = field(default_factory=dict)

    def child(self, name: str, **options: Any) -> ChildSpec:
        """An echo actor that writes into the diary; fails to start while ``failing`` holds its name."""
        house = self

        class Resident(EchoActor):
            async def on_start(self) -> None:
                house.actors[name] = self
                if name in house.failing:
                    raise house.failing[name]
                house.diary.append(f"+{name}")

            async def on_stop(self) -> None:
                house.diary.append(f"-{name}")

        return ChildSpec(name, Resident.start, **options)

    def supervisor(self, *specs: ChildSpec, **options: Any) -> Supervisor:
        """A supervisor not started yet."""
        return Supervisor(
            specs,
            directory=self.directory,
            clock=self.clock,
            rng=random.Random(1),
            **{"on_give_up": self.given_up.append, **options},
        )

    def below(
        self, name: str, *specs: ChildSpec, strategy: Strategy = "one_for_one", **options: Any
    ) -> ChildSpec:
        """A supervisor as a child."""

        def start() -> Any:
            return Supervisor.start(
                specs, directory=self.directory, clock=self.clock, rng=random.Random(1), strategy=strategy
            )

        return ChildSpec(name, start, **options)

    async def root(self, *specs: ChildSpec, **options: Any) -> Supervisor:
        """A running root."""
        ref = Supervisor.start(
            specs,
            directory=self.directory,
            clock=self.clock,
            rng=random.Random(1),
            **{"on_give_up": self.given_up.append, **options},
        )
        self.directory.up("root", ref)
        root = actor_of(ref)
        assert isinstance(root, Supervisor)
        await until(lambda: root.exit is not None or root.actor_inbox._waiter is not None)
        return root

    async def crash(self, name: str, error: BaseException | None = None) -> None:
        """Crash one actor and let everything that follows at once, follow."""
        self.directory.tell(name, Fail(error or RuntimeError("crash")))
        await settle()

    async def ask(self, name: str, message: Any) -> Any:
        """Ask by name."""
        return await self.directory.ask(name, message, timeout_s=PATIENCE_S)


def states(view: ChildView) -> dict[str, str]:
    """The state of every actor below a view."""
    found: dict[str, str] = {}
    for child in view.children:
        found[child.name] = child.state
        found.update(states(child))
    return found


async def stop(actor: AsyncioActor) -> None:
    """Stop an actor politely and wait for its end."""
    actor.stop()
    await ended(actor)
