"""What operators may send about adjustments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.bodies import (
    Account,
    Amount,
    Body,
    ClientId,
    Currency,
    Cursor,
    ExternalId,
    Moment,
    Query,
    Reason,
    ReasonBody,
)

CSV_MAX = 1_000_000
"""Characters of a sheet."""

IMPORT_BODY_MAX = 2 * CSV_MAX
"""Bytes of the JSON it comes in: line ends and quotes take two."""


class AdjustmentBody(ReasonBody):
    """Money from one account to another."""

    source: Annotated[Account, Field(validation_alias="from")]
    target: Annotated[Account, Field(validation_alias="to")]
    currency: Currency
    amount: Amount
    external_id: ExternalId | None = None


class CorrectBody(ReasonBody):
    """How much of a case's difference is booked, and which account takes it."""

    currency: Currency
    amount: Amount
    against: Literal["loss", "house", "network_fee"]


class ImportBody(Body):
    """A sheet of adjustments as CSV; with ``dry_run`` it is only judged."""

    csv: Annotated[
        str,
        Field(
            min_length=1,
            max_length=CSV_MAX,
            description="Comma-separated with the header `from,to,currency,amount,external_id,reason`",
        ),
    ]
    dry_run: bool


class AdjustmentQuery(Query):
    """One page of adjustments, newest first; `client_id` is either party."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    client_id: ClientId | None = None
    currency: Currency | None = None
    status: Literal["held", "posted", "rejected"] | None = None
    import_id: Annotated[str, Field(pattern=r"^imp_[A-Za-z0-9_.-]{1,160}$")] | None = None
    since: Annotated[Moment | None, Field(validation_alias="from")] = None
    until: Annotated[Moment | None, Field(validation_alias="to")] = None


class RowBody(Body):
    """One row of a sheet."""

    source: Annotated[Account, Field(validation_alias="from")]
    target: Annotated[Account, Field(validation_alias="to")]
    currency: Currency
    amount: Amount
    external_id: ExternalId
    reason: Reason
