"""A stage per test: nodes and a cashier process of its own, ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo.stage import Stage

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    """Gives started nodes and a configured cashier that is not started yet."""
    stages: list[Stage] = []

    def make(*only: str, **extra: str) -> Stage:
        stage = Stage(tmp_path / f"stage{len(stages)}", extra=extra, only=only)
        stages.append(stage)
        stage.start_chains()
        stage.configure()
        return stage

    yield make
    for stage in stages:
        stage.stop()
