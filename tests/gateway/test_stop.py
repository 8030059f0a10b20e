"""The panic stop over HTTP, on the real ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.stop import get_stop
from ledger.commands import GetPayoutWork
from ledger.errors import PayoutsHeldError
from ledger.operator_access import CreateOperator
from tests.fakes.clock import FakeClock
from tests.gateway.house import QUICK_HASH, fill, serve
from tests.gateway.test_admin import act, opening
from tests.ledger.books import NOW


async def test_a_stop_holds_everything_until_another_operator_ends_it(tmp_path: Path) -> None:
    assert get_stop.__doc__
    made, clock = fill(tmp_path), FakeClock(NOW)
    async with serve(tmp_path, made, clock) as house:
        for name in ("pam", "pat"):
            await house.ask(CreateOperator(f"op_{name}", name, QUICK_HASH, "salt", ("payments",), "test"))
        pam = await house.operator(name="pam", code=house.code(operator_id="op_pam"))
        answer = await house.send("GET", "/v1/admin/stop", pam)
        assert answer.data == {"stopped": False, "at": None, "by": None, "reason": ""}
        assert (await act(house, pam, "start")).code == "not_stopped"
        assert (await act(house, pam, "stop")).code == "validation_failed"
        stopped = await act(house, pam, "stop", {"reason": "strange payouts"})
        assert (stopped.status, stopped.data["stopped"], stopped.data["by"]) == (200, True, "operator:op_pam")
        await house.ask(opening("wd_1"))
    async with serve(tmp_path, made, clock) as house:
        assert (await house.send("GET", "/v1/admin/stop", pam)).data == stopped.data
        with pytest.raises(PayoutsHeldError):
            await house.ask(GetPayoutWork("BTC"))
        refused = await act(house, pam, "start", headers={"Idempotency-Key": "s1"})
        assert (refused.status, refused.code) == (409, "another_operator_needed")
        pat = await house.operator(name="pat", code=house.code(operator_id="op_pat"))
        started = await act(house, pat, "start", {"reason": "looked at"}, headers={"Idempotency-Key": "s2"})
        assert (started.status, started.data["stopped"]) == (200, False)
        assert len(await house.ask(GetPayoutWork("BTC"))) == 1
        lines = (await house.send("GET", "/v1/admin/audit?action=stop_payouts", pat)).data["data"]
        assert [(line["by_name"], line["data"]["reason"]) for line in lines] == [("pam", "strange payouts")]
