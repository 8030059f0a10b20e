"""What the signer remembers of one signature, and how it is written down. Pure.

An entry is one line of JSON. Each carries a MAC over itself and the MAC before it, under a key that
follows from the seed: nobody else can write one, alter one or take one out of the middle.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from coins.codec import encode_plan
from coins.types import CONSOLIDATE, CPFP, AttemptPlan

STAYS = frozenset({"sweep", "cancel", CPFP, CONSOLIDATE})
"""Kinds that pay nobody outside the house; each family proves that before it signs one."""
COLD = "cold"
"""The kind that goes to the configured cold address, which each family proves as well: no cap counts it."""
_KEY_USE = b"signer record 1"


class EntryError(Exception):
    """A line that is no entry of this record."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One signature: when (unix seconds), for what, and what only one chain tx can ever use.

    ``plan`` is the SHA-256 of the plan's text. ``claims`` are inputs, or a nonce of an account: two
    entries with a common claim exclude each other on the chain. ``pays`` maps each intent that pays
    somebody to the SHA-256 of its payment (currency, script, amount), ``spent`` a currency to the base
    units that leave the house; ``fee`` is in base units of ``chain``, the chain's own currency.
    """

    at: int
    plan: str
    chain: str
    claims: frozenset[str]
    pays: dict[str, str]
    spent: dict[str, int]
    fee: int


def outgoing(plan: AttemptPlan) -> int:
    """Base units that leave the house by a plan: its outputs without the change."""
    if plan.kind in STAYS or plan.kind == COLD:
        return 0
    change = plan.change.script if plan.change is not None else None
    return sum(output.amount for output in plan.outputs if output.script != change)


def entry_of(plan: AttemptPlan, chain: str, at: int) -> Entry:
    """What is remembered of a plan; ``chain`` is the currency its fee is in."""
    claims = {f"{chain}:{utxo.outpoint.txid}:{utxo.outpoint.index}" for utxo in plan.inputs}
    if plan.sender is not None:
        claims.add(f"{chain}:{plan.sender.script.hex()}:{plan.nonce}")
    amount = outgoing(plan)
    return Entry(
        at=at,
        plan=hashlib.sha256(encode_plan(plan).encode()).hexdigest(),
        chain=chain,
        claims=frozenset(claims),
        pays={} if plan.kind in STAYS else _payments(plan),
        spent={plan.currency: amount} if amount else {},
        fee=plan.fee,
    )


def _payments(plan: AttemptPlan) -> dict[str, str]:
    """Intent to the digest of what it pays; the outputs are in the order of the intents."""
    return {
        intent_id: hashlib.sha256(
            f"{plan.currency}:{output.script.hex()}:{output.amount}".encode()
        ).hexdigest()
        for intent_id, output in zip((plan.intent_id, *plan.more), plan.outputs, strict=False)
    }


def record_key(seed: bytes) -> bytes:
    """The key of the MACs."""
    return hmac.digest(seed, _KEY_USE, "sha256")


def seal(key: bytes, before: str, body: dict[str, Any]) -> tuple[bytes, str]:
    """The line of a body, and its MAC, which the next line builds on."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    mac = hmac.digest(key, f"{before}{text}".encode(), "sha256").hex()
    return f"{mac} {text}\n".encode(), mac


def unseal(key: bytes, before: str, line: bytes) -> tuple[dict[str, Any], str]:
    """Body and MAC of a line. Raises EntryError unless this very key wrote it after ``before``."""
    mac, _, text = line.rstrip(b"\n").partition(b" ")
    wanted = hmac.digest(key, before.encode() + text, "sha256").hex()
    if not hmac.compare_digest(wanted.encode(), mac):
        raise EntryError("it was altered, or is of another seed")
    body: dict[str, Any] = json.loads(text)
    return body, wanted


def encode_entry(entry: Entry) -> dict[str, Any]:
    """JSON object of an entry; amounts are decimal strings."""
    return {
        "at": entry.at,
        "plan": entry.plan,
        "chain": entry.chain,
        "claims": sorted(entry.claims),
        "pays": entry.pays,
        "spent": {currency: str(amount) for currency, amount in entry.spent.items()},
        "fee": str(entry.fee),
    }


def decode_entry(body: dict[str, Any]) -> Entry:
    """Inverse of :func:`encode_entry`, of what a MAC has vouched for."""
    return Entry(
        at=int(body["at"]),
        plan=str(body["plan"]),
        chain=str(body["chain"]),
        claims=frozenset(body["claims"]),
        pays=dict(body["pays"]),
        spent={currency: int(amount) for currency, amount in body["spent"].items()},
        fee=int(body["fee"]),
    )
