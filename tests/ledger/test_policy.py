"""The confirmation policy: tiers by what a block brings a client, tags of the node, and their changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import ApplyChainDelta
from ledger.errors import BlockRefusedError
from ledger.policy import Finality, Tier, parse_tiers, required_depth, stricter, tiers_text
from tests.ledger.books import BTC
from tests.ledger.till import ETH, Till

TIERS = (Tier(50_000, 5), Tier(400_000, 6))
KINDS = {"BTC": BTC, "ETH": ETH}


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, KINDS[request.param], tiers=TIERS)
    yield made
    made.check()
    made.close()


def required(till: Till) -> list[int]:
    return [row[0] for row in till.rows("SELECT confirmations_required FROM deposit ORDER BY ordinal")]


def pay(till: Till, client_id: str, amounts: Sequence[int]) -> None:
    """One payment per amount, none of them mined yet."""
    script = till.address(client_id)
    for amount in amounts:
        till.chain.pay((script, amount))


def credited_at(till: Till, client_id: str, blocks: int) -> list[int]:
    """The available balance after each of so many blocks."""
    found = []
    for _ in range(blocks):
        till.mine()
        found.append(till.client(client_id)[0])
        till.check()
    return found


# -- tiers ---------------------------------------------------------------------------------------


def test_d46_a_large_deposit_waits_longer(till: Till) -> None:
    pay(till, "alice", [50_001])
    pay(till, "bob", [50_000])
    assert credited_at(till, "alice", 6) == [0] * 4 + [50_001] * 2
    assert till.client("bob")[0] == 50_000
    assert sorted(required(till)) == [3, 5]


def test_d46_twenty_parts_in_one_block_wait_like_the_whole(till: Till) -> None:
    pay(till, "alice", [2_501] * 20)
    assert credited_at(till, "alice", 6) == [0] * 4 + [50_020] * 2
    assert set(required(till)) == {5}


def test_d46_the_highest_tier_holds_and_others_are_not_in_the_sum(till: Till) -> None:
    pay(till, "alice", [399_999, 2_000])
    pay(till, "bob", [40_000])
    pay(till, "carol", [40_000])
    till.mine()
    assert sorted(required(till)) == [3, 3, 6, 6]


def test_d46_parts_in_two_blocks_are_two_sums(till: Till) -> None:
    for _ in range(2):
        pay(till, "alice", [40_000])
        till.mine()
    assert required(till) == [3, 3]


def test_d46_parked_parts_count_and_stay_parked(till: Till) -> None:
    """Below the minimum they credit nobody, and must not make the rest wait less."""
    pay(till, "alice", [49_500, 999])
    till.mine()
    assert sorted(till.deposits()) == ["confirming", "parked"]
    assert set(required(till)) == {5}


def test_d46_two_addresses_of_one_client_are_one_sum(till: Till) -> None:
    for number in range(2):
        till.chain.pay((till.address("alice", number), 30_000))
    till.mine()
    assert required(till) == [5, 5]


def test_d46_seen_shows_its_own_depth_and_the_block_settles_it(till: Till) -> None:
    pay(till, "alice", [30_000, 30_000])
    till.look()
    assert required(till) == [3, 3]
    till.mine()
    assert required(till) == [5, 5]


def test_d46_mined_again_alone_it_needs_what_it_brings_there(till: Till) -> None:
    script = till.address("alice")
    first, second = till.chain.pay((script, 30_000)), till.chain.pay((script, 30_000))
    till.mine()
    assert required(till) == [5, 5]
    till.reorg(1, [[first], [second]])
    assert required(till) == [3, 3]


def test_d46_a_coinbase_needs_its_maturity_whatever_the_tier(tmp_path: Path) -> None:
    till = Till(tmp_path, tiers=TIERS)
    till.mine(coinbase=till.address("alice"))
    assert required(till) == [100]
    till.close()


tier_lists = st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 50)), max_size=5).map(
    lambda pairs: tuple(
        Tier(above, depth)
        for above, depth in zip(sorted({p[0] for p in pairs}), sorted({p[1] for p in pairs}), strict=False)
    )
)


@given(
    tiers=tier_lists,
    parts=st.lists(st.integers(0, 2 * 10**9), min_size=1, max_size=20),
    base=st.integers(1, 50),
)
def test_d46_splitting_never_lowers_the_depth(tiers: tuple[Tier, ...], parts: list[int], base: int) -> None:
    """What a block brings is one sum: however it is cut, each part needs at least what the whole needs."""
    whole = required_depth(base, tiers, sum(parts))
    assert whole >= base
    assert all(required_depth(base, tiers, part) <= whole for part in parts)
    assert parse_tiers(tiers_text(tiers)) == tiers


@pytest.mark.parametrize("parts", [[60_000], [30_000, 30_000], [1_000] * 60, [59_001, 999], [500] * 120])
def test_d46_however_it_is_cut_nothing_is_available_earlier(tmp_path: Path, parts: list[int]) -> None:
    till = Till(tmp_path, tiers=TIERS)
    script = till.address("alice")
    till.chain.pay(*[(script, part) for part in parts])
    assert credited_at(till, "alice", 4) == [0] * 4
    till.close()


# -- tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finality", "first"), [(Finality.CONFIRMATIONS, 3), (Finality.SAFE, 5), (Finality.FINALIZED, 9)]
)
def test_e20_credit_waits_for_the_tag_of_the_policy(tmp_path: Path, finality: Finality, first: int) -> None:
    """An epoch of four blocks: safe is the tip less four, finalized the tip less eight."""
    till = Till(tmp_path, ETH, finality=finality, final_depth=30)
    till.chain.epoch = 4
    pay(till, "alice", [70_000])
    assert credited_at(till, "alice", 12) == [0] * (first - 1) + [70_000] * (13 - first)
    assert till.deposits() == ["credited"]
    till.close()


@pytest.mark.parametrize("finality", [Finality.SAFE, Finality.FINALIZED])
def test_e20_never_earlier_than_the_confirmations(tmp_path: Path, finality: Finality) -> None:
    till = Till(tmp_path, ETH, finality=finality, tiers=TIERS)
    till.chain.epoch = 0  # everything is final at once
    pay(till, "alice", [70_000])
    pay(till, "bob", [7_000])
    assert credited_at(till, "alice", 5) == [0] * 4 + [70_000]
    assert credited_at(till, "bob", 1) == [7_000]
    till.close()


def test_e20_without_a_tag_nothing_is_credited_until_one_is_told(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH, finality=Finality.FINALIZED)
    pay(till, "alice", [70_000])
    assert credited_at(till, "alice", 8) == [0] * 8
    till.chain.epoch = 2
    assert credited_at(till, "alice", 1) == [70_000]
    assert till.deposits() == ["final"]  # deep enough for both by now
    till.close()


def test_e20_a_catch_up_credits_what_the_tag_covers_and_nothing_above(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH, finality=Finality.SAFE)
    till.chain.epoch = 4
    pay(till, "alice", [70_000])
    till.chain.mine(5)
    pay(till, "bob", [70_000])
    till.chain.mine(4)
    till.follow()
    assert (till.client("alice")[0], till.client("bob")[0]) == (70_000, 0)
    till.check()
    till.mine()
    assert till.client("bob")[0] == 70_000
    till.check()
    till.close()


def test_e20_a_reorg_under_a_tag_is_reversed_like_any_other(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH, finality=Finality.SAFE, final_depth=30)
    till.chain.epoch = 4
    tx = till.deposit("alice", 70_000, blocks=5)
    assert till.client("alice")[0] == 70_000
    till.reorg(5, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert till.deposits() == ["reversed"]
    till.check()
    till.close()


@pytest.mark.parametrize("tag", [-1, True, 1.5, "7"])
def test_e20_what_is_no_height_is_refused_whole(tmp_path: Path, tag: Any) -> None:
    till = Till(tmp_path, ETH, finality=Finality.SAFE)
    tip = till.known()[0]
    with pytest.raises(BlockRefusedError, match="no height"):
        till.do(ApplyChainDelta(replace(till.raw_block(), safe_height=tag)))
    assert till.known()[0] == tip
    till.close()


def test_finality_is_ordered_from_lax_to_strict() -> None:
    assert [stricter(a, b) for a, b in zip(Finality, [*Finality][1:], strict=False)] == [*Finality][1:]
    assert stricter(Finality.FINALIZED, Finality.SAFE) is Finality.FINALIZED


# -- changes -------------------------------------------------------------------------------------


def change(till: Till, **changes: object) -> None:
    """Register the currency anew, as after a change of its file."""
    till.coin = replace(till.coin, **changes)  # type: ignore[arg-type]
    till.do(till.coin)


def test_d46_a_stricter_policy_holds_for_what_is_not_credited_yet(till: Till) -> None:
    pay(till, "alice", [45_000])
    till.mine(3)
    pay(till, "bob", [20_000, 25_000])
    till.mine()
    assert required(till) == [3, 3, 3]
    change(till, tiers=(Tier(40_000, 6),))
    assert (till.client("alice")[0], till.deposits()[0]) == (45_000, "credited")
    assert required(till) == [3, 6, 6]
    assert credited_at(till, "bob", 5) == [0] * 4 + [45_000]


def test_d46_a_laxer_policy_holds_for_later_deposits_only(till: Till) -> None:
    pay(till, "alice", [60_000])
    till.mine()
    change(till, tiers=(), confirmations=1)
    assert required(till) == [5]
    pay(till, "bob", [60_000])
    assert credited_at(till, "bob", 1) == [60_000]
    assert credited_at(till, "alice", 3) == [0, 0, 60_000]


def test_e20_a_stricter_tag_holds_at_once_and_a_laxer_one_for_later_deposits(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH, finality=Finality.SAFE, final_depth=30)
    till.chain.epoch = 4
    pay(till, "alice", [70_000])
    till.mine(2)
    change(till, finality=Finality.FINALIZED)
    change(till, finality=Finality.SAFE)
    pay(till, "bob", [70_000])
    till.mine(5)
    assert (till.client("alice")[0], till.client("bob")[0]) == (0, 70_000)
    assert credited_at(till, "alice", 2) == [0, 70_000]
    till.close()


def test_e20_a_deposit_that_waits_for_tags_nobody_asks_for_any_more_is_credited_when_final(
    tmp_path: Path,
) -> None:
    till = Till(tmp_path, ETH, finality=Finality.FINALIZED)
    pay(till, "alice", [70_000])
    till.mine(2)
    change(till, finality=Finality.CONFIRMATIONS)
    change(till)
    assert credited_at(till, "alice", 4) == [0] * 3 + [70_000]
    assert till.deposits() == ["final"]
    till.close()
