"""Attempt plans as canonical JSON: what is stored before signing and what the signer is shown. Pure.

Amounts are JSON strings, scripts hex; the same plan always gives the same text.
"""

from __future__ import annotations

import json
from typing import Any

from coins.types import AttemptPlan, Branch, Outpoint, OwnScript, TxOutput, Utxo


def encode_own(own: OwnScript) -> dict[str, Any]:
    """JSON object of an own script."""
    return {
        "script": own.script.hex(),
        "address": own.address,
        "branch": own.branch.value,
        "index": own.index,
    }


def decode_own(data: dict[str, Any]) -> OwnScript:
    """Inverse of :func:`encode_own`. Raises KeyError or ValueError on anything else."""
    return OwnScript(
        bytes.fromhex(data["script"]), str(data["address"]), Branch(data["branch"]), int(data["index"])
    )


def encode_plan(plan: AttemptPlan) -> str:
    """Canonical JSON of a plan. Further payees are named only where there are any, so that the text of a
    plan with one payee is the same as ever."""
    body: dict[str, Any] = {
        "intent_id": plan.intent_id,
        "kind": plan.kind,
        "currency": plan.currency,
        "outputs": [
            {"script": o.script.hex(), "address": o.address, "amount": str(o.amount)} for o in plan.outputs
        ],
        "fee": str(plan.fee),
        "payload": plan.payload,
        "inputs": [
            {
                "txid": u.outpoint.txid,
                "index": u.outpoint.index,
                "amount": str(u.amount),
                "own": encode_own(u.own),
            }
            for u in plan.inputs
        ],
        "change": encode_own(plan.change) if plan.change else None,
        "sender": encode_own(plan.sender) if plan.sender else None,
        "nonce": plan.nonce,
    }
    if plan.more:
        body["more"] = list(plan.more)
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def decode_plan(text: str) -> AttemptPlan:
    """Inverse of :func:`encode_plan`. Raises KeyError, TypeError or ValueError on anything else."""
    data = json.loads(text)
    return AttemptPlan(
        intent_id=str(data["intent_id"]),
        kind=str(data["kind"]),
        currency=str(data["currency"]),
        outputs=tuple(
            TxOutput(bytes.fromhex(o["script"]), str(o["address"]), int(o["amount"])) for o in data["outputs"]
        ),
        fee=int(data["fee"]),
        payload=str(data["payload"]),
        inputs=tuple(
            Utxo(Outpoint(str(u["txid"]), int(u["index"])), int(u["amount"]), decode_own(u["own"]))
            for u in data["inputs"]
        ),
        change=decode_own(data["change"]) if data["change"] else None,
        sender=decode_own(data["sender"]) if data["sender"] else None,
        nonce=None if data["nonce"] is None else int(data["nonce"]),
        more=tuple(str(intent_id) for intent_id in data.get("more", [])),
    )
