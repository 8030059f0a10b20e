"""What operators watch of the books, as numbers. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurrencyGauges:
    """What operators watch of one currency. ``hot`` is what payouts can spend; fees and payments are sums.

    ``rate_at`` (unix seconds) is the time of the last rate that was kept, None without one, and
    ``is_rate_usable`` whether what is booked now has a value by it.
    """

    currency: str
    state: str
    decimals: int
    oldest_unsigned_at: int | None
    oldest_unconfirmed_at: int | None
    attention: int
    cases: int
    hot: int
    paid_in_week: int
    network_fees: int
    rate_at: int | None = None
    is_rate_usable: bool = False


@dataclass(frozen=True, slots=True)
class Gauges:
    """All currencies, the last event, what webhooks have not brought to the website yet, the panic stop."""

    currencies: tuple[CurrencyGauges, ...]
    last_sequence: int
    deliveries_waiting: int
    oldest_delivery_at: int | None
    deliveries_dead: int
    is_stopped: bool = False
