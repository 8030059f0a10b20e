"""A row of the table, the machine it was measured on, and the file that keeps both."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

RESULTS = Path(__file__).with_name("RESULTS.md")
COLUMNS = ("what", "ours", "compared with", "ratio", "bar", "result")


class Row(TypedDict):
    """One measurement. ``ratio`` is what the bar is about; a row without a bar is there to be known.

    ``bar`` reads ``>= 0.7`` or ``<= 2`` with a unit where there is one, empty for none.
    """

    what: str
    ours: str
    compared_with: str
    ratio: float
    bar: str
    ok: bool


def row(
    what: str,
    ours: str,
    compared_with: str,
    ratio: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "",
) -> Row:
    """A row whose ``ratio`` is held against ``at_least`` or ``at_most`` (or neither)."""
    bar, ok = "", True
    if at_least is not None:
        bar, ok = f">= {at_least:g}{unit}", ratio >= at_least
    if at_most is not None:
        bar, ok = f"<= {at_most:g}{unit}", ratio <= at_most
    return Row(what=what, ours=ours, compared_with=compared_with, ratio=ratio, bar=bar, ok=ok)


def result_of(row: Row) -> str:
    """The last column: ``ok``, ``MISS``, or a dash where there is no bar."""
    if not row["bar"]:
        return "-"
    return "ok" if row["ok"] else "MISS"


def cells(row: Row) -> tuple[str, ...]:
    """The row's texts, in the order of COLUMNS."""
    return (
        row["what"],
        row["ours"],
        row["compared_with"],
        f"{row['ratio']:.3g}",
        row["bar"] or "-",
        result_of(row),
    )


def machine() -> list[str]:
    """What the figures depend on, one line each."""
    return [
        f"date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"processor: {_first('/proc/cpuinfo', 'model name') or platform.processor() or 'unknown'}, "
        f"{os.cpu_count()} cores",
        f"memory: {_memory_gb()}",
        f"load before the run: {os.getloadavg()[0]:.1f}",
        f"system: {platform.system()} {platform.release()}",
        f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}",
    ]


def _first(path: str, label: str) -> str:
    """The value of the first line of a file of labels under /proc that has this one."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(label)), "")


def _memory_gb() -> str:
    kilobytes = _first("/proc/meminfo", "MemTotal").removesuffix("kB").strip()
    return f"{int(kilobytes) / 1e6:.1f} GB" if kilobytes else "unknown"


def markdown(rows: Sequence[Row], about: Iterable[str], failed: Sequence[str] = ()) -> str:
    """The file's text: machine, table, what could not be measured."""
    lines = ["# Measured by `make bench`", ""]
    lines += [f"- {line}" for line in about]
    lines += [
        "",
        "Ours and what it is compared with take turns in the same run; medians of the rounds count.",
    ]
    lines += ["", f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in cells(row))} |" for row in rows]
    if failed:
        lines += ["", "Not measured, because the benchmark itself failed:", ""]
        lines += [f"- {line}" for line in failed]
    return "\n".join(lines) + "\n"


def save(path: Path, text: str) -> None:
    """Write beside, then into place: a run that is broken off leaves the table of the last one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, "utf-8")
    draft.replace(path)
