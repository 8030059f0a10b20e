"""Where the scripts that a chain is asked about lie, with change told apart from the rest of hot. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from coins.types import CHANGE, Branch, Holdings
from ledger.views import Watched


def places_of(watched: Sequence[Watched]) -> dict[bytes, str]:
    """The place of each script: its location, or ``change``."""
    return {
        each.own.script: CHANGE if each.own.branch is Branch.CHANGE else each.location.value
        for each in watched
    }


def change_of(holdings: Holdings, watched: Sequence[Watched]) -> dict[str, int]:
    """What the chain says lies on change scripts, by currency.

    Nothing of a currency whose scripts were not told one by one, or where no change script is watched.
    """
    scripts = [each.own.script for each in watched if each.own.branch is Branch.CHANGE]
    if not scripts:
        return {}
    return {
        currency: sum(owned.get(script, 0) for script in scripts)
        for currency, owned in holdings.scripts.items()
    }
