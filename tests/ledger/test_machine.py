"""The state tables: complete, reachable, and the only list of what may follow what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from ledger.adjustment import ADJUSTMENT, AdjustmentEvent, AdjustmentState
from ledger.attempt import ATTEMPT, LIVE, AttemptEvent, AttemptState
from ledger.case import CASE, DECISIONS, CaseEvent, CaseKind, CaseState, actions
from ledger.deposit import DEPOSIT, DepositEvent, DepositState
from ledger.errors import IllegalTransitionError
from ledger.machine import Step, Who, advance, diagram, ends, reachable
from ledger.sweep import SWEEP, SweepEvent, SweepState
from ledger.withdrawal import RELEASED, WITHDRAWAL, WithdrawalEvent, WithdrawalState

Table = Mapping[tuple[Any, Any], Step[Any]]
TABLES: list[tuple[str, Table, type[StrEnum], type[StrEnum], set[str]]] = [
    ("deposit", DEPOSIT, DepositState, DepositEvent, {"final"}),
    (
        "withdrawal",
        WITHDRAWAL,
        WithdrawalState,
        WithdrawalEvent,
        {"final", "rejected", "cancelled", "failed"},
    ),
    ("case", CASE, CaseState, CaseEvent, {"refunded"}),
    ("sweep", SWEEP, SweepState, SweepEvent, {"settled", "closed"}),
    ("adjustment", ADJUSTMENT, AdjustmentState, AdjustmentEvent, {"posted", "rejected"}),
    ("attempt", ATTEMPT, AttemptState, AttemptEvent, {"replaced", "abandoned"}),
]
README = Path(__file__).resolve().parents[2] / "ledger" / "README.md"


@pytest.mark.parametrize(("name", "table", "states", "events", "last"), TABLES)
def test_every_state_is_reachable_and_ends_are_the_intended_ones(
    name: str, table: Table, states: type[StrEnum], events: type[StrEnum], last: set[str]
) -> None:
    assert reachable(table) == set(states), name
    assert ends(table) == last
    assert {event for _, event in table} == set(events)


@pytest.mark.parametrize(("name", "table", "states", "events", "last"), TABLES)
def test_what_is_not_in_the_table_is_illegal(
    name: str, table: Table, states: type[StrEnum], events: type[StrEnum], last: set[str]
) -> None:
    for state in (None, *states):
        for event in events:
            step = table.get((state, event))
            for who in Who:
                if step is not None and who in step.who:
                    assert advance(table, state, event, who) == step
                else:
                    with pytest.raises(IllegalTransitionError):
                        advance(table, state, event, who)


@pytest.mark.parametrize(("name", "table"), [row[:2] for row in TABLES])
def test_the_diagram_in_the_readme_is_the_table(name: str, table: Table) -> None:
    found = re.search(
        rf"<!-- states:{name} -->\n```mermaid\n(.*?)\n```\n<!-- /states:{name} -->",
        README.read_text("utf-8"),
        re.DOTALL,
    )
    assert found is not None, f"ledger/README.md has no diagram of {name}"
    assert found.group(1) == diagram(table)


def test_only_the_chain_moves_a_deposit_but_for_a_release() -> None:
    by_others = {event for (_, event), step in DEPOSIT.items() if step.who != (Who.CHAIN,)}
    assert by_others == {DepositEvent.RELEASED}


def test_every_kind_of_case_can_be_decided_while_it_is_open_and_never_after() -> None:
    assert set(DECISIONS) == set(CaseKind)
    assert not actions(CaseKind.ILLIQUID, CaseState.OPEN)  # nothing is missing: a sweep that works ends it
    for kind in set(CaseKind) - {CaseKind.ILLIQUID, CaseKind.NODE_DOUBT}:
        assert actions(kind, CaseState.OPEN)
        assert not any(actions(kind, state) for state in set(CaseState) - {CaseState.OPEN})
        for event in DECISIONS[kind]:
            assert CASE[CaseState.OPEN, event].who == (Who.OPERATOR,)


def test_money_is_released_only_from_states_where_nothing_can_be_mined() -> None:
    # Signed bytes can be mined, but for what a block below the reorg depth proves: it is mined without
    # effect, or a chain tx that is not ours used its nonce, and then an operator has looked at that one.
    proven = {WithdrawalEvent.REVERTED, WithdrawalEvent.STOPPED}
    before = {(start, event) for (start, event), step in WITHDRAWAL.items() if step.to in RELEASED}
    assert {start for start, event in before if event not in proven} == {
        WithdrawalState.HELD,
        WithdrawalState.APPROVED,
    }
    by = {step.who for (_, event), step in WITHDRAWAL.items() if event is WithdrawalEvent.STOPPED}
    assert by == {(Who.OPERATOR,)}


def test_events_carry_the_name_of_the_state_they_tell_of() -> None:
    for table, kind in ((DEPOSIT, "deposit"), (WITHDRAWAL, "withdrawal")):
        for step in table.values():
            assert step.notify in (None, f"{kind}.{step.to}")


def test_a_live_attempt_can_be_mined_or_is_not_signed_yet() -> None:
    can_be_mined = {start for (start, event) in ATTEMPT if event is AttemptEvent.INCLUDED}
    assert can_be_mined | {AttemptState.PREPARED} == set(LIVE)
