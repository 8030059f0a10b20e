"""Payments made by contracts, in the words of either tracer."""

from __future__ import annotations

from typing import Any

import pytest

from coins.errors import NodeDataError, NodeUnavailableError
from coins.evm.trace import INTERNAL, InternalTransfer, from_call_frames, from_traces, receipt_of
from coins.evm.wire import CallFrame, Trace, TraceAction, TraceResult

TXID, HASH = "0x" + "aa" * 32, "0x" + "05" * 32
A, B = "0x" + "0a" * 20, "0x" + "0b" * 20


def trace(path: list[int], kind: str = "call", *, failed: bool = False, **action: Any) -> Trace:
    values = {"sender": A, "to": B, "value": "0x5", **({"call_type": "call"} if kind == "call" else {})}
    return Trace(
        kind,
        TraceAction(**{**values, **action}),
        path,
        HASH,
        TXID,
        error="Reverted" if failed else None,
        result=TraceResult(B) if kind == "create" else None,
    )


def frame(
    kind: str = "CALL", *below: CallFrame, failed: bool = False, value: str | None = "0x5"
) -> CallFrame:
    return CallFrame(kind, A, B, value, "execution reverted" if failed else None, list(below))


def moved(*path: int) -> InternalTransfer:
    return InternalTransfer(TXID, path, bytes.fromhex(A[2:]), bytes.fromhex(B[2:]), 5)


def paths(traces: list[Trace]) -> list[tuple[int, ...]]:
    return [one.path for one in from_traces(traces, HASH)[0]]


def test_the_outermost_call_is_the_native_payment_and_no_internal_one() -> None:
    assert from_traces([trace([])], HASH) == ([], {TXID})
    assert from_call_frames(TXID, frame()) == []


def test_calls_creations_and_ends_of_contracts_move_value() -> None:
    end: dict[str, Any] = {"address": A, "refund_address": B, "balance": "0x5"}
    end |= {"value": None, "to": None, "sender": None}
    traces = [trace([]), trace([0]), trace([1], "create", to=None), trace([1, 0], "suicide", **end)]
    assert from_traces(traces, HASH)[0] == [moved(0), moved(1), moved(1, 0)]
    frames = frame("CALL", frame(), frame("CREATE", frame("SELFDESTRUCT")), frame("CREATE2"))
    assert from_call_frames(TXID, frames) == [moved(0), moved(1), moved(1, 0), moved(2)]


def test_delegated_static_and_empty_calls_move_nothing() -> None:
    quiet = [trace([n], call_type=kind) for n, kind in enumerate(("delegatecall", "staticcall", "callcode"))]
    assert paths([trace([]), *quiet, trace([3], value="0x0")]) == []
    below = [frame("DELEGATECALL"), frame("STATICCALL", value=None), frame("CALL", value="0x0")]
    assert from_call_frames(TXID, frame("CALL", *below)) == []


def test_e04_nothing_counts_below_a_frame_that_failed() -> None:
    """``trace_block`` marks the failed frame alone; its children carry no error."""
    traces = [trace([]), trace([0], failed=True), trace([0, 0]), trace([0, 0, 3]), trace([1])]
    assert paths(traces) == [(1,)]
    frames = frame("CALL", frame("CALL", frame("CALL", frame()), failed=True), frame())
    assert from_call_frames(TXID, frames) == [moved(1)]
    assert paths([trace([], failed=True), trace([0])]) == []
    assert from_call_frames(TXID, frame("CALL", frame(), failed=True)) == []


def test_a_failed_frame_below_a_good_one_undoes_only_itself() -> None:
    assert paths([trace([]), trace([0]), trace([0, 0], failed=True), trace([0, 1])]) == [(0,), (0, 1)]


def test_rewards_are_of_no_chain_tx() -> None:
    reward = Trace("reward", TraceAction(value="0x5"), [], HASH)
    assert from_traces([reward], HASH) == ([], set())


def test_traces_of_another_block_are_asked_for_again() -> None:
    with pytest.raises(NodeUnavailableError, match="changed while its traces were read"):
        from_traces([trace([])], "0x" + "06" * 32)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (trace([0], value="5"), "trace.value is no quantity"),
        (trace([0], to="0x1"), "trace.to is no account"),
        (trace([0], sender=None), "trace.from is no account"),
    ],
)
def test_d23_a_hostile_trace_refuses_the_block(wrong: Trace, expected: str) -> None:
    with pytest.raises(NodeDataError, match=expected):
        from_traces([trace([]), wrong], HASH)
    with pytest.raises(NodeDataError, match="is there twice"):
        from_traces([trace([]), trace([0]), trace([0])], HASH)


def test_deep_calls_are_walked_without_recursion() -> None:
    top = frame()
    for _ in range(1_024):
        top = frame("CALL", top)
    assert len(from_call_frames(TXID, top)) == 1_024


def test_the_policy_says_whether_it_is_a_deposit() -> None:
    parked, credited = (receipt_of(moved(0, 2), "ETH", is_credited) for is_credited in (False, True))
    assert (parked.position, parked.amount, parked.doubt) == ("trace:0.2", 5, INTERNAL)
    assert (credited.position, credited.doubt) == ("trace:0.2", "")
    assert credited.sender == bytes.fromhex(A[2:])
