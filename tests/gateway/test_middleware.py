"""Every reply has its headers, also those no handler made."""

from __future__ import annotations

import pytest

from gateway.middleware import SECURITY_HEADERS, UNMATCHED
from gateway.replies import ProblemReply
from tests.gateway.fake import running


@pytest.mark.parametrize(
    "path", ["/", "/v1/nothing", "/cashier.js.map", "/v1/deposits/..%2f..%2fetc%2fpasswd"]
)
async def test_a_reply_nobody_made_has_all_headers_and_the_shape_of_a_problem(path: str) -> None:
    async with running() as rig:
        answer = await rig.send("GET", path)
        assert answer.status in (401, 404)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
        ProblemReply.model_validate(answer.data)
        assert answer.data["request_id"] == answer.headers["X-Request-Id"]


async def test_unknown_addresses_are_one_route_in_the_metrics() -> None:
    async with running() as rig:
        for number in range(3):
            await rig.send("GET", f"/made-up/{number}")
        assert rig.metrics.requests == [(UNMATCHED, 404)] * 3


async def test_ids_of_requests_differ() -> None:
    async with running() as rig:
        ids = {(await rig.send("GET", "/nothing")).headers["X-Request-Id"] for _ in range(20)}
        assert len(ids) == 20
