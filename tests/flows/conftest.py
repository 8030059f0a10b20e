"""Stages for the flows: nodes and a cashier process of its own, ended with the test or with the module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.demo.stage import Stage
from tests.flows.shop import Shop

MakeStage = Callable[..., Stage]
OpenShop = Callable[..., Awaitable[Shop]]


@contextmanager
def _stages(folder: Path) -> Iterator[MakeStage]:
    stages: list[Stage] = []

    def make(*only: str, before_start: Callable[[Stage], None] | None = None, **extra: str) -> Stage:
        stage = Stage(folder / f"stage{len(stages)}", extra=extra, only=only)
        stages.append(stage)
        if before_start is not None:
            before_start(stage)
        stage.start_chains()
        stage.configure()
        return stage

    try:
        yield make
    finally:
        for stage in stages:
            stage.stop()


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    """Gives started nodes and a configured cashier that is not started yet."""
    with _stages(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def make_module_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeStage]:
    """The same for all tests of a module, whose faults do not disturb each other."""
    with _stages(tmp_path_factory.mktemp("stages")) as make:
        yield make


@pytest.fixture
async def open_shop() -> AsyncIterator[OpenShop]:
    """Gives the shop of a stage's currency, with the cashier started if it does not run."""
    shops: list[Shop] = []

    async def open_one(stage: Stage, currency: str = "") -> Shop:
        if stage.process is None or stage.process.poll() is not None:
            stage.spawn()
            await stage.until_ready()
        shops.append(Shop(stage, currency))
        return shops[-1]

    yield open_one
    for shop in shops:
        await shop.close()
