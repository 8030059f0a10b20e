"""Applies what a chain did: undo blocks newest first, then book new ones oldest first, in one step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from coins.amounts import AMOUNT_MAX
from coins.types import Block, BlockRef, ChainDelta
from ledger.block_book import BlockBook
from ledger.coin_row import CoinRow
from ledger.commands import ApplyChainDelta
from ledger.connect import connect_receipts
from ledger.context import Tx
from ledger.disconnect import disconnect
from ledger.errors import BlockRefusedError, ParentMismatchError, ReorgTooDeepError, StaleAddressesError
from ledger.send import connect_sends, mirrored_sends
from ledger.settle import settle
from ledger.spend import announced_spends, connect_spends, own_attempts
from ledger.token_send import connect_token_sends
from ledger.views import DeltaApplied

_POSITION = re.compile(
    r"0|[1-9][0-9]{0,9}|native|log:(0|[1-9][0-9]{0,9})|trace:[0-9]{1,6}(\.[0-9]{1,6}){0,1023}", re.ASCII
)


def apply_chain_delta(tx: Tx, command: ApplyChainDelta) -> DeltaApplied:
    """Undo and apply blocks; a delta that is already held is answered as if it were new.

    Raises ParentMismatchError, StaleAddressesError, BlockRefusedError, ReorgTooDeepError; then nothing
    was changed.
    """
    delta = command.delta
    check(delta)
    tip = _read_tip(tx, delta.chain)
    if tip is None:
        raise ParentMismatchError(f"chain {delta.chain} has no first block yet")
    if _is_held(tx, delta):
        return DeltaApplied(tip, is_replay=True)
    tip = _check_continues(tx, delta, tip)
    if delta.connected:
        _check_addresses(tx, delta)
    coins = coins_of(tx, delta.chain)
    for ref in delta.disconnected:
        disconnect(BlockBook(tx, delta.chain, ref, coins))
    credited = 0
    for block in delta.connected:
        book = BlockBook(
            tx,
            delta.chain,
            block.ref,
            coins,
            safe_height=delta.safe_height,
            finalized_height=delta.finalized_height,
            credit_height=delta.credit_height,
        )
        credited += _connect(book, block)
        tip = block.ref
    return DeltaApplied(tip, is_replay=False, credited=credited)


def coins_of(tx: Tx, chain: str) -> dict[str, CoinRow]:
    """The currencies whose chain this is: its own coin and its tokens."""
    rows = tx.db.execute("SELECT currency FROM coin WHERE chain = ? ORDER BY currency", (chain,)).fetchall()
    return {currency: tx.coin(currency) for (currency,) in rows}


def _connect(book: BlockBook, block: Block) -> int:
    """Book one block whole; answers how many deposits it made deep enough."""
    ref = block.ref
    book.tx.db.execute(
        "INSERT INTO block (chain, height, block_hash, parent_hash, time, work, safe_height,"
        " finalized_height) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            book.chain,
            ref.height,
            ref.block_hash,
            ref.parent_hash,
            ref.time,
            None if ref.work is None else str(ref.work),
            book.safe_height,
            book.finalized_height,
        ),
    )
    sends = {s.txid for s in block.sent} | {s.txid for s in block.token_sends}
    attempts = own_attempts(book, sorted({s.txid for s in block.spends} | sends))
    spending = frozenset(s.txid for s in block.spends if s.txid in attempts)
    announced = announced_spends(book, block, attempts)
    mirrored = mirrored_sends(book, block, attempts)
    changes = connect_receipts(book, block, spending | announced, mirrored)
    connect_spends(book, block, attempts, changes, announced)
    moved = connect_token_sends(book, block, attempts, mirrored)
    connect_sends(book, block, attempts, mirrored, moved)
    return settle(book)


# -- checks --------------------------------------------------------------------------------------


def check(delta: ChainDelta) -> None:
    """Refuse what no chain can say, before anything is written. Raises BlockRefusedError."""
    for block in delta.connected:
        _check_ref(block.ref)
        seen = set()
        for receipt in block.receipts:
            key = (receipt.currency, receipt.txid, receipt.position)
            check_amount(receipt.amount, f"receipt {receipt.txid}:{receipt.position}")
            if not receipt.txid or _POSITION.fullmatch(receipt.position) is None or key in seen:
                raise BlockRefusedError(
                    f"receipt {key} in block {block.ref.height} is malformed or there twice"
                )
            seen.add(key)
        for spend in block.spends:
            if not spend.txid or type(spend.outpoint.index) is not int or spend.outpoint.index < 0:
                raise BlockRefusedError(f"a spend in block {block.ref.height} is malformed")
        for sent in block.sent:
            check_amount(sent.amount, f"send {sent.txid}")
            check_amount(sent.gas_fee, f"gas of {sent.txid}")
            check_amount(sent.nonce, f"nonce of {sent.txid}")
        _check_token_sends(block)
    for ref in delta.disconnected:
        _check_ref(ref)
    for bound in (delta.safe_height, delta.finalized_height, delta.credit_height):
        if bound is not None and (type(bound) is not int or bound < 0):
            raise BlockRefusedError(f"{bound!r} is no height of a tag or a doubt")


def _check_token_sends(block: Block) -> None:
    """Each is an event of its own, with an amount."""
    seen = set()
    for send in block.token_sends:
        key = (send.currency, send.txid, send.position)
        check_amount(send.amount, f"token send {send.txid}:{send.position}")
        if not send.txid or _POSITION.fullmatch(send.position) is None or key in seen:
            raise BlockRefusedError(
                f"token send {key} in block {block.ref.height} is malformed or there twice"
            )
        seen.add(key)


def _check_ref(ref: BlockRef) -> None:
    if (
        type(ref.height) is not int
        or ref.height < 0
        or not ref.block_hash
        or ref.block_hash == ref.parent_hash
    ):
        raise BlockRefusedError(f"block {ref.height!r} {ref.block_hash!r} is malformed")


def check_amount(amount: object, what: str) -> None:
    """Refuse what is no amount of base units. Raises BlockRefusedError."""
    if type(amount) is not int or not 0 <= amount <= AMOUNT_MAX:
        raise BlockRefusedError(f"{what}: {amount!r} is no amount")


def _read_tip(tx: Tx, chain: str) -> BlockRef | None:
    row = tx.db.execute(
        "SELECT height, block_hash, parent_hash, time, work FROM block WHERE chain = ?"
        " ORDER BY height DESC LIMIT 1",
        (chain,),
    ).fetchone()
    return BlockRef(row[0], row[1], row[2], row[3], None if row[4] is None else int(row[4])) if row else None


def _is_held(tx: Tx, delta: ChainDelta) -> bool:
    """Whether the delta was applied before: all it connects is in our chain, nothing it undoes is."""

    def holds(ref: BlockRef) -> bool:
        row = tx.db.execute(
            "SELECT 1 FROM block WHERE chain = ? AND height = ? AND block_hash = ?",
            (delta.chain, ref.height, ref.block_hash),
        ).fetchone()
        return row is not None

    if not delta.connected and not delta.disconnected:
        return True
    return all(holds(block.ref) for block in delta.connected) and not any(
        holds(ref) for ref in delta.disconnected
    )


def _check_continues(tx: Tx, delta: ChainDelta, tip: BlockRef) -> BlockRef:
    """The block the delta builds on, once its undone blocks are gone. Raises ParentMismatchError."""
    limit = tx.coin(delta.chain).max_reorg
    if len(delta.disconnected) > limit:
        raise ReorgTooDeepError(
            f"{len(delta.disconnected)} blocks of {delta.chain}, at most {limit} may be undone"
        )
    expected = (tip.height, tip.block_hash, tip.parent_hash)
    for ref in delta.disconnected:
        if (ref.height, ref.block_hash) != expected[:2]:
            raise ParentMismatchError(
                f"block {ref.height} of {delta.chain} is not our tip, nothing was undone"
            )
        row = tx.db.execute(
            "SELECT height, block_hash, parent_hash FROM block WHERE chain = ? AND height = ?",
            (delta.chain, ref.height - 1),
        ).fetchone()
        if row is None:
            raise ReorgTooDeepError(f"block {ref.height} of {delta.chain} is the first one known")
        expected = row
    height, block_hash = expected[0], expected[1]
    for block in delta.connected:
        if (block.ref.height, block.ref.parent_hash) != (height + 1, block_hash):
            raise ParentMismatchError(
                f"block {block.ref.height} of {delta.chain} does not follow {height} {block_hash}"
            )
        height, block_hash = block.ref.height, block.ref.block_hash
    return BlockRef(expected[0], expected[1], expected[2])


def _check_addresses(tx: Tx, delta: ChainDelta) -> None:
    """Refuse a scan that did not know every script of ours: it may have missed money."""
    (newest,) = tx.db.execute(
        "SELECT max(sequence) FROM own_script WHERE chain = ?", (delta.chain,)
    ).fetchone()
    if newest is not None and newest > delta.address_seq:
        raise StaleAddressesError(f"scanned with scripts up to {delta.address_seq}, {newest} is ours too")


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {ApplyChainDelta: apply_chain_delta}
