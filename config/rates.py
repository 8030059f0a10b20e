"""Where the fiat values of statements come from."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.fields import BasePath, HttpUrl, Seconds, Section, problem


class RatesSettings(Section):
    """What currencies are worth, for the values that statements show; without a source there are none."""

    file: BasePath | None = None
    """A JSON or CSV file with the table of rates; read again and again, so that it may be replaced."""
    url: HttpUrl | None = None
    """An address that answers a GET with such a table, in place of the file."""
    quote: Annotated[str, Field(pattern=r"^[A-Z]{3,5}$")] = "EUR"
    """The money in which the rates are."""
    poll_s: Annotated[float, Field(ge=10, le=86_400)] = 3_600.0
    """Pause between two readings."""
    max_age_s: Annotated[int, Field(ge=60, le=31_536_000)] = 86_400
    """Age of a rate from which on what is booked has no value."""
    timeout_s: Seconds = 10.0
    """How long the address may take to answer."""
    body_limit_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 262_144
    """Largest table."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.file is not None and self.url is not None:
            raise problem("file and url are both set")
        return self
