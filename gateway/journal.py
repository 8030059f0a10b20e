"""The journal for operators: entries with their postings and hashes, newest first."""

from __future__ import annotations

from actors.messages import JournalView, ListJournal
from coins.amounts import format_amount
from gateway.api import Call, Reply
from gateway.bodies import JournalQuery
from gateway.render import moment
from gateway.replies import Model
from gateway.website import limit_of


class JournalPostingReply(Model):
    """A posting: the account debited, the one credited, and the balances it left."""

    currency: str
    debit: str
    credit: str
    amount: str
    debit_balance: str
    credit_balance: str


class JournalEntryReply(Model):
    """An entry; ``hash`` is over ``prev_hash`` and all the other members."""

    entry: int
    at: str
    kind: str
    reference_type: str
    reference: str
    by: str
    chain: str | None
    block_height: int | None
    block_hash: str | None
    txid: str | None
    reverses: int | None
    reason: str
    postings: list[JournalPostingReply]
    prev_hash: str
    hash: str


class JournalList(Model):
    """The journal, newest first."""

    data: list[JournalEntryReply]
    next_cursor: str | None


async def list_journal(call: Call[None, JournalQuery]) -> Reply:
    """A page of the journal."""
    query = call.query
    page = await call.ask(ListJournal(limit_of(call), query.cursor, query.txid, query.since, query.until))
    data = [entry(view) for view in page.data]
    return Reply(JournalList(data=data, next_cursor=page.next_cursor))


def entry(view: JournalView) -> JournalEntryReply:
    """An entry as operators see it."""
    return JournalEntryReply(
        entry=view.entry,
        at=moment(view.at),
        kind=view.kind,
        reference_type=view.ref_type,
        reference=view.ref_id,
        by=view.by,
        chain=view.chain,
        block_height=view.height,
        block_hash=view.block_hash,
        txid=view.txid,
        reverses=view.reverses,
        reason=view.reason,
        postings=[
            JournalPostingReply(
                currency=each.currency,
                debit=each.debit,
                credit=each.credit,
                amount=format_amount(each.amount, each.decimals),
                debit_balance=format_amount(each.debit_balance, each.decimals),
                credit_balance=format_amount(each.credit_balance, each.decimals),
            )
            for each in view.postings
        ],
        prev_hash=view.prev_hash,
        hash=view.hash,
    )
