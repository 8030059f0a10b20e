"""Payments made by contracts, from the frames of a node's tracer. Pure but for msgspec's structs.

A frame moves value when it is a call, a creation or an end of a contract; a delegated or static call
shows a value that does not move. Nothing counts below a frame that failed: ``trace_block`` marks the failed
frame alone, its children look as if they had moved what was undone with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coins.errors import NodeDataError, NodeUnavailableError
from coins.evm.quantity import parse_account, parse_hash, parse_quantity
from coins.evm.wire import CallFrame, Trace
from coins.types import Receipt

INTERNAL = "internal"
"""Doubt of a receipt that a contract paid, unless the policy credits those."""

_MOVING = frozenset({"call", "create", "create2", "selfdestruct", "suicide"})

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InternalTransfer:
    """Native value moved inside a chain tx. ``path`` is its frame's place among the calls."""

    txid: str
    path: Path
    sender: bytes
    recipient: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame of either tracer."""

    txid: str
    path: Path
    kind: str
    sender: str | None
    recipient: str | None
    value: str | None
    has_failed: bool


def from_traces(traces: Iterable[Trace], block_hash: str) -> tuple[list[InternalTransfer], set[str]]:
    """What ``trace_block`` says: the movements, and the chain txs it told of.

    Raises NodeUnavailableError for frames of another block (the chain moved), NodeDataError.
    """
    frames: list[_Frame] = []
    for trace in traces:
        if parse_hash(trace.block_hash, "trace.blockHash") != block_hash:
            raise NodeUnavailableError(f"block {block_hash} changed while its traces were read")
        if trace.transaction_hash is not None:
            frames.append(_of_trace(trace))
    return _movements(frames), {frame.txid for frame in frames if not frame.path}


def from_call_frames(txid: str, top: CallFrame) -> list[InternalTransfer]:
    """What the ``callTracer`` says of one chain tx. Raises NodeDataError."""
    return _movements(_walk(txid, top))


def receipt_of(moved: InternalTransfer, currency: str, is_credited: bool) -> Receipt:
    """The receipt of an internal transfer; without ``is_credited`` it is in doubt."""
    return Receipt(
        currency=currency,
        txid=moved.txid,
        position="trace:" + ".".join(map(str, moved.path)),
        script=moved.recipient,
        amount=moved.amount,
        sender=moved.sender,
        doubt="" if is_credited else INTERNAL,
    )


def _of_trace(trace: Trace) -> _Frame:
    """A frame of ``trace_block``."""
    action = trace.action
    kind, sender, recipient, value = trace.type, action.sender, action.to, action.value
    if kind == "call":
        kind = action.call_type or kind
    elif kind == "suicide":
        sender, recipient, value = action.address, action.refund_address, action.balance
    else:  # the address of a contract that was not made is unknown
        recipient = None if trace.result is None else trace.result.address
    txid = parse_hash(str(trace.transaction_hash), "trace.transactionHash")
    return _Frame(txid, tuple(trace.trace_address), kind, sender, recipient, value, trace.error is not None)


def _walk(txid: str, top: CallFrame) -> Iterator[_Frame]:
    """The frames of a call and below, without recursion."""
    open_frames: list[tuple[Path, CallFrame]] = [((), top)]
    while open_frames:
        path, frame = open_frames.pop()
        has_failed = frame.error is not None
        yield _Frame(txid, path, frame.type.lower(), frame.sender, frame.to, frame.value, has_failed)
        open_frames += [((*path, place), below) for place, below in enumerate(frame.calls)]


def _movements(frames: Iterable[_Frame]) -> list[InternalTransfer]:
    """What moved below the outermost frames: in the order of chain tx as they came, and of paths."""
    order: dict[str, int] = {}
    kept: list[_Frame] = []
    for frame in frames:
        order.setdefault(frame.txid, len(order))
        is_moving = frame.path and frame.kind in _MOVING and frame.recipient is not None
        if frame.has_failed or is_moving:
            kept.append(frame)
    found: list[InternalTransfer] = []
    last: tuple[str, Path] | None = None
    failed: tuple[str, Path] | None = None  # paths in order: what lies below a frame follows it directly
    for frame in sorted(kept, key=lambda frame: (order[frame.txid], frame.path)):
        place = (frame.txid, frame.path)
        if place == last:
            raise NodeDataError(f"trace {frame.path} of {frame.txid} is there twice")
        last = place
        if failed is not None and failed == (frame.txid, frame.path[: len(failed[1])]):
            continue
        if frame.has_failed:
            failed = place
            continue
        amount = parse_quantity(frame.value or "0x0", "trace.value")
        if amount:
            sender = parse_account(frame.sender or "", "trace.from")
            recipient = parse_account(frame.recipient or "", "trace.to")
            found.append(InternalTransfer(frame.txid, frame.path, sender, recipient, amount))
    return found
