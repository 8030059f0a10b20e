"""The one shape of every error reply: RFC 9457 problem details with a stable ``code``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.codes import CODES

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one member of the request; ``path`` is dotted, like ``actions.0``."""

    path: str
    message: str


@dataclass(eq=False)
class ProblemError(Exception):
    """A request that is refused; status and title follow from ``code`` (see ``gateway.codes``).

    ``detail`` and ``errors`` are shown to the caller: they hold no secret, no internals and nothing the
    caller sent. ``extra`` are further members of the reply, like ``existing_id``.
    """

    code: str
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


def problem_response(problem: ProblemError, request_id: str) -> web.Response:
    """Render ``problem`` as ``application/problem+json``."""
    status, title = CODES[problem.code]
    body: dict[str, Any] = {
        "type": f"urn:cashier:problem:{problem.code}",
        "title": title,
        "status": status,
        "code": problem.code,
        "detail": problem.detail or title,
        "errors": [{"path": error.path, "message": error.message} for error in problem.errors],
        "request_id": request_id,
        **problem.extra,
    }
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": CONTENT_TYPE, **problem.headers},
    )
