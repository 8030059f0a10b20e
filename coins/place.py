"""Where money of ours lies and what an own script is for, given again by ``coins/types.py``. Pure."""

from __future__ import annotations

from enum import StrEnum


class Location(StrEnum):
    """Where money of ours lies on a chain; one ledger account per location and currency."""

    DEPOSIT = "deposit"
    HOT = "hot"
    COLD = "cold"


CHANGE = "change"
"""The part of ``hot`` that lies on change scripts, where a comparison tells it apart; it has no account."""


class Branch(StrEnum):
    """What an own script was made for; decides its derivation path."""

    DEPOSIT = "deposit"  # account 0, external chain: one per client address
    HOT = "hot"  # account 1, external chain: index 0 is where the house sends funds
    CHANGE = "change"  # account 1, internal chain: fresh per payout (Bitcoin-like only)
    COLD = "cold"  # of the configuration: watched and paid to, its key is nowhere in the house
    COLD_CHANGE = "cold_change"  # custody watch_only: change of the cold wallet, whose deposits it spends


LOCATION_OF = {
    Branch.DEPOSIT: Location.DEPOSIT,
    Branch.HOT: Location.HOT,
    Branch.CHANGE: Location.HOT,
    Branch.COLD: Location.COLD,
    Branch.COLD_CHANGE: Location.COLD,
}


def booked_at(place: str) -> Location:
    """The location in whose account the money of a place of a comparison is booked."""
    return Location.HOT if place == CHANGE else Location(place)


DERIVED = (Branch.DEPOSIT, Branch.HOT, Branch.CHANGE)
"""Branches whose scripts follow from the account keys of every custody but ``node``."""


def location_of(branch: Branch, *, is_watch_only: bool) -> Location:
    """Where a script of a branch lies. With custody ``watch_only`` what clients pay is in cold storage."""
    if is_watch_only and branch is Branch.DEPOSIT:
        return Location.COLD
    return LOCATION_OF[branch]
