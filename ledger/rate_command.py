"""Rates of currencies in money of a state, as they were known when entries were booked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.request import Command


@dataclass(frozen=True, slots=True)
class RecordRates(Command[tuple[str, ...]]):
    """Rates that hold for entries from now on; answers which currencies are none here.

    ``rates`` by currency: one whole unit in ``quote`` (like ``EUR``), as decimal text. ``quoted_at`` (unix
    seconds) is their own time; an entry more than ``valid_s`` later has no value. A currency that is none
    here (yet) is left out, and so is a rate that is there already or older than the last one.
    """

    quote: str
    rates: Mapping[str, str]
    quoted_at: int
    valid_s: int
    source: str
