"""The judge of chain tx that pay several withdrawals; part of ``tests/fakes/oracle.py``."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations


def check_batches(db: sqlite3.Connection) -> Iterator[str]:
    """I-12, W-51: a withdrawal's signed attempts conflict; the shares of a chain tx's fee sum to it."""
    inputs: dict[str, set[object]] = defaultdict(set)
    for attempt_id, *outpoint in db.execute(
        "SELECT attempt_id, chain, txid, output_index FROM attempt_input"
    ):
        inputs[attempt_id].add(tuple(outpoint))
    by_withdrawal: dict[str, list[str]] = defaultdict(list)
    shares: dict[str, int] = defaultdict(int)
    fees: dict[str, int] = {}
    for attempt_id, withdrawal_id, share, fee, txid, sender, nonce in db.execute(
        "SELECT p.attempt_id, p.withdrawal_id, p.fee_share, a.fee, a.txid, a.sender, a.nonce"
        " FROM attempt_payout p JOIN attempt a ON a.id = p.attempt_id"
    ):
        shares[attempt_id] += int(share)
        fees[attempt_id] = int(fee)
        if sender is not None:
            inputs[attempt_id].add((sender, nonce))
        if txid is not None:
            by_withdrawal[withdrawal_id].append(attempt_id)
    for withdrawal_id, attempts in by_withdrawal.items():
        for first, second in combinations(attempts, 2):
            if not inputs[first] & inputs[second]:
                yield f"I-12 attempts {first} and {second} may both pay {withdrawal_id}"
    for attempt_id, fee in fees.items():
        if shares[attempt_id] != fee:
            yield f"W-51 the shares of attempt {attempt_id} sum to {shares[attempt_id]}, its fee is {fee}"
