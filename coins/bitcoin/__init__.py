"""Chains of Bitcoin's kind: blocks of chain txs with inputs and outputs."""

from coins.bitcoin.opening import open_coin

__all__ = ["open_coin"]
