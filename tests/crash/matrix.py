"""Kills the cashier at one point after the other, on one currency, and has each scene judged.

One cashier plays scene after scene: it runs, a point is set in a file it looks at, it ends there, and the
one that is started then is judged and plays on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyrage  # type: ignore[import-untyped]

from coins.failpoint import IN_FILE, KILLED, VARIABLE
from tests.coins.signer.quick_age import encrypt
from tests.crash.points import EVM, Point, points_of
from tests.crash.scene import AMOUNTS, CLIENT, CONFIRMATIONS, FINAL_DEPTH, Scene, SceneError
from tests.crash.scenes import SCENES
from tests.crash.table import Verdict
from tests.demo.chains import WEI, TokenChain
from tests.demo.stage import Stage, StageError
from tests.demo.website import ApiError
from tests.flows.operator import Operator, appoint
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address

FIRES_S = 60.0
ENDS_S = 10.0
LOOK_S = 0.02
PAYMENTS = 3
OF_THE_CHAIN = ("BATCH_", "BUMP_", "FEE_RATE_")
"""Settings that a token takes from its chain, by how they begin; the others are a currency's own."""

Tell = Callable[[Verdict], None]


class Matrix:
    """One stage with one currency, its client with money, and an operator who is logged in."""

    def __init__(self, folder: Path, currency: str) -> None:
        """``folder`` gets the nodes' and the cashier's files."""
        chain = currency.rpartition("-")[2]
        self.currency = currency
        self._chain, self._own = (f"CASHIER__COINS__{name.replace('-', '_')}__" for name in (chain, currency))
        caps = ("SIGNER_TX_CAP", "SIGNER_DAY_CAP", "SIGNER_HOUR_CAP")  # some hundred payouts within the hour
        extra = {
            f"{self._own}APPROVAL_ABOVE": AMOUNTS[currency]["approval"],
            f"{self._chain}CONFIRMATIONS": str(CONFIRMATIONS),
            f"{self._chain}FINAL_DEPTH": str(FINAL_DEPTH),
            f"{self._chain}MAX_REORG": str(FINAL_DEPTH - 1),
            f"{self._chain}NODE__POLL_INTERVAL_S": "0.15",
            "CASHIER__ACTORS__TICK_S": "0.15",
            "CASHIER__GATEWAY__OPERATOR_IDLE_S": "86400",
            "CASHIER__GATEWAY__OPERATOR_SESSION_TTL_S": "86400",
        } | {f"{self._own}{cap}": "1000000" for cap in caps}
        self.stage = Stage(folder, extra, tuple(dict.fromkeys((chain, currency))))
        self._armed = folder / "failpoint"
        self._settings: Mapping[str, str] = {}

    async def run(self, points: Sequence[Point], tell: Tell) -> list[Verdict]:
        """Every point in order, on one chain that grows; each verdict is told at once.

        However it ends, neither a node nor a cashier is left behind.
        """
        verdicts = []
        shop: Shop | None = None
        operator: Operator | None = None
        setting_up = asyncio.create_task(asyncio.to_thread(self._set_up))
        try:
            await asyncio.shield(setting_up)
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
            await asyncio.wait({setting_up})  # a thread is not cancelled: what it starts has to be ended
            for open_one in (shop, operator):
                if open_one is not None:
                    await open_one.close()
            await asyncio.to_thread(self.stage.stop)
        return verdicts

    def _set_up(self) -> None:
        self.stage.start_chains()
        self.stage.configure()
        make_cheap(self.stage)
        appoint(self.stage, "olga", "payments")
        self._spawn({})

    async def _fund(self, shop: Shop) -> None:
        """The client has money in the house that may leave, and on an account chain gas is there."""
        for chain in self.stage.chains:
            if isinstance(chain, TokenChain):
                shop.anvil.send(hot_address(self.stage), 20 * WEI)
        address = await shop.address(CLIENT)
        for _ in range(PAYMENTS):
            await asyncio.to_thread(shop.pay, address, AMOUNTS[self.currency]["fund"])
        await shop.mine(FINAL_DEPTH)
        await shop.until_deposit(CLIENT, "final", mine=True)
        if self.currency in EVM:

            async def left() -> int:
                return await shop.chain.received(address)

            await shop.until(left, lambda units: units == 0, mine=True)

    async def _judge(self, scene: Scene, point: Point) -> str:
        """Play a scene around its kill; what is wrong, empty when nothing is."""
        acting: asyncio.Task[None] | None = None
        try:
            if self._settings != scene.settings:
                await self._start_anew(scene.settings)
            await scene.prepare()
            self._arm(point)
            if scene.later:
                self.stage.kill()
                self._spawn({**scene.settings, **scene.later})
            acting = asyncio.create_task(scene.act())
            await self._until_passed(scene, point, acting)
            scene.is_killed.set()
            if scene.ends_all:
                self._spawn(self._settings)
            await self.stage.until_ready()
            await acting
            await scene.finish()
        except (SceneError, StageError, ApiError, AssertionError, TimeoutError, OSError) as error:
            await self._start_anew({})
            await scene.shop.mine(FINAL_DEPTH + 1)  # what it left under way does not disturb the next one
            return f"{type(error).__name__}: {error}"
        finally:
            if acting is not None:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)
        return ""

    async def _start_anew(self, settings: Mapping[str, str]) -> None:
        """A cashier that runs undisturbed, with these settings."""
        self._armed.unlink(missing_ok=True)
        self.stage.kill()
        self._spawn(settings)
        await self.stage.until_ready()

    def _spawn(self, settings: Mapping[str, str]) -> None:
        """Start the cashier with these settings; it looks for a point at each pass of one."""
        self._settings = dict(settings)
        named = {
            f"{self._chain if name.startswith(OF_THE_CHAIN) else self._own}{name}": text
            for name, text in settings.items()
        }
        self.stage.spawn(named | {VARIABLE: f"{IN_FILE}{self._armed}"})

    def _arm(self, point: Point) -> None:
        """Set the point for the cashier that runs, and for its signer."""
        new = self._armed.with_suffix(".new")
        new.write_text(point.name)
        new.rename(self._armed)

    async def _until_passed(self, scene: Scene, point: Point, acting: asyncio.Task[None]) -> None:
        """Wait until the point has ended its process. Raises SceneError when it is never passed.

        The signer is a child: where it has ended and all of the cashier is to end, its parent is killed as
        well, before it can start another.
        """
        process = self.stage.process
        assert process is not None
        deadline = time.monotonic() + FIRES_S
        while self._armed.exists():
            if process.poll() is not None:
                raise SceneError(f"ended with {process.returncode}: {self.stage.log_tail()}")
            if acting.done() and not acting.cancelled() and acting.exception() is not None:
                acting.result()
            if time.monotonic() > deadline:
                raise SceneError("the point was never passed")
            await asyncio.sleep(LOOK_S)
        if not scene.ends_all:
            return
        if point.name.startswith("signer."):
            self.stage.kill()
            return
        code = await asyncio.to_thread(process.wait, ENDS_S)
        if code != KILLED:
            raise SceneError(f"ended with {code}: {self.stage.log_tail()}")


def make_cheap(stage: Stage) -> None:
    """The same seed under the same passphrase, opened without a second of scrypt at each start."""
    seed, passphrase = stage.folder / "data" / "seed.age", (stage.folder / "passphrase").read_text()
    words: bytes = pyrage.passphrase.decrypt(seed.read_bytes(), passphrase)
    seed.write_bytes(encrypt(words, passphrase))


async def play(folder: Path, currency: str, points: Sequence[Point] | None, tell: Tell) -> list[Verdict]:
    """The matrix of one currency; all its points when none are given. Raises StageError."""
    chosen = points_of(currency) if points is None else points
    return await Matrix(folder, currency).run(chosen, tell)
