"""The workbook, read back by the standard's own words: parts, cells, types."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from actors.messages import StatementLine, StatementView
from gateway import statement_sheet
from gateway.statement_sheet import SheetStatement, StatementTooLongError
from gateway.statement_text import COLUMNS, Tally
from tests.gateway.samples import statement_line, statement_view

NS = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
Row = list[tuple[str, str]]


def book(view: StatementView, *pages: list[StatementLine]) -> bytes:
    writer = SheetStatement(view)
    parts = [writer.head(), *(writer.lines(page) for page in pages), writer.tail(Tally(view.opening))]
    return b"".join(parts)


def rows_of(data: bytes) -> list[Row]:
    """Each row's cells: (type, value), the type ``n`` or ``inlineStr``."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    return [
        [
            (cell.get("t", "n"), cell.findtext("m:v", None, NS) or cell.findtext("m:is/m:t", "", NS) or "")
            for cell in row.findall("m:c", NS)
        ]
        for row in sheet.findall("m:sheetData/m:row", NS)
    ]


def line_row(data: bytes) -> dict[str, tuple[str, str]]:
    return dict(zip(COLUMNS, rows_of(data)[2], strict=True))


def test_it_has_the_parts_a_spreadsheet_asks_for_and_reads_back() -> None:
    data = book(statement_view(), [statement_line()], [statement_line(entry=8)])
    rows = rows_of(data)
    assert [text for _, text in rows[0]] == list(COLUMNS)
    assert [row[2][1] for row in rows[1:]] == ["opening", "withdrawal", "withdrawal", "closing"]
    assert line_row(data)["debit"] == ("n", "0.00020500")
    assert line_row(data)["balance"] == ("n", "0.00079500")
    assert line_row(data)["reference"] == ("inlineStr", "wd_1")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = ElementTree.fromstring(archive.read("[Content_Types].xml"))
        named = {part.get("PartName", "")[1:] for part in types if part.get("PartName")}
        assert named == set(archive.namelist()) - {
            "[Content_Types].xml",
            "_rels/.rels",
            "xl/_rels/workbook.xml.rels",
        }
        assert b'formatCode="0.00000000"' in archive.read("xl/styles.xml")


@pytest.mark.parametrize("decimals", [0, 6, 8, 18])
def test_amounts_txids_and_times_fit_into_their_columns(decimals: int) -> None:
    lines = [statement_line(balance=123_456 * 10**decimals)]
    with zipfile.ZipFile(io.BytesIO(book(statement_view(decimals=decimals), lines))) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    assert [part.tag.partition("}")[2] for part in sheet] == ["sheetViews", "cols", "sheetData"]
    columns = sheet.findall("m:cols/m:col", NS)
    assert [column.get("min") for column in columns] == [str(at) for at in range(1, len(COLUMNS) + 1)]
    widths = dict(zip(COLUMNS, (int(column.get("width", "0")) for column in columns), strict=True))
    row = line_row(book(statement_view(decimals=decimals), lines))
    for name in ("at", "debit", "balance", "txid", "block_hash"):
        assert len(row[name][1]) < widths[name], name


@pytest.mark.parametrize("amount", [1, 123_456_789, 10**15 - 1, 999_999_999_999_990])
def test_a_number_is_written_only_where_every_digit_stays(amount: int) -> None:
    kind, text = line_row(book(statement_view(), [statement_line(balance=amount)]))["balance"]
    assert kind == "n"
    assert f"{float(text):.8f}" == text
    assert int(Decimal(text).scaleb(8)) == amount


@pytest.mark.parametrize(("amount", "decimals"), [(10**15 + 1, 8), (2**256 - 1, 8), (1, 18), (10**18, 18)])
def test_l10_what_would_lose_digits_is_text(amount: int, decimals: int) -> None:
    view = statement_view(decimals=decimals)
    kind, text = line_row(book(view, [statement_line(balance=amount)]))["balance"]
    assert kind == "inlineStr"
    assert int(Decimal(text).scaleb(decimals).to_integral_exact()) == amount or len(text) > 28
    assert text.replace(".", "").lstrip("0") == str(amount)


@pytest.mark.parametrize(
    "text", ["=1+1", "</t></is></c>", "a&b", "\x00\x08\ufffe", "_x000D_", " two  spaces "]
)
def test_hostile_texts_stay_texts(text: str) -> None:
    kind, shown = line_row(book(statement_view(), [statement_line(reason=text)]))["reason"]
    assert kind == "inlineStr"
    expected = {"\x00\x08\ufffe": "\ufffd" * 3, "_x000D_": "_x005F_x000D_"}
    assert shown == expected.get(text, text)


def test_the_same_statement_is_the_same_file() -> None:
    assert book(statement_view(), [statement_line()]) == book(statement_view(), [statement_line()])


def test_more_lines_than_a_sheet_can_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_sheet, "ROWS_MAX", 4)
    with pytest.raises(StatementTooLongError, match="at most 4 rows"):
        book(statement_view(), [statement_line()], [statement_line()])
