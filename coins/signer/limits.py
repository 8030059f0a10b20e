"""The signer's own caps, and its own rule that nothing is paid twice. Pure.

They hold whatever the rest of the process asks for, from what the signer itself has signed before. What
leaves the house is counted by currency, in the last hour and the last day; fees by chain, in the last day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coins.errors import SignerError
from coins.signer.entry import COLD, Entry, outgoing
from coins.types import CONSOLIDATE, AttemptPlan

DAY_S = 86_400
HOUR_S = 3_600
MINUTE_S = 60.0
COMPARED = frozenset({"payout", "sweep", COLD, CONSOLIDATE})
"""Kinds whose fee is compared with what they move; others move little or nothing on purpose."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Most base units of a currency in one chain tx, an hour and a day, and most fees of its chain a day."""

    tx: int
    hour: int
    day: int
    fees: int


@dataclass(slots=True)
class _Group:
    """Signatures that exclude each other pairwise: all hold every claim in ``core``, so one counts."""

    core: frozenset[str]
    at: int
    spent: dict[str, int]


def _fee_of(chain: str) -> str:
    """The name under which the fees of a chain are summed; no currency has it."""
    return f"fee {chain}"


class RequestRate:
    """Most signatures in a minute, all currencies together; ``now`` gives monotonic seconds."""

    def __init__(self, per_minute: int, now: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._now = now
        self._asked_at: deque[float] = deque()

    def count(self) -> None:
        """Raise SignerError when more signatures than the configured ones fall into a minute."""
        now = self._now()
        while self._asked_at and self._asked_at[0] <= now - MINUTE_S:
            self._asked_at.popleft()
        if len(self._asked_at) >= self._per_minute:
            raise SignerError(f"more than {self._per_minute} signatures in a minute")
        self._asked_at.append(now)


def check_fee(plan: AttemptPlan, percent_max: int, floor: int) -> None:
    """Raise SignerError when a fee is above ``percent_max`` of what is moved, and above ``floor``.

    For plans in the chain's own currency; a token's amount cannot be compared with its gas.
    """
    if plan.kind not in COMPARED or plan.fee <= floor:
        return
    moved = outgoing(plan) if plan.kind == "payout" else sum(output.amount for output in plan.outputs[:1])
    if plan.fee * 100 > moved * percent_max:
        raise SignerError(f"fee {plan.fee} is above {percent_max} % of {moved} base units")


class Memory:
    """What was signed: enough to count it, and to see that nothing is paid a second time."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._plans: set[str] = set()
        self._by_intent: dict[str, list[Entry]] = {}
        self._groups: dict[int, _Group] = {}
        self._group_of: dict[str, int] = {}
        self._next = 0
        for entry in entries:
            self.add(entry)

    def knows(self, entry: Entry) -> bool:
        """Whether this very plan was signed before: it is answered again and counted once."""
        return entry.plan in self._plans

    def check(self, entry: Entry, currency: str, caps: Caps) -> None:
        """Raise SignerError when a new signature would pay an intent twice or is above a cap."""
        self._refuse_second_payment(entry)
        amount = entry.spent.get(currency, 0)
        if amount > caps.tx:
            raise SignerError(f"{amount} base units are above the signer's cap of {caps.tx} per transaction")
        self._forget_groups(entry.at - DAY_S)
        for words, length_s, cap in (("a day", DAY_S, caps.day), ("an hour", HOUR_S, caps.hour)):
            total = self._total(entry, length_s, currency, amount) if amount else 0
            if total > cap:
                raise SignerError(f"{total} base units within {words} are above the signer's cap of {cap}")
        fees = self._total(entry, DAY_S, _fee_of(entry.chain), entry.fee)
        if fees > caps.fees:
            raise SignerError(f"fees of {fees} within a day are above the signer's cap of {caps.fees}")

    def add(self, entry: Entry) -> None:
        """Remember what was signed."""
        self._plans.add(entry.plan)
        for intent_id in entry.pays:
            self._by_intent.setdefault(intent_id, []).append(entry)
        self._forget_groups(entry.at - DAY_S)
        spent = {**entry.spent, _fee_of(entry.chain): entry.fee}
        number = self._group_for(entry)
        if number is None:
            number, self._next = self._next, self._next + 1
            self._groups[number] = _Group(entry.claims, entry.at, spent)
        group = self._groups[number]
        for claim in group.core - entry.claims:
            del self._group_of[claim]
        group.core &= entry.claims
        group.at = max(group.at, entry.at)
        for name, amount in spent.items():
            group.spent[name] = max(group.spent.get(name, 0), amount)
        self._group_of.update(dict.fromkeys(group.core, number))

    def _refuse_second_payment(self, entry: Entry) -> None:
        """Every signature for an intent makes the same payment and excludes all the others."""
        for intent_id, payment in entry.pays.items():
            for earlier in self._by_intent.get(intent_id, ()):
                if earlier.pays[intent_id] != payment:
                    raise SignerError(f"{intent_id} was signed before with another payee or amount")
                if not earlier.claims & entry.claims:
                    raise SignerError(f"{intent_id} was signed before, and both could be mined")

    def _group_for(self, entry: Entry) -> int | None:
        """The group whose every member this excludes: of several the first made."""
        found = {self._group_of[claim] for claim in entry.claims if claim in self._group_of}
        return min(found, default=None)

    def _total(self, entry: Entry, length_s: int, name: str, amount: int) -> int:
        """The sum over a window, with this one; what excludes each other counts once, at its dearest."""
        own = self._group_for(entry)
        earlier = self._groups[own].spent.get(name, 0) if own is not None else 0
        others = sum(
            group.spent.get(name, 0)
            for number, group in self._groups.items()
            if number != own and group.at > entry.at - length_s
        )
        return others + max(earlier, amount)

    def _forget_groups(self, oldest: int) -> None:
        """Nothing that is older counts."""
        for number in [number for number, group in self._groups.items() if group.at <= oldest]:
            for claim in self._groups.pop(number).core:
                del self._group_of[claim]
