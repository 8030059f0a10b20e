"""What each role of an operator may do: one table. A permission that no role has is nobody's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What an operator's work is."""

    VIEWER = "viewer"
    MARKETING = "marketing"
    SUPPORT = "support"
    SRE = "sre"
    PAYMENTS = "payments"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route may ask for. Reading and deciding are two."""

    OWN = "own"
    """His own login: who he is, log out."""
    TREE = "tree"
    CURRENCIES = "currencies"
    WITHDRAWALS_SEEN = "withdrawals_seen"
    """To look at payouts with all there is to know of them; to decide about one is the next one."""
    WITHDRAWALS = "withdrawals"
    SEARCH = "search"
    """To look for a client's payments with everything that belongs to them."""
    STOP = "stop"
    """To stop all payouts at once; to let them go on is the next one."""
    START = "start"
    CASES_SEEN = "cases_seen"
    """To look at money that credits nobody; to decide about it is the next one."""
    CASES = "cases"
    HOUSE_SEEN = "house_seen"
    """To look at the house's own movements; to announce them is the next one."""
    HOUSE = "house"
    ADJUSTMENTS_SEEN = "adjustments_seen"
    """To look at money that operators moved inside the books; to move it is the next one."""
    ADJUSTMENTS = "adjustments"
    BOOKS = "books"
    """To read statements of every account, the journal, what is under way, closed months and comparisons."""
    WEBHOOKS = "webhooks"
    """To see what was told to the website, and tell it again."""
    CLOSING = "closing"
    """To close a month, and to have a chain compared with the books."""
    AUDIT = "audit"
    OPERATORS = "operators"
    KEYS = "keys"
    """Website keys."""


ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset(
        {
            Permission.OWN,
            Permission.TREE,
            Permission.WITHDRAWALS_SEEN,
            Permission.SEARCH,
            Permission.CASES_SEEN,
            Permission.HOUSE_SEEN,
            Permission.ADJUSTMENTS_SEEN,
            Permission.BOOKS,
            Permission.AUDIT,
        }
    ),
    Role.MARKETING: frozenset({Permission.OWN}),
    Role.SUPPORT: frozenset(
        {
            Permission.OWN,
            Permission.TREE,
            Permission.WITHDRAWALS_SEEN,
            Permission.SEARCH,
            Permission.CASES_SEEN,
        }
    ),
    Role.SRE: frozenset(
        {
            Permission.OWN,
            Permission.TREE,
            Permission.CURRENCIES,
            Permission.STOP,
            Permission.WEBHOOKS,
            Permission.AUDIT,
        }
    ),
    Role.PAYMENTS: frozenset(
        {
            Permission.OWN,
            Permission.TREE,
            Permission.CURRENCIES,
            Permission.WITHDRAWALS_SEEN,
            Permission.WITHDRAWALS,
            Permission.SEARCH,
            Permission.STOP,
            Permission.START,
            Permission.CASES_SEEN,
            Permission.CASES,
            Permission.HOUSE_SEEN,
            Permission.HOUSE,
            Permission.WEBHOOKS,
            Permission.ADJUSTMENTS_SEEN,
            Permission.ADJUSTMENTS,
            Permission.BOOKS,
            Permission.CLOSING,
            Permission.AUDIT,
        }
    ),
    Role.ADMIN: frozenset(Permission),
}
"""The table role × permission; each route names its permission (``gateway.routes``)."""


def table() -> str:
    """The table as Markdown, for the page of the room."""
    lines = ["| Permission | " + " | ".join(f"`{role}`" for role in Role) + " |"]
    lines.append("|---|" + "---|" * len(Role))
    for permission in Permission:
        marks = ("yes" if permission in ROLES[role] else "" for role in Role)
        lines.append(f"| `{permission}` | " + " | ".join(marks) + " |")
    return "\n".join(lines)


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What an operator with these roles may do; a role that is not known here gives nothing."""
    known = [Role(role) for role in roles if role in list(Role)]
    return frozenset().union(*(ROLES[role] for role in known))
