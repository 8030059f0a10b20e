"""A statement as a page to print. Everything that is not ours is escaped; the page runs and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from actors.messages import StatementLine, StatementView, TrialView
from coins.amounts import format_amount
from gateway.render import moment
from gateway.statement_text import NOT_FINAL, Tally, kind_of, value_of

_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#111}
h1{font-size:1.3em;margin:0 0 .5em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:0 0 1em}
dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #ccc;padding:.25em .5em;text-align:left;vertical-align:top}
td{overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.s{font-weight:600}
.w{white-space:nowrap}
.k{overflow-wrap:normal}
.m td{border-bottom:0}
.m{break-after:avoid}
.d td{color:#555;font-size:.85em;padding-top:0;white-space:pre-wrap}
thead{display:table-header-group}
tr{break-inside:avoid}
@media print{body{margin:0;font-size:9pt}@page{size:A4 landscape;margin:12mm}}
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"
"""The page's Content-Security-Policy: this style and nothing else."""
_TITLES = (
    "Entry",
    "Time (UTC)",
    "Movement",
    "Debit",
    "Credit",
    "Fee",
    "Balance",
    "Value",
)


_NUMBERS_FROM = 3
PAGE_TAIL = "</tbody></table></body></html>\n"
"""What closes a page begun by :func:`page_head`."""


def page_head(title: str, facts: Mapping[str, str], titles: Sequence[str], numbers_from: int) -> str:
    """A page up to the first row of its table, whose columns from ``numbers_from`` on are numbers."""
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    names = "".join(
        f'<th class="n">{name}</th>' if number >= numbers_from else f"<th>{name}</th>"
        for number, name in enumerate(titles)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><dl>{listed}</dl>"
        f"<table><thead><tr>{names}</tr></thead><tbody>"
    )


class HtmlStatement:
    """A page with a table that repeats its head on each sheet of paper."""

    media_type, suffix = "text/html", "html"

    def __init__(self, view: StatementView) -> None:
        """Write the statement ``view`` is the frame of."""
        self._view = view

    def head(self) -> bytes:
        """Whose it is, of when, and the opening balance."""
        view, subject = self._view, self._view.subject
        whose = subject.account or f"client {subject.client_id}"
        title = f"Statement of {whose}, {view.currency}"
        facts = {
            "From": "the first entry" if view.since is None else moment(view.since),
            "To": until_of(view),
            "Opening balance": format_amount(view.opening, view.decimals),
            "Closing balance": format_amount(view.closing, view.decimals),
            "Journal": f"entries {view.first_entry + 1} to {view.last_entry}, hash {view.hash or 'none'}",
        }
        head = page_head(title, facts, _TITLES, _NUMBERS_FROM)
        return f"{head}{self._sum('Opening balance', view.opening)}".encode()

    def lines(self, lines: Iterable[StatementLine]) -> bytes:
        """Rows of the table."""
        return "".join([self._row(line) for line in lines]).encode()

    def tail(self, tally: Tally) -> bytes:
        """The closing balance with the sums."""
        last = self._sum("Closing balance", self._view.closing, tally)
        return f"{last}{PAGE_TAIL}".encode()

    def _row(self, line: StatementLine) -> str:
        amounts = (line.debit, line.credit, line.fee)
        shown = [format_amount(amount, self._view.decimals) if amount else "" for amount in amounts]
        shown.append(format_amount(line.balance, self._view.decimals))
        value, quote, *_ = value_of(line, self._view.decimals)
        shown.append("" if value is None else escape(f"{value} {quote}"))
        block = "" if line.height is None else f"block {line.height}"
        told = dict.fromkeys((line.counterpart, line.txid or "", block, line.reference, line.reason))
        notes = "  ".join(note for note in told if note)
        return (
            f'<tr class="m"><td>{line.entry}</td><td class="w">{moment(line.at).replace("T", " ")}</td>'
            f'<td class="k">{escape(kind_of(line))}</td>'
            + "".join(f'<td class="n">{text}</td>' for text in shown)
            + f'</tr><tr class="d"><td></td><td colspan="{len(_TITLES) - 1}">{escape(notes)}</td></tr>'
        )

    def _sum(self, name: str, balance: int, tally: Tally | None = None) -> str:
        amounts = () if tally is None else (tally.debits, tally.credits, tally.fees)
        shown = [format_amount(amount, self._view.decimals) for amount in amounts] or ["", "", ""]
        shown += [format_amount(balance, self._view.decimals), ""]
        cells = "".join(f'<td class="n">{text}</td>' for text in shown)
        return f'<tr class="s"><td colspan="3">{name}</td>{cells}</tr>'


def until_of(view: StatementView | TrialView) -> str:
    """Up to when, and whether there may be more of it."""
    until = "now" if view.until is None else f"{moment(view.until)} (not included)"
    return until if view.is_final else f"{until}{NOT_FINAL}"
