"""Several doubts at once: the gravest is shown, the lowest height holds."""

from __future__ import annotations

from itertools import permutations

import pytest

from actors.doubt import CLEAR, NOTHING, Doubt, Opinion
from ledger.currency_state import Finding

FORK = Doubt(Finding.FORK, "they part", 104)
LONELY = Doubt(Finding.FEW_PEERS, "no peers")
SLOW = Doubt(Finding.WITNESS_BEHIND, "not as far", 101)


def test_without_a_doubt_nothing_is_held() -> None:
    assert (CLEAR.gravest, CLEAR.credit_height) == (None, None)


@pytest.mark.parametrize("order", list(permutations((FORK, LONELY, SLOW))))
def test_d32_d30_the_gravest_is_shown_and_the_lowest_height_holds(order: tuple[Doubt, ...]) -> None:
    opinion = Opinion(order)
    assert opinion.gravest == FORK
    assert opinion.gravest.state == "disagree"
    assert opinion.credit_height == NOTHING
    assert Opinion((SLOW, FORK)).credit_height == 101


def test_each_doubt_leads_to_the_state_of_its_finding() -> None:
    assert [doubt.state for doubt in (FORK, LONELY, SLOW)] == ["disagree", "stalled", "behind"]
