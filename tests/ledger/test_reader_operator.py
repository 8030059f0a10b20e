"""Operators and the audit as they are read."""

from __future__ import annotations

from pathlib import Path

from ledger.operator_access import EndOperatorSession
from ledger.queries import ListAudit, ListOperators
from ledger.reader import LedgerReader
from tests.ledger.books import NOW, do
from tests.ledger.test_operator_session import LOGIN, with_ann


async def test_the_audit_comes_in_pages_and_names_the_operator(tmp_path: Path) -> None:
    store = with_ann(tmp_path)
    do(store, LOGIN, NOW + 1)
    do(store, EndOperatorSession("ops_1", "operator:op_ann"), NOW + 2)
    store.close()
    reader = await LedgerReader(store.path, now_s=lambda: NOW).open()
    try:
        first = await reader.answer(ListAudit(limit=2))
        assert [(view.action, view.by_name) for view in first.data] == [("logout", "ann"), ("login", "ann")]
        second = await reader.answer(ListAudit(limit=2, cursor=first.next_cursor))
        assert [(view.action, view.by, view.by_name) for view in second.data] == [
            ("create_operator", "cli", None)
        ]
        assert second.next_cursor is None
        for query, count in (
            (ListAudit(by="cli"), 1),
            (ListAudit(action="login"), 1),
            (ListAudit(object_id="ops_1"), 2),
            (ListAudit(since=NOW + 1), 2),
            (ListAudit(until=NOW + 1), 1),
        ):
            assert len((await reader.answer(query)).data) == count, query
        assert [view.name for view in await reader.answer(ListOperators())] == ["ann"]
    finally:
        await reader.close()
