"""The slot of a currency: opened anew, closed once."""

from __future__ import annotations

from typing import Any

import pytest

from actors.slot import CoinSlot
from coins.errors import SignerError
from tests.fakes.chain import FakeChain
from tests.fakes.coin import make_coin


class Reader:
    """Counts how often it is closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


class Settings:
    currency = "BTC"


def make_slot(opened: list[Any]) -> CoinSlot:
    async def open_coin(settings: Any) -> Any:
        if not opened:
            raise SignerError("no signer")
        return opened.pop(0)

    return CoinSlot(Settings(), open_coin)  # type: ignore[arg-type]


async def test_a_coin_is_there_between_open_and_close_only() -> None:
    coin = make_coin(FakeChain())
    slot = make_slot([coin])
    with pytest.raises(RuntimeError, match="BTC is not open"):
        _ = slot.coin
    assert await slot.open() is coin
    assert slot.coin is coin
    await slot.close()
    await slot.close()
    assert not slot.is_open


async def test_opening_again_closes_the_old_coin_and_forgets_what_its_index_knew() -> None:
    first, second = make_coin(FakeChain()), make_coin(FakeChain())
    reader = Reader()
    object.__setattr__(first, "reader", reader)
    slot = make_slot([first, second])
    await slot.open()
    slot.address_seq = slot.loaded_seq = 9
    await slot.open()
    assert reader.closed == 1
    assert slot.coin is second
    assert (slot.address_seq, slot.loaded_seq) == (0, 0)


async def test_a_coin_that_cannot_be_opened_leaves_none() -> None:
    slot = make_slot([make_coin(FakeChain())])
    await slot.open()
    with pytest.raises(SignerError):
        await slot.open()
    assert not slot.is_open
