"""The signer's own caps: what it signs away per transaction, per day and per minute. Pure.

They hold whatever the rest of the process asks for. The window lives in memory: a restart forgets
it, the caps of the ledger do not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from coins.errors import SignerError
from coins.types import AttemptPlan

DAY_S = 86_400.0
MINUTE_S = 60.0


def outgoing(plan: AttemptPlan) -> int:
    """Base units that leave the house by a plan: its outputs without the change."""
    change = plan.change.script if plan.change is not None else None
    return sum(output.amount for output in plan.outputs if output.script != change)


def lane(plan: AttemptPlan) -> str:
    """What only one chain tx can ever use: the same inputs, or the same nonce of the same account.

    Two plans of one lane exclude each other on the chain, so only the dearer one counts. The intent
    would be no such proof: it is just a name that the asker chose.
    """
    account = plan.sender.script.hex() if plan.sender is not None else ""
    inputs = sorted(f"{utxo.outpoint.txid}:{utxo.outpoint.index}" for utxo in plan.inputs)
    return ",".join([f"{account}:{plan.nonce}", *inputs])


class SpendingLimits:
    """Caps over all requests of one signer; ``now`` gives monotonic seconds."""

    def __init__(self, per_minute: int, now: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._now = now
        self._signed_at: deque[float] = deque()
        self._spent: dict[str, dict[str, tuple[float, int]]] = {}

    def count_request(self) -> None:
        """Raise SignerError when more signatures than the configured ones fall into a minute."""
        now = self._now()
        while self._signed_at and self._signed_at[0] <= now - MINUTE_S:
            self._signed_at.popleft()
        if len(self._signed_at) >= self._per_minute:
            raise SignerError(f"more than {self._per_minute} signatures in a minute")
        self._signed_at.append(now)

    def check(self, plan: AttemptPlan, tx_cap: int, day_cap: int) -> None:
        """Raise SignerError when a plan is above a cap (base units)."""
        amount = outgoing(plan)
        if amount > tx_cap:
            raise SignerError(f"{amount} base units are above the signer's cap of {tx_cap} per transaction")
        spent = self._last_day(plan.currency)
        _, earlier = spent.get(lane(plan), (0.0, 0))
        total = sum(amount for _, amount in spent.values()) - earlier + max(earlier, amount)
        if total > day_cap:
            raise SignerError(f"{total} base units within a day are above the signer's cap of {day_cap}")

    def record(self, plan: AttemptPlan) -> None:
        """Remember what was signed."""
        spent = self._last_day(plan.currency)
        _, earlier = spent.get(lane(plan), (0.0, 0))
        spent[lane(plan)] = (self._now(), max(earlier, outgoing(plan)))

    def _last_day(self, currency: str) -> dict[str, tuple[float, int]]:
        """Lane to time and amount, without what is older than a day."""
        oldest = self._now() - DAY_S
        kept = {key: entry for key, entry in self._spent.get(currency, {}).items() if entry[0] > oldest}
        self._spent[currency] = kept
        return kept
