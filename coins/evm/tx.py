"""The one kind of transaction we send: EIP-1559 (type 2), native value or a token's transfer. Pure.

Its canonical JSON is the payload of an attempt plan; ``check_plan`` is where planning, signer and
the check of what was signed agree on what a plan means.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from coins.errors import SignerError
from coins.evm.calldata import decode_transfer
from coins.types import AttemptPlan

PAYOUT = "payout"
SWEEP = "sweep"
TOP_UP = "top_up"
COLD = "cold"
CANCEL = "cancel"
"""Nothing to ourselves: uses up the nonce of a payment that was stopped, so that it can never be mined."""
_KINDS = ((PAYOUT, COLD, SWEEP, TOP_UP, CANCEL), (PAYOUT, COLD, SWEEP))
"""What is sent of the chain's own currency, and of a token."""
_FIELDS = ("chain_id", "gas", "max_fee_wei", "nonce", "priority_fee_wei", "to", "value")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_LIMITS = {"chain_id": 2**63, "gas": 2**63, "nonce": 2**64 - 1}  # EIP-2681 bounds the nonce
_WORD = 2**256
_TO = re.compile(r"[0-9a-f]{40}", re.ASCII)
_DATA = re.compile(r"[0-9a-f]{136}", re.ASCII)  # a transfer's calldata, the one call we send


@dataclass(frozen=True, slots=True)
class UnsignedTx:
    """What is signed. Amounts in wei; ``to`` is the 20-byte recipient, a contract where there is ``data``."""

    chain_id: int
    nonce: int
    to: bytes
    value: int
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    data: bytes = b""

    @property
    def fee(self) -> int:
        """The most that gas may cost, in wei."""
        return self.gas * self.max_fee_wei


def encode_payload(tx: UnsignedTx) -> str:
    """Canonical JSON of an unsigned transaction; numbers are decimal strings, ``to`` is hex.

    So is ``data``, which is there only when it is not empty.
    """
    body = {name: str(getattr(tx, name)) for name in _FIELDS if name != "to"}
    body["to"] = tx.to.hex()
    if tx.data:
        body["data"] = tx.data.hex()
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def decode_payload(text: str) -> UnsignedTx:
    """Inverse of :func:`encode_payload`; any other text, also another spelling, raises SignerError."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise SignerError("the payload is no JSON") from None
    if not isinstance(body, dict) or tuple(sorted(body.keys() - {"data"})) != _FIELDS:
        raise SignerError("the payload has other fields than a payment has")
    if not all(isinstance(value, str) for value in body.values()) or not _TO.fullmatch(body["to"]):
        raise SignerError("the payload has a field of a wrong type")
    if "data" in body and not _DATA.fullmatch(body["data"]):
        raise SignerError("the payload's data is no call of a transfer")
    numbers = {name: body[name] for name in _FIELDS if name != "to"}
    for name, value in numbers.items():
        if not _NUMBER.fullmatch(value) or int(value) >= _LIMITS.get(name, _WORD):
            raise SignerError(f"the payload's {name} is no number")
    tx = UnsignedTx(
        to=bytes.fromhex(body["to"]),
        data=bytes.fromhex(body.get("data", "")),
        **{name: int(value) for name, value in numbers.items()},
    )
    if encode_payload(tx) != text:
        raise SignerError("the payload is not in its canonical form")
    return tx


def check_plan(plan: AttemptPlan, currency: str, chain_id: int, contract: bytes | None = None) -> UnsignedTx:
    """The transaction of a plan, once payload and plan agree in every field. Raises SignerError.

    With the ``contract`` of a token it is a call of that contract's transfer, and nothing of value. A
    ``cancel`` pays nothing to the sender itself, whatever it is in.
    """
    if plan.kind == CANCEL:
        contract = None
    tx = decode_payload(plan.payload)
    if plan.currency != currency:
        raise SignerError(f"the plan is in {plan.currency[:20]!r}, not {currency}")
    if plan.kind not in _KINDS[contract is not None]:
        raise SignerError("the plan is of an unknown kind")
    if plan.inputs or plan.change is not None or plan.sender is None or len(plan.outputs) != 1:
        raise SignerError("the plan has not the form of an account payment")
    output = plan.outputs[0]
    recipient, amount = (tx.to, tx.value) if contract is None else _transfer(tx, contract)
    wrong = [
        name
        for name, is_same in (
            ("chain id", tx.chain_id == chain_id),
            ("nonce", tx.nonce == plan.nonce),
            ("recipient", recipient == output.script),
            ("amount", amount == output.amount and (amount > 0) is (plan.kind != CANCEL)),
            ("payee", plan.kind != CANCEL or recipient == plan.sender.script),
            ("data", bool(tx.data) is (contract is not None)),
            ("fee", tx.fee == plan.fee),
            ("priority fee", tx.priority_fee_wei <= tx.max_fee_wei),
        )
        if not is_same
    ]
    if wrong:
        raise SignerError(f"payload and plan differ in: {', '.join(wrong)}")
    return tx


def _transfer(tx: UnsignedTx, contract: bytes) -> tuple[bytes, int]:
    """Recipient and amount of the calldata, when it goes to the token's contract. Raises SignerError."""
    if tx.to != contract or tx.value:
        raise SignerError("the payload is no call of the token's contract")
    try:
        return decode_transfer(tx.data)
    except ValueError as error:
        raise SignerError(f"the payload is no payment: {error}") from None
