"""``python -m tests.crash``: kill -9 at every named point of a withdrawal, on every currency.

Each point gets a withdrawal of its own: the point is set for the cashier that runs, which ends there and is
started again, and then the payee must have the amount exactly once on the chain, the client must be debited
once (or have all of it back, where it was taken back), and books and chain must agree. A point that is never
passed is a failure. ``--currency``, ``--scene`` and ``--point`` choose some. With ``--results`` what was
found is kept in a file, and what went well with the same code is not played again. Exit codes: 0 all well,
1 something was found, 130 ended by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.crash.matrix import Tell, play
from tests.crash.points import CURRENCIES, POINTS, Point, points_of
from tests.crash.record import Record
from tests.crash.table import Verdict, label, lines


def main() -> int:
    """Read the arguments, play, show the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--currency", choices=CURRENCIES, action="append")
    parser.add_argument("--scene", choices=sorted({point.scene for point in POINTS}), action="append")
    parser.add_argument("--point", action="append", help="a point's name with its count: payout.signed:1")
    parser.add_argument("--folder", type=Path, help="keep everything there")
    parser.add_argument("--results", type=Path, help="keep what is found there, and go on from it")
    chosen = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began it with that ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    record = None if chosen.results is None else Record(chosen.results)
    home = chosen.folder or Path(tempfile.mkdtemp(prefix="cashier-crash-"))
    found: dict[str, list[Verdict]] = {}
    try:
        for currency in chosen.currency or CURRENCIES:
            points = _chosen(currency, chosen.scene, chosen.point)
            found[currency] = [] if record is None else record.well(currency, points)
            left = [point for point in points if point not in {verdict.point for verdict in found[currency]}]
            print(f"{currency}: {len(points)} points, {len(left)} to be played", flush=True)
            if left:
                played = play(home / currency, currency, left, _teller(currency, record))
                found[currency] += asyncio.run(played)
    except KeyboardInterrupt:
        print(f"ended; everything is in {home}")
        return 130
    print("", *lines(found), sep="\n")
    if any(verdict.wrong for verdicts in found.values() for verdict in verdicts):
        print(f"everything is in {home}")
        return 1
    if chosen.folder is None:
        shutil.rmtree(home)
    return 0


def _chosen(currency: str, scenes: list[str] | None, names: list[str] | None) -> list[Point]:
    """The points of a currency in the order of the table, those that were asked for."""
    return [
        point
        for point in points_of(currency)
        if (not scenes or point.scene in scenes) and (not names or point.name in names)
    ]


def _teller(currency: str, record: Record | None) -> Tell:
    def tell(verdict: Verdict) -> None:
        if record is not None:
            record.add(currency, verdict)
        what = f"FAILED: {verdict.wrong}" if verdict.wrong else "well"
        print(
            f"  {currency} {label(verdict.point.scene, verdict.point.name)} {verdict.took_s:5.1f} s  {what}",
            flush=True,
        )

    return tell


if __name__ == "__main__":
    sys.exit(main())
