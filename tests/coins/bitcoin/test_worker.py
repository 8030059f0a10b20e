"""What a worker process answers to one block."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from coins.bitcoin.download import Door
from coins.bitcoin.outline import decode, outline_block
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.search import FORMS_MAX
from coins.bitcoin.worker import FAILED, answer, asked, question, rest_path
from tests.coins.bitcoin.fake_node import FakeNode, door
from tests.coins.bitcoin.test_scan import WHOLE

ROOT = Path(__file__).parents[3]
RULES = BlockRules("BTC", 21 * 10**14)
FORMS = [b"\x16\x00\x14", b"\x19\x76\xa9"]


async def test_a_block_comes_with_its_outline_and_a_broken_one_not(fake_node: FakeNode) -> None:
    place = Door.of(door(fake_node))
    assert place is not None
    fd = os.memfd_create("block")
    try:
        for raw in (WHOLE, WHOLE[:-3], b"", WHOLE):
            fake_node.rest[rest_path("ab" * 32)] = raw
            sizes = await asyncio.to_thread(answer, fd, "ab" * 32, FORMS, place, RULES)
            if raw == WHOLE:
                assert os.pread(fd, sizes[0], 0) == WHOLE
                assert decode(os.pread(fd, sizes[1], sizes[0])) == outline_block(WHOLE, RULES, FORMS)
            else:
                assert sizes == FAILED
        assert await asyncio.to_thread(answer, fd, "cd" * 32, FORMS, place, RULES) == FAILED  # none there
    finally:
        os.close(fd)


def test_a_question_is_read_as_it_was_put() -> None:
    for forms in ([], FORMS):
        assert asked(question("ab" * 32, forms)) == ("ab" * 32, forms)
    many = [bytes((30, 0, number)) for number in range(30)]
    assert asked(question("ab" * 32, many)) == ("ab" * 32, many[:FORMS_MAX])


def test_a_worker_starts_without_the_large_libraries() -> None:
    code = "import sys, coins.bitcoin.worker; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not {"pydantic", "aiohttp", "asyncio", "config"} & set(told.stdout.split())
