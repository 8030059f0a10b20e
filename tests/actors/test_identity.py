"""Names of things: a prefix, 128 bits, from the randomness that was handed in."""

from __future__ import annotations

import random

from actors.identity import Ids


def test_a_seeded_source_gives_the_same_names_again() -> None:
    first, second = Ids(random.Random(5).randbytes), Ids(random.Random(5).randbytes)
    names = [first.new("at") for _ in range(100)]
    assert names == [second.new("at") for _ in range(100)]
    assert len(set(names)) == 100
    assert all(name.startswith("at_") and len(name) == 35 for name in names)


def test_without_a_source_the_system_gives_it() -> None:
    assert Ids().new("wd") != Ids().new("wd")
