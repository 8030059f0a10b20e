"""Currencies: registered once for what they are, tuned often; anchor and watch state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import BlockRef
from ledger.commands import GetWatchState, RegisterCoin, SetAnchor, SetCurrencyState
from ledger.errors import IdentityChangedError, UnknownCurrencyError
from tests.ledger.books import ANCHOR, BTC, NOW, do, make_books, open_store, rows
from tests.ledger.till import Till


def test_a_new_currency_is_down_until_its_node_was_asked(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    view = do(store, BTC)
    assert (view.currency, view.state, view.height) == ("BTC", "down", None)
    store.close()


def test_tuning_is_taken_over_and_the_state_stays(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    view = do(store, replace(BTC, confirmations=6, withdrawal_fee=2**200, withdrawals="closed"))
    assert (view.confirmations_required, view.withdrawal_fee, view.withdrawals) == (6, 2**200, "closed")
    assert (view.state, view.height) == ("open", ANCHOR.height)
    store.close()


@pytest.mark.parametrize(
    "changed",
    [replace(BTC, fingerprint="mainnet/xpub-1"), replace(BTC, decimals=18), replace(BTC, chain="LTC")],
)
def test_d22_a_currency_never_becomes_another(tmp_path: Path, changed: RegisterCoin) -> None:
    store = make_books(tmp_path)
    with pytest.raises(IdentityChangedError):
        do(store, changed)
    assert do(store, BTC).state == "open"
    store.close()


def test_an_event_is_written_only_when_the_state_changes(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, SetCurrencyState("BTC", "down", "connection refused"))
    view = do(store, SetCurrencyState("BTC", "down", "timeout"))
    assert view.state_detail == "timeout"
    do(store, SetCurrencyState("BTC", "open", ""))
    do(store, SetCurrencyState("BTC", "open", ""))
    store.close()
    types = [row[0] for row in rows(store.path, "SELECT type FROM event ORDER BY sequence")]
    assert types == ["currency.open", "currency.down", "currency.open"]


def test_a_state_that_does_not_exist_is_a_fault(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(ValueError, match="not a state"):
        do(store, SetCurrencyState("BTC", "opened", ""))
    with pytest.raises(UnknownCurrencyError):
        do(store, SetCurrencyState("XMR", "open", ""))
    store.close()


def test_a_disabled_currency_comes_back_as_down(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, SetCurrencyState("BTC", "disabled", ""))
    assert rows(store.path, "SELECT is_configured FROM coin") == [(0,)]
    assert do(store, SetCurrencyState("BTC", "open", "a late word")).state == "disabled"
    assert rows(store.path, "SELECT is_configured FROM coin") == [(0,)]
    assert do(store, BTC).state == "down"
    assert rows(store.path, "SELECT is_configured FROM coin") == [(1,)]
    store.close()


def test_the_first_anchor_wins(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    later = BlockRef(200, "bb" * 32, "aa" * 32, NOW, work=2**90)
    assert do(store, SetAnchor("BTC", later)) == ANCHOR
    assert do(store, SetAnchor("LTC", later)) == later
    assert do(store, SetAnchor("LTC", ANCHOR)) == later
    store.close()


def test_the_watch_state_of_a_fresh_chain_is_its_anchor(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    state = do(store, GetWatchState("BTC"))
    assert (state.blocks, state.scripts, state.outpoints, state.address_seq) == ((ANCHOR,), (), (), 0)
    assert state.seen == ()
    store.close()


def test_d03_a_watcher_is_told_what_clients_were_shown_as_unconfirmed(tmp_path: Path) -> None:
    till = Till(tmp_path)
    first, second = till.deposit("alice", 50_000), till.deposit("bob", 60_000)
    till.look()
    assert sorted(till.do(GetWatchState("BTC")).seen) == sorted((first.txid, second.txid))
    till.mine(1, [first])
    assert till.do(GetWatchState("BTC")).seen == (second.txid,)
    till.close()
