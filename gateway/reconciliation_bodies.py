"""What is asked about comparisons of chain and books."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.bodies import Body, Currency, Cursor, Query


class ReconciliationsQuery(Query):
    """One page of comparisons, newest first; of one currency, or of all."""

    limit: Annotated[int, Field(ge=1, le=500)] | None = None
    cursor: Cursor | None = None
    currency: Currency | None = None


class ReconcileBody(Body):
    """Which chain is compared, with its tokens; without ``height`` at the node's tip now."""

    currency: Currency
    height: Annotated[int, Field(ge=0, lt=2**53, description="A past block")] | None = None
