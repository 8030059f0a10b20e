"""What the events of token contracts (ERC-20) say, and what of it counts. Pure but for msgspec's structs.

An event is a claim of its contract. It is read here; how much of it is true is settled by the change of
``balanceOf`` (``settle``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coins.errors import NodeDataError
from coins.evm.quantity import parse_account, parse_hash, parse_small
from coins.evm.wire import Log, TxReceipt
from coins.types import Receipt, TokenSend

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""First topic of ``Transfer(address,address,uint256)`` (ERC-20; ERC-721 has the same with a fourth one)."""
UNVERIFIED = "unverified"
"""Doubt of a receipt whose balance the node could not tell."""

_WORD = 64
_BALANCE_OF = "0x70a08231"
_DECIMALS = "0x313ce567"
_HEX = frozenset("0123456789abcdefABCDEF")
_ACCOUNT_PAD = "0" * 24

Holder = tuple[bytes, bytes]
"""A contract and an account: where tokens lie."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Tokens moved, says the contract. ``log_index`` counts within the block."""

    contract: bytes
    txid: str
    log_index: int
    sender: bytes
    recipient: bytes
    amount: int


def transfer_of(log: Log, contracts: Mapping[bytes, str]) -> Transfer | None:
    """The transfer an event tells, None when it is none of one of ``contracts``, or of nothing.

    Exactly three topics, the accounts padded with zeros, and one word of data: everything else that
    begins with the same topic is something else. Raises NodeDataError for what is no event at all.
    """
    contract = parse_account(log.address, "log.address")
    if contract not in contracts or not log.topics or log.topics[0].lower() != TRANSFER:
        return None
    words = [_word(topic) for topic in log.topics]
    amount = _word(log.data)
    if len(words) != 3 or amount is None or None in words:
        return None
    sender, recipient = (_account(word) for word in words[1:] if word is not None)
    if sender is None or recipient is None or int(amount, 16) == 0:
        return None
    return Transfer(
        contract=contract,
        txid=parse_hash(log.transaction_hash, "log.transactionHash"),
        log_index=parse_small(log.log_index, "log.logIndex"),
        sender=sender,
        recipient=recipient,
        amount=int(amount, 16),
    )


def transfers_of(logs: Iterable[Log], contracts: Mapping[bytes, str], own: set[bytes]) -> list[Transfer]:
    """The transfers from or to own accounts among ``logs``. Raises NodeDataError when one is there twice."""
    found: dict[int, Transfer] = {}
    for log in logs:
        transfer = transfer_of(log, contracts)
        if transfer is None or not (transfer.sender in own or transfer.recipient in own):
            continue
        if transfer.log_index in found:
            raise NodeDataError(f"log.logIndex {transfer.log_index} is there twice")
        found[transfer.log_index] = transfer
    return list(found.values())


def first_log_index(receipt: TxReceipt) -> int:
    """Block-wide index of the first event of a transaction; its events follow one another.

    The place inside the transaction counts from here: a block-wide index changes when the same
    transaction is mined again. Raises NodeDataError.
    """
    indexes = [parse_small(log.log_index, "receipt.logs.logIndex") for log in receipt.logs]
    if not indexes or indexes != list(range(indexes[0], indexes[0] + len(indexes))):
        raise NodeDataError(f"receipt.logs of {receipt.transaction_hash} do not follow one another")
    return indexes[0]


def position_of(ordinal: int) -> str:
    """Position of a receipt by its event's place inside the chain tx."""
    return f"log:{ordinal}"


def movements(
    transfers: Sequence[Transfer],
    first: Mapping[str, int],
    contracts: Mapping[bytes, str],
    own: set[bytes],
) -> tuple[list[Receipt], list[TokenSend]]:
    """Receipts and sends of own accounts; ``first`` is the first log index of each chain tx."""
    receipts: list[Receipt] = []
    sends: list[TokenSend] = []
    for one in transfers:
        currency = contracts[one.contract]
        position = position_of(one.log_index - first[one.txid])
        if one.sender in own:
            sends.append(TokenSend(currency, one.txid, position, one.sender, one.recipient, one.amount))
        if one.recipient in own:
            receipts.append(
                Receipt(currency, one.txid, position, one.recipient, one.amount, sender=one.sender)
            )
    return receipts, sends


def settle(
    receipts: Sequence[Receipt], sends: Sequence[TokenSend], changes: Mapping[tuple[str, bytes], int | None]
) -> list[Receipt]:
    """Cut receipts down to what really came, in their order; what came to nothing is left out.

    ``changes`` is by how much an account's balance of a currency changed in this block, None where the
    node cannot tell: then nothing is cut, and the receipt is in doubt. More than the events say is
    never credited.
    """
    left: dict[tuple[str, bytes], int] = {}
    for holder, change in changes.items():
        if change is not None:
            gone = sum(send.amount for send in sends if (send.currency, send.sender) == holder)
            left[holder] = max(0, change + gone)
    kept: list[Receipt] = []
    for receipt in receipts:
        holder = (receipt.currency, receipt.script)
        if holder not in left:
            kept.append(replace(receipt, doubt=UNVERIFIED))
            continue
        amount = min(receipt.amount, left[holder])
        left[holder] -= amount
        if amount:
            kept.append(replace(receipt, amount=amount))
    return kept


def balance_call(account: bytes) -> str:
    """Call data of ``balanceOf(account)``."""
    return _BALANCE_OF + account.hex().rjust(_WORD, "0")


def decimals_call() -> str:
    """Call data of ``decimals()``."""
    return _DECIMALS


def parse_number(text: str) -> int | None:
    """The number in a contract's answer; None unless it is exactly one word."""
    word = _word(text)
    return None if word is None else int(word, 16)


def _word(text: str) -> str | None:
    """The hex digits of exactly 32 bytes, None for anything else."""
    digits = text[2:]
    if len(digits) != _WORD or text[:2].lower() != "0x" or not _HEX.issuperset(digits):
        return None
    return digits


def _account(word: str) -> bytes | None:
    """The account in a word, None when its upper bytes are not zero."""
    return bytes.fromhex(word[24:]) if word.startswith(_ACCOUNT_PAD) else None
