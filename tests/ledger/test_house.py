"""House money that is announced, and what is not taken for announced any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.commands import AnnounceHouseFunding
from ledger.connection import connect
from ledger.errors import AlreadyExistsError, UnknownCurrencyError
from ledger.house import read_movements
from ledger.house_view import HouseMovementView
from tests.ledger.desk import assign, case_id
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    yield made
    made.check()
    made.close()


def announce(till: Till, txid: str, currency: str = "BTC") -> AnnounceHouseFunding:
    return AnnounceHouseFunding(currency, txid, "operator:op_ann", "float")


def test_announced_money_is_the_houses_when_it_is_mined(till: Till) -> None:
    tx = till.chain.pay((till.hot.script, 40_000))
    outcome = till.do(announce(till, tx.txid))
    assert isinstance(outcome.value, HouseMovementView)
    assert (outcome.value.kind, outcome.value.by, outcome.is_new) == ("funding", "operator:op_ann", True)
    again = till.do(announce(till, tx.txid))
    assert (again.value, again.is_new) == (outcome.value, False)
    till.mine(1)
    assert (till.balance("house:BTC"), till.balance("suspense:BTC")) == (40_000, 0)
    assert till.do(announce(till, tx.txid)).value == outcome.value
    assert till.rows("SELECT action FROM audit") == [("announce_house_funding",)]
    db = connect(till.store.path, read_only=True)
    assert read_movements(db, "currency = ?", ("BTC",)) == [outcome.value]
    db.close()


def test_what_lies_in_suspense_is_not_announced_but_decided(till: Till) -> None:
    tx = till.chain.pay((till.hot.script, 40_000))
    till.mine(6)
    with pytest.raises(AlreadyExistsError):
        till.do(announce(till, tx.txid))
    assert till.balance("suspense:BTC") == 40_000
    assign(till, case_id(till), "house")
    assert (till.balance("house:BTC"), till.balance("suspense:BTC")) == (40_000, 0)
    with pytest.raises(AlreadyExistsError):
        till.do(announce(till, tx.txid))


def test_a_funding_that_a_reorg_undid_may_be_announced(till: Till) -> None:
    tx = till.chain.pay((till.hot.script, 40_000))
    till.mine(1)
    till.reorg(1, [[]])
    till.do(announce(till, tx.txid))
    till.mine(1)
    assert (till.balance("house:BTC"), till.balance("suspense:BTC")) == (40_000, 0)


def test_only_a_currency_that_is_there(till: Till) -> None:
    with pytest.raises(UnknownCurrencyError):
        till.do(announce(till, "ab" * 32, "XYZ"))
