"""The progress display: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.demo.story import STEPS

CHECK = "[green]✓[/green]"


class Show:
    """Shows each currency's way through the steps."""

    def __init__(self, currencies: Sequence[str], console: Console | None = None) -> None:
        """One bar and one column per currency."""
        self.console = console or Console()
        self._currencies = tuple(currencies)
        self._done: dict[tuple[str, str], str] = {}
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("[bold]{task.description}[/bold]"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(name, total=len(STEPS)) for name in self._currencies
        }
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self.console.is_terminal:
            self._live = Live(self._picture(), console=self.console, refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.update(self._picture())
            self._live.__exit__(kind, error, traceback)
            self._live = None

    def tell(self, currency: str, step: str, words: str) -> None:
        """A step is done."""
        self._done[currency, step] = words
        self._progress.advance(self._tasks[currency])
        if self._live is not None:
            self._live.update(self._picture())
        else:
            seconds = time.monotonic() - self._began
            self.console.print(
                f"{seconds:6.1f} s  {currency}  {step:<10}  {words}", highlight=False, soft_wrap=True
            )

    def _picture(self) -> Group:
        """Bars above, steps below."""
        table = Table(expand=True, pad_edge=False, box=None)
        table.add_column("step", style="dim", no_wrap=True)
        for name in self._currencies:
            table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
        for step in STEPS:
            cells = [
                f"{CHECK} {self._done[name, step]}" if (name, step) in self._done else ""
                for name in self._currencies
            ]
            table.add_row(step, *cells)
        return Group(self._progress, table)
