"""`make demo`: real nodes, the cashier, and the main job for each currency.

python -m tests.demo            stays up until Ctrl-C, a block now and then
python -m tests.demo --once     ends with 0, or with 1 and the step that failed
python -m tests.demo --once --kill 7     kill -9 of the cashier at random moments (seed 7)
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import random
import shutil
import sys
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.demo.chaos import Killer
from tests.demo.show import Show
from tests.demo.stage import CHAINS, ROOT, Stage, StageError
from tests.demo.stay import Stay
from tests.demo.story import Story, StoryError
from tests.demo.website import Website
from tests.fakes.oracle import check_books
from tests.nodes.errors import NodesError

FOLDER = ROOT / ".demo"
CLIENT = "alice"
BALANCES = ("available", "reserved", "pending")
MARKER = ".made-by-the-demo"
RATES = {"BTC": "61234.50", "LTC": "74.10", "ETH": "2345.60", "USDT-ETH": "0.92"}
"""Made up, so that statements show values."""


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description="The main job on real nodes.")
    parser.add_argument("--once", action="store_true", help="end after the last step")
    parser.add_argument("--kill", type=int, metavar="SEED", help="kill -9 the cashier at random moments")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where nodes and cashier keep their data")
    arguments = parser.parse_args()
    console = Console()
    folder = arguments.folder.absolute()
    try:
        lock = claim(folder)
    except (StageError, OSError) as error:
        console.print(f"[red]failed[/red]  {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2
    stage = Stage(folder, only=(*CHAINS, "USDT-ETH"))
    try:
        return asyncio.run(_run(stage, console, arguments.once, arguments.kill))
    except (StageError, NodesError, StoryError) as error:
        console.print(f"[red]failed[/red]  {escape(str(error))}", highlight=False, soft_wrap=True)
        console.print(f"log of the cashier: {_near(stage.log_path)}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stage.stop()
        os.close(lock)


def claim(folder: Path) -> int:
    """Empty the folder for a new demo; the descriptor whose lock keeps other demos out.

    Raises StageError when another demo is in it, or when it holds something that no demo made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StageError(f"another demo runs in {folder}: end it, or name another --folder") from None
    left = [path for path in folder.iterdir() if path.name != MARKER]
    if left and folder != FOLDER and not (folder / MARKER).exists():
        os.close(lock)
        raise StageError(f"{folder} is not empty and not of a demo: its files stay, name another --folder")
    (folder / MARKER).touch()
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    return lock


def write_rates(stage: Stage) -> None:
    """Give the configured cashier a table of rates."""
    (stage.folder / "rates.json").write_text(json.dumps({"rates": RATES}))
    with stage.config.open("a") as file:
        file.write('[rates]\nfile = "rates.json"\n')


def _near(path: str | Path) -> str:
    """A path as one types it from the folder of the project."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


async def _run(stage: Stage, console: Console, once: bool, seed: int | None) -> int:
    """Set the stage, play the stories side by side, show what came of it."""
    with console.status("starting bitcoind, litecoind and anvil"):
        await asyncio.to_thread(stage.start_chains)
    with console.status("starting the cashier"):
        await asyncio.to_thread(stage.configure)
        write_rates(stage)
        stage.spawn()
        await stage.until_ready()
    website = Website(stage.base_url, stage.key["key"], stage.key["signing_secret"])
    killer = Killer(stage, random.Random(seed)) if seed is not None else None
    try:
        with Show([chain.currency for chain in stage.chains], console) as show:
            stories = [
                Story(chain, website, partial(stage.gauges, chain.currency), CLIENT, show.tell)
                for chain in stage.chains
            ]
            if killer is not None:
                killer.start()
            await _play(stories)
        if killer is not None:
            console.print(f"seed {seed}: killed {await killer.finish()} times")
        problems = check_books(stage.folder / "data" / "cashier.sqlite")
        if problems:
            raise StoryError("books", "audit", "; ".join(problems))
        _summary(stage, console, stories)
        if not once:
            await Stay(stage.chains, website, CLIENT, console).run()
        return 0
    finally:
        if killer is not None:
            await killer.finish()
        await website.close()


async def _play(stories: list[Story]) -> None:
    """All currencies side by side; the first failure ends the others."""
    tasks = [asyncio.create_task(story.play()) for story in stories]
    try:
        for task in asyncio.as_completed(tasks):
            await task
    finally:
        for left in tasks:
            left.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _summary(stage: Stage, console: Console, stories: list[Story]) -> None:
    """Balances, links and the key."""
    table = Table(box=None, title=f"balances of {CLIENT}", title_style="bold", title_justify="left")
    table.add_column("currency")
    for name in BALANCES:
        table.add_column(name, justify="right", overflow="fold")  # an amount is never cut short
    for chain, story in zip(stage.chains, stories, strict=True):
        table.add_row(chain.currency, *(story.balances[name] for name in BALANCES))
    console.print()
    console.print(table)
    lines = {
        "cashier page": stories[0].link + "  (a link works once, for ten minutes)",
        "API description": f"{stage.base_url}/openapi.json",
        "metrics": f"http://127.0.0.1:{stage.monitoring_port}/metrics",
        "API key": stage.key["key"],
        "signing secret": stage.key["signing_secret"],
        "supervision tree": f"{_near(sys.executable)} run.py tree --config {_near(stage.config)}",
        "log": _near(stage.log_path),
        "keeping books": f". {_near(stage.write_shell())}  (in another terminal; then run.py close …)",
    }
    for name, value in lines.items():
        console.print(f"  {name:<16}  {value}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
