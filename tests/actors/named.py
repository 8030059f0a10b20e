"""Actors under names, for the tests of the directory."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.directory import Directory
from tests.actors.house import (
    EchoActor,
    actor_of,
)

PATIENCE_S = 30.0
"""Longer than any test takes: a deadline that is not what the test is about."""
SOON_S = 0.01
"""A deadline the test waits for."""


def start_as(directory: Directory, name: str, kind: type[EchoActor] = EchoActor) -> EchoActor:
    """A running echo actor under this name."""
    ref = kind.start()
    directory.up(name, ref)
    actor = actor_of(ref)
    assert isinstance(actor, EchoActor)
    return actor


def ask(directory: Directory, name: str, message: Any, timeout_s: float = PATIENCE_S) -> asyncio.Task[Any]:
    """An ask on its way."""
    return asyncio.ensure_future(directory.ask(name, message, timeout_s=timeout_s))


class Meters:
    """Counts what the runtime reports."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def meter(self, name: str) -> Meter:
        """The meter of one name."""
        return Meter(name, self.counts)


class Meter:
    """Counts what the runtime reports of one name."""

    def __init__(self, name: str, counts: dict[str, int]) -> None:
        self._name = name
        self._counts = counts

    def _count(self, what: str) -> None:
        key = f"{self._name} {what}"
        self._counts[key] = self._counts.get(key, 0) + 1

    def handled(self, seconds: float) -> None:
        """One message was handled."""
        assert seconds >= 0
        self._count("handled")

    def waiting(self, messages: int) -> None:
        """The depth of the inbox was seen."""
        assert messages >= 0
        self._count("waiting")

    def restarted(self) -> None:
        """A new incarnation came."""
        self._count("restarted")

    def dead_letter(self) -> None:
        """A told message was lost."""
        self._count("dead")
