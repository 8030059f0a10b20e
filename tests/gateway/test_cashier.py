"""The client session's endpoints: always the session's own client, within what it was opened for."""

from __future__ import annotations

import pytest

from actors.messages import (
    DecideWithdrawal,
    ExchangeCode,
    IssueAddress,
    ListDeposits,
    RequestWithdrawal,
    SessionView,
)
from gateway.cashier import qr_svg
from gateway.token import is_session_token, token_hash
from ledger.errors import SessionInvalidError
from tests.gateway.calls import Caller, script
from tests.gateway.fake import running
from tests.gateway.samples import session_view

CODE = "ab" * 32


async def test_s01_a_code_is_good_once() -> None:
    async with running(script) as rig:
        used: set[str] = set()

        def exchange(_: str, message: ExchangeCode) -> SessionView:
            if message.code_hash != token_hash(CODE) or message.code_hash in used:
                raise SessionInvalidError("the code is unknown, used or expired")
            used.add(message.code_hash)
            rig.directory.sessions[message.token_hash] = session_view()
            return session_view()

        rig.directory.replies[ExchangeCode] = exchange
        first = await rig.send("POST", "/v1/cashier/session", json={"code": CODE})
        assert first.status == 200
        assert is_session_token(first.data["token"])
        assert first.data["expires_at"] == "2025-10-09T09:08:20Z"
        assert first.data["token"] not in repr(rig.directory.asked)
        assert (await rig.send("GET", "/v1/cashier/session", first.data["token"])).data[
            "client_id"
        ] == "alice"
        for code in (CODE, "cd" * 32, "", "x", CODE.upper()):
            answer = await rig.send("POST", "/v1/cashier/session", json={"code": code})
            assert (answer.status, answer.code) == (401, "session_invalid")


async def test_the_code_in_a_query_is_not_taken() -> None:
    async with running(script) as rig:
        answer = await rig.send("POST", f"/v1/cashier/session?code={CODE}", json={"code": CODE})
        assert answer.status == 422
        assert rig.directory.asked == []


async def test_what_the_session_may_do_is_told() -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig, currencies=("BTC",), actions=("deposit",)).call("get_client_session")
        assert answer.data == {
            "id": "ses_1",
            "client_id": "alice",
            "actions": ["deposit"],
            "currencies": ["BTC"],
            "locale": "en",
            "return_url": "https://shop.example/",
            "expires_at": "2025-10-09T09:08:20Z",
        }


async def test_an_address_comes_with_its_qr_code() -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig, client_id="bob").call("get_client_address")
        assert rig.directory.asked[-1] == ("address:BTC", IssueAddress("bob", "BTC"))
        assert answer.data["qr_svg"] == qr_svg("bitcoin:bcrt1qalice")
        assert answer.data["address"] == "bcrt1qalice"


@pytest.mark.parametrize("uri", ["bitcoin:bcrt1q", 'ethereum:0x"><script>alert(1)</script>'])
def test_a_qr_code_holds_nothing_but_squares(uri: str) -> None:
    svg = qr_svg(uri)
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    for word in ("script", "style", "href", "title", "http://www.w3.org/1999"):
        assert word not in svg


async def test_a_withdrawal_is_the_clients_and_the_sessions() -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig, client_id="bob", id="ses_9").call("create_client_withdrawal")
        name, message = rig.directory.asked[-1]
        assert isinstance(message, RequestWithdrawal)
        assert name == "withdrawal:BTC"
        assert (message.client_id, message.website, message.session_id) == ("bob", "shop", "ses_9")
        assert (message.by, message.external_id) == ("session:ses_9", f"cashier:{message.id}")
        assert (message.nonce, message.is_fee_included) == (None, False)
        assert answer.status == 201


async def test_lists_and_cancel_are_bound_to_the_client() -> None:
    async with running(script) as rig:
        caller = Caller.of(rig, client_id="bob")
        await caller.call("list_client_deposits", query="?status=credited&limit=3")
        message = rig.directory.last(ListDeposits)
        assert (message.filter.client_id, message.filter.status, message.limit) == ("bob", "credited", 3)
        await caller.call("cancel_client_withdrawal", id="wd_3")
        decided = rig.directory.last(DecideWithdrawal)
        assert (decided.client_id, decided.website, decided.withdrawal_id) == ("bob", "shop", "wd_3")
