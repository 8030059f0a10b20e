"""Every branch lies somewhere, and what clients pay to a cold wallet lies there."""

from __future__ import annotations

import pytest

from coins import types
from coins.place import CHANGE, DERIVED, LOCATION_OF, Branch, Location, booked_at, location_of


@pytest.mark.parametrize("branch", Branch)
def test_each_branch_has_a_location(branch: Branch) -> None:
    assert location_of(branch, is_watch_only=False) is LOCATION_OF[branch]
    is_cold = branch in (Branch.DEPOSIT, Branch.COLD, Branch.COLD_CHANGE)
    assert (location_of(branch, is_watch_only=True) is Location.COLD) is is_cold


def test_the_words_are_given_again_by_types() -> None:
    assert (types.Branch, types.Location, types.DERIVED) == (Branch, Location, DERIVED)
    assert (types.CHANGE, types.booked_at) == (CHANGE, booked_at)


def test_change_is_booked_at_hot_and_every_location_at_itself() -> None:
    assert booked_at(CHANGE) is LOCATION_OF[Branch.CHANGE] is Location.HOT
    assert [booked_at(location.value) for location in Location] == list(Location)
