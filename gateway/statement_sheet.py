"""Statements as workbooks (Office Open XML, ECMA-376), written as they are read: no file, no growing memory.

Every text is an inline string, which no spreadsheet takes for a formula.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from html import escape

from actors.messages import StatementLine, StatementView
from gateway.statement_text import COLUMNS, Tally, cells, frame_cells

ROWS_MAX = 1_048_576
"""Rows a sheet can have."""
EXACT_DIGITS = 15
"""Significant decimal digits that a spreadsheet keeps."""
EXACT_DECIMALS = 8
"""A currency with more decimals has its amounts as text, all of them: a sum over cells of which some are
text would leave those out without a word."""
_NUMBERS = frozenset({"entry", "debit", "credit", "fee", "balance", "block_height", "reverses", "value"})
_AMOUNTS = frozenset({"debit", "credit", "fee", "balance"})
_HEAD_STYLE, _AMOUNT_STYLE = 1, 2
_WIDTH = 15
_WIDTHS = {
    "entry": 9, "at": 22, "entry_kind": 22, "account": 46, "counterpart": 46, "reference": 40, "txid": 70,
    "block_hash": 70, "reason": 40, "rate_at": 22,
}  # fmt: skip
"""In characters of the sheet's font; amounts have the width of their decimals."""
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET}.styles+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="Statement" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
    ),
}
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="1"><numFmt numFmtId="164" formatCode="{{format}}"/>'
    "</numFmts>"
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


class StatementTooLongError(Exception):
    """More lines than the format can hold."""


class _Sink(io.RawIOBase):
    """What the archive writes, until it is taken; it cannot be sought in, so nothing is written again."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """All that was written since the last time."""
        data, self._parts = b"".join(self._parts), []
        return data


class _Archive(zipfile.ZipFile):
    """An archive that may be broken off: it holds no file, so there is nothing to close at its end."""

    def __del__(self) -> None:
        """Close nothing: a statement that was broken off has a member open, which close refuses aloud."""


class Workbook:
    """A workbook with one sheet. Amounts are numbers where the spreadsheet keeps every digit, else text."""

    def __init__(
        self, columns: Sequence[str], amounts: frozenset[str], numbers: frozenset[str], decimals: int
    ) -> None:
        """A sheet of these columns; ``amounts`` and ``numbers`` are the names of those that hold such."""
        self._columns, self._amounts, self._numbers = columns, amounts, numbers | amounts
        self._decimals, self._rows = decimals, 0
        self._sink = _Sink()
        self._archive = _Archive(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        for name, text in (_PARTS | {"xl/styles.xml": self._styles()}).items():
            self._archive.writestr(_member(name), _XML + text)
        self._sheet = self._archive.open(_member("xl/worksheets/sheet1.xml"), "w")

    def head(self) -> bytes:
        """The workbook around the sheet, and the names of the columns."""
        self._rows += 1
        names = "".join(_text(name, _HEAD_STYLE) for name in self._columns)
        frozen = (
            '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2"'
            ' activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        )
        widths = f"<cols>{self._widths()}</cols>"
        return self._put(f'{_XML}<worksheet xmlns="{_MAIN}">{frozen}{widths}<sheetData><row>{names}</row>')

    def rows(self, rows: Iterable[Iterable[str]]) -> bytes:
        """Rows of the sheet. Raises StatementTooLongError for more than a sheet can have."""
        texts = [self._row(row) for row in rows]
        self._rows += len(texts)
        if self._rows > ROWS_MAX:
            raise StatementTooLongError(f"a sheet has at most {ROWS_MAX} rows: take a shorter range, or CSV")
        return self._put("".join(texts))

    def tail(self) -> bytes:
        """The end of the archive."""
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._archive.close()
        return self._sink.take()

    def _put(self, text: str) -> bytes:
        self._sheet.write(text.encode())
        return self._sink.take()

    def _styles(self) -> str:
        return _STYLES.format(format="0." + "0" * self._decimals if self._decimals else "0")

    def _widths(self) -> str:
        """A number that does not fit into its column is shown as #####: there is room for any usual one."""
        amount = self._decimals + 10
        widths = [amount if name in self._amounts else _WIDTHS.get(name, _WIDTH) for name in self._columns]
        return "".join(
            f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
            for number, width in enumerate(widths, 1)
        )

    def _row(self, texts: Iterable[str]) -> str:
        return f"<row>{''.join(map(self._cell, self._columns, texts))}</row>"

    def _cell(self, column: str, text: str) -> str:
        if not text:
            return "<c/>"
        if column not in self._numbers:
            return _text(text)
        is_amount = column in self._amounts
        digits = text.lstrip("-").replace(".", "").strip("0")
        if len(digits) > EXACT_DIGITS or (is_amount and self._decimals > EXACT_DECIMALS):
            return _text(text)
        return f'<c s="{_AMOUNT_STYLE if is_amount else 0}"><v>{text}</v></c>'


class SheetStatement:
    """A statement as a workbook."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    suffix = "xlsx"

    def __init__(self, view: StatementView) -> None:
        """Write the statement ``view`` is the frame of."""
        self._view = view
        self._book = Workbook(COLUMNS, _AMOUNTS, _NUMBERS, view.decimals)

    def head(self) -> bytes:
        """The names of the columns and the opening balance."""
        return self._book.head() + self._book.rows([frame_cells(self._view, "opening")])

    def lines(self, lines: Iterable[StatementLine]) -> bytes:
        """Rows of the sheet. Raises StatementTooLongError for more than a sheet can have."""
        return self._book.rows(cells(self._view, line) for line in lines)

    def tail(self, tally: Tally) -> bytes:
        """The closing balance with the sums, and the end of the archive."""
        return self._book.rows([frame_cells(self._view, "closing", tally)]) + self._book.tail()


def _member(name: str) -> zipfile.ZipInfo:
    """A file of the archive; without the time of day, so that a statement printed again is the same file."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _text(text: str, style: int = 0) -> str:
    """A cell with a text; what XML cannot hold is shown as a replacement character."""
    safe = escape(_ESCAPE.sub("_x005F_", _UNWRITABLE.sub("\ufffd", text)), quote=False)
    return f'<c t="inlineStr" s="{style}"><is><t xml:space="preserve">{safe}</t></is></c>'
