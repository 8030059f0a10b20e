"""Own scripts: one index per purpose, recorded once, found by their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import Branch, Location, OwnScript
from ledger.commands import GetWatchState, Idempotency, SetCurrencyState
from ledger.errors import (
    CurrencyClosedError,
    IdentityChangedError,
    IllegalTransitionError,
    TooManyAddressesError,
)
from ledger.script_command import GetUnrecorded, RecordScript, ReserveScript
from tests.fakes.oracle import check_books
from tests.ledger.books import BTC, do, make_books, open_store, rows


def reserve(number: int, client: str = "alice", limit: int | None = 20) -> ReserveScript:
    return ReserveScript("BTC", Branch.DEPOSIT, f"client:{client}:{number}", client, limit)


def record(index: int, number: int, client: str = "alice") -> RecordScript:
    own = OwnScript(b"script-%d" % index, f"address-{index}", Branch.DEPOSIT, index)
    return RecordScript("BTC", f"client:{client}:{number}", own, Location.DEPOSIT, client)


def test_the_same_purpose_keeps_its_index_and_others_get_the_next(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    assert [do(store, reserve(n)) for n in (0, 1, 0, 2, 1)] == [0, 1, 0, 2, 1]
    assert do(store, ReserveScript("BTC", Branch.CHANGE, "change:1")) == 0
    store.close()
    store = open_store(tmp_path)
    assert do(store, reserve(3)) == 3
    with pytest.raises(IllegalTransitionError):
        do(store, ReserveScript("BTC", Branch.HOT, "client:alice:0"))
    store.close()


def test_a_client_has_so_many_addresses_and_no_more(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    for n in range(3):
        do(store, reserve(n, limit=3))
    with pytest.raises(TooManyAddressesError):
        do(store, reserve(3, limit=3))
    assert do(store, reserve(2, limit=3)) == 2
    assert do(store, reserve(0, "bob", limit=3)) == 3
    store.close()


@pytest.mark.parametrize("state", ["paused", "draining", "halted", "disabled"])
def test_no_fresh_address_while_deposits_are_closed(tmp_path: Path, state: str) -> None:
    store = make_books(tmp_path)
    do(store, reserve(0))
    do(store, SetCurrencyState("BTC", state, ""))
    with pytest.raises(CurrencyClosedError):
        do(store, reserve(1))
    assert do(store, reserve(0)) == 0
    assert do(store, ReserveScript("BTC", Branch.CHANGE, "change:1")) == 0
    do(store, SetCurrencyState("BTC", "open", ""))
    do(store, replace(BTC, deposits="closed"))
    with pytest.raises(CurrencyClosedError):
        do(store, reserve(1))
    store.close()


def test_a_recorded_script_is_watched_and_told_of(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, reserve(0))
    outcome = do(store, record(0, 0))
    assert (outcome.is_new, outcome.value.address, outcome.value.sequence) == (True, "address-0", 1)
    again = do(store, record(0, 0))
    assert (again.is_new, again.value) == (False, outcome.value)
    state = do(store, GetWatchState("BTC"))
    assert (state.scripts, state.address_seq) == ((b"script-0",), 1)
    assert do(store, GetWatchState("BTC", after=1)).scripts == ()
    store.close()
    events = rows(store.path, "SELECT type, client_id FROM event WHERE object_type = 'address'")
    assert events == [("address.issued", "alice")]
    assert check_books(store.path) == []


def test_a_script_of_the_house_belongs_to_no_client(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, ReserveScript("BTC", Branch.HOT, "hot"))
    own = OwnScript(b"hot", "hot-address", Branch.HOT, 0)
    view = do(store, RecordScript("BTC", "hot", own, Location.HOT, None)).value
    assert view.client_id == ""
    assert rows(store.path, "SELECT count(*) FROM event WHERE object_type = 'address'") == [(0,)]
    store.close()


def test_i20_a_script_never_changes_its_owner_or_purpose(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(IllegalTransitionError):
        do(store, record(0, 0))
    for n in range(2):
        do(store, reserve(n))
    do(store, record(0, 0))
    with pytest.raises(IdentityChangedError):
        do(store, replace(record(0, 0), own=replace(record(0, 0).own, script=b"other key")))
    with pytest.raises(IllegalTransitionError):
        do(store, record(7, 1))
    with pytest.raises(IdentityChangedError):
        do(store, replace(record(1, 1), own=replace(record(1, 1).own, script=b"script-0")))
    store.close()


def test_a_replayed_request_for_an_address_says_what_the_first_said(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, reserve(0))
    command = replace(record(0, 0), idempotency=Idempotency("key:shop", "k", "h"))
    first, again = do(store, command), do(store, command)
    assert (first.is_new, first.is_replayed) == (True, False)
    assert (again.is_new, again.is_replayed, again.value) == (True, True, first.value)
    store.close()


def test_d44_what_was_reserved_and_never_recorded_is_found_and_given_once(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    for number in range(2):
        do(store, reserve(number))
    do(store, record(0, 0))
    (lost,) = do(store, GetUnrecorded("BTC"))
    assert (lost.branch, lost.index, lost.purpose) == (Branch.DEPOSIT, 1, "client:alice:1")
    nobodys = do(store, replace(record(1, 1), client_id=None))
    assert (nobodys.is_new, nobodys.value.client_id) == (True, "")
    assert do(store, GetUnrecorded("BTC")) == ()
    given = do(store, record(1, 1))
    assert (given.is_new, given.value.client_id, given.value.sequence) == (True, "alice", 2)
    again = do(store, record(1, 1))
    assert (again.is_new, again.value) == (False, given.value)
    issued = "SELECT object_id FROM event WHERE type = 'address.issued'"
    assert rows(store.path, issued) == [("BTC:1",), ("BTC:2",)]
    store.close()
    assert check_books(store.path) == []
