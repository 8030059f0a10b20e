"""The chart of accounts: names, classes and normal sides. Pure.

A name is ``{kind}:{…}:{currency}…`` with no colon inside a part, so it can be parsed back. The
normal side of a class is the side that makes its balance grow; no balance is ever below zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from coins.types import Location

HOUSE = "house"
"""The client id of the business itself; reserved, no client may have it."""


_CLIENT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class AccountClass(StrEnum):
    """The classes of the chart."""

    ASSET = "asset"
    CLEARING = "clearing"
    LIABILITY = "liability"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSE = "expense"


class Part(StrEnum):
    """The three balances of a client in one currency."""

    PENDING = "pending"
    AVAILABLE = "available"
    RESERVED = "reserved"


DEBIT_NORMAL = frozenset({AccountClass.ASSET, AccountClass.EXPENSE, AccountClass.CLEARING})
"""Classes whose balance grows by a debit; the others grow by a credit."""

_CLASS_OF_PLAIN = {
    "unexplained": AccountClass.ASSET,
    "chain_tx": AccountClass.CLEARING,
    "suspense": AccountClass.LIABILITY,
    "refund_payable": AccountClass.LIABILITY,
    "house": AccountClass.EQUITY,
    "withdrawal_fee": AccountClass.REVENUE,
    "unclaimed": AccountClass.REVENUE,
    "network_fee": AccountClass.EXPENSE,
    "token_fee": AccountClass.EXPENSE,
    "loss": AccountClass.EXPENSE,
}


@dataclass(frozen=True, slots=True)
class Account:
    """A parsed account name. ``part`` is a client's part or a location of ``onchain``, else empty."""

    name: str
    kind: str
    account_class: AccountClass
    currency: str
    client_id: str | None = None
    part: str = ""

    @property
    def is_debit_normal(self) -> bool:
        """Whether a debit makes the balance grow."""
        return self.account_class in DEBIT_NORMAL


def is_client_id(text: str) -> bool:
    """Whether a client may be called so: 1 to 64 of ``A-Z a-z 0-9 _ . -``, and not ``house``."""
    return text != HOUSE and _CLIENT_ID.fullmatch(text) is not None


def onchain(currency: str, location: Location) -> str:
    """What our scripts of one location own on the chain."""
    return f"onchain:{currency}:{location.value}"


def client(client_id: str, currency: str, part: Part) -> str:
    """What we owe a client: ``pending``, ``available`` or ``reserved``."""
    return f"client:{client_id}:{currency}:{part.value}"


def client_deficit(client_id: str, currency: str) -> str:
    """What a client owes us after a reversal."""
    return f"client_deficit:{client_id}:{currency}"


def unexplained(currency: str) -> str:
    """Money that left our scripts without an attempt of ours."""
    return f"unexplained:{currency}"


def chain_tx(currency: str) -> str:
    """Clearing account of one chain tx; zero after each entry."""
    return f"chain_tx:{currency}"


def suspense(currency: str) -> str:
    """Money that credits nobody yet."""
    return f"suspense:{currency}"


def refund_payable(currency: str) -> str:
    """Parked money that will be sent back."""
    return f"refund_payable:{currency}"


def house(currency: str) -> str:
    """The business's own money."""
    return f"house:{currency}"


def withdrawal_fee(currency: str) -> str:
    """Service fees earned."""
    return f"withdrawal_fee:{currency}"


def unclaimed(currency: str) -> str:
    """Parked money that was kept."""
    return f"unclaimed:{currency}"


def network_fee(currency: str) -> str:
    """Fees paid to miners and validators."""
    return f"network_fee:{currency}"


def token_fee(currency: str) -> str:
    """Token units a contract took on the way."""
    return f"token_fee:{currency}"


def loss(currency: str) -> str:
    """Losses admitted by a case."""
    return f"loss:{currency}"


@lru_cache(maxsize=65_536)
def parse(name: str) -> Account:
    """Split an account name. Raises ValueError for a name that is not of the chart."""
    parts = name.split(":")
    kind = parts[0]
    if all(parts):
        if kind == "client" and len(parts) == 4 and parts[3] in set(Part):
            return Account(name, kind, AccountClass.LIABILITY, parts[2], parts[1], parts[3])
        if kind == "client_deficit" and len(parts) == 3:
            return Account(name, kind, AccountClass.ASSET, parts[2], parts[1])
        if kind == "onchain" and len(parts) == 3 and parts[2] in set(Location):
            return Account(name, kind, AccountClass.ASSET, parts[1], None, parts[2])
        if kind in _CLASS_OF_PLAIN and len(parts) == 2:
            return Account(name, kind, _CLASS_OF_PLAIN[kind], parts[1])
    raise ValueError(f"not an account of the chart: {name!r}")
