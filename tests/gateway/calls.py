"""One good request for every route, and what the actors answer to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyotp
from argon2 import PasswordHasher

from actors.messages import (
    AnnounceHouseFunding,
    AssignCase,
    BeginLogin,
    BlockDeposits,
    CasesReleased,
    ChildView,
    ClientBlock,
    ClosePeriod,
    CorrectCase,
    CreateKey,
    CreateOperator,
    CreateSession,
    DecideAdjustment,
    DecideWithdrawal,
    EndOperatorSession,
    EndSession,
    ExchangeCode,
    FailLogin,
    GetBalances,
    GetCase,
    GetDeposit,
    GetInFlightNow,
    GetPayoutStory,
    GetProof,
    GetReconciliation,
    GetStatement,
    GetStop,
    GetTree,
    GetTrialBalance,
    GetWithdrawal,
    HoldCurrency,
    HouseAddressView,
    HouseMovementView,
    ImportAdjustments,
    InFlightNow,
    IssueAddress,
    KeyView,
    ListAdjustments,
    ListAudit,
    ListCases,
    ListCurrencies,
    ListDeposits,
    ListEvents,
    ListHouseAddresses,
    ListHouseMovements,
    ListJournal,
    ListKeys,
    ListOperators,
    ListPeriods,
    ListReconciliations,
    ListStatementLines,
    ListTrialLines,
    ListWebhooks,
    ListWithdrawals,
    LoginOperator,
    OperatorCredentials,
    Outcome,
    Page,
    PeriodsClosed,
    PostTransfer,
    Reconcile,
    RedeliverWebhook,
    ReleaseCase,
    ReleaseCases,
    RequestAdjustment,
    RequestRefund,
    RequestWithdrawal,
    ResetOperator,
    ReverseAdjustment,
    RevokeKey,
    SearchBooks,
    SetOperator,
    SetPassword,
    StartPayouts,
    StatementPage,
    StopPayouts,
    StopView,
    StopWithdrawal,
    UnblockDeposits,
    WriteOffCase,
)
from gateway.api import Route
from gateway.principal import ForClient, ForOperator, ForWebsite
from gateway.routes import ROUTES
from gateway.secret import totp_secret
from tests.gateway.adjustment_samples import adjustment_view, adjustments_view
from tests.gateway.fake import SECRET, Answer, FakeDirectory, Rig
from tests.gateway.samples import (
    NOW,
    audit_view,
    balance_view,
    case_view,
    currency_view,
    delivery_view,
    deposit_view,
    found,
    in_flight_view,
    issued_address,
    journal_view,
    operator_session_view,
    operator_view,
    payout_story,
    period_view,
    proof_view,
    reconciliation_view,
    session_view,
    statement_line,
    statement_view,
    transfer_view,
    withdrawal_view,
)
from tests.gateway.trial_samples import TRIAL, TRIAL_PAGE

PASSWORD = "correct horse battery"
CREDENTIALS = OperatorCredentials(
    "op_1", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD), "salt"
)
CODE = pyotp.TOTP(totp_secret(SECRET, "op_1", "salt")).at(NOW)
REASON = {"reason": "it is over"}
WITHDRAWAL = {"currency": "BTC", "amount": "0.001", "address": "bcrt1qbob"}
BODIES: dict[str, dict[str, Any]] = {
    "create_session": {"client_id": "alice", "actions": ["deposit"]},
    "create_withdrawal": {**WITHDRAWAL, "client_id": "alice", "external_id": "order-1"},
    "create_client_withdrawal": WITHDRAWAL,
    "create_transfer": {
        "from": "alice",
        "to": "house",
        "currency": "BTC",
        "amount": "0.001",
        "external_id": "bet-1",
        "reason": "bet",
    },
    "create_adjustment": {**REASON, "from": "house", "to": "alice", "currency": "BTC", "amount": "0.001"},
    "correct_case": {**REASON, "currency": "BTC", "amount": "0.001", "against": "loss"},
    "import_adjustments": {
        "csv": "from,to,currency,amount,external_id,reason\nhouse,alice,BTC,0.001,bonus-1,a bonus\n",
        "dry_run": False,
    },
    "reverse_adjustment": REASON,
    "approve_adjustment": {"digest": "ab" * 32},
    "reject_adjustment": REASON,
    "exchange_code": {"code": "ab" * 32},
    "pause_currency": {"reason": "the node is moved"},
    "drain_currency": {"reason": "it is retired"},
    "reject_withdrawal": {"reason": "fraud"},
    "stop_withdrawal": {"reason": "its payee asked for it"},
    "approve_withdrawal": {"digest": "ab" * 32},
    "resume_currency": {},
    "create_house_movement": {**REASON, "kind": "announce", "currency": "BTC", "txid": "ab" * 32},
    "stop_payouts": REASON,
    "start_payouts": {},
    "create_key": {"website": "shop", "scopes": ["read"]},
    "create_operator": {"name": "bob", "roles": ["viewer"]},
    "change_operator": {"roles": ["sre"]},
    "assign_case": {"client_id": "alice", "reason": "she asked"},
    "release_case": REASON,
    "release_cases": {**REASON, "currency": "BTC", "cause": "deposits_closed"},
    "refund_case": {**REASON, "currency": "BTC", "address": "bcrt1qbob"},
    "close_period": {"currency": "BTC"},
    "create_reconciliation": {"currency": "BTC"},
    "write_off_case": REASON,
    "block_deposits": REASON,
    "unblock_deposits": REASON,
    "change_password": {"password": PASSWORD, "code": CODE, "new_password": "another horse battery"},
    "login": {"name": "ann", "password": PASSWORD, "code": CODE},
}
QUERIES = {
    "get_client_statement": "?currency=BTC",
    "get_proof": "?currency=BTC&month=2026-01",
    "get_statement": "?account=client:alice:BTC:available",
    "get_trial_balance": "?currency=BTC",
    "get_in_flight": "?currency=BTC",
    "search": "?q=alice",
}
"""What a route asks to be named in its query."""
ASKS = {
    "get_client_statement": 2,
    "get_statement": 2,
    "get_trial_balance": 2,
    "get_client_session": 0,
    "get_operator_session": 0,
    "login": 2,
    "change_password": 2,
}
"""How many questions a good request costs beside the token's, where it is not one."""
IDS = {"adjustments": "adj_1", "operators": "op_1", "keys": "key_1", "deposits": "dep_1", "sessions": "ses_1"}
"""An id of each kind of object, by the part of the path before it; a withdrawal's is wd_1."""
PATHS = {"client_id": "alice", "currency": "BTC", "month": "2026-01"}
HOUSE_MOVEMENT = HouseMovementView(1, "funding", "BTC", "ab" * 32, "operator:op_1", "float", NOW)
BY_NAME: dict[str, Route] = {route.name: route for route in ROUTES}


ADJUSTED: dict[type, Any] = {
    CorrectCase: Outcome(adjustment_view(case_id="case_1")),
    DecideAdjustment: Outcome(adjustments_view(id="adj_1")),
    ImportAdjustments: Outcome(adjustments_view()),
    ListAdjustments: Page((adjustment_view(),), None),
    RequestAdjustment: Outcome(adjustment_view()),
    ReverseAdjustment: Outcome(adjustment_view(reverses="adj_0")),
}


def script(directory: FakeDirectory) -> None:
    """Answer everything well."""
    directory.replies |= ADJUSTED
    directory.replies |= {
        AssignCase: Outcome(case_view(status="assigned")),
        BeginLogin: CREDENTIALS,
        CreateKey: Outcome(KeyView("key_1", "shop", ("read",), NOW, None)),
        CreateOperator: Outcome(operator_view()),
        BlockDeposits: Outcome(ClientBlock("alice", NOW, "operator:op_1", "it is over")),
        GetCase: case_view(),
        AnnounceHouseFunding: Outcome(HOUSE_MOVEMENT),
        ListHouseAddresses: (HouseAddressView("BTC", "hot", "bcrt1qhot"),),
        ListHouseMovements: Page((HOUSE_MOVEMENT,), None),
        GetStop: StopView(False),
        StartPayouts: Outcome(StopView(False)),
        StopPayouts: Outcome(StopView(True, NOW, "operator:op_1", "it is over")),
        ListCases: Page((case_view(),), None),
        ReleaseCase: Outcome(case_view(status="assigned")),
        ReleaseCases: Outcome(CasesReleased(2, 0)),
        RequestRefund: Outcome(case_view(status="refunding")),
        UnblockDeposits: Outcome(CasesReleased(1, 0)),
        WriteOffCase: Outcome(case_view(status="written_off")),
        ClosePeriod: PeriodsClosed("2026-01", "BTC", (period_view(),)),
        ListPeriods: (period_view(),),
        ListReconciliations: Page((reconciliation_view(),), None),
        GetReconciliation: reconciliation_view(),
        Reconcile: (reconciliation_view(),),
        GetProof: proof_view(),
        CreateSession: Outcome(session_view()),
        StopWithdrawal: Outcome(withdrawal_view(status="broadcast", attention=True)),
        DecideWithdrawal: Outcome(withdrawal_view(status="cancelled")),
        EndOperatorSession: Outcome(operator_session_view(state="ended")),
        EndSession: lambda *_: None,
        ExchangeCode: session_view(),
        FailLogin: lambda *_: None,
        GetBalances: (balance_view(),),
        GetInFlightNow: InFlightNow(in_flight_view(), None),
        GetDeposit: deposit_view(),
        GetStatement: lambda _, message: statement_view(message.subject),
        GetTrialBalance: TRIAL,
        GetWithdrawal: withdrawal_view(),
        GetPayoutStory: payout_story(),
        ListWebhooks: Page((delivery_view(),), None),
        RedeliverWebhook: Outcome(delivery_view()),
        SearchBooks: found(),
        GetTree: ChildView("root", "up", 0, 0, None, (ChildView("ledger", "up", 1, 2, "x"),)),
        HoldCurrency: Outcome(currency_view("BTC", state="paused")),
        IssueAddress: issued_address(),
        ListKeys: (KeyView("key_1", "shop", ("read",), NOW, None),),
        RevokeKey: KeyView("key_1", "shop", ("read",), NOW, NOW),
        ListAudit: Page((audit_view(),), None),
        ListCurrencies: (currency_view("BTC"), currency_view("ETH")),
        ListDeposits: Page((deposit_view(),), "next"),
        ListEvents: (),
        LoginOperator: operator_session_view(),
        ListJournal: Page((journal_view(),), None),
        ListOperators: (operator_view(),),
        ListStatementLines: StatementPage((statement_line(),), 100_000, None),
        ListTrialLines: TRIAL_PAGE,
        ListWithdrawals: Page((withdrawal_view(),), None),
        PostTransfer: Outcome(transfer_view()),
        ResetOperator: Outcome(operator_view()),
        SetPassword: operator_session_view(),
        SetOperator: Outcome(operator_view()),
        RequestWithdrawal: Outcome(withdrawal_view()),
    }


@dataclass
class Caller:
    """Sends good requests with one key and one session, changed as a test likes."""

    rig: Rig
    key: tuple[str, str]
    session: str
    operator: str = ""

    @classmethod
    def of(cls, rig: Rig, **session: Any) -> Caller:
        return cls(rig, rig.key(), rig.session(**session), rig.operator())

    async def call(
        self,
        name: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        query: str = "",
        headers: dict[str, str] | None = None,
        **params: str,
    ) -> Answer:
        """A request to a route; `body` in place of the good one, `params` in its path."""
        route = BY_NAME[name]
        target = path_of(route, **params) + (query or QUERIES.get(name, ""))
        value = BODIES.get(name) if body is None else body
        content = raw if raw is not None else b"" if value is None else json.dumps(value).encode()
        sent = {"Content-Type": "application/json"} if content else {}
        token = ""
        if route.is_idempotent:
            sent |= self.rig.idempotency()
        if isinstance(route.access, ForClient):
            token = self.session
        elif isinstance(route.access, ForOperator):
            token = self.operator
        elif isinstance(route.access, ForWebsite):
            token = self.key[0]
            if route.access.is_signed:
                sent |= self.rig.signed(self.key[1], route.method, target, content)
        return await self.rig.send(
            route.method, target, token, data=content or None, headers=sent | (headers or {})
        )


def path_of(route: Route, **params: str) -> str:
    """The route's path with its varying parts filled in."""
    path = route.path
    for name in route.path_names:
        default = IDS.get(path.split("/{id}")[0].rpartition("/")[2], "wd_1")
        path = path.replace(f"{{{name}}}", params.get(name, PATHS.get(name, default)))
    return path
