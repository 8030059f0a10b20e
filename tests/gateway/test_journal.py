"""The journal over HTTP: for operators who may read the books."""

from __future__ import annotations

from pathlib import Path

from gateway import journal_text
from tests.gateway.calls import Caller, script
from tests.gateway.fake import running
from tests.gateway.house import open_house
from tests.gateway.samples import journal_view
from tests.ledger.books import transfer


async def test_an_operator_pages_through_the_journal(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for number in range(3):
            await house.ask(transfer(number, "alice", "bob", 5))
        token = await house.operator()
        first = (await house.send("GET", "/v1/admin/journal?limit=2", token)).data
        rest = (await house.send("GET", f"/v1/admin/journal?cursor={first['next_cursor']}", token)).data
        assert [each["entry"] for each in (*first["data"], *rest["data"])] == [4, 3, 2, 1]
        assert rest["next_cursor"] is None
        newest = first["data"][0]
        assert newest["prev_hash"] == first["data"][1]["hash"]
        assert newest["postings"][0] == {
            "currency": "BTC",
            "debit": "client:alice:BTC:available",
            "credit": "client:bob:BTC:available",
            "amount": "0.00000005",
            "debit_balance": "0.00999985",
            "credit_balance": "0.00000015",
        }
        bad = await house.send("GET", "/v1/admin/journal?cursor=zzz", token)
        assert (bad.status, bad.code) == (422, "invalid_cursor")


async def test_s08_nobody_else_reads_it() -> None:
    async with running(script) as rig:
        for token in (rig.key()[0], rig.session(), ""):
            assert (await rig.send("GET", "/v1/admin/journal", token)).status == 401
        for role in ("support", "sre", "marketing"):
            caller = Caller(rig, ("", ""), "", rig.operator(role))
            assert (await caller.call("list_journal")).status == 403
        assert rig.directory.asked == []


def test_a_row_of_the_table_is_a_posting_and_no_formula() -> None:
    view = journal_view(reason="=1+1", by="@x")
    head, row = (journal_text.csv_head() + journal_text.csv_rows([view])).decode().splitlines()
    cells = dict(zip(head.split(","), row.split(","), strict=True))
    assert (cells["reason"], cells["by"]) == ("'=1+1", "'@x")
    assert (cells["amount"], cells["amount_base"]) == ("0.00000005", "5")
