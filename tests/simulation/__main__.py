"""A simulated day from the command line: ``python -m tests.simulation --seed 7 --hours 24``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.ledger.books import rows
from tests.simulation.judge import judge, scheduled
from tests.simulation.loop import run_virtually
from tests.simulation.simulation import simulate


def main() -> int:
    """Simulate a day and say what it was; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws everything that happens")
    parser.add_argument("--hours", type=float, default=24.0, help="simulated hours (default 24)")
    parser.add_argument("--dense", action="store_true", help="Ethereum's pace, four times the clients")
    parser.add_argument("--folder", type=Path, help="an empty folder for the database, which is kept")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as empty:
        place = arguments.folder or Path(empty)
        seed, hours = arguments.seed, arguments.hours
        world = run_virtually(lambda: simulate(place, seed, hours, is_dense=arguments.dense)).world
        (last,) = rows(world.cashier.path, "SELECT id, hex(hash) FROM journal ORDER BY id DESC LIMIT 1")
        report: dict[str, Any] = {
            "seed": seed,
            "hours": hours,
            "cpu_s": round(time.process_time() - began, 1),
            "happened": dict(sorted(world.done.items())),
            "comparisons": dict(sorted(scheduled(world).items())),
            "entries": last[0],
            "journal": last[1],
            "alarms": sorted({alarm.name for alarm in world.alarms.fired}),
            "wrong": judge(world),
        }
    if arguments.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:12} {value}")
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
