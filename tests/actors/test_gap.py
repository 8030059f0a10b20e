"""Money beyond what the books gave out, found again from the keys alone."""

from __future__ import annotations

import pytest

from actors.gap import find_unissued
from coins.errors import NodeUnavailableError
from coins.types import Branch, Outpoint
from tests.fakes.chain import FakeChain, FakeIndex, FakeTx
from tests.fakes.coin import FakeDeriver, FakeReader, foreign, own_script

ALL = {Branch.DEPOSIT: 2, Branch.HOT: 1, Branch.CHANGE: 0}


def paid(chain: FakeChain, branch: Branch, index: int, amount: int = 5_000) -> FakeTx:
    """A payment to an index, mined."""
    tx = chain.pay((own_script(chain.chain, branch, index).script, amount))
    chain.mine()
    return tx


async def found(chain: FakeChain, gap: int, from_height: int = 0) -> list[tuple[str, int, int, bool]]:
    """Branch, index, amount and whether it is spent."""
    reader, deriver = FakeReader(chain), FakeDeriver(chain.chain)
    start = max(from_height, chain.anchor.ref.height)
    rows = await find_unissued(reader, FakeIndex, deriver, ALL, start, gap)
    return [(row.branch.value, row.index, row.amount, row.is_spent) for row in rows]


async def test_d42_each_find_widens_the_search() -> None:
    chain = FakeChain("BTC", "utxo")
    # The farthest comes first on the chain: the blocks are read again for it.
    paid(chain, Branch.DEPOSIT, 29, 7_000)
    paid(chain, Branch.DEPOSIT, 20, 8_000)
    paid(chain, Branch.DEPOSIT, 11, 9_000)
    paid(chain, Branch.CHANGE, 0)
    chain.mine(30)
    everything = [
        ("deposit", 29, 7_000, False),
        ("deposit", 20, 8_000, False),
        ("deposit", 11, 9_000, False),
        ("change", 0, 5_000, False),
    ]
    assert await found(chain, 10) == everything
    assert await found(chain, 9) == everything[3:]
    assert await found(chain, 100) == everything


async def test_d42_what_was_given_out_is_not_named_and_what_is_spent_is_said_so() -> None:
    chain = FakeChain("BTC", "utxo")
    paid(chain, Branch.DEPOSIT, 1)
    paid(chain, Branch.HOT, 0)
    tx = paid(chain, Branch.DEPOSIT, 2)
    assert await found(chain, 5) == [("deposit", 2, 5_000, False)]
    chain.mine(1, [FakeTx(((foreign("payee").script, 4_000),), (Outpoint(tx.txid, 0),))])
    assert await found(chain, 5) == [("deposit", 2, 5_000, True)]
    assert await found(chain, 5, chain.tip.ref.height) == []


async def test_d42_on_an_account_chain() -> None:
    chain = FakeChain("ETH", "account")
    paid(chain, Branch.DEPOSIT, 4)
    paid(chain, Branch.DEPOSIT, 4, 6_000)
    assert await found(chain, 5) == [("deposit", 4, 5_000, False), ("deposit", 4, 6_000, False)]


async def test_a_chain_that_moves_while_it_is_read_is_no_answer() -> None:
    chain = FakeChain("BTC", "utxo")
    chain.mine(30)

    class Moving(FakeReader):
        async def block_refs(self, first: int, last: int):  # type: ignore[no-untyped-def]
            refs = await super().block_refs(first, last)
            self.chain.reorg(15)
            return refs

    start = chain.anchor.ref.height
    with pytest.raises(NodeUnavailableError, match="moved while it was read"):
        await find_unissued(Moving(chain), FakeIndex, FakeDeriver("BTC"), ALL, start, 3)
    reader = FakeReader(chain)
    reader.is_down = True
    with pytest.raises(NodeUnavailableError):
        await find_unissued(reader, FakeIndex, FakeDeriver("BTC"), ALL, start, 3)
