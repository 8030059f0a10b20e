"""What there is to know of a payment, as replies."""

from __future__ import annotations

from actors.messages import AddressMatch, ChainTxView, ClientMatch, Found, PayoutStory
from gateway import render
from gateway.coins import Coins
from gateway.journal import entry
from gateway.moment import moment, moment_or_none
from gateway.operator_render import house_movement, operator_withdrawal
from gateway.story_replies import (
    AddressMatchReply,
    ChainTxReply,
    ClientMatchReply,
    OutputReply,
    SearchReply,
    WithdrawalStoryReply,
)


def story(view: PayoutStory, coins: Coins) -> WithdrawalStoryReply:
    """A withdrawal from the request to the block."""
    return WithdrawalStoryReply(
        **dict(operator_withdrawal(view.withdrawal, coins)),
        requested_by=view.requested_by,
        session_id=view.session_id,
        case_id=view.case_id,
        decisions=[render.audit(line) for line in view.decisions],
        chain_txs=[chain_tx(each, coins) for each in view.chain_txs],
        journal=[entry(each) for each in view.entries],
        names=view.names,
    )


def found(view: Found, text: str, coins: Coins) -> SearchReply:
    """What a search for ``text`` found."""
    return SearchReply(
        q=text,
        clients=[_client(each, coins) for each in view.clients],
        addresses=[_address(each) for each in view.addresses],
        deposits=[render.deposit(each, coins) for each in view.deposits],
        withdrawals=[operator_withdrawal(each, coins) for each in view.withdrawals],
        transfers=[render.transfer(each, coins) for each in view.transfers],
        cases=[render.case(each, coins) for each in view.cases],
        house_movements=[house_movement(each, coins) for each in view.house_movements],
        chain_txs=[chain_tx(each, coins) for each in view.chain_txs],
        journal=[entry(each) for each in view.entries],
        truncated=list(view.truncated),
    )


def chain_tx(view: ChainTxView, coins: Coins) -> ChainTxReply:
    """A chain tx of ours."""
    return ChainTxReply(
        id=view.id,
        intent_id=view.intent_id,
        intent_status=view.intent_status,
        kind=view.kind,
        currency=view.currency,
        txid=view.txid,
        explorer_url=coins.explorer_url(view.currency, view.txid),
        state=view.state,
        detail=view.detail,
        fee=coins.display(view.fee_currency, view.fee),
        fee_paid=None if view.fee_paid is None else coins.display(view.fee_currency, view.fee_paid),
        fee_currency=view.fee_currency,
        sender=view.sender,
        nonce=view.nonce,
        inputs=view.inputs,
        outputs=[
            OutputReply(address=each.address, amount=coins.display(view.currency, each.amount))
            for each in view.outputs
        ],
        withdrawals=list(view.withdrawals),
        block_height=view.block_height,
        block_hash=view.block_hash,
        block_at=moment_or_none(view.block_at),
        created_at=moment(view.created_at),
    )


def _client(view: ClientMatch, coins: Coins) -> ClientMatchReply:
    balances = [render.balance(each, coins) for each in view.balances]
    return ClientMatchReply(client_id=view.client_id, balances=balances)


def _address(view: AddressMatch) -> AddressMatchReply:
    return AddressMatchReply(
        currency=view.currency,
        address=view.address,
        client_id=view.client_id,
        location=view.location,
        branch=view.branch,
        index=view.index,
        created_at=moment(view.created_at),
    )
