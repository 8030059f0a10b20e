"""What is asked about months."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.bodies import Body, Currency, Query

Month = Annotated[str, Field(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$", examples=["2026-01"])]


class PeriodsQuery(Query):
    """Closed months, newest first; of one currency, of one month, or of all."""

    currency: Currency | None = None
    month: Month | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class ClosePeriodBody(Body):
    """Which chain's month is closed; its tokens are closed with it."""

    currency: Currency


class ProofQuery(Query):
    """Whose sum: a currency at the end of a closed month."""

    currency: Currency
    month: Month
