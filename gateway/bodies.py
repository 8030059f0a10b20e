"""Bodies and queries a caller may send. Nothing beside these members is taken, nothing is converted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from gateway.principal import Scope
from gateway.role import Role
from gateway.token import OPERATOR_NAME_PATTERN

HOUSE = "house"
PASSWORD_MIN, PASSWORD_MAX = 12, 1024
"""Characters of an operator's password."""


def _client(text: str) -> str:
    if text == HOUSE:
        raise ValueError("is reserved")
    return text


def _return_url(text: str) -> str:
    """Only a web address: it becomes a link in the cashier page."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is not a URL") from None
    is_local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not (parts.scheme == "https" or is_local) or not parts.hostname or parts.username is not None:
        raise ValueError("must be an https URL")
    return text


def _moment(text: str) -> int:
    """Unix seconds of an RFC 3339 time with its zone."""
    if len(text) > 40:
        raise ValueError("is too long")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an RFC 3339 time like 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("must name its zone, like 2026-01-31T12:00:00Z")
    try:
        return int(moment.astimezone(UTC).timestamp())
    except OverflowError:  # the first and last hours of the calendar, in a zone that leads out of it
        raise ValueError("is outside of the calendar") from None


def parse_day(text: str) -> int:
    """Unix seconds of an RFC 3339 time, or the first of a day or month in UTC. Raises ValueError."""
    if _MONTH.fullmatch(text):
        text += "-01"
    return _moment(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)


def month_after(month: str) -> str:
    """The month after one written ``2026-05``. Raises ValueError."""
    if not _MONTH.fullmatch(month):
        raise ValueError("must be a month like 2026-05")
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
Account = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="A client's id, or `house`")]
ClientId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="The website's own id of its client"),
    AfterValidator(_client),
]
Currency = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,11}(-[A-Z0-9]{2,12})?$", examples=["BTC"])]
Amount = Annotated[
    str,
    Field(
        min_length=1,
        max_length=160,
        description="Decimal string of whole units: no sign, no exponent, no more decimals than the currency",
        examples=["0.00150000"],
    ),
]
ExternalId = Annotated[
    str, Field(pattern=r"^[\x21-\x7e]{1,128}$", description="The website's own id, unique for ever")
]
Address = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$", description="Where to pay to")]
PRINTED = r"[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
"""A character of a text that people read on a statement: no control, and none that turns the writing round
(UAX 9), by which a text shows otherwise than it is."""
Reason = Annotated[str, Field(pattern=f"^{PRINTED}{{1,500}}$", description="Why; kept with what is done")]
Action = Literal["deposit", "withdraw"]
Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]

Day = Annotated[
    int,
    BeforeValidator(parse_day),
    WithJsonSchema({"type": "string", "description": "`2026-05`, `2026-05-01` or `2026-05-01T00:00:00Z`"}),
]
AccountName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,200}$", description="As the chart has it, like `house:BTC`")
]


class Body(BaseModel):
    """A JSON body: unknown members are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Query(BaseModel):
    """A query string: unknown and repeated parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SessionBody(Body):
    """The handshake: what one client may do for a short time."""

    client_id: ClientId
    actions: Annotated[list[Action], Field(min_length=1, max_length=2)]
    currencies: Annotated[list[Currency], Field(min_length=1, max_length=100)] | None = None
    ttl_s: Annotated[int, Field(ge=60, le=86_400)] | None = None
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = None
    return_url: Annotated[str, Field(max_length=500), AfterValidator(_return_url)] | None = None
    withdrawal_limit: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,77})(\.[0-9]{1,77})?$")] | None = None


OperatorName = Annotated[str, Field(pattern=OPERATOR_NAME_PATTERN, description="The operator's login name")]


Roles = Annotated[list[Annotated[Role, Field(strict=False)]], Field(min_length=1, max_length=len(Role))]


Code = Annotated[str, Field(pattern=r"^[0-9]{6}$", description="The one-time code of the app")]


class LoginBody(Body):
    """What an operator logs in with."""

    name: OperatorName
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX)]
    code: Code


class PasswordBody(Body):
    """Another password for whoever is logged in; the old one and a code show that it is he."""

    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX)]
    code: Code
    new_password: Annotated[str, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]


class NewOperatorBody(Body):
    """A person who may log in."""

    name: OperatorName
    roles: Roles


class NewKeyBody(Body):
    """A website key; ``website`` is the one business this cashier serves."""

    website: Annotated[str, Field(pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,126}[^\x00-\x20\x7f])?$")]
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=len(Scope))]


class OperatorBody(Body):
    """What of an operator changes; what is left out stays."""

    roles: Roles | None = None
    disabled: bool | None = None


class ReasonBody(Body):
    """Why an operator does it; kept in the audit."""

    reason: Reason


class OptionalReasonBody(Body):
    """The same where it goes without saying."""

    reason: Annotated[str, Field(pattern=f"^{PRINTED}{{0,500}}$")] = ""


class ApproveBody(OptionalReasonBody):
    """Which payment is approved: the ``digest`` that the operator was shown with it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="From the payment as it was shown")]


class CodeBody(Body):
    """The one-time code of the link."""

    code: Annotated[str, Field(max_length=200)]


class WithdrawalBody(Body):
    """A withdrawal asked for by the website. The fee is on top of ``amount`` unless ``fee_included``."""

    client_id: ClientId
    currency: Currency
    amount: Amount
    address: Address
    external_id: ExternalId
    fee_included: bool = False


class CashierWithdrawalBody(Body):
    """A withdrawal asked for by the client."""

    currency: Currency
    amount: Amount
    address: Address
    fee_included: bool = False


class TransferBody(Body):
    """Money from one account to another: a bet, a trade, a refund, a bonus."""

    source: Annotated[Account, Field(validation_alias="from")]
    target: Annotated[Account, Field(validation_alias="to")]
    currency: Currency
    amount: Amount
    external_id: ExternalId
    reason: Reason


class HouseMovementBody(ReasonBody):
    """House money that one chain tx will bring to the hot wallet; ``currency`` is what it pays."""

    kind: Literal["announce"]
    currency: Currency
    txid: Annotated[str, Field(pattern=r"^(0x)?[0-9a-f]{64}$")]


class AssignBody(ReasonBody):
    """Who gets the money of a case."""

    client_id: Account


class RefundBody(ReasonBody):
    """Where the money of a case is sent back to; ``currency`` is the case's."""

    currency: Currency
    address: Address


class ReleaseBody(ReasonBody):
    """Which parked deposits go on: those of a currency with one reason."""

    currency: Currency
    cause: Literal["below_minimum", "client_blocked", "deposits_closed"]


Cursor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_=.~-]{1,256}$", description="From `next_cursor`")]
Status = Annotated[str, Field(pattern=r"^[a-z_]{1,20}$")]
Txid = Annotated[str, Field(pattern=r"^(0x)?[0-9a-f]{64}$")]


class PageQuery(Query):
    """One page of a list of the session's client, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    currency: Currency | None = None
    status: Status | None = None
    txid: Txid | None = None
    since: Annotated[Moment | None, Field(validation_alias="from")] = None
    until: Annotated[Moment | None, Field(validation_alias="to")] = None


class ListQuery(PageQuery):
    """One page of a list, of one client where named."""

    client_id: ClientId | None = None


class StatementQuery(Query):
    """From when (included) until when (excluded); without them from the first entry, up to now."""

    since: Annotated[Day | None, Field(validation_alias="from")] = None
    until: Annotated[Day | None, Field(validation_alias="to")] = None

    @field_validator("until")
    @classmethod
    def _is_later(cls, until: int | None, info: ValidationInfo) -> int | None:
        since = info.data.get("since")
        if since is not None and until is not None and until < since:
            raise ValueError("is before `from`")
        return until


class ClientStatementQuery(StatementQuery):
    """A client's statement of one currency."""

    currency: Currency


class AccountStatementQuery(StatementQuery):
    """A statement of one account, or of a client's currency."""

    account: AccountName | None = None
    client_id: ClientId | None = None
    currency: Currency | None = None


class TrialQuery(StatementQuery):
    """All accounts of a currency."""

    currency: Currency


class JournalQuery(StatementQuery):
    """One page of the journal, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    txid: Txid | None = None


class HouseQuery(Query):
    """One page of the house's movements, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    currency: Currency | None = None


class WebhookQuery(Query):
    """One page of webhooks, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    status: Literal["pending", "delivered", "dead"] | None = None


class AuditQuery(Query):
    """One page of the audit, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    by: Annotated[str, Field(pattern=r"^[a-z]{1,20}(:[A-Za-z0-9_.-]{1,160})?$")] | None = None
    action: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None
    object_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.-]{1,160}$")] | None = None
    since: Annotated[Moment | None, Field(validation_alias="from")] = None
    until: Annotated[Moment | None, Field(validation_alias="to")] = None


class SearchQuery(Query):
    """What an operator looks for; exact."""

    q: Annotated[
        str,
        Field(
            pattern=r"^[\x21-\x7e]{1,160}$",
            description="A client's id, a txid, an address, an id of ours, or an `external_id`",
        ),
    ]
    limit: Annotated[int, Field(ge=1, le=500)] | None = None


class EventsQuery(Query):
    """Events after a sequence number."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] | None = None


class StreamQuery(Query):
    """Where a stream begins, unless ``Last-Event-ID`` says it."""

    after: Annotated[int, Field(ge=0, lt=2**63)] | None = None
