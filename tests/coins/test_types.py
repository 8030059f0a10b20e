"""The words of the house."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from coins import types
from coins.types import LOCATION_OF, BlockRef, Branch, Location, Outpoint


def test_every_branch_lies_somewhere() -> None:
    assert set(LOCATION_OF) == set(Branch)
    assert LOCATION_OF[Branch.DEPOSIT] is Location.DEPOSIT
    assert LOCATION_OF[Branch.HOT] is LOCATION_OF[Branch.CHANGE] is Location.HOT


def test_words_cannot_be_changed_after_the_fact() -> None:
    classes = [each for _, each in inspect.getmembers(types, dataclasses.is_dataclass)]
    assert len(classes) > 15
    for each in classes:
        assert isinstance(each, type)
        assert each.__dataclass_params__.frozen, each  # type: ignore[attr-defined]
        assert "__slots__" in vars(each), each
    ref = BlockRef(1, "ab", "cd")
    with pytest.raises(dataclasses.FrozenInstanceError):
        ref.height = 2  # type: ignore[misc]


def test_outpoints_are_keys() -> None:
    assert {Outpoint("ab", 0): 1}[Outpoint("ab", 0)] == 1
    assert Outpoint("ab", 0) != Outpoint("ab", 1)
