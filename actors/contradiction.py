"""Whether a node told two things about one block, and what becomes of that: a finding, never a shortfall."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, TypeVar

from actors.place import change_of
from coins.errors import NodeDoubtError
from coins.types import CHANGE, Holdings
from ledger.commands import RecordNodeDoubt
from ledger.difference import NODE_DOUBT, Found
from ledger.reconciliation_view import by_place
from ledger.request import Request
from ledger.views import ReconciliationView, Watched

R = TypeVar("R")


class Ask(Protocol):
    """Asks the ledger's writer or its read side, by name."""

    def __call__(self, name: str, message: Request[R]) -> Awaitable[R]:
        """Its answer."""


Places = Mapping[tuple[str, bytes], int]
"""Base units by (location, script); the script is empty where it is not known."""


def check_consistent(first: Holdings, second: Holdings, places: Mapping[bytes, str]) -> None:
    """Raises NodeDoubtError when two answers about the same scripts at one block are not the same.

    ``places`` are the scripts' locations. A currency that only one of them tells of is no contradiction: what
    was not told is not zero.
    """
    if first.at.block_hash != second.at.block_hash:
        return
    found = {
        currency: _apart(first, second, currency, places)
        for currency in sorted(first.amounts.keys() & second.amounts.keys())
    }
    apart = {currency: amounts for currency, amounts in found.items() if amounts}
    if apart:
        raise _doubt(apart, second)


def check_told_before(view: ReconciliationView, now: Holdings, watched: Sequence[Watched]) -> None:
    """Raises NodeDoubtError when a comparison was told something else about the same block.

    ``watched`` are the scripts that were asked about now. An answer that another way of asking gave, or about
    other scripts, contradicts nothing.
    """
    before, told, asked = view.inputs, now.amounts.get(view.currency), now.asked
    if view.block_hash != now.at.block_hash or told is None or asked is None:
        return
    if (before.get("method"), before.get("scripts")) != (asked.method, len(watched)):
        return
    is_split = any(line["location"] == CHANGE for line in view.lines)
    named = by_place(told, change_of(now, watched).get(view.currency) if is_split else None)
    apart = {
        (line["location"], b""): line["chain"] - named[line["location"]]
        for line in view.lines
        if named.get(line["location"], line["chain"]) != line["chain"]
    }
    if apart:
        raise _doubt({view.currency: apart}, now)


def _apart(first: Holdings, second: Holdings, currency: str, places: Mapping[bytes, str]) -> Places:
    """What the first answer says more than the second, by script where both name them."""
    if currency in first.scripts and currency in second.scripts:
        before, after = first.scripts[currency], second.scripts[currency]
        return {
            (places[script], script): before.get(script, 0) - after.get(script, 0)
            for script in sorted(before.keys() | after.keys())
            if after.get(script, 0) != before.get(script, 0)
        }
    old, new = first.amounts[currency], second.amounts[currency]
    return {
        (location.value, b""): old.get(location, 0) - new.get(location, 0)
        for location in sorted(old.keys() | new.keys())
        if new.get(location, 0) != old.get(location, 0)
    }


def _doubt(apart: Mapping[str, Places], holdings: Holdings) -> NodeDoubtError:
    at = holdings.at
    text = f"the node contradicts itself about block {at.height}"
    return NodeDoubtError(text, at.height, at.block_hash, apart)


def found_of(places: Places, reason: str) -> tuple[Found, ...]:
    """The findings of a contradiction, one for each location."""
    found = []
    for location in sorted({location for location, _ in places}):
        amounts = {script: amount for (place, script), amount in places.items() if place == location}
        script = next(iter(amounts)) if len(amounts) == 1 else b""
        amount = sum(amounts.values()) or max(amounts.values())
        found.append(Found(NODE_DOUBT, location, amount, script=script, detail=reason))
    return tuple(found)


async def record_doubt(ask: Ask, error: NodeDoubtError) -> None:
    """Have the cases of a contradiction opened."""
    for currency, places in error.apart.items():
        found = found_of(places, str(error))
        await ask("ledger", RecordNodeDoubt(currency, error.height, error.block_hash, found))
