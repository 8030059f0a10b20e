"""What closed months and proofs look like as JSON. Amounts in reports and proofs are whole base units, as
decimal text: they are what was hashed."""

from __future__ import annotations

from typing import Any

from gateway.model import Model


class PeriodReply(Model):
    """A closed month of a currency.

    ``digest`` is SHA-256 over ``report`` as JSON with sorted keys and no spaces; ``last_entry`` is the last
    journal entry that belongs to the month.
    """

    month: str
    currency: str
    chain: str
    height: int
    block_hash: str
    last_entry: int
    digest: str
    closed_at: str
    closed_by: str
    report: dict[str, Any]


class PeriodList(Model):
    """Closed months, newest first."""

    data: list[PeriodReply]


class ProofStep(Model):
    """One node beside the way to the root."""

    hash: str
    amount: str
    is_left: bool


class ProofReply(Model):
    """That a client's balance is in the sum of what was owed; read by ``/verify_liability.py``."""

    month: str
    currency: str
    client_id: str
    nonce: str
    amount: str
    steps: list[ProofStep]
    root: str
    total: str
