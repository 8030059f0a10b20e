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

from tests.crash.matrix import Tell, Verdict, play
from tests.crash.points import CURRENCIES, POINTS, Point, points_of


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
    _show(found)
    if any(verdict.wrong for verdicts in found.values() for verdict in verdicts):
        print(f"everything is in {home}")
        return 1
    if chosen.folder is None:
        shutil.rmtree(home)
    return 0


def _teller(currency: str) -> Tell:
    def tell(verdict: Verdict) -> None:
        what = f"FAILED: {verdict.wrong}" if verdict.wrong else "paid once"
        print(f"  {currency} {_label(verdict.point)} {verdict.took_s:5.1f} s  {what}", flush=True)

    return tell


def _label(point: Point) -> str:
    return f"{point.scene:8} {point.name:34}"


def _show(found: dict[str, list[Verdict]]) -> None:
    """One row per point, one column per currency, and why a field is empty."""
    verdicts = {(currency, v.point): v for currency, rows in found.items() for v in rows}
    print("\n" + _label(Point("scene", "point")) + "".join(f"{currency:>10}" for currency in found))
    reasons: dict[str, str] = {}
    for point in POINTS:
        if not any((currency, point) in verdicts or currency in point.excluded for currency in found):
            continue
        fields = []
        for currency in found:
            verdict = verdicts.get((currency, point))
            if verdict is not None:
                fields.append("FAILED" if verdict.wrong else "once")
            elif currency in point.excluded:
                mark = reasons.setdefault(point.excluded[currency], f"[{len(reasons) + 1}]")
                fields.append(mark)
            else:
                fields.append("not run")
        print(_label(point) + "".join(f"{text:>10}" for text in fields))
    for reason, mark in reasons.items():
        print(f"{mark} cannot be reached: {reason}")
    for currency, rows in found.items():
        well = sum(not verdict.wrong for verdict in rows)
        print(f"{currency}: {well} of {len(rows)} points: paid once and debited once")


if __name__ == "__main__":
    sys.exit(main())
