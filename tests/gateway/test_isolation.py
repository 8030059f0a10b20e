"""Somebody else's objects do not exist: generated over every route that names one."""

from __future__ import annotations

from typing import Any

import pytest

from actors.messages import (
    DecideWithdrawal,
    EndSession,
    GetBalances,
    GetWithdrawal,
    IssueAddress,
    ListDeposits,
    ListEvents,
    ListWithdrawals,
    Page,
    RequestWithdrawal,
)
from gateway.api import Route
from gateway.bodies import CashierWithdrawalBody
from gateway.principal import ForClient, ForWebsite
from gateway.routes import CASHIER_ROUTES, WEBSITE_ROUTES
from ledger.errors import NotFoundError
from tests.gateway.calls import Caller, path_of, script
from tests.gateway.fake import FakeDirectory, running
from tests.gateway.samples import deposit_view, withdrawal_view

CLIENT_ROUTES = [route for route in CASHIER_ROUTES if isinstance(route.access, ForClient)]
LIVE = [route for route in CLIENT_ROUTES if not route.is_stream]


def owner_bound(directory: FakeDirectory) -> None:
    """As the ledger does it: an object of another owner is not found."""
    script(directory)

    def decide(_: str, message: DecideWithdrawal) -> Any:
        raise NotFoundError("no such withdrawal")

    def end(_: str, message: EndSession) -> Any:
        raise NotFoundError("no such session")

    directory.replies |= {
        DecideWithdrawal: decide,
        EndSession: end,
        GetWithdrawal: lambda _, m: withdrawal_view() if m.website == "shop" else None,
    }


@pytest.mark.parametrize("route", LIVE, ids=lambda route: route.name)
async def test_s08_a_session_reaches_only_its_own_client(route: Route) -> None:
    """Alice's session, with Bob's ids in the path and Bob's name wherever one could be put."""
    async with running(owner_bound) as rig:
        caller = Caller.of(rig, client_id="alice")
        answer = await caller.call(route.name, id="wd_bob")
        for name, message in rig.directory.asked:
            for field in ("client_id", "website"):
                if hasattr(message, field):
                    assert getattr(message, field) == {"client_id": "alice", "website": "shop"}[field], name
            if hasattr(message, "filter"):
                assert message.filter.client_id == "alice"
        if "{id}" in route.path:
            assert (answer.status, answer.code) == (404, "not_found")
        for query in ("?client_id=bob", "?client=bob"):
            assert (await caller.call(route.name, query=query)).status == 422


def test_s08_no_client_route_takes_a_client_id() -> None:
    assert all("client_id" not in route.path_names for route in CLIENT_ROUTES)
    bodies = [route.body for route in CLIENT_ROUTES if route.body is not None]
    assert bodies == [CashierWithdrawalBody]
    for model in (*bodies, *(route.query for route in CLIENT_ROUTES if route.query is not None)):
        assert "client_id" not in model.model_fields


@pytest.mark.parametrize(
    "kind", [GetBalances, IssueAddress, RequestWithdrawal, ListDeposits, ListWithdrawals, ListEvents]
)
def test_s08_every_message_that_can_be_bound_to_a_client_is(kind: type) -> None:
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    assert "client_id" in fields or "filter" in fields


@pytest.mark.parametrize(
    "route",
    [
        r
        for r in WEBSITE_ROUTES
        if ("{id}" in r.path and r.name != "get_deposit") or r.name == "list_withdrawals"
    ],
    ids=lambda route: route.name,
)
async def test_s08_a_website_reaches_only_its_own_objects(route: Route) -> None:
    assert isinstance(route.access, ForWebsite)
    async with running(owner_bound) as rig:
        rig.directory.replies[ListWithdrawals] = lambda _, m: Page(
            (withdrawal_view(),) if m.website == "shop" else (), None
        )
        stranger = Caller(rig, rig.key(website="other"), "")
        answer = await stranger.call(route.name)
        assert rig.directory.asked[-1][1].website == "other"
        if route.name == "list_withdrawals":
            assert answer.data["data"] == []
        else:
            assert (answer.status, answer.code) == (404, "not_found")


async def test_s08_a_session_of_listed_currencies_sees_those_only() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig, currencies=("ETH",))
        rig.directory.replies[ListDeposits] = Page(
            (deposit_view(), deposit_view(id="dep_2", currency="ETH")), None
        )
        deposits = (await caller.call("list_client_deposits")).data["data"]
        assert [item["id"] for item in deposits] == ["dep_2"]
        currencies = (await caller.call("list_client_currencies")).data["data"]
        assert [item["currency"] for item in currencies] == ["ETH"]
        await caller.call("get_client_balances")
        assert rig.directory.last(GetBalances).currencies == ("ETH",)
        for name in ("get_client_address", "create_client_withdrawal"):
            answer = await caller.call(name)
            assert (answer.status, answer.code) == (403, "currency_not_allowed")


def test_s08_paths_of_clients_are_made() -> None:
    assert path_of(CLIENT_ROUTES[2]) == "/v1/cashier/addresses/BTC"
