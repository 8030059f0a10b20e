"""Chains of Bitcoin's kind: blocks of chain txs with inputs and outputs."""

from coins.bitcoin.opening import open_coin, open_reader

__all__ = ["open_coin", "open_reader"]
