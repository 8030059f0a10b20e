"""Places of scripts: their locations, and change apart from the rest of hot."""

from __future__ import annotations

from actors.place import change_of, places_of
from coins.types import BlockRef, Branch, Holdings, Location, OwnScript
from ledger.views import Watched

AT = BlockRef(7, "aa" * 32, "99" * 32)


def watched(number: int, branch: Branch, location: Location) -> Watched:
    return Watched(OwnScript(bytes([number]) * 20, f"a{number}", branch, number), location, number)


OURS = (
    watched(1, Branch.DEPOSIT, Location.DEPOSIT),
    watched(2, Branch.HOT, Location.HOT),
    watched(3, Branch.CHANGE, Location.HOT),
    watched(4, Branch.CHANGE, Location.HOT),
    watched(5, Branch.COLD_CHANGE, Location.COLD),
)


def test_each_script_has_a_place() -> None:
    assert list(places_of(OURS).values()) == ["deposit", "hot", "change", "change", "cold"]


def test_what_lies_on_change_is_told_where_scripts_were_told_one_by_one() -> None:
    owned = {each.own.script: 10**each.sequence for each in OURS}
    holdings = Holdings(AT, {"BTC": {}, "T": {}}, {"BTC": owned})
    assert change_of(holdings, OURS) == {"BTC": 11_000}
    assert change_of(holdings, OURS[:2]) == {}
    assert change_of(Holdings(AT, {"BTC": {}}), OURS) == {}
