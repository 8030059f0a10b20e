"""The index of own scripts and outpoints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.family import WatchIndex as WatchIndexRole
from coins.index import MARK_MASK, WatchIndex, outpoint_key, outpoint_of
from coins.types import Outpoint

SCRIPT = b"\x00\x14" + bytes(range(20))
OUTPOINTS = st.builds(Outpoint, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(0, 2**32 - 1))


def test_it_fills_its_role() -> None:
    index: WatchIndexRole = WatchIndex()
    assert len(index) == 0


def test_scripts_are_found_and_counted_once() -> None:
    index = WatchIndex([SCRIPT])
    index.add_script(SCRIPT)
    index.add_scripts([SCRIPT, b"\x11" * 20])
    assert len(index) == 2
    assert index.has_script(SCRIPT)
    assert not index.has_script(SCRIPT[:-1])


@pytest.mark.parametrize("size", [0, 1, 19, 253, 10_000])
def test_a_script_no_family_uses_is_refused(size: int) -> None:
    index = WatchIndex()
    with pytest.raises(ValueError, match=f"of {size} bytes"):
        index.add_script(bytes(size))
    assert len(index) == 0


@given(OUTPOINTS)
def test_outpoints_come_back_from_their_keys(outpoint: Outpoint) -> None:
    key = outpoint_key(outpoint)
    assert len(key) == 36
    assert outpoint_of(key) == outpoint


@pytest.mark.parametrize(
    "outpoint",
    [Outpoint("ab", 0), Outpoint("zz" * 32, 0), Outpoint("ab" * 32, -1), Outpoint("ab" * 32, 2**32)],
)
def test_what_is_no_outpoint_is_refused(outpoint: Outpoint) -> None:
    with pytest.raises(ValueError, match=r"."):
        WatchIndex().add_outpoint(outpoint)


def test_outpoints_are_added_and_forgotten() -> None:
    first, second = Outpoint("ab" * 32, 0), Outpoint("ab" * 32, 1)
    index = WatchIndex(outpoints=[first])
    index.add_outpoint(second)
    index.discard_outpoint(first)
    index.discard_outpoint(first)
    assert not index.has_outpoint(first)
    assert index.has_outpoint(second)


@given(st.lists(st.binary(min_size=20, max_size=40), max_size=30), st.lists(OUTPOINTS, max_size=30))
def test_nothing_is_ever_without_its_mark(scripts: list[bytes], outpoints: list[Outpoint]) -> None:
    index = WatchIndex(scripts)
    for outpoint in outpoints:
        index.add_outpoint(outpoint)
    for outpoint in outpoints[::2]:
        index.discard_outpoint(outpoint)
    for script in index.scripts:
        assert index.script_marks[int.from_bytes(script[2:6], "little") & MARK_MASK]
    for key in index.outpoints:
        assert index.outpoint_marks[int.from_bytes(key[:4], "little") & MARK_MASK]
