"""What is under way in a currency, as a reply."""

from __future__ import annotations

from actors.messages import CandidateView, IncomingView, InFlightView, MovementView, Span
from coins.types import Outpoint
from gateway.coins import Coins
from gateway.in_flight_replies import (
    CandidateReply,
    ClientsReply,
    ForeignSpendReply,
    IncomingReply,
    InFlightReply,
    LocationReply,
    MovementReply,
    SpanReply,
    SpentReply,
)
from gateway.moment import moment_or_none


def in_flight(view: InFlightView, looked_at: int | None, coins: Coins) -> InFlightReply:
    """The whole reply; ``looked_at`` is when the node's mempool was read, in unix seconds."""
    page = _Page(view.currency, view.fee_currency, coins)
    return InFlightReply(
        currency=view.currency,
        fee_currency=view.fee_currency,
        block_height=view.at.height if view.at is not None else None,
        block_hash=view.at.block_hash if view.at is not None else None,
        node_looked_at=moment_or_none(looked_at),
        incoming=[page.incoming(each) for each in view.incoming],
        movements=[page.movement(each) for each in view.movements],
        foreign=[
            ForeignSpendReply(
                txid=each.txid,
                explorer_url=coins.explorer_url(view.currency, each.txid),
                spends=page.spent(each.outpoint, each.location, each.amount),
            )
            for each in view.foreign
        ],
        locations=[
            LocationReply(
                location=each.location,
                onchain=page.amount(each.onchain),
                incoming=page.amount(each.incoming),
                foreign=page.amount(each.foreign),
                moving=page.span(each.moving),
                expected=page.span(each.expected),
            )
            for each in view.locations
        ],
        clients=ClientsReply(
            available=page.amount(view.clients.available),
            reserved=page.amount(view.clients.reserved),
            pending=page.amount(view.clients.pending),
            deficit=page.amount(view.clients.deficit),
            credits=page.amount(view.clients.credits),
            paid=page.span(view.clients.paid),
            expected=page.span(view.clients.expected),
        ),
    )


class _Page:
    """Writes amounts of one currency, and fees in that of its chain."""

    def __init__(self, currency: str, fee_currency: str, coins: Coins) -> None:
        self._currency = currency
        self._fee_currency = fee_currency
        self._coins = coins

    def amount(self, amount: int) -> str:
        return self._coins.display(self._currency, amount)

    def span(self, span: Span) -> SpanReply:
        return SpanReply(low=self.amount(span.low), high=self.amount(span.high))

    def change(self, change: dict[str, Span]) -> dict[str, SpanReply]:
        return {location: self.span(each) for location, each in change.items()}

    def spent(self, outpoint: Outpoint, location: str, amount: int) -> SpentReply:
        return SpentReply(
            txid=outpoint.txid, index=outpoint.index, location=location, amount=self.amount(amount)
        )

    def incoming(self, view: IncomingView) -> IncomingReply:
        return IncomingReply(
            deposit_id=view.deposit_id,
            txid=view.txid,
            explorer_url=self._coins.explorer_url(self._currency, view.txid),
            position=view.position,
            address=view.address,
            client_id=view.client_id,
            location=view.location,
            amount=self.amount(view.amount),
            reason=view.reason,
            own=view.is_own,
            announced=view.is_announced,
        )

    def movement(self, view: MovementView) -> MovementReply:
        return MovementReply(
            intent_id=view.intent_id,
            kind=view.kind,
            currency=view.currency,
            change=self.change(view.change),
            paid=self.span(view.paid),
            candidates=[self.candidate(each) for each in view.candidates],
        )

    def candidate(self, view: CandidateView) -> CandidateReply:
        fee = SpanReply(
            low=self._coins.display(self._fee_currency, view.fee.low),
            high=self._coins.display(self._fee_currency, view.fee.high),
        )
        return CandidateReply(
            attempt_id=view.attempt_id,
            kind=view.kind,
            txid=view.txid,
            explorer_url=self._coins.explorer_url(self._currency, view.txid),
            state=view.state,
            leaves=self.amount(view.leaves),
            returns=self.amount(view.returns),
            fee=fee,
            change=self.change(view.change),
            inputs=[self.spent(each.outpoint, each.location, each.amount) for each in view.inputs],
            sender=view.sender,
            nonce=view.nonce,
            parents=list(view.parents),
            withdrawals=list(view.withdrawals),
            in_mempool=view.is_held,
            lost_to=view.lost_to,
            counted=view.is_counted,
        )
