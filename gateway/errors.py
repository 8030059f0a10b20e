"""From whatever was raised to the problem a caller is shown: one table, used by one middleware."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from aiohttp import web
from pydantic import ValidationError

from actors.errors import NotDelivered, OutcomeUnknown
from actors.messages import DomainError
from gateway.codes import CODES
from gateway.problem import FieldError, ProblemError

_LOG = logging.getLogger("gateway")
_NAME_MAX = 64
_ERRORS_MAX = 50
RETRY_AFTER_S = "1"
"""Pause a caller should make before it tries again after 503."""

REFUSALS = frozenset(
    {
        "above_maximum",
        "action_not_allowed",
        "already_approved",
        "already_exists",
        "another_operator_needed",
        "below_minimum",
        "case_decided",
        "currency_closed",
        "currency_unavailable",
        "external_id_used",
        "forbidden",
        "forbidden_address",
        "idempotency_key_reused",
        "import_refused",
        "insufficient_funds",
        "invalid_address",
        "invalid_client_id",
        "invalid_cursor",
        "last_admin",
        "limit_exceeded",
        "login_locked",
        "nonce_used",
        "not_cancellable",
        "invalid_month",
        "period_not_closable",
        "not_confirmed",
        "not_found",
        "not_held",
        "not_reversible",
        "not_stopped",
        "own_request",
        "payment_changed",
        "reconciliation_busy",
        "same_account",
        "session_invalid",
        "too_many_addresses",
        "unknown_currency",
        "wrong_network",
    }
)
"""Codes of DomainErrors that are shown as they are; any other one is a fault of ours (500)."""

_HTTP_CODES: Mapping[int, str] = {
    400: "malformed_request",
    404: "route_not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
}


def problem_of(error: BaseException, request_id: str) -> ProblemError:
    """What the caller is shown for ``error``; a fault of ours is logged and shown without any detail."""
    match error:
        case ProblemError():
            return error
        case DomainError() if error.code in REFUSALS:
            return _refusal(error)
        case NotDelivered():
            return ProblemError(
                "unavailable",
                "The request was not executed; send it again.",
                headers={"Retry-After": RETRY_AFTER_S},
            )
        case OutcomeUnknown():
            return ProblemError(
                "outcome_unknown",
                "The request may have been executed. Send it again with the same Idempotency-Key: "
                "it will not be executed twice.",
            )
        case web.HTTPException() if error.status in _HTTP_CODES:
            allow = error.headers.get("Allow")
            return ProblemError(_HTTP_CODES[error.status], headers={"Allow": allow} if allow else {})
        case _:
            _LOG.error("request failed", exc_info=error, extra={"request_id": request_id})
            return ProblemError("internal_error", "Tell us the request_id.")


def _refusal(error: DomainError) -> ProblemError:
    """A refusal of an actor, with the id of the object that is in the way where there is one."""
    existing_id = getattr(error, "existing_id", None)
    extra = {"existing_id": str(existing_id)} if existing_id is not None else {}
    rows = getattr(error, "rows", ())
    errors = tuple(
        FieldError(".".join(filter(None, (f"rows.{r.number}", r.column))), r.message) for r in rows
    )
    headers = {"Retry-After": RETRY_AFTER_S} if CODES[error.code][0] == 503 else {}
    wait_s = getattr(error, "wait_s", None)
    if wait_s is not None:
        headers = {"Retry-After": str(wait_s)}
    return ProblemError(error.code, error.detail, errors, headers, extra)


def invalid(path: str, message: str, code: str = "validation_failed") -> ProblemError:
    """A request with one wrong member."""
    return ProblemError(code, errors=(FieldError(path, message),))


def validation_problem(error: ValidationError, where: str = "") -> ProblemError:
    """Every wrong member at once (at most 50); ``where`` is put before each path. Values stay unsaid."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:_ERRORS_MAX]:
        path = ".".join(str(part)[:_NAME_MAX] for part in item["loc"])
        found.append(FieldError(f"{where}{path}", item["msg"].removeprefix("Value error, ")))
    return ProblemError("validation_failed", errors=tuple(found))
