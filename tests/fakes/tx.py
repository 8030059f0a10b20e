"""A chain tx of a fake chain, of either kind."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from coins.types import Outpoint

FAUCET = "faucet"
FAUCET_ACCOUNT = b"faucet"


def contract_of(token: str) -> bytes:
    """The account of a token's contract."""
    return hashlib.sha256(f"contract/{token}".encode()).digest()[:20]


class InvalidTxError(Exception):
    """The chain tx cannot be in the mempool or in a block on this branch."""


@dataclass(frozen=True, slots=True)
class FakeTx:
    """A chain tx of either kind. ``outputs`` are (script, amount); ``inputs`` outpoints or faucet marks.

    With ``token`` the one output is in units of it. ``token_fee`` and ``is_ignored`` (the token answers
    false) are what the token made of it in a block, and no part of the chain tx.
    """

    outputs: tuple[tuple[bytes, int], ...] = ()
    inputs: tuple[Outpoint, ...] = ()
    sender: bytes | None = None
    nonce: int | None = None
    gas_fee: int = 0
    is_success: bool = True
    coinbase_of: str = ""
    token: str = ""
    token_fee: int = 0
    is_ignored: bool = False

    @property
    def txid(self) -> str:
        """Hash of the content; an unsuccessful run of the same tx is the same tx."""
        return hashlib.sha256(self.encode().encode()).hexdigest()

    def encode(self) -> str:
        """The bytes a node would be sent, as hex of JSON."""
        body = {
            "outputs": [[script.hex(), str(amount)] for script, amount in self.outputs],
            "inputs": [[i.txid, i.index] for i in self.inputs],
            "sender": None if self.sender is None else self.sender.hex(),
            "nonce": self.nonce,
            "gas_fee": str(self.gas_fee),
            "coinbase_of": self.coinbase_of,
            "token": self.token,
        }
        return json.dumps(body, sort_keys=True).encode().hex()

    @staticmethod
    def decode(raw: str) -> FakeTx:
        """Inverse of :meth:`encode`."""
        body = json.loads(bytes.fromhex(raw))
        return FakeTx(
            outputs=tuple((bytes.fromhex(script), int(amount)) for script, amount in body["outputs"]),
            inputs=tuple(Outpoint(txid, index) for txid, index in body["inputs"]),
            sender=None if body["sender"] is None else bytes.fromhex(body["sender"]),
            nonce=body["nonce"],
            gas_fee=int(body["gas_fee"]),
            coinbase_of=body["coinbase_of"],
            token=body["token"],
        )
