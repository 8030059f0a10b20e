"""The formats a statement is written in, by media type; the first one where nothing is asked for."""

from __future__ import annotations

from collections.abc import Callable

from actors.messages import StatementView
from gateway.statement_page import HtmlStatement
from gateway.statement_sheet import SheetStatement
from gateway.statement_text import CsvStatement, JsonStatement, Writer

FORMATS: dict[str, Callable[[StatementView], Writer]] = {
    JsonStatement.media_type: JsonStatement,
    CsvStatement.media_type: CsvStatement,
    HtmlStatement.media_type: HtmlStatement,
    SheetStatement.media_type: SheetStatement,
}
BY_SUFFIX: dict[str, Callable[[StatementView], Writer]] = {
    each.suffix: each for each in (JsonStatement, CsvStatement, HtmlStatement, SheetStatement)
}
"""By the suffix of a file."""
