"""What is raised and what the caller is shown."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from actors import errors as actor_errors
from actors.messages import DomainError
from gateway.codes import CODES
from gateway.errors import REFUSALS, problem_of
from gateway.openapi import codes_of
from gateway.routes import ROUTES
from ledger import errors as ledger_errors

README = Path(__file__).parents[2] / "gateway" / "README.md"


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_refusal_is_shown_as_it_is(code: str) -> None:
    problem = problem_of(DomainError("the detail", code=code), "req_1")
    assert (problem.code, problem.detail) == (code, "the detail")
    assert CODES[code][0] in {401, 403, 404, 409, 422, 429, 503}


def test_every_refusal_meant_for_callers_has_its_status() -> None:
    """Those of actors only are no answer of any route."""
    codes = {
        kind.code
        for _, kind in inspect.getmembers(ledger_errors, inspect.isclass)
        if issubclass(kind, DomainError) and not issubclass(kind, ledger_errors.ActorRefusalError)
    }
    assert codes - {"refused"} <= REFUSALS


@pytest.mark.parametrize("kind", [actor_errors.NotDelivered, *actor_errors.NotDelivered.__subclasses__()])
def test_not_delivered_is_503_and_may_be_sent_again(kind: type[Exception]) -> None:
    problem = problem_of(kind("inbox of ledger is full"), "req_1")
    assert CODES[problem.code][0] == 503
    assert problem.headers["Retry-After"] == "1"
    assert "ledger" not in problem.detail


@pytest.mark.parametrize("kind", [actor_errors.OutcomeUnknown, actor_errors.DeadlineAfterStart])
def test_an_unknown_outcome_is_504_with_advice(kind: type[Exception]) -> None:
    problem = problem_of(kind("OpenWithdrawal was begun"), "req_1")
    assert CODES[problem.code][0] == 504
    assert "same Idempotency-Key" in problem.detail
    assert "OpenWithdrawal" not in problem.detail


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("SELECT * FROM api_key"),
        DomainError("tip is /srv/x", code="parent_mismatch"),
        DomainError("something", code="refused"),
        ledger_errors.LedgerCorruptError("/srv/cashier.sqlite"),
        actor_errors.LayerError("gateway asks gateway"),
        KeyError("USDT"),
    ],
)
def test_s27_a_fault_of_ours_is_logged_and_told_without_detail(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    problem = problem_of(error, "req_1")
    assert (problem.code, problem.detail) == ("internal_error", "Tell us the request_id.")
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].__dict__["request_id"] == "req_1"


def test_an_external_id_that_is_taken_names_the_object() -> None:
    problem = problem_of(ledger_errors.ExternalIdUsedError("taken", existing_id="wd_9"), "req_1")
    assert problem.extra == {"existing_id": "wd_9"}


def test_every_code_is_documented() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", README.read_text("utf-8"), re.MULTILINE))
    assert table == {code: str(status) for code, (status, _) in CODES.items()}


def test_every_code_of_a_route_exists() -> None:
    assert {code for route in ROUTES for code in codes_of(route)} <= set(CODES)
