"""The hub: who is woken by what, and how many there may be."""

from __future__ import annotations

import pytest

from gateway.problem import ProblemError
from gateway.stream import PER_CALLER_MAX, StreamHub

AT_ONCE_S = 0.001


async def test_only_the_concerned_are_woken() -> None:
    hub = StreamHub(10)
    with (
        hub.open("key:1", None) as shop,
        hub.open("session:1", "alice") as alice,
        hub.open("session:2", "bob") as bob,
    ):
        hub.ring("alice")
        assert [await waiter.wait(AT_ONCE_S) for waiter in (shop, alice, bob)] == [True, True, False]
        hub.ring(None)
        assert [await waiter.wait(AT_ONCE_S) for waiter in (shop, alice, bob)] == [True, False, False]
        hub.ring_all()
        assert [await waiter.wait(AT_ONCE_S) for waiter in (shop, alice, bob)] == [True, True, True]


async def test_a_hint_is_kept_until_it_is_taken() -> None:
    hub = StreamHub(10)
    hub.ready(5)
    hub.ready(3)
    assert await hub.hinted() == 5


def test_places_are_given_back() -> None:
    hub = StreamHub(PER_CALLER_MAX + 1)
    for _ in range(3):
        with hub.open("a", None), hub.open("a", "alice"):
            assert len(hub) == 2
    assert len(hub) == 0
    assert not hub._callers
    assert not hub._waiters


def test_one_caller_cannot_take_all_places() -> None:
    hub = StreamHub(PER_CALLER_MAX + 1)
    places = [hub.open("a", None) for _ in range(PER_CALLER_MAX)]
    for place in places:
        place.__enter__()
    with pytest.raises(ProblemError) as caught, hub.open("a", None):
        pass
    assert caught.value.code == "too_many_streams"
    with hub.open("b", None), pytest.raises(ProblemError) as caught, hub.open("c", None):
        pass
    assert caught.value.code == "unavailable"
    for place in places:
        place.__exit__(None, None, None)
