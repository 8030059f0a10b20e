"""An outlined block against the index: what is ours in it. Pure, as the scan that it uses.

Searches in C name what could be ours, and only the chain txs around those places are scanned, by the same
code that scans a whole block (:func:`coins.bitcoin.scan.scan_steps`).
"""

from __future__ import annotations

from array import array
from collections.abc import Generator
from itertools import pairwise

from coins.bitcoin.outline import Outline
from coins.bitcoin.scan import BlockRules, Scan, at_once, header_end, scan_block
from coins.bitcoin.search import FORMS_MAX, search_steps, touched_between, touched_by
from coins.bitcoin.wire import varint
from coins.index import WatchIndex, outpoint_key
from coins.types import Outpoint

HITS_MAX = 16  # with more than these the whole block is scanned


def scan_outlined(raw: bytes, outline: Outline, index: WatchIndex, rules: BlockRules) -> Scan:
    """As :func:`coins.bitcoin.scan.scan_block`, reading only what could be ours."""
    return at_once(match_steps(raw, outline, index, rules))


def match_steps(
    raw: bytes, outline: Outline, index: WatchIndex, rules: BlockRules
) -> Generator[None, None, Scan]:
    """As :func:`scan_outlined`, in steps of about a millisecond."""
    if len(index.forms) > FORMS_MAX:
        return scan_block(raw, index, rules)
    txs = outline.txs
    touched = {0, len(txs) - 2}  # the coinbase, and the last one: HogEx on Litecoin
    spends = index.outpoints.intersection(outline.spent)
    count = len(spends)
    for form in sorted(index.forms):
        candidates = outline.found.get(form)
        if candidates is None:  # nobody knew of this form when the block was outlined
            paid = outline.paid or [raw[begin:end] for begin, end in pairwise(txs)]
            candidates = yield from search_steps(paid, form)
        if hits := index.scripts.intersection(candidates.scripts):
            count += len(hits)
            if count > HITS_MAX:
                break
            sought = [form[:1] + script for script in hits]
            for group in candidates.groups_of(hits):
                touched |= touched_by(raw, txs, group, sought)
        yield
    if count > HITS_MAX:
        return scan_block(raw, index, rules)
    touched |= touched_between(raw, txs, txs[0], txs[-1], spends)
    scan = scan_block(_only(raw, txs, sorted(touched), rules), index, rules)
    made = {outpoint_key(Outpoint(each.txid, int(each.position))) for each in scan.receipts}
    if inner := made.intersection(outline.spent):  # spent in this very block
        index.outpoints.difference_update(inner - spends)  # only what stands before a chain tx is spent by it
        return scan_block(raw, index, rules)
    return scan


def _only(raw: bytes, txs: array[int], numbers: list[int], rules: BlockRules) -> bytes:
    """The block with these chain txs alone, its header and its extension block as they are."""
    parts = [raw[: header_end(raw, rules)], varint(len(numbers))]
    parts += [raw[txs[number] : txs[number + 1]] for number in numbers]
    parts.append(raw[txs[-1] :])
    return b"".join(parts)
