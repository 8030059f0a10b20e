"""What can still be mined of what is under way, and what will have changed then. Pure.

A candidate can be mined when all it spends is there: in a block, or made by something that is under way too
and can be mined itself. Candidates of one intent exclude each other, so of each movement one comes true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coins.types import Outpoint
from ledger.in_flight_view import (
    CandidateView,
    ForeignSpendView,
    IncomingView,
    LocationLine,
    MovementView,
    Span,
)


@dataclass(frozen=True, slots=True)
class Flight:
    """A candidate with the intent it belongs to; ``missing`` are its inputs that are in no block."""

    intent_id: str
    intent_kind: str
    currency: str
    candidate: CandidateView
    missing: frozenset[Outpoint] = frozenset()


def movements(
    flights: Sequence[Flight], unconfirmed: Collection[Outpoint], foreign: Mapping[Outpoint, str]
) -> tuple[MovementView, ...]:
    """The movements that ``flights`` are, in their order.

    ``unconfirmed`` are outputs that a payment from outside makes, ``foreign`` who else spends an output of
    ours in the node's mempool. A movement of which nothing counts changes nothing.
    """
    judged = _judged(flights, unconfirmed, foreign)
    groups: dict[str, list[Flight]] = {}
    for flight in judged:
        groups.setdefault(flight.intent_id, []).append(flight)
    intent_of = {flight.candidate.txid: flight.intent_id for flight in judged}
    unsure = _unsure(groups, intent_of)
    return tuple(_movement(group, is_unsure=intent_id in unsure) for intent_id, group in groups.items())


def _judged(
    flights: Sequence[Flight], unconfirmed: Collection[Outpoint], foreign: Mapping[Outpoint, str]
) -> list[Flight]:
    """Each with its parents, and whether it counts."""
    known = {outpoint.txid for outpoint in unconfirmed}
    lost: dict[str, str] = {}
    for flight in flights:
        for spent in flight.candidate.inputs:
            if spent.outpoint in foreign:
                lost.setdefault(flight.candidate.attempt_id, foreign[spent.outpoint])
    counted = {f.candidate.txid: f for f in flights if f.candidate.attempt_id not in lost}
    while True:
        there = known | set(counted)
        gone = [t for t, f in counted.items() if any(each.txid not in there for each in f.missing)]
        if not gone:
            break
        for txid in gone:
            del counted[txid]
    return [
        replace(
            flight,
            candidate=replace(
                flight.candidate,
                parents=tuple(sorted({each.txid for each in flight.missing})),
                lost_to=lost.get(flight.candidate.attempt_id),
                is_counted=flight.candidate.txid in counted,
            ),
        )
        for flight in flights
    ]


def _unsure(groups: Mapping[str, Sequence[Flight]], intent_of: Mapping[str, str]) -> set[str]:
    """Intents that may come to nothing, because what they build on may be another candidate of its intent."""
    open_ended = {name for name, group in groups.items() if sum(f.candidate.is_counted for f in group) > 1}
    unsure: set[str] = set()
    while True:
        more = {
            name
            for name, group in groups.items()
            for flight in group
            for parent in flight.candidate.parents
            if intent_of.get(parent) in open_ended | unsure
        }
        if more <= unsure:
            return unsure
        unsure |= more


def _movement(group: Sequence[Flight], *, is_unsure: bool) -> MovementView:
    """All candidates of one intent, and what may become of them."""
    first = group[0]
    counted = [flight.candidate for flight in group if flight.candidate.is_counted]
    changes = [candidate.change for candidate in counted]
    paid = [Span(candidate.paid, candidate.paid) for candidate in counted]
    if is_unsure or not counted:
        changes.append({})
        paid.append(Span())
    places = sorted({location for change in changes for location in change})
    return MovementView(
        intent_id=first.intent_id,
        kind=first.intent_kind,
        currency=first.currency,
        candidates=tuple(flight.candidate for flight in group),
        change={place: _widest(change.get(place, Span()) for change in changes) for place in places},
        paid=_widest(paid),
    )


def _widest(spans: Iterable[Span]) -> Span:
    """From the lowest to the highest of some."""
    every = list(spans)
    return Span(min(each.low for each in every), max(each.high for each in every))


def line_of(
    location: str,
    onchain: int,
    incoming: Iterable[IncomingView],
    foreign: Iterable[ForeignSpendView],
    moving: Iterable[MovementView],
) -> LocationLine:
    """What a location holds, and will hold."""
    comes = sum(each.amount for each in incoming if each.location == location and not each.is_own)
    goes = sum(each.amount for each in foreign if each.location == location)
    change = Span()
    for movement in moving:
        change = change.plus(movement.change.get(location, Span()))
    rest = onchain + comes - goes
    return LocationLine(location, onchain, comes, goes, change, Span(rest, rest).plus(change))
