"""``python -m tests.fuzz --family bitcoin --seed 7``: random traffic and faults on a real node.

Without ``--seed`` twenty seeds are run on each family. Each is told before it begins, and with the command
that plays it again when it fails. A kind of action that never took place in a whole run is a failure too.
Exit codes: 0 all well, 1 something was found.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.actions import OF_FAMILY, STEPS, draw_actions, kinds_of
from tests.fuzz.run import play

SEEDS = 20


def main() -> int:
    """Read the arguments, play, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--family", choices=sorted(OF_FAMILY), action="append")
    parser.add_argument("--seed", type=int, help="play this seed alone")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds, from 0 (default 20)")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--show", action="store_true", help="print the actions and play nothing")
    parser.add_argument("--folder", type=Path, help="keep everything there")
    chosen = parser.parse_args()
    failed = False
    for family in chosen.family or sorted(OF_FAMILY):
        seeds = [chosen.seed] if chosen.seed is not None else range(chosen.seeds)
        if chosen.show:
            for seed in seeds:
                for number, action in enumerate(draw_actions(family, seed, chosen.steps)):
                    print(
                        f"{number:3} {action.kind:18} {action.draw:10} {'settles' if action.settles else ''}"
                    )
            continue
        failed |= not _play_all(family, list(seeds), chosen.steps, chosen.folder)
    return int(failed)


def _play_all(family: str, seeds: list[int], steps: int, folder: Path | None) -> bool:
    """Play the seeds of a family one after the other; whether all was well."""
    fired: Counter[str] = Counter()
    failures = 0
    for seed in seeds:
        home = folder / f"{family}-{seed}" if folder else Path(tempfile.mkdtemp(prefix="cashier-fuzz-"))
        print(f"{family} seed {seed}: {steps} steps", flush=True)
        begun = time.monotonic()
        result = asyncio.run(play(home, family, seed, steps))
        fired.update(result.fired)
        if result.wrong:
            failures += 1
            print(f"  FAILED {result.where}", *result.wrong, sep="\n    ", flush=True)
            print(f"  everything is in {home}; again: {result.replay}", flush=True)
        else:
            ends = ", ".join(f"{name} {count}" for name, count in sorted(result.met.items()))
            print(f"  chain and books agree after {time.monotonic() - begun:.0f} s: {ends}", flush=True)
            shutil.rmtree(home)
    print(f"{family}: " + ", ".join(f"{kind} {fired[kind]}" for kind in kinds_of(family)))
    missing = [kind for kind in kinds_of(family) if not fired[kind]]
    if missing and len(seeds) > 1:
        print(f"{family}: FAILED, never took place: {', '.join(missing)}")
    print(f"{family}: {len(seeds) - failures} of {len(seeds)} seeds well", flush=True)
    return not failures and not (missing and len(seeds) > 1)


if __name__ == "__main__":
    sys.exit(main())
