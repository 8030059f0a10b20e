"""Commands about own scripts: an index reserved, its script made ours. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import Branch, Location, OwnScript
from ledger.request import Command, Idempotency
from ledger.views import AddressView, Outcome, ReservedScript


@dataclass(frozen=True, slots=True)
class ReserveScript(Command[int]):
    """Reserve the next index of a branch under a unique ``purpose`` (``client:alice:0``,
    ``hot``, ``change:{intent_id}``). Same purpose, same index.

    With ``client_id`` and ``client_limit`` a new index beyond that many of the client's is refused
    (TooManyAddressesError). ``wanted`` is the currency the client asked for, when it is a token: its
    address is its chain's, and whether deposits are open is its own affair.
    """

    currency: str
    branch: Branch
    purpose: str
    client_id: str | None = None
    client_limit: int | None = None
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class GetUnrecorded(Command[tuple[ReservedScript, ...]]):
    """Indices that were reserved and whose script was never recorded: the process ended in between."""

    currency: str


@dataclass(frozen=True, slots=True)
class RecordScript(Command[Outcome[AddressView]]):
    """Make a derived script ours: from its commit on a scan must know it. ``client_id`` is None
    for hot and change scripts and for one that nobody was given (the view then has an empty client); a client
    may be given the latter later. Idempotent per purpose."""

    currency: str
    purpose: str
    own: OwnScript
    location: Location
    client_id: str | None
    idempotency: Idempotency | None = None
