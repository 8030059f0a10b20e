"""What a run of the fuzz does: a sequence drawn from its seed alone. Pure.

The same family, seed and number of steps give the same sequence. What comes of it may differ, because
real processes run at their own pace; what the books must say in the end may not.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

COMMON = {
    "handshake": 3,
    "address": 2,
    "pay": 8,
    "pay_below_minimum": 2,
    "pay_twice": 3,
    "pay_many": 3,
    "replace": 4,
    "mine": 12,
    "reorg": 4,
    "double_spend": 5,
    "withdraw": 9,
    "cancel": 2,
    "transfer": 3,
    "node_kill": 4,
    "cashier_kill": 6,
    "node_pause": 3,
}
"""Kinds of actions and how often each comes, on every family."""
OF_FAMILY = {
    "bitcoin": {"coinbase": 2},
    "litecoin": {"coinbase": 2},
    "evm": {"pay_failed": 3},
}
STEPS = 40


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens.

    ``draw`` seeds the details (who, how much, how deep); with ``settles`` the run waits until the cashier has
    seen it, else the next action comes at once.
    """

    kind: str
    draw: int
    settles: bool


def kinds_of(family: str) -> dict[str, int]:
    """The kinds a family knows, with their weights."""
    return COMMON | OF_FAMILY[family]


def draw_actions(family: str, seed: int, steps: int = STEPS) -> list[Action]:
    """The sequence of a run."""
    rng = random.Random(f"{family} {seed}")
    kinds = kinds_of(family)
    chosen = rng.choices(list(kinds), list(kinds.values()), k=steps)
    return [Action(kind, rng.getrandbits(32), rng.random() < 0.6) for kind in chosen]
