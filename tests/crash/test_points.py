"""The table of the crash matrix: whole, of points that exist, with a reason where one is left out."""

from __future__ import annotations

import re

import pytest

from coins.failpoint import NAMES, is_name
from ledger.handlers import HANDLERS
from tests.crash.points import CURRENCIES, POINTS, points_of
from tests.crash.scenes import SCENES

COMMANDS = {command.__name__ for command in HANDLERS}
STORE_ONLY = {"before-begin", "before-commit", "after-commit", "before-checkpoint"}


@pytest.mark.parametrize("currency", CURRENCIES)
def test_w01_there_are_at_least_25_points_on_the_way_of_a_withdrawal(currency: str) -> None:
    names = {point.name for point in points_of(currency) if point.scene != "sweep"}
    assert len(names) >= 25


def test_each_row_is_a_point_of_a_command_that_exists_and_is_played() -> None:
    for point in POINTS:
        name, _, count = point.name.rpartition(":")
        assert is_name(name), point
        assert count.isdecimal(), point
        command = re.fullmatch(r"\w+-commit:(\w+)", name)
        assert command is None or command[1] in COMMANDS, point
        assert point.scene in SCENES, point
    assert len({(point.scene, point.name) for point in POINTS}) == len(POINTS)


def test_what_is_left_out_says_why_and_every_named_point_is_somewhere() -> None:
    for point in POINTS:
        assert set(point.excluded) < set(CURRENCIES), point
        assert all(point.excluded.values()), point
    assert {point.name.rpartition(":")[0] for point in POINTS} >= NAMES - STORE_ONLY
