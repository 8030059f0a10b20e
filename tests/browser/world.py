"""A small world behind the cashier page: one client, three currencies, payments that a test moves on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from actors.messages import (
    DecideWithdrawal,
    DepositView,
    DomainError,
    EventView,
    ExchangeCode,
    GetBalances,
    GetSession,
    IssueAddress,
    ListCurrencies,
    ListDeposits,
    ListEvents,
    ListWithdrawals,
    Outcome,
    Page,
    RequestWithdrawal,
    SessionView,
    WithdrawalView,
)
from gateway.app import outbox_ready
from gateway.token import token_hash
from tests.gateway.fake import FakeDirectory, Rig
from tests.gateway.samples import (
    balance_view,
    currency_view,
    deposit_view,
    event_view,
    issued_address,
    session_view,
    withdrawal_view,
)

CODE = "c0de" * 16
ADDRESSES = {
    "BTC": ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "bitcoin:"),
    "LTC": ("rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kkl2xhl", "litecoin:"),
    "ETH": ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "ethereum:"),
}


class World:
    """Answers for the actors and tells the page what happens."""

    def __init__(self, directory: FakeDirectory) -> None:
        """Script the directory."""
        self.session: SessionView = session_view()
        self.code_hash: str | None = token_hash(CODE)
        self.token_hash = ""
        self.deposits: dict[str, DepositView] = {}
        self.withdrawals: dict[str, WithdrawalView] = {}
        self.events: list[EventView] = []
        self.asked = directory.asked
        directory.replies |= {
            ExchangeCode: self._exchange,
            GetSession: lambda _, ask: self.session if ask.token_hash == self.token_hash else None,
            GetBalances: (
                balance_view(),
                balance_view("ETH", available=3 * 10**18, withdrawable=3 * 10**18, reserved=0, pending=0),
            ),
            IssueAddress: self._address,
            ListCurrencies: (currency_view("BTC"), currency_view("ETH"), currency_view("LTC")),
            ListDeposits: lambda *_: Page(tuple(self.deposits.values()), None),
            ListEvents: lambda _, ask: tuple(e for e in self.events if e.sequence > ask.after)[: ask.limit],
            ListWithdrawals: lambda *_: Page(tuple(self.withdrawals.values()), None),
            RequestWithdrawal: self._withdraw,
            DecideWithdrawal: self._cancel,
        }

    def _exchange(self, _: str, ask: ExchangeCode) -> SessionView:
        if ask.code_hash != self.code_hash:
            raise DomainError("used", code="session_invalid")
        self.code_hash, self.token_hash = None, ask.token_hash
        return self.session

    def _address(self, _: str, ask: IssueAddress) -> Any:
        address, scheme = ADDRESSES[ask.currency]
        issued = issued_address()
        view = replace(issued.view, address=address, currency=ask.currency)
        return replace(issued, view=view, uri=scheme + address)

    def _withdraw(self, _: str, ask: RequestWithdrawal) -> Outcome[WithdrawalView]:
        if ask.address.startswith("bad"):
            raise DomainError("no address", code="invalid_address")
        view = withdrawal_view(
            id=ask.id,
            external_id=ask.external_id,
            currency=ask.currency,
            amount=ask.amount,
            address=ask.address,
        )
        self.withdrawals[ask.id] = view
        return Outcome(view)

    def _cancel(self, _: str, ask: DecideWithdrawal) -> Outcome[WithdrawalView]:
        view = replace(self.withdrawals[ask.withdrawal_id], status="cancelled")
        self.withdrawals[ask.withdrawal_id] = view
        return Outcome(view)

    def tell(self, rig: Rig, kind: str, view: DepositView | WithdrawalView) -> None:
        """Something happened: the object is as ``view`` now."""
        if isinstance(view, DepositView):
            self.deposits[view.id] = view
        else:
            self.withdrawals[view.id] = view
        self.events.append(event_view(len(self.events) + 1, f"{kind}.{view.status}", view))
        outbox_ready(rig.app, len(self.events))

    def deposit(self, rig: Rig, **changes: Any) -> None:
        """A deposit moves on."""
        self.tell(rig, "deposit", deposit_view(**changes))
