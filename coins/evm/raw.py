"""Raw signed transactions: decoded and compared field by field with what was meant. No keys here."""

from __future__ import annotations

from typing import Any

from eth_hash.auto import keccak
from hexbytes import HexBytes

from coins.errors import SignerError
from coins.eth_library import Account, TypedTransaction
from coins.evm.tx import UnsignedTx
from coins.types import SignedTx

_RAW_MAX = 4096


def check_signed(signed: SignedTx, tx: UnsignedTx, sender: bytes) -> None:
    """Decode raw bytes and compare every field, the sender and the txid. Raises SignerError."""
    fields, found_sender, txid = decode_raw(signed.raw)
    if txid != signed.txid:
        raise SignerError("the signed transaction has another txid than was said")
    if fields != tx_fields(tx) or found_sender != sender:
        raise SignerError("the signed transaction differs from the plan")


def decode_raw(raw: str) -> tuple[dict[str, Any], bytes, str]:
    """Fields, sender (20 bytes) and txid of a raw type 2 transaction. Raises SignerError."""
    try:
        data = bytes.fromhex(raw.removeprefix("0x"))
        if not raw.startswith("0x") or not 1 < len(data) <= _RAW_MAX or data[0] != 2:
            raise ValueError
        fields = dict(TypedTransaction.from_bytes(HexBytes(data)).as_dict())
        sender = bytes.fromhex(Account.recover_transaction(data)[2:])
    except Exception as error:  # noqa: BLE001 - decoders of three libraries: whatever they raise, it is no tx
        raise SignerError(f"the signed bytes are no type 2 transaction ({type(error).__name__})") from None
    for name in ("v", "r", "s"):
        fields.pop(name)
    for name in ("to", "data"):
        fields[name] = bytes(fields[name])
    return fields, sender, "0x" + keccak(data).hex()


def tx_fields(tx: UnsignedTx) -> dict[str, Any]:
    """A transaction as eth_account names its fields."""
    return {
        "type": 2,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "to": tx.to,
        "value": tx.value,
        "gas": tx.gas,
        "maxFeePerGas": tx.max_fee_wei,
        "maxPriorityFeePerGas": tx.priority_fee_wei,
        "data": tx.data,
        "accessList": (),
    }
