"""One payment from end to end: its chain txs, its journal, who decided about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ledger.approval_row import OPERATOR
from ledger.attempt_row import PAYS, plan_in
from ledger.operator_view import AuditView
from ledger.queries import GetWithdrawal, ListAudit
from ledger.reader_journal import read_entries
from ledger.reader_list import PAGE_MAX, get_withdrawal
from ledger.reader_operator import list_audit
from ledger.snapshot import Snapshot
from ledger.story_query import GetPayoutStory
from ledger.story_view import ChainTxView, OutputView, PayoutStory
from ledger.views import WithdrawalView

_CHAIN_TX = (
    "SELECT a.id, a.intent_id, i.status, a.currency, a.plan, a.state, a.detail, a.fee, a.txid,"
    " a.block_height, a.block_hash, b.time, a.created_at, c.chain,"
    " (SELECT m.delta FROM chain_movement m WHERE m.chain = c.chain AND m.block_hash = a.block_hash"
    " AND m.txid = a.txid AND m.position = 'gas' AND m.is_disconnected = 0)"
    " FROM attempt a JOIN intent i ON i.id = a.intent_id JOIN coin c ON c.currency = a.currency"
    " LEFT JOIN block b ON b.chain = c.chain AND b.height = a.block_height AND b.block_hash = a.block_hash"
)
_CHILDREN = "a.intent_id IN (SELECT 'cpfp_' || p.txid FROM attempt p WHERE p.id IN ({}))"


def get_payout_story(snapshot: Snapshot, query: GetPayoutStory) -> PayoutStory | None:
    """A withdrawal with all there is to know of it."""
    view = get_withdrawal(snapshot, GetWithdrawal(query.withdrawal_id))
    if view is None:
        return None
    session_id, case_id = snapshot.db.execute(
        "SELECT session_id, case_id FROM withdrawal WHERE id = ?", (view.id,)
    ).fetchone()
    decisions = list_audit(snapshot, ListAudit(PAGE_MAX, object_id=view.id)).data
    chain_txs = payout_txs(snapshot, view.id)
    references = [view.id, *(each.id for each in chain_txs)]
    txids = [each.txid for each in chain_txs if each.txid is not None]
    return PayoutStory(
        withdrawal=view,
        requested_by=view.history[0].by if view.history else "",
        session_id=session_id,
        case_id=case_id,
        decisions=decisions,
        chain_txs=chain_txs,
        entries=read_entries(snapshot, entry_ids(snapshot, references, txids, PAGE_MAX)),
        names=_names(snapshot, view, decisions),
    )


def payout_txs(snapshot: Snapshot, withdrawal_id: str) -> tuple[ChainTxView, ...]:
    """Every candidate of a withdrawal, whoever it pays beside it, and the children, oldest first."""
    own = snapshot.db.execute(f"SELECT a.id FROM attempt a WHERE {PAYS}", (withdrawal_id,))  # nosec B608
    ids = [attempt_id for (attempt_id,) in own.fetchall()]
    return read_chain_txs(snapshot, [*ids, *child_ids(snapshot, ids)])


def child_ids(snapshot: Snapshot, attempt_ids: Sequence[str]) -> list[str]:
    """The attempts that pay for these (CPFP)."""
    if not attempt_ids:
        return []
    condition = _CHILDREN.format(marks(attempt_ids))
    rows = snapshot.db.execute(f"SELECT a.id FROM attempt a WHERE {condition}", tuple(attempt_ids))  # nosec B608
    return [attempt_id for (attempt_id,) in rows]


def read_chain_txs(snapshot: Snapshot, attempt_ids: Sequence[str]) -> tuple[ChainTxView, ...]:
    """Attempts by their ids, oldest first."""
    if not attempt_ids:
        return ()
    rows = snapshot.db.execute(
        f"{_CHAIN_TX} WHERE a.id IN ({marks(attempt_ids)}) ORDER BY a.rowid", tuple(attempt_ids)
    ).fetchall()
    return tuple(_chain_tx(snapshot, *row) for row in rows)


def _chain_tx(
    snapshot: Snapshot,
    attempt_id: str,
    intent_id: str,
    intent_status: str,
    currency: str,
    plan_text: str,
    state: str,
    detail: str,
    fee: str,
    txid: str | None,
    height: int | None,
    block_hash: str | None,
    block_at: int | None,
    created_at: int,
    chain: str,
    gas: str | None,
) -> ChainTxView:
    """One attempt; what a block took is the fee of its plan, or on account chains the gas that was booked."""
    plan = plan_in(plan_text)
    paid = None
    if plan.sender is not None:
        paid = None if gas is None else -int(gas)
    elif height is not None:
        paid = int(fee)
    payees = snapshot.db.execute(
        "SELECT withdrawal_id FROM attempt_payout WHERE attempt_id = ? ORDER BY withdrawal_id", (attempt_id,)
    )
    return ChainTxView(
        id=attempt_id,
        intent_id=intent_id,
        intent_status=intent_status,
        kind=plan.kind,
        currency=currency,
        txid=txid,
        state=state,
        detail=detail,
        fee=int(fee),
        fee_paid=paid,
        fee_currency=chain,
        sender=None if plan.sender is None else plan.sender.address,
        nonce=plan.nonce,
        inputs=len(plan.inputs) if plan.sender is None else None,
        outputs=tuple(OutputView(output.address, output.amount) for output in plan.outputs),
        withdrawals=tuple(withdrawal_id for (withdrawal_id,) in payees),
        block_height=height,
        block_hash=block_hash,
        block_at=block_at,
        created_at=created_at,
    )


def entry_ids(snapshot: Snapshot, references: Iterable[str], txids: Iterable[str], limit: int) -> list[int]:
    """The newest journal entries about these objects or booked with these chain txs, oldest first."""
    found: set[int] = set()
    for txid in dict.fromkeys(txids):
        rows = snapshot.db.execute(
            "SELECT id FROM journal WHERE txid = ? ORDER BY id DESC LIMIT ?", (txid, limit)
        )
        found.update(journal_id for (journal_id,) in rows)
    for reference in dict.fromkeys(references):
        rows = snapshot.db.execute(
            "SELECT id FROM journal WHERE ref_id = ?"
            " AND ref_type IN ('withdrawal', 'attempt', 'deposit', 'transfer', 'case')"
            " ORDER BY id DESC LIMIT ?",
            (reference, limit),
        )
        found.update(journal_id for (journal_id,) in rows)
    return sorted(found)[-limit:]


def _names(snapshot: Snapshot, view: WithdrawalView, decisions: Sequence[AuditView]) -> dict[str, str]:
    """The login names of the operators who had to do with a withdrawal."""
    actors = {entry.by for entry in view.history} | {given.by for given in view.approvals}
    actors |= {line.by for line in decisions}
    ids = sorted(by.removeprefix(OPERATOR) for by in actors if by.startswith(OPERATOR))
    rows = snapshot.db.execute(f"SELECT id, name FROM operator WHERE id IN ({marks(ids)})", tuple(ids))  # nosec B608
    return {f"{OPERATOR}{operator_id}": name for operator_id, name in rows}


def marks(values: Sequence[object]) -> str:
    """As many question marks for SQL as there are values."""
    return ", ".join("?" * len(values))


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {GetPayoutStory: get_payout_story}
