"""Check that what a cashier says it owes in all includes what it owes you. Needs Python 3, nothing else.

    python verify_liability.py CLIENT_ID PROOF.json ROOT

PROOF.json is the answer of the cashier's API to a request for your proof; ROOT is the root that it has
published for the month, as 64 hex digits. Ends with 0 when the proof holds, 1 when it does not, 2 when
what it was given cannot be read. Amounts are in the smallest unit of the currency.
"""

import hashlib
import json
import sys
from typing import Any


def number(text: Any) -> bytes:
    """A whole amount of 0 to 2^256-1 from its decimal text, as 32 bytes big endian."""
    if not (isinstance(text, str) and text.isascii() and text.isdecimal()):
        raise ValueError(f"not an amount: {text!r}")
    return int(text).to_bytes(32, "big")


def digest(text: Any) -> bytes:
    """32 bytes from 64 hex digits."""
    value = bytes.fromhex(text)
    if len(value) != 32:
        raise ValueError(f"not 64 hex digits: {text!r}")
    return value


def climb(client_id: str, proof: Any) -> tuple[bytes, int]:
    """Hash and sum of the root that the leaf and its way lead to."""
    amount = number(proof["amount"])
    node = hashlib.sha256(b"\x00" + digest(proof["nonce"]) + client_id.encode() + amount).digest()
    total = int.from_bytes(amount, "big")
    for step in proof["steps"]:
        beside, owed = digest(step["hash"]), number(step["amount"])
        if not isinstance(step["is_left"], bool):
            raise TypeError(f"neither true nor false: {step['is_left']!r}")
        here = total.to_bytes(32, "big")
        pair = (beside + owed + node + here) if step["is_left"] else (node + here + beside + owed)
        node = hashlib.sha256(b"\x01" + pair).digest()
        total += int.from_bytes(owed, "big")
    return node, total


def main(arguments: list[str]) -> int:
    """Say whether the proof holds; the exit code."""
    if len(arguments) != 3:
        print(__doc__)
        return 2
    client_id, path, root = arguments
    try:
        with open(path, encoding="utf-8") as file:
            proof = json.load(file)
        published = digest(root)
        node, total = climb(client_id, proof)
        claimed = int.from_bytes(number(proof["total"]), "big")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        print(f"cannot be read: {error!r}")
        return 2
    if node != published:
        print("DOES NOT HOLD: your balance does not lead to the published root")
        return 1
    if total != claimed:
        print(f"DOES NOT HOLD: the balances add up to {total}, not to the {claimed} that are claimed")
        return 1
    print(f"holds: {proof['amount']} of the {total} owed in all are owed to {client_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
