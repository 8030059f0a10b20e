"""A trial balance as the reader answers it."""

from __future__ import annotations

from actors.messages import TrialLine, TrialPage, TrialView

TRIAL = TrialView("BTC", 8, None, None, 0, 9, "ab" * 32, is_final=False)
LINES = (
    TrialLine("client:=a,b:BTC:available", "liability", "credit", 0, 20_500, 100_000, 79_500),
    TrialLine("onchain:BTC:hot", "asset", "debit", 0, 100_000, 20_000, 80_000),
    TrialLine("withdrawal_fee:BTC", "revenue", "credit", 0, 0, 500, 500),
)
"""Both sides are equal: debits and credits 120,500, closing 80,000."""
TRIAL_PAGE = TrialPage(LINES, None)
