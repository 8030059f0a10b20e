"""What is approved and by whom: the digest of a payment and its rows; read by writer and readers alike."""

from __future__ import annotations

import hashlib
import json

from ledger.connection import Database
from ledger.views import ApprovalView

OPERATOR = "operator:"
"""What the name of an operator begins with, wherever it says by whom something was done."""


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def digest_of(**fields: str | int) -> str:
    """SHA-256 (hex) of the canonical JSON of what a payment is: members sorted, no spaces, all text."""
    plain = {name: str(value) for name, value in fields.items()}
    return hashlib.sha256(_canonical(plain).encode()).hexdigest()


def read_approvals(db: Database, object_id: str) -> tuple[ApprovalView, ...]:
    """The approvals given to a payment, oldest first."""
    rows = db.execute(
        "SELECT operator_id, digest, at FROM approval WHERE object_id = ? ORDER BY at, operator_id",
        (object_id,),
    )
    return tuple(ApprovalView(f"{OPERATOR}{operator_id}", digest, at) for operator_id, digest, at in rows)
