"""Entries: what may be booked, their contra, and the bytes their hash covers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.amounts import AMOUNT_MAX
from ledger import journal
from ledger.journal import BookedPosting, JournalEntry, Posting

HOT, HOUSE, FEE = "onchain:BTC:hot", "house:BTC", "network_fee:BTC"
ENTRY = JournalEntry("funding", "house_movement", "t", (Posting(HOT, HOUSE, 5), Posting(FEE, HOT, 1)), "x")


@pytest.mark.parametrize(
    "postings",
    [
        (),
        (Posting(HOT, HOUSE, 0),),
        (Posting(HOT, HOUSE, -1),),
        (Posting(HOT, HOUSE, AMOUNT_MAX + 1),),
        (Posting(HOT, HOUSE, True),),
        (Posting(HOT, HOT, 1),),
        (Posting(HOT, "house:ETH", 1),),
        (Posting(HOT, "cash:BTC", 1),),
    ],
)
def test_l09_an_entry_that_cannot_balance_is_refused(postings: tuple[Posting, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        journal.check(replace(ENTRY, postings=postings))


def test_a_contra_entry_swaps_sides_and_order_and_keeps_the_block() -> None:
    entry = replace(ENTRY, chain="BTC", height=7, block_hash="h", txid="t")
    contra = journal.reverse(entry, 9, kind="unfunding", by="chain", reason="reorg")
    assert contra.postings == (Posting(HOT, FEE, 1), Posting(HOUSE, HOT, 5))
    assert (contra.reverses, contra.chain, contra.height, contra.block_hash) == (9, "BTC", 7, "h")


@given(
    st.integers(1, AMOUNT_MAX),
    st.text(max_size=20),
    st.one_of(st.none(), st.integers(0, 2**40)),
    st.booleans(),
)
def test_any_change_of_an_entry_changes_its_bytes(
    amount: int, reason: str, height: int | None, is_other: bool
) -> None:
    entry = replace(ENTRY, postings=(Posting(HOT, HOUSE, amount),), reason=reason, height=height)
    booked = [BookedPosting(entry.postings[0], amount, amount)]
    content = journal.canonical_bytes(1, 2, entry, booked)
    other = replace(entry, reason=reason + "!") if is_other else replace(entry, height=(height or 0) + 1)
    assert content == journal.canonical_bytes(1, 2, entry, booked)
    assert content != journal.canonical_bytes(1, 2, other, booked)
    assert content != journal.canonical_bytes(1, 3, entry, booked)
    assert content != journal.canonical_bytes(
        1, 2, entry, [replace(booked[0], debit_balance_after=amount + 1)]
    )
