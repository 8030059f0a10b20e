"""The OpenAPI 3.1 description, made from the routes."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway import signature
from gateway.api import IDEMPOTENCY_HEADER, PATH_PATTERNS, Route
from gateway.codes import CODES
from gateway.principal import ForClient, ForOperator, ForWebsite, Public
from gateway.replies import ProblemReply

VERSION = "1.0.0"
_REF = "#/components/schemas/{model}"
_EVERYWHERE = ("malformed_request", "rate_limited", "internal_error", "unavailable")
_WITH_BODY = (
    "body_too_large", "length_required", "unsupported_media_type", "request_timeout", "invalid_json",
    "validation_failed",
)  # fmt: skip
_SIGNED = ("signature_required", "signature_invalid", "signature_expired", "nonce_used")
_KEYED = ("idempotency_key_required", "idempotency_key_invalid", "idempotency_key_reused", "outcome_unknown")

Mode = Literal["validation", "serialization"]


def codes_of(route: Route) -> tuple[str, ...]:
    """Every error code the route may answer with."""
    codes = [*_EVERYWHERE, *route.codes]
    if not isinstance(route.access, Public):
        codes += ["unauthorized", "forbidden"]
    if isinstance(route.access, ForWebsite) and route.access.is_signed:
        codes += _SIGNED
    if route.is_idempotent:
        codes += _KEYED
    if route.formats:
        codes.append("not_acceptable")
    codes += _WITH_BODY if route.method in ("POST", "PUT", "PATCH") else ("validation_failed",)
    return tuple(dict.fromkeys(codes))


def document(routes: Sequence[Route], base_url: str) -> dict[str, Any]:
    """The whole description as plain JSON values."""
    models: list[tuple[type[BaseModel], Mode]] = [(ProblemReply, "serialization")]
    for route in routes:
        if route.body is not None:
            models.append((route.body, "validation"))
        if route.reply is not None:
            models.append((route.reply, "serialization"))
    _, definitions = models_json_schema(list(dict.fromkeys(models)), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Crypto cashier",
            "version": VERSION,
            "description": "Deposits and withdrawals on your own nodes.",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": base_url}],
        "tags": [
            {"name": "website", "description": "For the website's back end, with its key"},
            {"name": "cashier", "description": "For the client's browser, with a session token"},
            {"name": "admin", "description": "For operators, with the token of their login"},
        ],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "website_key": {"type": "http", "scheme": "bearer", "description": "`ck_…`"},
                "client_session": {"type": "http", "scheme": "bearer", "description": "`cs_…`"},
                "operator_session": {"type": "http", "scheme": "bearer", "description": "`os_…`"},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    """One method of one path."""
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_tag(route)],
        "security": _security(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
    }
    if isinstance(route.access, ForWebsite):
        operation["description"] = f"Needs a website key with the scope `{route.access.scope}`."
    elif isinstance(route.access, ForClient) and route.access.action is not None:
        operation["description"] = f"Needs a session opened to `{route.access.action}`."
    elif isinstance(route.access, ForOperator):
        operation["description"] = f"Needs an operator with the permission `{route.access.permission}`."
    if route.body is not None:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    if isinstance(route.access, Public):
        return []
    if isinstance(route.access, ForOperator):
        return [{"operator_session": []}]
    return [{"website_key" if isinstance(route.access, ForWebsite) else "client_session": []}]


def _tag(route: Route) -> str:
    """Whom the route is for, by its path."""
    part = route.path.split("/")[2]
    return part if part in ("cashier", "admin") else "website"


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": PATH_PATTERNS[name]},
        }
        for name in route.path_names
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(mode="validation")
    return [
        {"name": name, "in": "query", "required": False, "schema": member}
        for name, member in schema["properties"].items()
    ]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    headers: list[tuple[str, bool, str]] = []
    if route.is_idempotent:
        headers.append((IDEMPOTENCY_HEADER, True, "The same key and body: the first success again"))
    if isinstance(route.access, ForWebsite) and route.access.is_signed:
        headers.append((signature.HEADER, True, "`t=<unix>,n=<nonce>,v1=<hex HMAC-SHA256>`"))
    if route.is_stream:
        headers.append(("Last-Event-ID", False, "Go on after this sequence number"))
    return [
        {
            "name": name,
            "in": "header",
            "required": is_required,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, is_required, text in headers
    ]


def _responses(route: Route) -> dict[str, Any]:
    """The success, and one response per status with the codes it stands for."""
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.is_stream:
        success["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    elif route.reply is not None:
        schema = {"$ref": _REF.format(model=route.reply.__name__)}
        success["content"] = {"application/json": {"schema": schema}}
    for media_type in route.formats[1:]:
        success["content"][media_type] = {"schema": {"type": "string"}}
    responses = {str(route.status): success}
    if route.method == "PUT":
        responses["201"] = {**success, "description": "Created"}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(route):
        by_status.setdefault(CODES[code][0], []).append(code)
    problem = {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemReply")}}}
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {"description": ", ".join(f"`{code}`" for code in codes), "content": problem}
    return responses
