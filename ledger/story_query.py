"""Questions of operators who look into one payment. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.queries import Query
from ledger.story_view import Found, PayoutStory


@dataclass(frozen=True, slots=True)
class GetPayoutStory(Query[PayoutStory | None]):
    """All there is to know of one withdrawal; None when it is not there."""

    withdrawal_id: str


@dataclass(frozen=True, slots=True)
class SearchBooks(Query[Found]):
    """Everything that ``text`` names, and what belongs to that: a client, a txid, an address, an id of ours
    or the website's ``external_id``. Exact; at most ``limit`` of each kind, the newest."""

    text: str
    limit: int = 50
