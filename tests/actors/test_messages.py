"""The messages: frozen, documented, each with a receiver, and listed in the room's README."""

from __future__ import annotations

from typing import Any

import pytest

from actors import messages, watcher_messages
from actors.layers import depth_of
from ledger.request import Request
from tests.actors.message_table import README, all_messages, with_table


@pytest.mark.parametrize("cls", all_messages(), ids=lambda cls: cls.__name__)
def test_a_message_is_frozen_and_says_what_it_does(cls: type[Request[Any]]) -> None:
    assert vars(cls)["__dataclass_params__"].frozen
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")
    assert cls.receiver == "supervisor" or depth_of(cls.receiver) is not None


def test_the_readme_lists_exactly_these_messages() -> None:
    readme = README.read_text(encoding="utf-8")
    assert with_table(readme) == readme, "run: python -m tests.actors.message_table"


def test_a_watcher_is_asked_by_the_one_class_that_is_given_again() -> None:
    assert watcher_messages.GetWatcherStatus is messages.GetWatcherStatus
    assert watcher_messages.GetWatcherStatus.receiver == "watcher"
