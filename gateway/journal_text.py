"""The journal in files: JSON lines and CSV, with the hashes, so that a stranger can check the chain."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from actors.messages import JournalView
from coins.amounts import format_amount
from gateway.render import moment
from gateway.statement_text import to_csv

COLUMNS = (
    "entry", "at", "kind", "reference_type", "reference", "by", "chain", "height", "block_hash", "txid",
    "reverses", "reason", "debit", "credit", "currency", "amount", "amount_base", "debit_balance_base",
    "credit_balance_base", "prev_hash", "hash",
)  # fmt: skip
"""A row is a posting; those of one entry have the same first columns and hashes."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


def hashed(view: JournalView) -> list[Any]:
    """What an entry's hash covers, in order: SHA-256 of the hash before and of this as JSON without spaces.

    The JSON is ASCII, other characters escaped; amounts are texts of base units.
    """
    postings = [
        [each.debit, each.credit, str(each.amount), str(each.debit_balance), str(each.credit_balance)]
        for each in view.postings
    ]
    return [view.entry, view.at, *_named(view), postings]


def _named(view: JournalView) -> tuple[Any, ...]:
    return (
        view.kind,
        view.ref_type,
        view.ref_id,
        view.by,
        view.chain,
        view.height,
        view.block_hash,
        view.txid,
        view.reverses,
        view.reason,
    )


def json_lines(views: Iterable[JournalView]) -> bytes:
    """One object a line: ``hashed`` as it was hashed, and both hashes."""
    return "".join(
        [
            f"{_encode({'hashed': hashed(view), 'prev_hash': view.prev_hash, 'hash': view.hash})}\n"
            for view in views
        ]
    ).encode()


def csv_head() -> bytes:
    """The names of the columns."""
    return to_csv([COLUMNS])


def csv_rows(views: Iterable[JournalView]) -> bytes:
    """One row for each posting; what a spreadsheet would take for a formula begins with an apostrophe."""
    return to_csv(_row(view, number) for view in views for number in range(len(view.postings)))


def _row(view: JournalView, number: int) -> tuple[str, ...]:
    posting = view.postings[number]
    named = ("" if value is None else str(value) for value in _named(view))
    return (
        str(view.entry),
        moment(view.at),
        *named,
        posting.debit,
        posting.credit,
        posting.currency,
        format_amount(posting.amount, posting.decimals),
        str(posting.amount),
        str(posting.debit_balance),
        str(posting.credit_balance),
        view.prev_hash,
        view.hash,
    )
