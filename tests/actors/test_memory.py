"""The collector walks what came after the start, not what was loaded before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from actors.memory import YOUNG_MAX, settle_memory


class Knot:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """The collector as it was."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_what_was_loaded_is_not_walked_again() -> None:
    loaded = [Knot() for _ in range(100)]
    settle_memory()
    assert not any(isinstance(each, Knot) for each in gc.get_objects())
    assert gc.get_freeze_count() > len(loaded)
    assert gc.get_threshold()[0] == YOUNG_MAX


def test_garbage_of_the_start_is_not_kept() -> None:
    for _ in range(100):
        Knot()
    settle_memory()
    gc.unfreeze()
    assert not any(isinstance(each, Knot) for each in gc.get_objects())


def test_garbage_of_later_is_collected() -> None:
    settle_memory()
    for _ in range(100):
        Knot()
    assert gc.collect() >= 100
