"""The description is valid, and says of each route what the route does."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web
from openapi_spec_validator import validate

from gateway.api import Route
from gateway.app import make_app
from gateway.openapi import codes_of, document
from gateway.principal import ForClient, ForOperator, ForWebsite, Public, Scope
from gateway.routes import ADMIN_ROUTES, CASHIER_ROUTES, ROUTES, WEBSITE_ROUTES
from tests.gateway.fake import (
    SECRET,
    FakeClock,
    FakeDirectory,
    FakeMetrics,
    FakeRandom,
    load_settings,
    running,
)

PAGES = {"/cashier", "/cashier.js", "/static/{checksum}/{name}", "/openapi.json", "/verify_liability.py"}


def test_it_is_valid_openapi_31() -> None:
    described = document(ROUTES, "https://cashier.example")
    validate(described)
    assert described["openapi"] == "3.1.0"
    names = [route.name for route in ROUTES]
    assert len(names) == len(set(names))


async def test_it_is_served_and_names_our_address() -> None:
    async with running(public_url="https://cashier.example") as rig:
        reply = await rig.send("GET", "/openapi.json")
    validate(reply.data)
    assert reply.data["servers"] == [{"url": "https://cashier.example"}]
    assert reply.headers["Strict-Transport-Security"]


async def test_every_served_route_is_declared_with_a_policy() -> None:
    app = make_app(load_settings(), FakeDirectory(), FakeMetrics(), FakeClock(), FakeRandom(), SECRET)
    served = {
        (route.method, resource.canonical)
        for route in app.router.routes()
        if isinstance(resource := route.resource, web.Resource) and route.method != "HEAD"
    }
    declared = {(route.method, route.path) for route in ROUTES}
    assert {pair for pair in served if pair[1] not in PAGES} == declared
    assert {pair[1] for pair in served} & PAGES == PAGES
    assert all(isinstance(route.access, ForWebsite) for route in WEBSITE_ROUTES)
    public = [route.path for route in CASHIER_ROUTES if isinstance(route.access, Public)]
    assert public == ["/v1/cashier/session"]
    public = [route.path for route in ADMIN_ROUTES if not isinstance(route.access, ForOperator)]
    assert public == ["/v1/admin/login"]


def test_whatever_changes_something_needs_an_idempotency_key() -> None:
    for route in ROUTES:
        is_post = route.method == "POST" and not isinstance(route.access, Public)
        assert route.is_idempotent == is_post, route


def test_whatever_moves_money_for_a_website_is_signed() -> None:
    signed = {
        route.path for route in ROUTES if isinstance(route.access, ForWebsite) and route.access.is_signed
    }
    assert signed == {"/v1/withdrawals", "/v1/withdrawals/{id}/cancel", "/v1/transfers"}
    for scope in (Scope.WITHDRAWALS, Scope.TRANSFERS):
        assert ForWebsite(scope).is_signed


def test_every_operation_names_its_errors_and_headers() -> None:
    described = document(ROUTES, "https://cashier.example")
    for route in ROUTES:
        operation = described["paths"][route.path][route.method.lower()]
        _check_errors(route, operation)
        headers = {item["name"] for item in operation["parameters"] if item["in"] == "header"}
        assert ("Idempotency-Key" in headers) == route.is_idempotent
        expected: dict[type, object] = {
            ForWebsite: [{"website_key": []}],
            ForClient: [{"client_session": []}],
            ForOperator: [{"operator_session": []}],
            Public: [],
        }
        assert operation["security"] == expected[type(route.access)]


def _check_errors(route: Route, operation: dict[str, object]) -> None:
    responses = operation["responses"]
    assert isinstance(responses, dict)
    text = " ".join(str(response["description"]) for response in responses.values())
    for code in codes_of(route):
        assert f"`{code}`" in text


def test_the_page_of_the_room_names_every_route() -> None:
    text = (Path(__file__).parents[2] / "gateway" / "README.md").read_text("utf-8")
    named = set(re.findall(r"`((?:GET|PUT|POST|PATCH|DELETE) /v1/[^`]*)`", text))
    assert named >= {f"{route.method} {route.path}" for route in ROUTES}
