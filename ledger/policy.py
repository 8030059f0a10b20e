"""The confirmation policy of a currency: how deep is deep enough for how much. Pure.

Tiers go by what one block brings one client in one currency, all receipts together, so that splitting a
payment never makes it wait less.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

COINBASE_MATURITY = 100
"""Depth before which a coinbase output cannot be spent (Bitcoin consensus, COINBASE_MATURITY)."""


class Finality(StrEnum):
    """What a credit waits for besides its depth, from lax to strict."""

    CONFIRMATIONS = "confirmations"  # nothing: depth alone decides
    SAFE = "safe"  # the block is at or below the node's ``safe`` block (Ethereum JSON-RPC block tags)
    FINALIZED = "finalized"  # … at or below its ``finalized`` block


_ORDER = tuple(Finality)


@dataclass(frozen=True, slots=True)
class Tier:
    """More than ``above`` base units need ``confirmations``."""

    above: int
    confirmations: int


def required_depth(
    confirmations: int, tiers: Sequence[Tier], total: int, *, is_coinbase: bool = False
) -> int:
    """Confirmations that a receipt needs when its block brings its client ``total`` base units."""
    depths = [tier.confirmations for tier in tiers if total > tier.above]
    return max(confirmations, COINBASE_MATURITY if is_coinbase else 0, *depths)


def stricter(first: Finality, second: Finality) -> Finality:
    """The one of two that waits longer."""
    return max(first, second, key=_ORDER.index)


def tiers_text(tiers: Sequence[Tier]) -> str:
    """Tiers as they are stored: JSON, amounts as decimal text."""
    return json.dumps([[str(tier.above), tier.confirmations] for tier in tiers])


def parse_tiers(text: str) -> tuple[Tier, ...]:
    """Inverse of :func:`tiers_text`."""
    return tuple(Tier(int(above), confirmations) for above, confirmations in json.loads(text))
