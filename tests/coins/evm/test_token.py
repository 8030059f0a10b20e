"""What an event of a token says, and how much of it counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.errors import NodeDataError
from coins.evm.token import (
    TRANSFER,
    UNVERIFIED,
    Transfer,
    balance_call,
    first_log_index,
    movements,
    parse_number,
    settle,
    transfer_of,
    transfers_of,
)
from coins.evm.wire import Log, TxReceipt
from coins.types import Receipt, TokenSend

TOKEN, OTHER = b"\x70" * 20, b"\x71" * 20
CONTRACTS = {TOKEN: "USDT-ETH"}
OURS, ALSO_OURS, PAYER = b"\x11" * 20, b"\x12" * 20, b"\x99" * 20
TXID, HASH = "0x" + "aa" * 32, "0x" + "05" * 32


def word(value: bytes | int) -> str:
    return "0x" + (value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")).hex()


def log(sender: bytes = PAYER, recipient: bytes = OURS, amount: int = 1000, **changes: Any) -> Log:
    values: dict[str, Any] = {
        "address": "0x" + TOKEN.hex(), "topics": [TRANSFER, word(sender), word(recipient)],
        "data": word(amount), "transaction_hash": TXID, "log_index": "0x4", "block_hash": HASH,
    }  # fmt: skip
    return Log(**{**values, **changes})


def test_a_transfer() -> None:
    assert transfer_of(log(), CONTRACTS) == Transfer(TOKEN, TXID, 4, PAYER, OURS, 1000)


def test_e27_the_case_of_the_nodes_hex_does_not_matter() -> None:
    loud = log(
        address="0x" + TOKEN.hex().upper(),
        topics=["0x" + topic[2:].upper() for topic in log().topics],
        transaction_hash="0x" + "AA" * 32,
    )
    assert transfer_of(loud, CONTRACTS) == transfer_of(log(), CONTRACTS)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"address": "0x" + OTHER.hex()}, id="e08-another-contract"),
        pytest.param({"data": word(0)}, id="e12-zero"),
        pytest.param({"topics": [*log().topics, word(7)], "data": "0x"}, id="e13-collectible"),
        pytest.param({"topics": [*log().topics, word(7)]}, id="four-topics"),
        pytest.param({"topics": log().topics[:2]}, id="two-topics"),
        pytest.param({"topics": []}, id="no-topic"),
        pytest.param({"topics": [word(1), *log().topics[1:]]}, id="another-event"),
        pytest.param({"data": "0x"}, id="no-data"),
        pytest.param({"data": word(1) + word(1)[2:]}, id="two-words"),
        pytest.param({"data": word(1)[:-1]}, id="half-a-byte-missing"),
        pytest.param({"data": "0x" + "g" * 64}, id="no-hex"),
        pytest.param({"data": "0x" + "٣" * 64}, id="foreign-digits"),
        pytest.param({"topics": [TRANSFER, "0x01" + word(PAYER)[4:], word(OURS)]}, id="no-account"),
    ],
)
def test_what_is_no_transfer_of_ours_is_skipped(changes: dict[str, Any]) -> None:
    assert transfer_of(log(**changes), CONTRACTS) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "0x1"}, "log.address"),
        ({"transaction_hash": "0x1"}, "log.transactionHash"),
        ({"log_index": "4"}, "log.logIndex"),
        ({"log_index": hex(2**63)}, "log.logIndex"),
    ],
)
def test_d23_a_hostile_event_refuses_the_block(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(NodeDataError, match=field):
        transfer_of(log(**changes), CONTRACTS)


def test_only_own_accounts_count_and_nothing_twice() -> None:
    own = {OURS}
    logs = [log(), log(OURS, PAYER, log_index="0x5"), log(PAYER, ALSO_OURS, log_index="0x6")]
    assert [one.log_index for one in transfers_of(logs, CONTRACTS, own)] == [4, 5]
    with pytest.raises(NodeDataError, match="logIndex 4 is there twice"):
        transfers_of([log(), log()], CONTRACTS, own)


def receipt_with(*indexes: int) -> TxReceipt:
    logs = [log(log_index=hex(index)) for index in indexes]
    return TxReceipt(TXID, HASH, "0x1", "0x1", "0x1", logs=logs)


def test_events_of_a_chain_tx_follow_one_another() -> None:
    assert first_log_index(receipt_with(7, 8, 9)) == 7
    for wrong in ((), (7, 9), (8, 7), (7, 7)):
        with pytest.raises(NodeDataError, match="do not follow one another"):
            first_log_index(receipt_with(*wrong))


def test_own_to_own_is_a_send_and_a_receipt() -> None:
    transfers = transfers_of([log(OURS, ALSO_OURS, 5)], CONTRACTS, {OURS, ALSO_OURS})
    receipts, sends = movements(transfers, {TXID: 3}, CONTRACTS, {OURS, ALSO_OURS})
    assert receipts == [Receipt("USDT-ETH", TXID, "log:1", ALSO_OURS, 5, sender=OURS)]
    assert sends == [TokenSend("USDT-ETH", TXID, "log:1", OURS, ALSO_OURS, 5)]


def test_the_place_in_the_chain_tx_does_not_depend_on_the_block() -> None:
    for first in (0, 1, 77):
        transfers = transfers_of([log(log_index=hex(first + 2))], CONTRACTS, {OURS})
        (receipt,), _ = movements(transfers, {TXID: first}, CONTRACTS, {OURS})
        assert receipt.position == "log:2"


def paid(*amounts: int) -> list[Receipt]:
    return [Receipt("USDT-ETH", TXID, f"log:{n}", OURS, amount) for n, amount in enumerate(amounts)]


def sent(amount: int) -> list[TokenSend]:
    return [TokenSend("USDT-ETH", TXID, "log:9", OURS, PAYER, amount)]


@pytest.mark.parametrize(
    ("receipts", "sends", "change", "kept"),
    [
        pytest.param([1000], 0, 1000, [1000], id="honest"),
        pytest.param([1000], 0, 900, [900], id="e09-fee"),
        pytest.param([1000], 0, 0, [], id="e07-lying"),
        pytest.param([1000], 0, -5, [], id="less-than-before"),
        pytest.param([1000], 0, 5000, [1000], id="more-than-told"),
        pytest.param([700, 300], 0, 800, [700, 100], id="cut-in-order"),
        pytest.param([700, 300], 0, 700, [700], id="nothing-left"),
        pytest.param([1000], 400, 600, [1000], id="sent-in-the-same-block"),
        pytest.param([1000], 1000, 0, [1000], id="all-sent-on"),
        pytest.param([1000], 400, 500, [900], id="sent-and-a-fee"),
    ],
)
def test_e07_e09_what_came_counts(receipts: list[int], sends: int, change: int, kept: list[int]) -> None:
    found = settle(paid(*receipts), sent(sends) if sends else [], {("USDT-ETH", OURS): change})
    assert [receipt.amount for receipt in found] == kept
    assert not any(receipt.doubt for receipt in found)


def test_an_unknown_balance_is_doubt_and_cuts_nothing() -> None:
    (receipt,) = settle(paid(1000), [], {("USDT-ETH", OURS): None})
    assert (receipt.amount, receipt.doubt) == (1000, UNVERIFIED)
    (receipt,) = settle(paid(1000), [], {})
    assert receipt.doubt == UNVERIFIED


@given(
    st.lists(st.integers(1, 2**256 - 1), max_size=6), st.integers(0, 2**256), st.integers(-(2**256), 2**256)
)
def test_never_more_than_told_and_never_more_than_came(amounts: list[int], gone: int, change: int) -> None:
    found = settle(paid(*amounts), sent(gone) if gone else [], {("USDT-ETH", OURS): change})
    total = sum(receipt.amount for receipt in found)
    assert total == max(0, min(sum(amounts), change + gone))
    told = {receipt.position: receipt.amount for receipt in paid(*amounts)}
    assert all(0 < receipt.amount <= told[receipt.position] for receipt in found)


def test_balances_are_one_word_or_nothing() -> None:
    assert parse_number(word(2**256 - 1)) == 2**256 - 1
    for text in ("0x", "", "0x1", word(1)[:-2], word(1) + "00", word(1)[2:], "0x" + " " * 64):
        assert parse_number(text) is None
    assert balance_call(OURS) == "0x70a08231" + "00" * 12 + OURS.hex()
