"""Kill -9 at every step of a payout, on each chain: paid exactly once, debited exactly once."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from coins.failpoint import KILLED, VARIABLE
from tests.crash.matrix import play
from tests.crash.points import Point
from tests.demo.chains import WEI, TokenChain
from tests.demo.stage import Stage
from tests.demo.story import Story
from tests.demo.website import Website
from tests.fakes.oracle import check_books
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address

ON_THE_WAY = (
    "before-commit:OpenWithdrawal:1",
    "withdrawal.opened:1",
    "after-commit:ReserveAttempt:1",
    "payout.signed:1",
    "payout.recorded:1",
    "payout.sent:1",
    "payout.noted:1",
    "withdrawal.confirmed:1",
)
ROUNDS_MAX = 6


class Crasher:
    """Starts the cashier with one failpoint after the other; each must fire before the next is set."""

    def __init__(self, stage: Stage, failpoints: tuple[str, ...]) -> None:
        self._stage = stage
        self._left = list(failpoints)
        self.fired: list[str] = []

    def start(self) -> None:
        """Start with the first failpoint that has not fired."""
        self._stage.spawn({VARIABLE: self._left[0]} if self._left else {})

    async def run(self) -> None:
        """Start the cashier anew whenever its failpoint has ended it."""
        while True:
            process = self._stage.process
            assert process is not None
            code = await asyncio.to_thread(process.wait)
            assert code == KILLED, f"ended with {code}: {self._stage.log_tail()}"
            self.fired.append(self._left.pop(0))
            self.start()


async def fund_house(stage: Stage, shop: Shop, token: TokenChain) -> None:
    """The house funds its hot account; then the cashier is ended, so that it starts with a failpoint."""
    shop.anvil.send(hot_address(stage), 2 * WEI)
    token.send(hot_address(stage), 1_000_000_000)
    await shop.mine(6)
    stage.kill()


@pytest.mark.node
@pytest.mark.timeout(240)
@pytest.mark.parametrize("currency", ["BTC", "LTC", "ETH", "USDT-ETH"])
async def test_w01_kill_at_each_step_pays_once(
    make_stage: MakeStage, open_shop: OpenShop, currency: str
) -> None:
    stage = make_stage(*dict.fromkeys((currency.rpartition("-")[2], currency)))
    token = stage.chains[-1]
    if isinstance(token, TokenChain):
        await fund_house(stage, await open_shop(stage, currency), token)
    crasher = Crasher(stage, ON_THE_WAY)
    crasher.start()
    crashing = asyncio.create_task(crasher.run())
    website = Website(stage.base_url, stage.key["key"], stage.key["signing_secret"])
    told: list[tuple[str, str, str]] = []
    try:
        rounds = 0
        while len(crasher.fired) < len(ON_THE_WAY) and rounds < ROUNDS_MAX:
            rounds += 1
            story = Story(
                stage.chains[-1],
                website,
                partial(stage.gauges, currency),
                f"client{rounds}",
                lambda *words: told.append(words),
            )
            # The story itself checks that the payee has received exactly the amount.
            playing = asyncio.create_task(story.play())
            await asyncio.wait({playing, crashing}, return_when=asyncio.FIRST_COMPLETED)
            assert not crashing.done(), crashing.result()
            await playing
    finally:
        crashing.cancel()
        stage.kill()  # the thread that waits for its end would outlive the test
        await website.close()
    assert crasher.fired == list(ON_THE_WAY)
    assert check_books(stage.folder / "data" / "cashier.sqlite") == []


@pytest.mark.node
@pytest.mark.timeout(240)
async def test_w01_a_sample_of_the_matrix(tmp_path: Path) -> None:
    """`make crash-matrix` plays all of it; here its own machinery is kept working."""
    sample = [
        Point("pay", "signer.recorded:1"),
        Point("alone", "signer.signed:1"),
        Point("approve", "withdrawal.approved:1"),
        Point("late", "payout.signed:1"),
        Point("cold", "cold.sent:1"),
    ]
    verdicts = await play(tmp_path / "crash", "BTC", sample, lambda verdict: None)
    assert [(verdict.point, verdict.wrong) for verdict in verdicts] == [(point, "") for point in sample]
