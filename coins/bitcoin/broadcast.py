"""What the node's answer to a broadcast means: one table. Pure.

Two rules stand behind it. An answer decides ``REJECTED`` only if these very bytes can never have
been valid for the node: everything that depends on the moment (the state of the mempool, of the
inputs, of the connection) is ``UNKNOWN``, and only the chain can tell. And the code alone decides
nothing: nodes use -25 for spent inputs and for a fee above their own limit alike.
"""

from __future__ import annotations

from coins.types import BroadcastOutcome, BroadcastResult

_KNOWN, _UNKNOWN, _REJECTED = BroadcastOutcome.KNOWN, BroadcastOutcome.UNKNOWN, BroadcastOutcome.REJECTED

# (code or None for any, part of the text in lower case, outcome); the first line that fits counts.
# Texts of Bitcoin Core 0.21 to 29 and Litecoin Core 0.21.
DECISIONS: tuple[tuple[int | None, str, BroadcastOutcome], ...] = (
    # Already there.
    (-27, "", _KNOWN),
    (None, "txn-already-in-mempool", _KNOWN),
    (None, "txn-same-nonwitness-data-in-mempool", _KNOWN),
    (None, "txn-already-known", _KNOWN),
    (None, "already in block chain", _KNOWN),
    (None, "already in utxo set", _KNOWN),
    # Above the node's own fee limit: never valid there, whatever the moment.
    (None, "fee exceeds maximum configured", _REJECTED),
    (None, "max-fee-exceeded", _REJECTED),
    (None, "absurdly-high-fee", _REJECTED),
    # Spent inputs: by somebody else, or by this chain tx itself when it is mined and spent on.
    (None, "missingorspent", _UNKNOWN),
    (None, "missing-inputs", _UNKNOWN),
    (None, "missing inputs", _UNKNOWN),
    # A conflict in the mempool: the other one may be an earlier attempt of the same payout.
    (None, "txn-mempool-conflict", _UNKNOWN),
    (None, "insufficient fee", _UNKNOWN),
    (None, "replacement", _UNKNOWN),
    (None, "bad-txns-spends-conflicting-tx", _UNKNOWN),
    # True only for now: a fuller mempool, a long chain of unconfirmed parents, an immature input.
    (None, "mempool min fee not met", _UNKNOWN),
    (None, "mempool full", _UNKNOWN),
    (None, "too-long-mempool-chain", _UNKNOWN),
    (None, "premature-spend", _UNKNOWN),
    (None, "non-final", _UNKNOWN),
    (None, "non-bip68-final", _UNKNOWN),
    # Everything else of these codes is a rule of consensus or policy that these bytes break.
    (-26, "", _REJECTED),
    (-22, "", _REJECTED),
)


PAYEE_FAULTS = (
    "dust",
    "scriptpubkey",
    "datacarrier",
    "multi-op-return",
    "bare-multisig",
    "oversized-op-return",
)
"""How reasons begin that are about an output as it is: whenever it is asked, and whoever spends for it."""


def blames_payee(reason: str) -> bool:
    """Whether a ``reject-reason`` says of an output that the node never relays it."""
    return reason.lower().startswith(PAYEE_FAULTS)


def is_too_cheap(reason: str) -> bool:
    """Whether a ``reject-reason`` says that the node relays, or keeps, nothing at this price now."""
    return reason.lower().startswith(("min relay fee not met", "mempool min fee not met"))


def decide(code: int | None, text: str) -> BroadcastResult:
    """Outcome of an RPC error (``code`` given) or of a ``reject-reason`` (``code`` -26)."""
    lowered = text.lower()
    for row_code, part, outcome in DECISIONS:
        if row_code in (None, code) and part in lowered:
            return BroadcastResult(outcome, text)
    return BroadcastResult(_UNKNOWN, text)
