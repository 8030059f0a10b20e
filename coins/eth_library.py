"""The one door to eth_account: importing it must not change the process.

eth_account imports py_ecc, and that raises the interpreter's recursion limit a hundredfold for
everybody. A deeply nested JSON text from outside would then overflow the C stack and end the
process, where it should end in a RecursionError. The limit is put back right here; nothing of ours
needs the deep recursions of py_ecc's pairings.
"""

from __future__ import annotations

import sys

_LIMIT = sys.getrecursionlimit()

from eth_account import Account  # noqa: E402
from eth_account.hdaccount.mnemonic import Mnemonic  # noqa: E402
from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: E402
from eth_account.types import Language  # noqa: E402

sys.setrecursionlimit(_LIMIT)

__all__ = ["Account", "Language", "Mnemonic", "TypedTransaction"]
