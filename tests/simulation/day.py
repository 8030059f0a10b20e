"""What happens on a simulated day: a list drawn from its seed alone. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HOUR_S = 3600

BLOCK_S: Mapping[str, float] = {"BTC": 600, "LTC": 150, "ETH": 60}
"""Mean pause between two blocks; ETH's is that of a quiet chain, twelve seconds with ``is_dense``."""
DENSE_BLOCK_S: Mapping[str, float] = {"BTC": 600, "LTC": 150, "ETH": 12}

OF_CLIENTS = {
    "pay": 16,
    "pay_many": 3,
    "pay_twice": 3,
    "pay_tiny": 2,
    "pay_dust": 1,
    "replace": 3,
    "withdraw": 16,
    "cancel": 3,
    "transfer": 4,
}
"""What clients do, and how often each."""
OF_HOUSE = {"fund": 2, "fund_unannounced": 1, "from_cold": 3, "adjust": 5, "import": 2}
"""What operators do besides looking at what waits for them."""
TROUBLES = {
    "reorg": 6,
    "double_payment": 8,
    "node_down": 3,
    "node_lags": 2,
    "broadcasts_lost": 2,
    "unmined": 2,
    "failed_payout": 1,
    "crash": 3,
    "restart_coin": 2,
    "kill": 2,
    "stop": 1,
    "jump": 1,
}
"""What goes wrong around the cashier, without anything being wrong with its books."""
LOOKS = {"look_at_held": 420, "look_at_cases": 3600}
"""How often operators look, in seconds."""
PER_HOUR = {"clients": 14.0, "house": 1.0, "troubles": 1.6}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens ``at_s`` seconds after the beginning; ``draw`` seeds its details.

    ``chain`` is where, empty where it is no matter of one chain.
    """

    at_s: float
    kind: str
    chain: str
    draw: int


def draw_day(seed: int, hours: float, *, is_dense: bool = False) -> list[Happening]:
    """Everything that happens in so many hours, in order."""
    rng = random.Random(f"day {seed}")
    spacing = DENSE_BLOCK_S if is_dense else BLOCK_S
    busy = 4.0 if is_dense else 1.0
    until_s = hours * HOUR_S
    found = list(_blocks(rng, spacing, until_s))
    tables = ((OF_CLIENTS, "clients", busy), (OF_HOUSE, "house", 1.0), (TROUBLES, "troubles", 1.0))
    for kinds, who, factor in tables:
        found += _stream(rng, kinds, HOUR_S / (PER_HOUR[who] * factor), tuple(spacing), until_s)
    for kind, every_s in LOOKS.items():
        looks = range(every_s, int(until_s), every_s)
        found += [Happening(at_s, kind, "", rng.getrandbits(32)) for at_s in looks]
    return sorted(found, key=lambda each: (each.at_s, each.kind, each.chain, each.draw))


def _blocks(rng: random.Random, spacing: Mapping[str, float], until_s: float) -> Iterator[Happening]:
    """Blocks found by chance where work finds them, on the beat where validators do."""
    for chain, mean_s in spacing.items():
        at_s = 0.0
        while True:
            at_s += mean_s if chain == "ETH" else rng.expovariate(1 / mean_s)
            if at_s >= until_s:
                break
            yield Happening(at_s, "block", chain, rng.getrandbits(32))


def _stream(
    rng: random.Random, kinds: Mapping[str, int], mean_s: float, chains: tuple[str, ...], until_s: float
) -> Iterator[Happening]:
    """Things that happen at any time, by their weights."""
    at_s = rng.expovariate(1 / mean_s)
    while at_s < until_s:
        (kind,) = rng.choices(list(kinds), list(kinds.values()))
        yield Happening(at_s, kind, rng.choice(chains), rng.getrandbits(32))
        at_s += rng.expovariate(1 / mean_s)
