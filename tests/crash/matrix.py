"""Kills the cashier at one point after the other, on one currency, and has each scene judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from coins.failpoint import KILLED, VARIABLE
from tests.crash.points import EVM, Point, points_of
from tests.crash.scenes import AMOUNTS, CLIENT, SCENES, Scene, SceneError
from tests.crash.table import Verdict
from tests.demo.chains import WEI, TokenChain
from tests.demo.stage import Stage, StageError
from tests.flows.operator import Operator, appoint
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address

FIRES_S = 60.0
PAYMENTS = 3
SIGNER_ENDED = f"exit code {KILLED}"


Tell = Callable[[Verdict], None]


class Matrix:
    """One stage with one currency, its client with money, and an operator who is logged in."""

    def __init__(self, folder: Path, currency: str) -> None:
        """``folder`` gets the nodes' and the cashier's files."""
        chain = currency.rpartition("-")[2]
        self.currency = currency
        self._prefix = f"CASHIER__COINS__{chain}__"
        own = f"CASHIER__COINS__{currency.replace('-', '_')}__"
        extra = {f"{own}APPROVAL_ABOVE": AMOUNTS[currency]["approval"]}
        self.stage = Stage(folder, extra, tuple(dict.fromkeys((chain, currency))))

    async def run(self, points: Sequence[Point], tell: Tell) -> list[Verdict]:
        """Every point in order, on one chain that grows; each verdict is told at once."""
        verdicts = []
        shop: Shop | None = None
        operator: Operator | None = None
        try:
            await asyncio.to_thread(self._set_up)
            await self.stage.until_ready()
            shop, operator = Shop(self.stage, self.currency), Operator(self.stage, "olga")
            await operator.login()
            await self._fund(shop)
            for number, point in enumerate(points):
                began = time.monotonic()
                wrong = await self._judge(SCENES[point.scene](shop, operator, number), point)
                verdicts.append(Verdict(point, wrong, time.monotonic() - began))
                tell(verdicts[-1])
        finally:
            for open_one in (shop, operator):
                if open_one is not None:
                    await open_one.close()
            await asyncio.to_thread(self.stage.stop)
        return verdicts

    def _set_up(self) -> None:
        self.stage.start_chains()
        self.stage.configure()
        appoint(self.stage, "olga", "payments")
        self.stage.spawn()

    async def _fund(self, shop: Shop) -> None:
        """The client has money in the house that may leave, and on an account chain gas is there."""
        for chain in self.stage.chains:
            if isinstance(chain, TokenChain):
                shop.anvil.send(hot_address(self.stage), 20 * WEI)
        address = await shop.address(CLIENT)
        for _ in range(PAYMENTS):
            await asyncio.to_thread(shop.pay, address, AMOUNTS[self.currency]["fund"])
        await shop.mine(6)
        await shop.until_deposit(CLIENT, "final", mine=True)
        if self.currency in EVM:

            async def left() -> int:
                return await shop.chain.received(address)

            await shop.until(left, lambda units: units == 0, mine=True)

    async def _judge(self, scene: Scene, point: Point) -> str:
        """Play a scene around its kill; what is wrong, empty when nothing is."""
        acting: asyncio.Task[None] | None = None
        try:
            await scene.prepare()
            self.stage.kill()
            self._spawn(scene, {VARIABLE: point.name})
            acting = asyncio.create_task(scene.act())
            await self._until_killed(point)
            scene.is_killed = True
            self._spawn(scene, {})
            await self.stage.until_ready()
            await acting
            await scene.finish()
            if scene.environment:
                await self._start_anew()
        except (SceneError, StageError, AssertionError, TimeoutError, OSError) as error:
            await self._start_anew()
            return f"{type(error).__name__}: {error}"
        finally:
            if acting is not None:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)
        return ""

    async def _start_anew(self) -> None:
        """A cashier that runs undisturbed and as configured, for the next scene."""
        self.stage.kill()
        self.stage.spawn()
        await self.stage.until_ready()

    def _spawn(self, scene: Scene, extra: dict[str, str]) -> None:
        """Start the cashier as the scene wants it."""
        names = {
            name: text
            for name, text in scene.environment.items()
            if self.currency not in EVM or not name.startswith("FEE_RATE")
        }
        self.stage.spawn({f"{self._prefix}{name}": text for name, text in names.items()} | extra)

    async def _until_killed(self, point: Point) -> None:
        """Wait until the point has ended its process. Raises SceneError when it is never passed.

        The signer is a child: where it has ended, its parent is killed as well, before it can start another.
        """
        process = self.stage.process
        assert process is not None
        skip = self.stage.log_path.stat().st_size
        deadline = time.monotonic() + FIRES_S
        while process.poll() is None:
            if point.name.startswith("signer.") and self._log_since(skip):
                self.stage.kill()
                return
            if time.monotonic() > deadline:
                self.stage.kill()
                raise SceneError("the point was never passed")
            await asyncio.sleep(0.05)
        if process.returncode != KILLED:
            raise SceneError(f"ended with {process.returncode}: {self.stage.log_tail()}")

    def _log_since(self, skip: int) -> bool:
        """Whether the log says since then that the signer has ended at its point."""
        with self.stage.log_path.open("rb") as log:
            log.seek(skip)
            return SIGNER_ENDED.encode() in log.read()


async def play(folder: Path, currency: str, points: Sequence[Point] | None, tell: Tell) -> list[Verdict]:
    """The matrix of one currency; all its points when none are given. Raises StageError."""
    chosen = points_of(currency) if points is None else points
    return await Matrix(folder, currency).run(chosen, tell)
