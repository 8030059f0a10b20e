"""Measures the product against its bars.

    python -m tests.benchmarks                  all of it, about a quarter of an hour; keeps RESULTS.md
    python -m tests.benchmarks ledger gateway   only these; RESULTS.md stays as it is

A missed bar is a MISS in the table and no failure. The exit code is 1 when a benchmark could not be
carried out, 2 for a name that is none.
"""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.table import COLUMNS, RESULTS, Row, cells, machine, markdown, save

NAMES = (
    "scan", "actors", "ledger", "gateway", "accept", "deposits", "payouts", "latency", "catchup",
    "catchup_evm", "quiet", "scale", "restart", "lane", "reconcile", "statement", "verify",
)  # fmt: skip
STYLES = {"ok": "green", "MISS": "bold red", "-": "dim"}


def measure(names: Sequence[str], say: Console) -> tuple[list[Row], list[str]]:
    """Run the benchmarks one after the other; the rows, and one line for each that failed."""
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        began = time.perf_counter()
        try:
            found: list[Row] = importlib.import_module(f"tests.benchmarks.bench_{name}").rows()
        except Exception as error:  # noqa: BLE001  the other benchmarks are still worth running
            traceback.print_exc()
            failed.append(f"{name}: {type(error).__name__}: {error}")
            continue
        rows += found
        for row in found:
            say.print(f"{row['what']}: {row['ours']} ({row['compared_with']})", highlight=False)
        say.print(f"[dim]{name}: {time.perf_counter() - began:.0f} s[/dim]")
    return rows, failed


def show(rows: Sequence[Row], say: Console) -> None:
    """The table for a person."""
    table = Table(*COLUMNS)
    for row in rows:
        *texts, result = cells(row)
        table.add_row(*texts, f"[{STYLES[result]}]{result}[/]")
    say.print(table)


def main(arguments: Sequence[str], results: Path = RESULTS) -> int:
    """Run what is named, or everything; the exit code."""
    unknown = [name for name in arguments if name not in NAMES]
    if unknown:
        print(f"unknown benchmark {unknown[0]}: one of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    say = Console()
    about = machine()
    rows, failed = measure(arguments or NAMES, say)
    show(rows, say)
    if not arguments:
        save(results, markdown(rows, about, failed))
        print(f"{results.name} is written")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
