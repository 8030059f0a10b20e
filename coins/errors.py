"""What a coin may answer instead of a result. Pure.

CoinError
├─ NodeUnavailableError     no answer, or an answer that is no answer (timeout, 5xx, broken JSON)
│  ├─ NodeSyncingError      the node warms up or still downloads blocks: nothing it says counts yet
│  └─ StateGoneError        the node keeps no state of so old a block: an archive node is needed
├─ NodeBehindError          the node no longer knows a height it had: wait, never un-credit
├─ NodeDataError            the node answered nonsense (hostile number, missing field): halt the coin
│  ├─ BlockPrunedError      the node has deleted a block that we still need
│  └─ NodeDoubtError        the node's answers about one block contradict each other
├─ WrongNetworkError        genesis hash or chain id differ from the configuration
├─ InvalidAddressError      a foreign address that must not be paid
├─ PlanError                a payout cannot be planned (funds, dust, fee outside its bounds)
│  └─ PayeeRefusedError     payouts that no chain tx of this node can ever make: the others go on
├─ SignerError              the signer refused, or what it signed is not what was asked
│  └─ SignerSilentError     the signer gave no answer: it may have signed, so the same is asked again
└─ UnsupportedError         the configuration asks for something this family does not do yet
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def writable(text: str) -> str:
    """``text`` with each half of a surrogate pair written out: JSON may hold one, and no UTF-8 can."""
    return text.encode("utf-8", "backslashreplace").decode()


class CoinError(Exception):
    """Base of every error a coin raises; the text names what is wrong and holds no secret.

    It may repeat what a node said, and is always one that can be written down.
    """

    def __init__(self, *reasons: object) -> None:
        super().__init__(*(writable(each) if isinstance(each, str) else each for each in reasons))


class NodeUnavailableError(CoinError):
    """The node gave no usable answer. Says nothing about money: ask again later."""


class NodeSyncingError(NodeUnavailableError):
    """The node answers but is warming up or downloading blocks (RPC error -28, IBD)."""


class StateGoneError(NodeUnavailableError):
    """The node keeps no state of so old a block; the text says how deep it does."""


class NodeBehindError(CoinError):
    """The node's chain is shorter (less work) than what was already applied."""


class NodeDataError(CoinError):
    """The node answered something impossible; the block or reply is refused whole."""


class BlockPrunedError(NodeDataError):
    """The node has deleted (pruned) a block that is still needed: only another node, or a reindex, helps."""


Apart = Mapping[str, Mapping[tuple[str, bytes], int]]
"""Amounts in base units by currency and (location, script); the script is empty where it was not told."""


class NodeDoubtError(NodeDataError):
    """The node's answers about one block contradict each other: none of them counts.

    ``apart`` is what it said first of what scripts own there, less what it said last.
    """

    def __init__(self, reason: str, height: int, block_hash: str, apart: Apart) -> None:
        super().__init__(reason)
        self.height = height
        self.block_hash = block_hash
        self.apart = apart


class WrongNetworkError(CoinError):
    """The node serves another chain than the configured one."""


class InvalidAddressError(CoinError):
    """An address that must not be paid. ``code`` is ``invalid_address``, ``wrong_network`` or
    ``forbidden_address`` (a good one that nobody has the key of)."""

    def __init__(self, reason: str, code: str = "invalid_address") -> None:
        super().__init__(reason)
        self.code = code


class PlanError(CoinError):
    """No transaction can be planned now. ``waiting_for`` is ``funds``, ``gas`` or ``node``.

    ``gas_missing`` is what the paying account lacks of the chain's own currency, where that is all it lacks.
    """

    def __init__(self, reason: str, waiting_for: str = "funds", gas_missing: int = 0) -> None:
        super().__init__(reason)
        self.waiting_for = waiting_for
        self.gas_missing = gas_missing


class PayeeRefusedError(PlanError):
    """Payouts that can never be made as they are; nothing was signed. ``reasons`` by intent id."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{intent_id}: {reason}" for intent_id, reason in reasons.items()))
        self.reasons = dict(reasons)


class SignerError(CoinError):
    """The signer refused or is not reachable, or its answer differs from the plan."""


class SignerSilentError(SignerError):
    """The signer gave no answer. It may have signed: only the same plan may be asked for again."""


class UnsupportedError(CoinError):
    """A configured feature that this version does not support; the text says which."""


def connection_trouble(error: Exception) -> str:
    """Why a connection failed, in the system's own words; the error's text may hold addresses or headers."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(error).__name__
