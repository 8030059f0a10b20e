"""Who may ask whom: down the layers only, and never in a ring."""

from __future__ import annotations

from collections import Counter

from actors.errors import AskCycleError, LayerError

LAYERS = (
    "gateway",
    "reconciler",
    "withdrawal",
    "sweep",
    "watcher",
    "address",
    "notifier",
    "rates",
    "ledger_reader",
    "ledger",
)
"""Top to bottom. Names not listed (supervisors) stand outside of the layers."""

_DEPTH = {layer: depth for depth, layer in enumerate(LAYERS)}


def depth_of(name: str) -> int | None:
    """The layer of an actor name such as ``watcher:BTC``, 0 at the top; None outside of the layers."""
    return _DEPTH.get(name.partition(":")[0])


def check_layers(asker: str, receiver: str) -> None:
    """Raise ``LayerError`` unless the ask goes down; two of one layer may not ask each other either."""
    above, below = depth_of(asker), depth_of(receiver)
    if above is not None and below is not None and below <= above:
        raise LayerError(f"{asker} may not ask {receiver}: asks go down the layers only")


class WaitGraph:
    """Which actor waits for which, for the asks awaited inside of a handler at this moment."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waits: dict[str, Counter[str]] = {}

    def begin(self, asker: str, receiver: str) -> None:
        """``asker`` begins to wait for ``receiver``; raises ``AskCycleError`` if that closes a ring."""
        ring = self._path(receiver, asker)
        if ring is not None:
            raise AskCycleError(" → ".join([asker, *ring]) + ": these would wait for each other for ever")
        self._waits.setdefault(asker, Counter())[receiver] += 1

    def end(self, asker: str, receiver: str) -> None:
        """``asker`` waits for ``receiver`` no longer (one of its asks, if it had several)."""
        targets = self._waits[asker]
        targets[receiver] -= 1
        if not targets[receiver]:
            del targets[receiver]
        if not targets:
            del self._waits[asker]

    def _path(self, start: str, goal: str) -> list[str] | None:
        """The chain of waiting actors from ``start`` to ``goal``, both included; None without one."""
        stack = [[start]]
        seen = set[str]()
        while stack:
            path = stack.pop()
            if path[-1] == goal:
                return path
            if path[-1] not in seen:
                seen.add(path[-1])
                stack.extend([*path, target] for target in self._waits.get(path[-1], ()))
        return None
