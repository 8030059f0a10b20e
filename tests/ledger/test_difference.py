"""Differences of one block by kind; whatever is told, they sum to the difference by location."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest

from coins.types import booked_at
from ledger.difference import KINDS, Booked, Facts, Moved, explain, is_power_of_ten

US, HOT, CHANGE = b"\x01" * 20, b"\x02" * 20, b"\x04" * 20
TX, OTHER = "0xaa", "0xbb"


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "block_hash": "0xbe", "places": {US: "deposit", HOT: "hot", CHANGE: "change"}, "chain": (),
        "books": (), "state": {}, "booked": (), "attempts": frozenset(),
    }  # fmt: skip
    return Facts(**values | changes)


def booked(moved: Moved, number: int, **changes: Any) -> Booked:
    location = {US: "deposit", HOT: "hot", CHANGE: "hot"}[moved.script]
    values = (number, "kind", "ref", moved.txid, location, moved.amount, (), "")
    return Booked(*values) if not changes else Booked(*values[:6], changes.get("others", ()), "")


def kinds(told: Facts) -> list[tuple[str, int]]:
    return [(each.kind, each.amount) for each in explain(told)]


def test_a_block_that_is_booked_as_it_is_has_no_difference() -> None:
    moved = (Moved(US, TX, "native", 5, 1), Moved(HOT, OTHER, "gas", -2, 2))
    entries = tuple(booked(each, each.journal_id or 0) for each in moved)
    chain = tuple(Moved(each.script, each.txid, each.position, each.amount) for each in moved)
    assert explain(facts(chain=chain, books=moved, state={US: 5, HOT: -2}, booked=entries)) == ()


@pytest.mark.parametrize(
    ("chain", "book", "attempts", "expected"),
    [
        (Moved(US, TX, "log:0", 7), None, (), "missing_deposit"),
        (None, Moved(US, TX, "log:0", 7, 1), (), "extra_credit"),
        (None, Moved(US, TX, "log:0", 7, 1, "0xee"), (), "orphan"),
        (Moved(US, TX, "value", -7), None, (), "unknown_outgoing"),
        (Moved(US, TX, "send:log:0", -7), None, (), "unknown_outgoing"),
        (Moved(US, TX, "in:ab:0", -7), None, (), "stolen_utxo"),
        (Moved(US, TX, "in:ab:0", -7), None, (TX,), "stuck_withdrawal"),
        (Moved(HOT, TX, "out:1", 7), None, (TX,), "stuck_withdrawal"),
        (None, Moved(HOT, TX, "value", -7, 1), (TX,), "stuck_withdrawal"),
        (None, Moved(HOT, TX, "value", -7, 1), (), "unexplained"),
        (Moved(HOT, TX, "gas", -7), None, (TX,), "wrong_fee"),
        (Moved(HOT, TX, "gas", -7), Moved(HOT, TX, "gas", -70, 1), (TX,), "wrong_fee"),
        (Moved(HOT, TX, "out:1", 90), Moved(HOT, TX, "out:1", 95, 1), (TX,), "wrong_fee"),
        (Moved(US, TX, "log:0", 7), Moved(US, TX, "log:0", 7_000_000, 1), (), "wrong_decimals"),
        (Moved(US, TX, "log:0", 7), Moved(US, TX, "log:0", 8, 1), (), "wrong_amount"),
    ],
)
def test_l11_one_place_that_the_two_sides_tell_differently(
    chain: Moved | None, book: Moved | None, attempts: tuple[str, ...], expected: str
) -> None:
    told = facts(
        chain=(chain,) if chain else (),
        books=(book,) if book else (),
        state={chain.script: chain.amount} if chain else {},
        booked=(booked(book, 1),) if book else (),
        attempts=frozenset(attempts),
    )
    difference = (chain.amount if chain else 0) - (book.amount if book else 0)
    (found,) = explain(told)
    assert (found.kind, found.amount, found.txid) == (expected, difference, TX)
    assert found.kind in KINDS


def test_l11_a_difference_on_a_change_output_is_of_change_and_a_posting_without_movement_of_hot() -> None:
    stolen = Moved(CHANGE, TX, "in:ab:1", -9)
    entry = Booked(4, "kind", "ref", OTHER, "hot", 3, (), "")
    found = explain(facts(chain=(stolen,), state={CHANGE: -9}, booked=(entry,)))
    assert [(each.kind, each.location, each.amount) for each in found] == [
        ("stolen_utxo", "change", -9), ("extra_credit", "hot", -3),
    ]  # fmt: skip
    back = Moved(CHANGE, TX, "out:1", 4)
    paid = Moved(HOT, TX, "in:ab:0", -9)
    told = facts(chain=(paid, back), state={HOT: -9, CHANGE: 4}, attempts=frozenset())
    assert {(each.kind, each.location) for each in explain(told)} == {
        ("unknown_outgoing", "hot"), ("unknown_outgoing", "change"),
    }  # fmt: skip


def test_l11_a_movement_booked_twice_is_a_duplicate() -> None:
    twice = (Moved(US, TX, "out:0", 5, 1), Moved(US, TX, "out:0", 5, 2))
    chain = (Moved(US, TX, "out:0", 5),)
    entries = tuple(booked(each, each.journal_id or 0) for each in twice)
    assert kinds(facts(chain=chain, books=twice, state={US: 5}, booked=entries)) == [("duplicate", -5)]


def test_l11_what_left_with_change_for_the_house_is_a_payment_that_the_books_do_not_know() -> None:
    left, back = Moved(US, TX, "in:ab:0", -9), Moved(HOT, TX, "out:1", 4)
    assert kinds(facts(chain=(left, back), state={US: -9, HOT: 4})) == [
        ("unknown_outgoing", -9), ("unknown_outgoing", 4),
    ]  # fmt: skip
    paid = Moved(HOT, OTHER, "out:0", 4)
    told = facts(chain=(left, paid), state={US: -9, HOT: 4})
    assert kinds(told) == [("stolen_utxo", -9), ("missing_deposit", 4)]
    client = b"\x03" * 20
    to_client = Moved(client, TX, "out:1", 4)
    places = {US: "deposit", HOT: "hot", client: "deposit"}
    told = facts(places=places, chain=(left, to_client), state={US: -9, client: 4})
    assert kinds(told) == [("stolen_utxo", -9), ("missing_deposit", 4)]


def test_l11_more_than_the_block_moved_is_forced_and_less_has_left() -> None:
    assert kinds(facts(state={US: 3})) == [("forced_balance", 3)]
    assert kinds(facts(state={US: -3})) == [("unknown_outgoing", -3)]
    assert kinds(facts(state={b"\x09" * 20: 3})) == []


@pytest.mark.parametrize(
    ("amount", "others", "txid", "expected"),
    [
        (9, (), "", "extra_credit"),
        (9, ("network_fee",), TX, "wrong_fee"),
        (-9, ("token_fee",), TX, "wrong_fee"),
        (-9, ("client",), OTHER, "stuck_withdrawal"),
        (-9, ("client",), "", "unexplained"),
    ],
)
def test_l11_an_entry_that_no_movement_stands_behind(
    amount: int, others: tuple[str, ...], txid: str, expected: str
) -> None:
    entry = Booked(4, "kind", "ref", txid, "hot", amount, others, "")
    assert kinds(facts(booked=(entry,), attempts=frozenset({OTHER}))) == [(expected, -amount)]


def test_l11_an_entry_again_is_a_duplicate_and_one_of_another_block_an_orphan() -> None:
    moved = Moved(US, TX, "native", 5, 1)
    chain = (Moved(US, TX, "native", 5),)
    again = Booked(2, "kind", "ref", TX, "deposit", 5, (), "")
    told = facts(chain=chain, books=(moved,), state={US: 5}, booked=(booked(moved, 1), again))
    assert kinds(told) == [("duplicate", -5)]
    lost = Booked(3, "kind", "ref", TX, "deposit", 6, (), "0xee")
    assert kinds(facts(booked=(lost,))) == [("orphan", -6)]


def test_l11_a_movement_that_its_entry_does_not_book() -> None:
    moved = Moved(US, TX, "native", 5, 1)
    told = facts(chain=(Moved(US, TX, "native", 5),), books=(moved,), state={US: 5})
    assert kinds(told) == [("unexplained", 5)]


def test_powers_of_ten() -> None:
    assert is_power_of_ten(5, 50)
    assert is_power_of_ten(-5 * 10**12, -5)
    assert not any(is_power_of_ten(*each) for each in ((5, 5), (5, 55), (0, 10), (5, 100), (7, 140)))


def test_l11_whatever_is_told_the_findings_sum_to_the_difference() -> None:
    rng = random.Random(11)
    for _ in range(300):
        chain = [
            Moved(rng.choice([US, HOT, CHANGE]), rng.choice([TX, OTHER]),
                  rng.choice(["native", "value", "gas"]), rng.randint(1, 9) * rng.choice([1, -1]))
            for _ in range(rng.randint(0, 4))
        ]  # fmt: skip
        books = [
            Moved(each.script, each.txid, each.position, each.amount + rng.choice([0, 0, 3]), number)
            for number, each in enumerate(chain + chain[:1])
            if rng.random() < 0.7
        ]
        entries = [booked(each, each.journal_id or 0) for each in books if rng.random() < 0.8]
        state: dict[bytes, int] = defaultdict(int)
        for each in chain:
            state[each.script] += each.amount
        state[US] += rng.choice([0, 0, 5, -5])
        found = explain(
            facts(chain=chain, books=books, state=state, booked=entries, attempts=frozenset({TX}))
        )
        for location, scripts in (("deposit", (US,)), ("hot", (HOT, CHANGE))):
            posted = sum(entry.amount for entry in entries if entry.location == location)
            total = sum(each.amount for each in found if booked_at(each.location).value == location)
            assert total == sum(state.get(script, 0) for script in scripts) - posted
        on_change = sum(each.amount for each in books if each.script == CHANGE)
        total = sum(each.amount for each in found if each.location == "change")
        assert total == state.get(CHANGE, 0) - on_change
