"""States of a currency: one table, which the documentation shows and everybody reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger.currency import STATES
from ledger.currency_state import (
    GRAVEST_FIRST,
    RULES,
    VERDICTS,
    Credits,
    CurrencyState,
    Finding,
    allowing,
    diagram,
    table,
)
from ledger.work import PAYING_STATES
from monitoring.metrics import CURRENCY_STATES

ARCHITECTURE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"


def test_every_state_has_a_rule_and_every_finding_a_verdict() -> None:
    assert set(RULES) == set(CurrencyState) == set(STATES)
    assert set(VERDICTS) == set(Finding)
    by_looking = {verdict.state for verdict in VERDICTS.values()}
    assert set(CurrencyState) - by_looking == {"draining", "paused", "disabled"}
    assert set(CURRENCY_STATES) == set(CurrencyState) - {"disabled"}


def test_payouts_leave_in_no_doubt_only() -> None:
    assert allowing("pays") == PAYING_STATES == {"open", "draining"}
    for finding, verdict in VERDICTS.items():
        if RULES[verdict.state].pays:
            assert verdict.credits is Credits.ALL, finding


@pytest.mark.parametrize("finding", GRAVEST_FIRST)
def test_every_doubt_holds_credits_and_payouts(finding: Finding) -> None:
    verdict = VERDICTS[finding]
    assert verdict.credits is not Credits.ALL
    assert not RULES[verdict.state].pays


@pytest.mark.parametrize(("name", "made"), [("diagram", diagram), ("table", table)])
def test_the_architecture_shows_the_table(name: str, made: object) -> None:
    assert callable(made)
    text = ARCHITECTURE.read_text("utf-8")
    found = re.search(rf"<!-- currency {name} -->\n(.*?)\n<!-- /currency {name} -->", text, re.DOTALL)
    assert found is not None, f"ARCHITECTURE.md has no currency {name}"
    shown = found.group(1)
    assert shown == (f"```mermaid\n{made()}\n```" if name == "diagram" else made())
