"""Views as the ledger would answer them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from actors.messages import (
    AddressView,
    AuditView,
    BalanceView,
    CaseView,
    CurrencyView,
    DeliveryView,
    DepositView,
    EventView,
    IssuedAddress,
    JournalView,
    OperatorSessionView,
    OperatorView,
    PeriodView,
    ProofView,
    ReconciliationView,
    SessionView,
    StatementLine,
    StatementView,
    Subject,
    TransferView,
    WithdrawalView,
)
from ledger.codec import to_dict
from ledger.in_flight_view import ClientsLine, InFlightView, LocationLine, Span
from ledger.journal_query import JournalPosting
from ledger.liability import prove
from ledger.story_view import (
    AddressMatch,
    ChainTxView,
    ClientMatch,
    Found,
    OutputView,
    PayoutStory,
)
from ledger.views import AttemptView, CaseEntry, HistoryEntry

NOW = 1_760_000_000
TXID = "ab" * 32
OWED = {"alice": 2**70, "bob": 5, "carol": 0}


def session_view(**changes: Any) -> SessionView:
    view = SessionView(
        id="ses_1",
        client_id="alice",
        website="shop",
        actions=("deposit", "withdraw"),
        currencies=None,
        locale="en",
        return_url="https://shop.example/",
        withdrawal_limit=None,
        code_expires_at=NOW + 60,
        expires_at=NOW + 900,
        state="open",
    )
    return replace(view, **changes)


def operator_session_view(**changes: Any) -> OperatorSessionView:
    view = OperatorSessionView(
        id="ops_1",
        operator_id="op_1",
        name="ann",
        roles=("admin",),
        created_at=NOW,
        expires_at=NOW + 28_800,
        idle_s=1_800,
        idle_expires_at=NOW + 1_800,
        state="open",
    )
    return replace(view, **changes)


def operator_view(**changes: Any) -> OperatorView:
    return replace(OperatorView("op_1", "ann", ("admin",), "salt", NOW, "cli", None, None), **changes)


def audit_view(**changes: Any) -> AuditView:
    view = AuditView(1, NOW, "operator:op_1", "ann", "hold_currency", "currency", "BTC", {"hold": "paused"})
    return replace(view, **changes)


def deposit_view(**changes: Any) -> DepositView:
    view = DepositView(
        id="dep_1",
        client_id="alice",
        currency="BTC",
        address="bcrt1qalice",
        amount=150_000,
        txid=TXID,
        position="0",
        output_index=0,
        block_height=101,
        block_hash="cd" * 32,
        confirmations=1,
        confirmations_required=3,
        status="confirming",
        seen_at=NOW,
        credited_at=None,
    )
    return replace(view, **changes)


def withdrawal_view(**changes: Any) -> WithdrawalView:
    view = WithdrawalView(
        id="wd_1",
        external_id="order-1",
        client_id="alice",
        currency="BTC",
        amount=100_000,
        fee=5_000,
        address="bcrt1qbob",
        txid=None,
        status="approved",
        waiting_for=None,
        attention=False,
        confirmations=0,
        confirmations_required=3,
        block_height=None,
        created_at=NOW,
        history=(HistoryEntry("approved", NOW, "key:key_1"),),
        attempts=(AttemptView("att_1", None, "prepared", 300, NOW, 150, 2),),
    )
    return replace(view, **changes)


def period_view() -> PeriodView:
    return PeriodView(
        "2026-01", "BTC", "BTC", 41, 900, "ab" * 32, {"owed": {"total": "5"}}, "cd" * 32, NOW, "operator:op_1"
    )


def reconciliation_view(**changes: Any) -> ReconciliationView:
    view = ReconciliationView(
        id="rec_1",
        currency="BTC",
        height=900,
        block_hash="ab" * 32,
        status="ok",
        created_at=NOW,
        lines=({"location": "hot", "chain": 150_000, "books": 150_001, "difference": -1},),
        number=7,
        cause="demand",
        inputs={
            "node": "http://127.0.0.1:8332/key",
            "method": "scantxoutset",
            "scripts": 3,
            "from_height": 900,
        },
        totals={"onchain": 150_001, "liabilities": 150_001, "clearing": 0},
        prev_digest="12" * 32,
        digest="cd" * 32,
    )
    return replace(view, **changes)


def proof_view(client_id: str = "alice") -> ProofView:
    proof = prove(OWED, bytes(32), client_id)
    steps = tuple(
        {"hash": step.node_hash.hex(), "amount": step.amount, "is_left": step.is_left} for step in proof.steps
    )
    return ProofView(
        "2026-01", "BTC", client_id, proof.nonce.hex(), proof.amount, steps, proof.root.hex(), proof.total
    )


def case_view(**changes: Any) -> CaseView:
    view = CaseView(
        id="case_1",
        kind="parked",
        currency="BTC",
        amount=999,
        txid=TXID,
        position="0",
        deposit_id="dep_1",
        client_id="alice",
        address="bcrt1qalice",
        status="open",
        reason="below_minimum",
        block_height=101,
        block_hash="cd" * 32,
        confirmations=3,
        actions=("assign", "release", "refund", "write-off"),
        withdrawal_id=None,
        created_at=NOW,
        history=(CaseEntry("opened", "open", NOW, "chain", "below_minimum"),),
    )
    return replace(view, **changes)


def transfer_view(**changes: Any) -> TransferView:
    view = TransferView(
        id="tr_1",
        external_id="bet-1",
        source="alice",
        target="house",
        currency="BTC",
        amount=100_000,
        reason="bet",
        created_at=NOW,
    )
    return replace(view, **changes)


def currency_view(currency: str = "BTC", **changes: Any) -> CurrencyView:
    decimals = {"BTC": 8, "LTC": 8, "ETH": 18}[currency]
    view = CurrencyView(
        currency=currency,
        chain=currency,
        name={"BTC": "Bitcoin", "LTC": "Litecoin", "ETH": "Ether"}[currency],
        family="evm" if currency == "ETH" else "bitcoin",
        network="regtest",
        decimals=decimals,
        confirmations_required=3,
        final_depth=6,
        minimum_deposit=10 ** (decimals - 4),
        minimum_withdrawal=10 ** (decimals - 3),
        maximum_withdrawal=10 ** (decimals + 1),
        withdrawal_fee=5 * 10 ** (decimals - 5),
        deposits="open",
        withdrawals="open",
        state="open",
        state_detail="",
        height=101,
    )
    return replace(view, **changes)


def balance_view(currency: str = "BTC", **changes: Any) -> BalanceView:
    view = BalanceView("alice", currency, 12_500_000, 12_000_000, 100_000, 150_000, 0)
    return replace(view, **changes)


def issued_address(**changes: Any) -> IssuedAddress:
    view = AddressView("alice", "BTC", "bcrt1qalice", 0, 1, NOW)
    return replace(IssuedAddress(view, "bitcoin:bcrt1qalice", is_new=True), **changes)


def event_view(sequence: int, kind: str, data: Any, client_id: str | None = "alice") -> EventView:
    plain = data if isinstance(data, dict) else to_dict(data)
    return EventView(f"evt_{sequence}", sequence, kind, NOW, client_id, plain)


def statement_view(subject: Subject | None = None, **changes: Any) -> StatementView:
    """Of alice: 0.00100000, less one withdrawal of 0.00020500."""
    view = StatementView(
        subject=subject or Subject("alice", "BTC"),
        currency="BTC",
        decimals=8,
        is_debit_normal=False,
        since=NOW - 86_400,
        until=None,
        first_entry=3,
        last_entry=9,
        hash="ab" * 32,
        opening=100_000,
        closing=79_500,
        opening_parts={"client:alice:BTC:available": 100_000},
        closing_parts={"client:alice:BTC:available": 79_000, "client:alice:BTC:pending": 500},
        is_final=False,
    )
    return replace(view, **changes)


def statement_line(**changes: Any) -> StatementLine:
    line = StatementLine(
        entry=7,
        at=NOW,
        kind="withdrawal",
        entry_kind="payout",
        debit=20_500,
        credit=0,
        fee=500,
        balance=79_500,
        counterpart="bcrt1qbob",
        reference="wd_1",
        txid=TXID,
        height=101,
        block_hash="cd" * 32,
        reverses=None,
        reason="",
        rate=None,
    )
    return line._replace(**changes)


def chain_tx_view(**changes: Any) -> ChainTxView:
    view = ChainTxView(
        id="att_1",
        intent_id="pay_wd_1",
        intent_status="open",
        kind="payout",
        currency="BTC",
        txid=TXID,
        state="mined",
        detail="",
        fee=300,
        fee_paid=300,
        fee_currency="BTC",
        sender=None,
        nonce=None,
        inputs=2,
        outputs=(OutputView("bcrt1qbob", 100_000),),
        withdrawals=("wd_1",),
        block_height=101,
        block_hash="cd" * 32,
        block_at=NOW,
        created_at=NOW,
    )
    return replace(view, **changes)


def in_flight_view(**changes: Any) -> InFlightView:
    view = InFlightView(
        currency="BTC",
        fee_currency="BTC",
        at=None,
        is_node_known=False,
        incoming=(),
        movements=(),
        foreign=(),
        locations=(LocationLine("hot", 7, 0, 0, Span(), Span(7, 7)),),
        clients=ClientsLine(7, 0, 0, 0, 0, Span(), Span(7, 7)),
    )
    return replace(view, **changes)


def payout_story(**changes: Any) -> PayoutStory:
    view = PayoutStory(
        withdrawal=withdrawal_view(),
        requested_by="key:key_1",
        session_id=None,
        case_id=None,
        decisions=(audit_view(),),
        chain_txs=(chain_tx_view(),),
        entries=(journal_view(),),
        names={"operator:op_1": "ann"},
    )
    return replace(view, **changes)


def found(**changes: Any) -> Found:
    view = Found(
        clients=(ClientMatch("alice", (balance_view(),)),),
        addresses=(AddressMatch("BTC", "bcrt1qalice", "alice", "deposit", "deposit", 0, NOW),),
        deposits=(deposit_view(),),
        withdrawals=(withdrawal_view(),),
        transfers=(transfer_view(),),
        cases=(case_view(),),
        house_movements=(),
        chain_txs=(chain_tx_view(),),
        entries=(journal_view(),),
        truncated=(),
    )
    return replace(view, **changes)


def delivery_view(**changes: Any) -> DeliveryView:
    view = DeliveryView("evt_1", 1, "deposit.seen", "dead", 9, None, 500, "status 500", NOW)
    return replace(view, **changes)


def journal_view(**changes: Any) -> JournalView:
    posting = JournalPosting("BTC", 8, "client:alice:BTC:available", "client:bob:BTC:available", 5, 95, 105)
    view = JournalView(
        entry=9,
        at=NOW,
        kind="transfer",
        ref_type="transfer",
        ref_id="tr_1",
        by="key:shop",
        chain=None,
        height=None,
        block_hash=None,
        txid=None,
        reverses=None,
        reason="bet",
        prev_hash="00" * 32,
        hash="ab" * 32,
        postings=(posting,),
    )
    return view._replace(**changes)
