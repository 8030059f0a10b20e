"""A double spend on a chain whose nodes refuse replacements: only a miner can put it into a block."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import OpenShop
from tests.flows.forge import coins, spend
from tests.nodes.errors import RpcError
from tests.nodes.regtest import MWEB_HEIGHT, BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


async def test_d05_double_spend_mined_without_replacement(tmp_path: Path, open_shop: OpenShop) -> None:
    stage = Stage(tmp_path, only=("LTC",))
    node = stage.chains[0].node
    assert isinstance(node, BitcoinNode)
    try:
        node.start()
        node.fund_faucet(5)
        stage.configure()
        shop = await open_shop(stage)
        address, other = await shop.address("d05"), await shop.address("d05-same")
        coin, second = coins(node)[:2]
        rival = spend(node, coin, [(node.new_address(), Decimal(2))], is_replaceable=False)
        to_itself = spend(node, second, [(other, Decimal(2))], is_replaceable=False)
        node.rpc("sendrawtransaction", spend(node, coin, [(address, Decimal(1))], is_replaceable=False))
        node.rpc("sendrawtransaction", spend(node, second, [(other, Decimal(1))], is_replaceable=False))
        await shop.until_deposit("d05", "seen")
        await shop.until_deposit("d05-same", "seen")
        with pytest.raises(RpcError, match="txn-mempool-conflict"):
            node.rpc("sendrawtransaction", rival)

        assert node.height + 1 < MWEB_HEIGHT, "such blocks can be made before the extension blocks only"
        node.generate_block(transactions=[rival, to_itself])
        await shop.until_deposit("d05", "conflicted")
        await shop.mine(6)
        assert [row["status"] for row in await shop.deposits("d05")] == ["conflicted"]
        assert (await shop.balance("d05"))["available"] == "0.00000000"
        # The other double spend pays the same client another amount: that one counts, and only that.
        rows = await shop.deposits("d05-same")
        assert sorted((row["amount"], row["status"]) for row in rows) == [
            ("1.00000000", "conflicted"),
            ("2.00000000", "final"),
        ]
        assert (await shop.balance("d05-same"))["available"] == "2.00000000"
        shop.check_books()
    finally:
        stage.stop()
