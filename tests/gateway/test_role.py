"""Who may do what, tried: every route for operators with every role."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.api import Route
from gateway.principal import ForOperator
from gateway.role import ROLES, Permission, Role, permissions_of, table
from gateway.routes import ADMIN_ROUTES
from tests.gateway.calls import Caller, script
from tests.gateway.fake import running

ALL = set(Role)
CASES = {Role.PAYMENTS, Role.ADMIN}
CASES_SEEN = CASES | {Role.VIEWER, Role.SUPPORT}
MAY: dict[str, set[Role]] = {
    "logout": ALL,
    "get_operator_session": ALL,
    "change_password": ALL,
    "get_tree": ALL - {Role.MARKETING},
    "pause_currency": {Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "drain_currency": {Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "resume_currency": {Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "list_house_addresses": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "list_house_movements": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "create_house_movement": {Role.PAYMENTS, Role.ADMIN},
    "get_stop": ALL - {Role.MARKETING},
    "stop_payouts": {Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "start_payouts": {Role.PAYMENTS, Role.ADMIN},
    "list_all_withdrawals": CASES_SEEN,
    "get_any_withdrawal": CASES_SEEN,
    "search": CASES_SEEN,
    "approve_withdrawal": {Role.PAYMENTS, Role.ADMIN},
    "reject_withdrawal": {Role.PAYMENTS, Role.ADMIN},
    "stop_withdrawal": {Role.PAYMENTS, Role.ADMIN},
    "get_statement": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "get_trial_balance": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "get_in_flight": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "list_webhooks": {Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "redeliver_webhook": {Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "list_journal": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "list_adjustments": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "create_adjustment": {Role.PAYMENTS, Role.ADMIN},
    "correct_case": {Role.PAYMENTS, Role.ADMIN},
    "import_adjustments": {Role.PAYMENTS, Role.ADMIN},
    "reverse_adjustment": {Role.PAYMENTS, Role.ADMIN},
    "approve_adjustment": {Role.PAYMENTS, Role.ADMIN},
    "reject_adjustment": {Role.PAYMENTS, Role.ADMIN},
    "list_audit": {Role.VIEWER, Role.SRE, Role.PAYMENTS, Role.ADMIN},
    "list_keys": {Role.ADMIN},
    "create_key": {Role.ADMIN},
    "revoke_key": {Role.ADMIN},
    "list_operators": {Role.ADMIN},
    "create_operator": {Role.ADMIN},
    "change_operator": {Role.ADMIN},
    "reset_operator": {Role.ADMIN},
    "list_periods": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "close_period": CASES,
    "list_reconciliations": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "get_reconciliation": {Role.VIEWER, Role.PAYMENTS, Role.ADMIN},
    "create_reconciliation": CASES,
    "list_cases": CASES_SEEN,
    "get_case": CASES_SEEN,
    "assign_case": CASES,
    "release_case": CASES,
    "release_cases": CASES,
    "refund_case": CASES,
    "write_off_case": CASES,
    "block_deposits": CASES,
    "unblock_deposits": CASES,
}
"""By route, the roles it is for. A new route is refused to everybody here until somebody decides."""
GUARDED = [route for route in ADMIN_ROUTES if isinstance(route.access, ForOperator)]


def test_every_route_for_operators_is_in_the_table() -> None:
    assert set(MAY) == {route.name for route in GUARDED}


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
async def test_each_role_reaches_exactly_its_routes(route: Route) -> None:
    async with running(script) as rig:
        for role in Role:
            caller = Caller(rig, ("", ""), "", rig.operator(role))
            rig.directory.asked.clear()
            answer = await caller.call(route.name)
            if role in MAY[route.name]:
                assert answer.status == route.status, (role, answer.raw)
            else:
                assert (answer.status, answer.code) == (403, "forbidden"), role
                assert rig.directory.asked == []


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
async def test_no_role_or_an_unknown_one_may_nothing(route: Route) -> None:
    async with running(script) as rig:
        for roles in (("",), ("root",), ("Admin",)):
            answer = await Caller(rig, ("", ""), "", rig.operator(*roles)).call(route.name)
            assert (answer.status, answer.code) == (403, "forbidden")
        assert rig.directory.asked == []


@pytest.mark.parametrize("state", ["ended", "expired"])
async def test_a_login_that_is_over_is_nobody(state: str) -> None:
    async with running(script) as rig:
        answer = await rig.send("GET", "/v1/admin/me", rig.operator(state=state))
        assert (answer.status, answer.code) == (401, "unauthorized")


def test_the_table_knows_every_role_and_every_permission_is_used() -> None:
    assert set(ROLES) == ALL
    used = {route.access.permission for route in GUARDED if isinstance(route.access, ForOperator)}
    assert used == set(Permission)


def test_the_page_of_the_room_shows_the_table() -> None:
    text = (Path(__file__).parents[2] / "gateway" / "README.md").read_text("utf-8")
    assert f"<!-- roles -->\n{table()}\n<!-- /roles -->" in text


def test_roles_add_up() -> None:
    assert permissions_of(()) == frozenset()
    assert permissions_of(("marketing", "sre")) == ROLES[Role.SRE]
    assert ROLES[Role.ADMIN] == frozenset(Permission)
