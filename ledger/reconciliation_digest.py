"""The digest of a comparison, chained to the one before it of its currency. Pure."""

from __future__ import annotations

import json
from hashlib import sha256

from ledger.reconciliation_view import ReconciliationView


def digest_of(view: ReconciliationView) -> str:
    """SHA-256, as hex, over the comparison as canonical JSON: every member but the digest, keys sorted."""
    body = {
        "id": view.id,
        "currency": view.currency,
        "number": view.number,
        "height": view.height,
        "block_hash": view.block_hash,
        "status": view.status,
        "created_at": view.created_at,
        "cause": view.cause,
        "inputs": view.inputs,
        "lines": list(view.lines),
        "totals": view.totals,
        "prev_digest": view.prev_digest,
    }
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
