"""One payment from end to end as a reply: each amount in its own currency, nothing dropped."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import fields, replace

from gateway.coins import Coins
from gateway.journal import entry
from gateway.story_render import chain_tx, found, story
from gateway.story_replies import ChainTxReply, SearchReply, WithdrawalStoryReply
from ledger.story_view import ChainTxView
from tests.gateway import samples
from tests.gateway.fake import load_settings

COINS = Coins(load_settings().configured)


def test_a_story_is_the_withdrawal_and_all_that_belongs_to_it() -> None:
    shown = story(samples.payout_story(), COINS)
    assert isinstance(shown, WithdrawalStoryReply)
    assert (shown.id, shown.requested_by, shown.names) == ("wd_1", "key:key_1", {"operator:op_1": "ann"})
    assert [shown.decisions[0].by_name, shown.chain_txs[0].fee_paid] == ["ann", "0.00000300"]
    assert (shown.journal[0].entry, shown.journal[0].postings[0].debit_balance) == (9, "0.00000095")


def test_a_chain_tx_keeps_every_member_and_tells_fees_in_their_own_currency() -> None:
    view = replace(samples.chain_tx_view(), currency="USDT-ETH", fee_currency="ETH", fee=2 * 10**15)
    shown = chain_tx(view, COINS)
    assert {field.name for field in fields(ChainTxView)} == set(ChainTxReply.model_fields) - {"explorer_url"}
    assert (shown.fee, shown.outputs[0].amount) == ("0.002000000000000000", "0.100000")
    assert chain_tx(replace(view, fee_paid=None), COINS).fee_paid is None


def test_an_entry_tells_each_posting_in_its_currency() -> None:
    (posting,) = samples.journal_view().postings
    gas = posting._replace(currency="ETH", decimals=18, amount=10**18)
    shown = entry(samples.journal_view(postings=(posting, gas)))
    assert [each.amount for each in shown.postings] == ["0.00000005", "1.000000000000000000"]


def test_what_was_found_keeps_every_list() -> None:
    shown = found(samples.found(truncated=("deposits",)), "alice", COINS)
    assert isinstance(shown, SearchReply)
    assert (shown.q, shown.truncated) == ("alice", ["deposits"])
    assert shown.clients[0].balances[0].currency == "BTC"
    lists: list[Sized] = [shown.addresses, shown.deposits, shown.withdrawals, shown.transfers, shown.cases]
    assert all(len(each) == 1 for each in (*lists, shown.chain_txs, shown.journal))
