"""EIP-1559 prices: what to offer per gas. Pure. All prices in wei per gas."""

from __future__ import annotations

from coins.errors import PlanError
from coins.types import FeeQuote


def quote_fee(base_fee_wei: int, priority_fee_wei: int, cap_wei: int) -> FeeQuote:
    """Offer that stays good for some six full blocks: twice the base fee plus the tip, at most ``cap_wei``.

    The base fee rises by at most 1/8 per block (EIP-1559); what is not needed is not paid.
    """
    max_fee_wei = min(2 * base_fee_wei + priority_fee_wei, cap_wei)
    return FeeQuote(
        max_fee_wei=max_fee_wei,
        priority_fee_wei=min(priority_fee_wei, max_fee_wei),
        base_fee_wei=base_fee_wei,
    )


def sweep_price(quote: FeeQuote) -> int:
    """Price per gas of a sweep that leaves exactly nothing behind.

    Maximum and tip are the same there, so the whole offer is paid: a quarter above the base fee
    (two full blocks of rise) plus the tip, never more than the quoted maximum.
    """
    wanted = quote.base_fee_wei + quote.base_fee_wei // 4 + quote.priority_fee_wei
    return min(max(wanted, 1), quote.max_fee_wei)


def refuse_dear(quote: FeeQuote) -> None:
    """Raise PlanError (waiting for gas) while the base fee itself is above the highest allowed price."""
    if quote.max_fee_wei <= 0 or quote.base_fee_wei > quote.max_fee_wei:
        raise PlanError(
            f"gas costs {quote.base_fee_wei} wei now, at most {quote.max_fee_wei} may be paid", "gas"
        )
