"""What a worker process answers to one block."""

from __future__ import annotations

import os

from coins.bitcoin.outline import decode, outline_block
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.worker import FAILED, answer
from tests.coins.bitcoin.test_scan import WHOLE

RULES = BlockRules("BTC", 21 * 10**14)


def test_a_block_is_replaced_by_its_outline_and_a_broken_one_has_none() -> None:
    fd = os.memfd_create("block")
    try:
        for raw in (WHOLE, WHOLE[:-3], b"", WHOLE):
            os.pwrite(fd, raw, 0)
            size = answer(fd, len(raw), RULES)
            if raw == WHOLE:
                assert decode(os.pread(fd, size, 0)) == outline_block(WHOLE, RULES)
            else:
                assert size == FAILED
    finally:
        os.close(fd)
