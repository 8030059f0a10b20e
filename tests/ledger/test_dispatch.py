"""Idempotency keys and nonces: once, for ever, and what a refusal leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import commands
from ledger.commands import CreditDue, GetPayoutWork, SetCurrencyState, SpentNonce, StartNonceLane, UseNonce
from ledger.context import Tx
from ledger.errors import BlockRefusedError, IdempotencyKeyReusedError, InsufficientFundsError, NonceUsedError
from ledger.handlers import HANDLERS
from ledger.journal import JournalEntry, Posting
from ledger.operator_access import CreateOperator
from ledger.store import DAY_S
from ledger.views import Outcome
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, balance, codes, do, fund, make_books, open_store, rows, transfer

NONCE = SpentNonce("key_1", "n-1", NOW + 300)


def test_w14_fifty_times_the_same_key_is_one_transfer_and_one_answer(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    batch = [transfer(1, "alice", "bob", 10) for _ in range(50)]
    replies = [result.unwrap() for result in store.apply_batch(batch, NOW)]
    assert [reply.is_replayed for reply in replies] == [False] + [True] * 49
    assert len({reply.value for reply in replies}) == 1
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 10
    assert check_books(store.path) == []


def test_w14_a_retry_with_other_ids_of_its_own_gets_the_first_answer(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    first = do(store, transfer(1, "alice", "bob", 10, key="k"))
    again = do(store, replace(transfer(2, "alice", "bob", 10, key="k"), external_id="order-1"))
    assert again == Outcome(first.value, is_replayed=True)
    store.close()


def test_w14_the_key_holds_after_a_restart(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    first = do(store, transfer(1, "alice", "bob", 10))
    store.close()
    store = open_store(tmp_path)
    assert do(store, transfer(1, "alice", "bob", 10), NOW + 5).value == first.value
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 10


def test_w14_the_same_key_with_another_body_is_refused(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    do(store, transfer(1, "alice", "bob", 10, key="k"))
    with pytest.raises(IdempotencyKeyReusedError):
        do(store, transfer(2, "alice", "bob", 20, key="k", body="other"))
    other_owner = transfer(3, "alice", "bob", 20, key="k", body="other")
    do(store, replace(other_owner, idempotency=replace(other_owner.idempotency, owner="key:second")))
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 30


def test_a_refusal_is_not_kept_but_judged_anew(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(InsufficientFundsError):
        do(store, transfer(1, "alice", "bob", 10))
    fund(store, "alice", 100)
    assert do(store, transfer(1, "alice", "bob", 10)).is_replayed is False
    store.close()


def test_a_nonce_is_used_once_also_after_a_restart(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, UseNonce(NONCE))
    with pytest.raises(NonceUsedError):
        do(store, UseNonce(NONCE))
    do(store, UseNonce(replace(NONCE, key_id="key_2")))
    store.close()
    store = open_store(tmp_path)
    with pytest.raises(NonceUsedError):
        do(store, UseNonce(NONCE))
    store.close()


def test_a_nonce_stays_used_when_its_command_is_refused(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    command = replace(transfer(1, "alice", "bob", 10), nonce=NONCE)
    assert codes(store.apply_batch([command, command], NOW)) == ["insufficient_funds", "nonce_used"]
    fund(store, "alice", 100)
    store.close()
    store = open_store(tmp_path)
    with pytest.raises(NonceUsedError):
        do(store, command)
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 0


def test_a_repeated_signed_request_with_a_new_nonce_is_a_replay(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    do(store, replace(transfer(1, "alice", "bob", 10), nonce=NONCE))
    again = do(store, replace(transfer(1, "alice", "bob", 10), nonce=replace(NONCE, nonce="n-2")))
    assert again.is_replayed
    store.close()


def test_old_replies_and_nonces_go_and_younger_ones_stay(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    do(store, replace(transfer(1, "alice", "bob", 10), nonce=NONCE))
    do(store, transfer(2, "alice", "bob", 10), NOW + 6 * DAY_S)
    do(store, UseNonce(replace(NONCE, nonce="n-2", expires_at=NOW + 7 * DAY_S)), NOW + 7 * DAY_S + 61)
    store.close()
    assert rows(store.path, "SELECT key FROM idempotency") == [("key-2",)]
    assert rows(store.path, "SELECT nonce FROM nonce") == [("n-2",)]


def test_a_clock_set_back_makes_no_nonce_fresh(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, UseNonce(NONCE))
    do(store, UseNonce(replace(NONCE, nonce="n-2")), NOW + 3_600)
    with pytest.raises(NonceUsedError):
        do(store, UseNonce(NONCE), NOW - 100)
    store.close()


def test_every_command_of_the_ledger_has_a_handler() -> None:
    declared = {
        value
        for value in vars(commands).values()
        if isinstance(value, type) and issubclass(value, commands.Command) and value is not commands.Command
    }
    assert declared - set(HANDLERS) == set()


def test_an_unknown_command_is_a_fault_and_undoes_the_batch(tmp_path: Path) -> None:
    class Unheard(GetPayoutWork):
        pass

    store = make_books(tmp_path)
    fund(store, "alice", 100)
    with pytest.raises(TypeError, match="no handler for Unheard"):
        store.apply_batch([transfer(1, "alice", "bob", 10), Unheard("BTC")], NOW)
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 0


@pytest.mark.parametrize(
    "hostile",
    [
        SetCurrencyState("BTC", "down", "half of a pair: \ud800"),
        StartNonceLane("BTC", b"s" * 20, 2**63),
        CreateOperator("op_x", "\udcff", "hash", "salt", ("viewer",), "cli"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_the_database_cannot_hold_is_refused_and_the_others_go_on(
    tmp_path: Path, hostile: commands.Command[Any]
) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    batch = [transfer(1, "alice", "bob", 10), hostile, transfer(2, "alice", "bob", 20)]
    assert [result.error is None for result in store.apply_batch(batch, NOW)] == [True, False, True]
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 30
    assert check_books(store.path) == []


def test_d36_news_of_a_chain_that_would_break_the_books_stop_that_chain_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)

    def lie(tx: Tx, command: object) -> None:
        posting = Posting("client:alice:BTC:reserved", "onchain:BTC:hot", 1)
        tx.post(JournalEntry("payout", "attempt", "at_1", (posting,), "chain"))

    monkeypatch.setitem(HANDLERS, CreditDue, lie)
    batch = [transfer(1, "alice", "bob", 10), CreditDue("BTC", "00", None), transfer(2, "alice", "bob", 20)]
    results = store.apply_batch(batch, NOW)
    assert [result.error is None for result in results] == [True, False, True]
    assert isinstance(results[1].error, BlockRefusedError)
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 30
    assert check_books(store.path) == []
