"""An outlined block is scanned to the same result as a whole one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coins.bitcoin import search
from coins.bitcoin.match import scan_outlined
from coins.bitcoin.outline import BROKEN, decode, outline_block
from coins.bitcoin.scan import BlockRules, scan_block
from coins.bitcoin.wire import Tx, TxIn, TxOut, varint
from coins.errors import NodeDataError
from coins.index import WatchIndex
from coins.types import Outpoint
from tests.coins.bitcoin import test_pattern
from tests.coins.bitcoin import test_scan as shapes

OURS = b"\x00\x14" + b"\x11" * 20
OTHER = b"\x00\x14" + b"\x22" * 20
RULES = BlockRules("BTC", 21 * 10**14)
SPENT = shapes.foreign(5)
PAIR = (WatchIndex([OURS]), WatchIndex([OURS]))  # making one takes longer than a test of it


def outlined(
    raw: bytes, index: WatchIndex, rules: BlockRules = RULES, *, is_searched: bool = False
) -> object:
    """The scan with an outline that has been a worker's; ``is_searched``: which knew the forms of scripts."""
    forms = index.forms if is_searched else ()
    return scan_outlined(raw, decode(outline_block(raw, rules, forms).encode()), index, rules)


def both(raw: bytes, *scripts: bytes, rules: BlockRules = RULES) -> None:
    """All ways find the same and leave the same index."""
    one, two, three = WatchIndex(scripts, [SPENT]), WatchIndex(scripts, [SPENT]), WatchIndex(scripts, [SPENT])
    wanted = scan_block(raw, two, rules)
    assert outlined(raw, one, rules) == wanted
    assert outlined(raw, three, rules, is_searched=True) == wanted
    assert one.outpoints == two.outpoints == three.outpoints


def test_what_is_ours_is_found_wherever_it_stands() -> None:
    first = shapes.tx([shapes.foreign(1)], [(100, OURS), (5, OTHER)])
    second = shapes.tx([Outpoint(first.txid, 0)], [(90, OTHER)])
    third = shapes.tx([SPENT, shapes.foreign(2)], [(1, OTHER)] * 300)
    old = Tx(1, (TxIn(shapes.foreign(1), 0, b"\x55" * 300),), (TxOut(5, b"\x6a" * 260), TxOut(6, OURS)), 7)
    fillers = [shapes.tx([shapes.foreign(number)], [(number, OTHER)]) for number in range(10, 60)]
    for txs in ([], fillers, [*fillers, first], [first, *fillers, second], [third, *fillers], [old, third]):
        both(shapes.block(shapes.coinbase((50, OURS)), *txs), OURS)
        both(shapes.block(shapes.coinbase(), *txs), OURS)
        both(shapes.block(shapes.coinbase(), *txs))


def test_an_extension_block_and_a_merged_mining_header_stay_where_they_are() -> None:
    last = shapes.hogex((10**12, b"\x59\x20" + b"\x33" * 32), (500, OURS))
    fillers = [shapes.tx([shapes.foreign(number)], [(number, OTHER)]) for number in range(10, 20)]
    body = b"".join(each.serialize() for each in (shapes.coinbase(), *fillers)) + last
    raw = shapes.header() + varint(12) + body + b"\x01" + b"\xee" * 90
    both(raw, OURS, rules=shapes.LITECOIN)
    with pytest.raises(NodeDataError):
        outline_block(raw[:-91], shapes.LITECOIN)


@given(st.integers(0, 2**32), st.binary(min_size=1, max_size=12))
@settings(max_examples=300)
def test_a_broken_block_has_no_outline_or_the_same_result(place: int, junk: bytes) -> None:
    at = 80 + place % (len(shapes.WHOLE) - 80)
    raw = shapes.WHOLE[:at] + junk + shapes.WHOLE[at + len(junk) :]
    index = PAIR[0]
    index.outpoints.clear()
    try:
        outline = outline_block(raw, RULES)
    except BROKEN:
        with pytest.raises(NodeDataError):
            scan_block(raw, index, RULES)
    else:
        assert scan_outlined(raw, outline, index, RULES) == scan_block(raw, index, RULES)


@given(st.integers(0, 2**32), st.integers(0, 2**32), st.binary(max_size=8), st.booleans())
@settings(max_examples=300)
def test_blocks_of_any_shape_whole_and_broken(seed: int, place: int, junk: bytes, is_ours: bool) -> None:
    source = random.Random(seed)
    txs = [test_pattern.random_tx(source) for _ in range(source.randrange(6))]
    paying = shapes.tx([SPENT], [(7, OURS), (8, OTHER)])
    raw = shapes.block(shapes.coinbase(), *txs, *([paying] if is_ours else []))
    at = 80 + place % (len(raw) - 80)
    for block in (raw, raw[:at] + junk + raw[at + len(junk) :], raw[:at], raw + junk):
        for index in PAIR:
            index.outpoints.clear()
            index.add_outpoint(SPENT)
        try:
            wanted = scan_block(block, PAIR[0], RULES)
        except NodeDataError:
            with pytest.raises(BROKEN):
                outline_block(block, RULES)
        else:
            assert outlined(block, PAIR[1]) == wanted
            PAIR[1].outpoints.clear()
            PAIR[1].add_outpoint(SPENT)
            assert outlined(block, PAIR[1], is_searched=True) == wanted
        assert PAIR[0].outpoints == PAIR[1].outpoints


def test_a_script_inside_what_looks_like_another_is_found() -> None:
    """The bytes before a script of ours may be read as the beginning of one that ends in ours."""
    nested = b"\x00\x14" + b"\x16\x00\x14" + b"\x22" * 17
    own = [nested, b"\x00\x14" + b"\x22" * 17 + b"abc", b"\x51\x20" + b"\x16\x00\x14" + b"\x33" * 29]
    for script in own:
        both(
            shapes.block(shapes.coinbase(), shapes.tx([shapes.foreign(1)], [(5, script), (6, OURS)])),
            *own,
            OURS,
        )


def test_a_length_beyond_all_bounds_is_broken() -> None:
    raw = shapes.block(shapes.coinbase((50, OURS)), shapes.tx([shapes.foreign(1)], [(5, OTHER)]))
    at = raw.index(OTHER) - 1
    with pytest.raises(BROKEN):
        outline_block(raw[:at] + b"\xff" + b"\xee" * 8 + raw[at + 9 :], RULES)


def test_a_script_on_the_border_of_two_steps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    paying = shapes.tx([shapes.foreign(1)], [(5, OTHER), (6, OURS)])
    raw = shapes.block(shapes.coinbase((50, OURS)), paying)
    for size in (1, 7, *range(23, 60), len(raw) - 1, len(raw)):
        monkeypatch.setattr(search, "BYTES_PER_STEP", size)
        both(raw, OURS)


def test_a_script_in_any_group_of_chain_txs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, 3, 64):
        monkeypatch.setattr(search, "TXS_PER_GROUP", size)
        for count in (1, size, size + 1, 2 * size + 1, 2 * size + 2):
            for place in (0, count // 2, count - 1):
                paid = [OURS if number == place else OTHER for number in range(count)]
                txs = [shapes.tx([shapes.foreign(number)], [(5, each)]) for number, each in enumerate(paid)]
                both(shapes.block(shapes.coinbase(), *txs), OURS)
                both(shapes.block(shapes.coinbase((50, OURS)), *txs), OURS)


def test_a_form_that_came_after_the_outline_is_searched_too() -> None:
    late = b"\x51\x20" + b"\x44" * 32
    raw = shapes.block(shapes.coinbase(), shapes.tx([shapes.foreign(1)], [(5, late), (6, OURS)]))
    outline = decode(outline_block(raw, RULES, WatchIndex([OURS]).forms).encode())
    assert list(outline.found) == [b"\x16" + OURS[:2]]
    found = scan_outlined(raw, outline, WatchIndex([OURS, late]), RULES)
    assert found == scan_block(raw, WatchIndex([OURS, late]), RULES)
    assert len(found.receipts) == 2


def test_many_hits_and_many_forms() -> None:
    scripts = [bytes((0x60 + form, number)) + b"\x11" * 20 for form in range(12) for number in range(3)]
    paid = [shapes.tx([shapes.foreign(number)], [(5, each)]) for number, each in enumerate(scripts, 1)]
    for count in (1, 8, 9, 36):
        both(shapes.block(shapes.coinbase(), *paid), *scripts[:count])
    raw = shapes.block(shapes.coinbase(), *paid)
    index = WatchIndex([OURS], [shapes.foreign(number) for number in range(1, 30)])
    assert len(scan_outlined(raw, outline_block(raw, RULES), index, RULES).spends) == 29


def test_a_script_of_ours_copied_everywhere_is_one_receipt() -> None:
    copies = tuple((b"\x16" + OURS) * 11 for _ in range(3))
    fillers = [Tx(2, (TxIn(shapes.foreign(n), 0, b"", copies),), (TxOut(5, OTHER),), 0) for n in range(1, 40)]
    paying = shapes.tx([shapes.foreign(99)], [(7, OURS)])
    raw = shapes.block(shapes.coinbase(), *fillers, paying)
    scan = scan_outlined(raw, outline_block(raw, RULES), WatchIndex([OURS]), RULES)
    assert [(receipt.txid, receipt.amount) for receipt in scan.receipts] == [(paying.txid, 7)]
    both(raw, OURS)


def test_bytes_that_are_no_outline_are_refused() -> None:
    for forms in ((), [b"\x16\x00\x14"]):
        data = outline_block(shapes.WHOLE, RULES, forms).encode()
        for wrong in (*(data[:size] for size in range(len(data))), data + b"\x00" * 4):
            with pytest.raises(NodeDataError):
                decode(wrong)
