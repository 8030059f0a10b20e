"""``python -m tests.crash``: kill -9 at every named point of a withdrawal, on every currency.

Each point gets a withdrawal of its own: the cashier is started with the point set, ends there, is started
again, and then the payee must have the amount exactly once on the chain, the client must be debited once, and
books and chain must agree. A point that is never passed is a failure. ``--currency``, ``--scene`` and
``--point`` choose some. Exit codes: 0 all well, 1 something was found.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.crash.matrix import Tell, play
from tests.crash.points import CURRENCIES, POINTS, points_of
from tests.crash.table import Verdict, label, lines


def main() -> int:
    """Read the arguments, play, show the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--currency", choices=CURRENCIES, action="append")
    parser.add_argument("--scene", choices=sorted({point.scene for point in POINTS}), action="append")
    parser.add_argument("--point", action="append", help="a point's name with its count: payout.signed:1")
    parser.add_argument("--folder", type=Path, help="keep everything there")
    chosen = parser.parse_args()
    home = chosen.folder or Path(tempfile.mkdtemp(prefix="cashier-crash-"))
    found: dict[str, list[Verdict]] = {}
    for currency in chosen.currency or CURRENCIES:
        points = [
            point
            for point in points_of(currency)
            if (not chosen.scene or point.scene in chosen.scene)
            and (not chosen.point or point.name in chosen.point)
        ]
        print(f"{currency}: {len(points)} points", flush=True)
        found[currency] = asyncio.run(play(home / currency, currency, points, _teller(currency)))
    print("", *lines(found), sep="\n")
    if any(verdict.wrong for verdicts in found.values() for verdict in verdicts):
        print(f"everything is in {home}")
        return 1
    if chosen.folder is None:
        shutil.rmtree(home)
    return 0


def _teller(currency: str) -> Tell:
    def tell(verdict: Verdict) -> None:
        what = f"FAILED: {verdict.wrong}" if verdict.wrong else "paid once"
        print(
            f"  {currency} {label(verdict.point.scene, verdict.point.name)} {verdict.took_s:5.1f} s  {what}",
            flush=True,
        )

    return tell


if __name__ == "__main__":
    sys.exit(main())
