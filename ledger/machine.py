"""State machines as tables: the only list of what may follow what. Pure.

A table maps ``(state, event)`` to a :class:`Step`; ``None`` as state is "not there yet". What is not
in the table is illegal. Code, diagrams and tests read the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from ledger.errors import IllegalTransitionError

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Who(StrEnum):
    """On whose authority an event happens."""

    CHAIN = "chain"  # evidence in a block or in the mempool
    OWNER = "owner"  # the website or the client's session
    OPERATOR = "operator"
    SENDER = "sender"  # the actor that plans, signs and sends


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """Where an event leads, the event type others hear (None: nothing), and who may raise it."""

    to: S
    notify: str | None
    who: tuple[Who, ...] = (Who.CHAIN,)


def advance(table: Mapping[tuple[S | None, E], Step[S]], state: S | None, event: E, who: Who) -> Step[S]:
    """The step for an event. Raises IllegalTransitionError when the table does not know or allow it."""
    step = table.get((state, event))
    if step is None:
        raise IllegalTransitionError(f"{event} is not possible while {state or 'new'}")
    if who not in step.who:
        raise IllegalTransitionError(f"{event} may not be raised by {who}")
    return step


def reachable(table: Mapping[tuple[S | None, E], Step[S]]) -> frozenset[S]:
    """Every state that can be reached from nothing."""
    found: set[S] = set()
    frontier: list[S | None] = [None]
    while frontier:
        state = frontier.pop()
        for (start, _), step in table.items():
            if start == state and step.to not in found:
                found.add(step.to)
                frontier.append(step.to)
    return frozenset(found)


def ends(table: Mapping[tuple[S | None, E], Step[S]]) -> frozenset[S]:
    """States that nothing leads out of."""
    return frozenset(step.to for step in table.values()) - {start for start, _ in table if start is not None}


def diagram(table: Mapping[tuple[S | None, E], Step[S]]) -> str:
    """The table as a Mermaid state diagram, in the order of the table."""
    lines = ["stateDiagram-v2"]
    for (start, event), step in table.items():
        who = "" if step.who == (Who.CHAIN,) else f" ({', '.join(step.who)})"
        lines.append(f"    {start or '[*]'} --> {step.to}: {event}{who}")
    lines += [f"    {state} --> [*]" for state in sorted(ends(table))]
    return "\n".join(lines)
