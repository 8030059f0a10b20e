"""What scripts own by the states that a chain in memory keeps."""

from __future__ import annotations

from collections.abc import Sequence

from coins.types import Asked, Holdings, Location
from tests.fakes.chain import FakeBlock, FakeChain, State


def fake_holdings(
    chain: FakeChain, places: dict[bytes, Location], block: FakeBlock, tokens: Sequence[str]
) -> Holdings:
    """What a block's state says scripts own, of the chain's own currency and of tokens."""
    amounts, owned = {}, {}
    for name in ("", *tokens):
        held = state_holdings(block.state, name)
        owned[name or chain.chain] = {script: held[script] for script in places if held.get(script)}
        amounts[name or chain.chain] = by_location(held, places)
    asked = Asked("fake", "state", len(places), chain.tip.ref.height)
    return Holdings(block.ref, amounts, owned, asked)


def state_holdings(state: State, token: str = "") -> dict[bytes, int]:
    """What each script owns in a state; of a token with its name."""
    if token:
        return {script: amount for (name, script), amount in state.tokens.items() if name == token}
    held = dict(state.balances)
    for script, amount in state.outputs.values():
        held[script] = held.get(script, 0) + amount
    return held


def by_location(held: dict[bytes, int], places: dict[bytes, Location]) -> dict[Location, int]:
    """Sums by location."""
    totals = dict.fromkeys(places.values(), 0)
    for script, location in places.items():
        totals[location] += held.get(script, 0)
    return totals


def chain_holdings(
    chain: FakeChain, scripts: Sequence[tuple[bytes, Location]], token: str = ""
) -> dict[Location, int]:
    """What the tip's state itself says scripts own, by location; of a token with its name."""
    return by_location(state_holdings(chain.tip.state, token), dict(scripts))
