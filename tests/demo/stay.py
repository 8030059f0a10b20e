"""The demo after its last step: blocks go on, events are shown, and a person may pay and look."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from tests.demo.chains import FINAL_DEPTH, Chain, TokenChain
from tests.demo.story import short
from tests.demo.website import ApiError, Website
from tests.nodes.errors import NodesError
from tests.nodes.up import pass_month

BLOCK_EVERY_S = 20.0
FEED_EVERY_S = 0.5


class Stay:
    """Keeps the demo alive until Ctrl-C.

    On a terminal a line may be typed: a currency pays the client, `mine` makes the blocks come at once,
    `link` opens another session, `month` lets the month end on all chains.
    """

    def __init__(self, chains: Sequence[Chain], website: Website, client_id: str, console: Console) -> None:
        """Everything runs already."""
        self._chains = {chain.currency.lower(): chain for chain in chains}
        self._website = website
        self._client = client_id
        self._console = console
        self._stopping = asyncio.Event()
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Blocks, events and typed lines side by side, until SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        self._say(f"\nup until Ctrl-C; a block every {BLOCK_EVERY_S:.0f} s on each chain")
        if sys.stdin.isatty():
            names = " · ".join(f"[bold]{name}[/bold]" for name in self._chains)
            self._say(f"type {names} to pay {self._client}, [bold]mine[/bold] for a block now, "
                      "[bold]month[/bold] to let the month end, [bold]link[/bold] for another cashier page"
            )  # fmt: skip
            loop.add_reader(sys.stdin.fileno(), self._read)
        work = [asyncio.ensure_future(part) for part in (self._mine(), self._follow(), self._obey())]
        try:
            stop = asyncio.ensure_future(self._stopping.wait())
            done, _ = await asyncio.wait([stop, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a failure of one of them is the demo's
        finally:
            loop.remove_reader(sys.stdin.fileno())
            for task in (stop, *work):
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        self._say("stopping")

    def _say(self, words: str) -> None:
        self._console.print(words, highlight=False, soft_wrap=True)

    def _read(self) -> None:
        """A line was typed, or the terminal is gone."""
        text = os.read(sys.stdin.fileno(), 1000)
        if not text:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        for line in text.decode(errors="replace").split():
            self._lines.put_nowait(line.lower())

    async def _mine(self) -> None:
        """A block on each chain now and then."""
        while True:
            await asyncio.sleep(BLOCK_EVERY_S)
            await self._mine_all()

    async def _mine_all(self) -> None:
        """A block on each chain; a node that is gone is told of and keeps no other from mining."""
        for name, chain in self._chains.items():
            try:
                await chain.mine()
            except (NodesError, OSError) as error:
                self._say(f"no block on {name}: {escape(str(error))}")

    async def _follow(self) -> None:
        """Show each event of a payment from now on, as the website reads them."""
        after = 0
        while found := await self._events(after):
            after = found[-1]["sequence"]
        while True:
            for event in await self._events(after):
                after = event["sequence"]
                if event["type"].startswith(("deposit.", "withdrawal.", "currency.")):
                    self._say(_words(event))
            await asyncio.sleep(FEED_EVERY_S)

    async def _events(self, after: int) -> list[dict[str, Any]]:
        found = await self._website.get(f"/v1/events?after={after}")
        return list(found["data"])

    async def _obey(self) -> None:
        """Do what is typed; a refusal is shown and nothing more."""
        while True:
            word = await self._lines.get()
            try:
                await self._do(word)
            except (ApiError, NodesError, OSError) as error:
                self._say(f"refused: {escape(str(error))}")

    async def _do(self, word: str) -> None:
        if chain := self._chains.get(word):
            target = f"/v1/clients/{self._client}/addresses/{chain.currency}"
            address = (await self._website.put(target))["address"]
            txid = await chain.pay(address)
            amount = f"{short(chain.amounts.deposit)} {chain.currency}"
            self._say(f"          paid  {amount} to {self._client}'s address {address} in {txid}")
        elif word == "mine":
            await self._mine_all()
        elif word == "month":
            await self._end_month()
        elif word == "link":
            body = {"client_id": self._client, "actions": ["deposit", "withdraw"]}
            self._say(f"          link  {(await self._website.post('/v1/sessions', body))['url']}")
        else:
            self._say(
                f"          {escape(word)}? {', '.join(self._chains)}, mine, month or link; Ctrl-C ends"
            )

    async def _end_month(self) -> None:
        """The nodes' clocks jump into the next month, and so many blocks follow that it can be closed."""
        nodes = {
            name: chain.node for name, chain in self._chains.items() if not isinstance(chain, TokenChain)
        }
        for name, node in nodes.items():
            month = await asyncio.to_thread(pass_month, node, FINAL_DEPTH + 1)
            self._say(f"          {name.upper()}  {month} is over, it can be closed: run.py close {month}")


def _words(event: dict[str, Any]) -> str:
    """One event as one line."""
    data = event["data"]
    room, _, state = event["type"].partition(".")
    colour = {"credited": "green", "final": "green", "confirmed": "green", "open": "green"}.get(state, "cyan")
    amount = f"{short(data['amount'])} {data['currency']}" if "amount" in data else data["currency"]
    client = f" of {data['client_id']}" if data.get("client_id") else ""
    time_of_day = event["occurred_at"][11:19]
    return escape(f"{time_of_day}  {room} {amount}{client}  ") + f"[{colour}]{escape(state)}[/{colour}]"
