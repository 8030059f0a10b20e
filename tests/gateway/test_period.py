"""Months over HTTP: who may close one, what is shown, and the proof as the verifier reads it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gateway
from actors.messages import ClosePeriod, GetProof, ListPeriods, PeriodsClosed
from gateway.api import NODE_TIMEOUT_S
from gateway.period import close_period
from gateway.period_bodies import ClosePeriodBody
from gateway.period_replies import PeriodReply
from ledger.errors import CurrencyUnavailableError, PeriodNotClosableError
from ledger.liability import root_of
from tests.gateway.fake import running
from tests.gateway.samples import OWED, period_view, proof_view

PERIOD = period_view()


async def test_a_month_is_closed_and_shown(tmp_path: Path) -> None:
    assert close_period.__doc__
    async with running() as rig:
        rig.directory.replies[ClosePeriod] = PeriodsClosed("2026-01", "BTC", (PERIOD,))
        token = rig.operator("payments")
        answer = await rig.send(
            "POST",
            "/v1/admin/periods/2026-01/close",
            token,
            json={"currency": "BTC"},
            headers=rig.idempotency(),
        )
        (shown,) = answer.data["data"]
        assert set(shown) == set(PeriodReply.model_fields)
        assert set(ClosePeriodBody.model_fields) == {"currency"}
        assert (answer.status, shown["last_entry"], shown["report"]) == (200, 41, {"owed": {"total": "5"}})
        assert rig.directory.timeouts_s[ClosePeriod] == NODE_TIMEOUT_S
        asked = rig.directory.last(ClosePeriod)
        assert (asked.chain, asked.month, asked.by) == ("BTC", "2026-01", "operator:op_1")
        rig.directory.replies[ListPeriods] = (PERIOD,)
        listed = await rig.send("GET", "/v1/admin/periods?currency=BTC&month=2026-01", rig.operator("viewer"))
        assert listed.data["data"] == [shown]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (PeriodNotClosableError("BTC has no block after 2026-01 yet"), 409, "period_not_closable"),
        (CurrencyUnavailableError("the node is down"), 503, "currency_unavailable"),
    ],
)
async def test_a_month_that_cannot_be_closed_says_why(refusal: Exception, status: int, code: str) -> None:
    async with running() as rig:
        rig.directory.replies[ClosePeriod] = refusal
        answer = await rig.send(
            "POST",
            "/v1/admin/periods/2026-01/close",
            rig.operator(),
            json={"currency": "BTC"},
            headers=rig.idempotency(),
        )
        assert (answer.status, answer.code) == (status, code)
        assert str(refusal).partition(": ")[2] in answer.data["detail"]


async def test_who_may_not_and_what_is_no_month_are_refused() -> None:
    async with running() as rig:
        body: dict[str, Any] = {"currency": "BTC"}
        for role in ("viewer", "support", "sre", "marketing"):
            path = "/v1/admin/periods/2026-01/close"
            answer = await rig.send("POST", path, rig.operator(role), json=body, headers=rig.idempotency())
            assert answer.code == "forbidden"
        for month in ("2026-13", "January", "2026-1", "%3Cscript%3E"):
            path = f"/v1/admin/periods/{month}/close"
            answer = await rig.send("POST", path, rig.operator(), json=body, headers=rig.idempotency())
            assert answer.code == "validation_failed", month
        key, _ = rig.key()
        assert (await rig.send("GET", "/v1/admin/periods", key)).code in ("forbidden", "unauthorized")


async def test_a_proof_is_what_the_verifier_takes(tmp_path: Path) -> None:
    async with running() as rig:
        rig.directory.replies[GetProof] = lambda _, message: (
            proof_view(message.client_id) if message.client_id in OWED else None
        )
        key, _ = rig.key("read")
        answer = await rig.send("GET", "/v1/clients/alice/proof?currency=BTC&month=2026-01", key)
        assert (answer.status, answer.data["amount"]) == (200, str(2**70))
        gone = await rig.send("GET", "/v1/clients/dave/proof?currency=BTC&month=2026-01", key)
        assert gone.code == "not_found"
        bad = await rig.send("GET", "/v1/clients/alice/proof?currency=BTC&month=2026", key)
        assert bad.code == "validation_failed"
        script = await rig.send("GET", "/verify_liability.py")
    assert script.raw == (Path(gateway.__path__[0]) / "static" / "verify_liability.py").read_bytes()
    (tmp_path / "verify.py").write_bytes(script.raw)
    (tmp_path / "proof.json").write_text(json.dumps(answer.data))
    root = root_of(OWED, bytes(32))[0].hex()
    command = [sys.executable, "-I", str(tmp_path / "verify.py"), "alice", str(tmp_path / "proof.json"), root]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.startswith("holds: ")) == (0, True), done.stdout + done.stderr
