"""Every route of the API, in one table."""

from __future__ import annotations

from gateway import admin, bodies, case, cashier, feed, login, operators, replies, website
from gateway.api import Route
from gateway.principal import Action, ForClient, ForOperator, ForWebsite, Public, Scope
from gateway.role import Permission

READ = ForWebsite(Scope.READ)
HOLD = ForOperator(Permission.CURRENCIES)
_OPENING = (
    "insufficient_funds", "invalid_amount", "invalid_address", "wrong_network", "forbidden_address",
    "below_minimum", "above_maximum", "limit_exceeded", "currency_closed", "currency_unavailable",
    "unknown_currency", "invalid_client_id",
)  # fmt: skip
_ADDRESS = ("unknown_currency", "currency_closed", "invalid_client_id")

WEBSITE_ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/sessions", "Open a client session (the handshake)", ForWebsite(Scope.SESSIONS),
          website.create_session, replies.SessionReply, 201, bodies.SessionBody, is_idempotent=True,
          codes=("unknown_currency",)),
    Route("DELETE", "/v1/sessions/{id}", "End a client session", ForWebsite(Scope.SESSIONS),
          website.end_session, status=204, codes=("not_found",)),
    Route("GET", "/v1/currencies", "Currencies and their states", READ,
          website.list_currencies, replies.CurrencyList),
    Route("PUT", "/v1/clients/{client_id}/addresses/{currency}", "Get or create a deposit address",
          ForWebsite(Scope.DEPOSITS), website.get_or_create_address, replies.AddressReply, codes=_ADDRESS),
    Route("POST", "/v1/clients/{client_id}/addresses/{currency}", "Create a fresh deposit address",
          ForWebsite(Scope.DEPOSITS), website.create_address, replies.AddressReply, 201, is_idempotent=True,
          codes=(*_ADDRESS, "too_many_addresses")),
    Route("GET", "/v1/clients/{client_id}/balances", "Balances of a client", READ,
          website.get_balances, replies.BalanceList),
    Route("GET", "/v1/deposits", "Deposits", READ,
          website.list_deposits, replies.DepositList, query=bodies.ListQuery, codes=("invalid_cursor",)),
    Route("GET", "/v1/deposits/{id}", "One deposit", READ,
          website.get_deposit, replies.DepositReply, codes=("not_found",)),
    Route("POST", "/v1/withdrawals", "Withdraw", ForWebsite(Scope.WITHDRAWALS),
          website.create_withdrawal, replies.WithdrawalReply, 201, bodies.WithdrawalBody,
          is_idempotent=True, codes=(*_OPENING, "external_id_used")),
    Route("GET", "/v1/withdrawals", "Withdrawals", READ,
          website.list_withdrawals, replies.WithdrawalList, query=bodies.ListQuery,
          codes=("invalid_cursor",)),
    Route("GET", "/v1/withdrawals/{id}", "One withdrawal", READ,
          website.get_withdrawal, replies.WithdrawalReply, codes=("not_found",)),
    Route("POST", "/v1/withdrawals/{id}/cancel", "Cancel a withdrawal", ForWebsite(Scope.WITHDRAWALS),
          website.cancel_withdrawal, replies.WithdrawalReply, is_idempotent=True,
          codes=("not_found", "not_cancellable")),
    Route("POST", "/v1/transfers", "Move money between clients and the house", ForWebsite(Scope.TRANSFERS),
          website.create_transfer, replies.TransferReply, 201, bodies.TransferBody, is_idempotent=True,
          codes=("insufficient_funds", "invalid_amount", "external_id_used", "same_account",
                 "unknown_currency", "invalid_client_id")),
    Route("GET", "/v1/events", "The feed of events", READ,
          website.list_events, replies.EventList, query=bodies.EventsQuery),
    Route("GET", "/v1/events/stream", "The feed as server-sent events", READ,
          feed.stream_events, query=bodies.StreamQuery, codes=("too_many_streams",), is_stream=True),
)  # fmt: skip

CASHIER_ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/cashier/session", "Exchange the one-time code", Public(),
          cashier.exchange_code, replies.TokenReply, body=bodies.CodeBody, codes=("session_invalid",)),
    Route("GET", "/v1/cashier/session", "What the session may do", ForClient(),
          cashier.get_client_session, replies.ClientSessionReply),
    Route("GET", "/v1/cashier/currencies", "Currencies of the session", ForClient(),
          cashier.list_client_currencies, replies.CurrencyList),
    Route("PUT", "/v1/cashier/addresses/{currency}", "Get or create a deposit address",
          ForClient(Action.DEPOSIT), cashier.get_client_address, replies.CashierAddressReply,
          codes=(*_ADDRESS, "currency_not_allowed")),
    Route("GET", "/v1/cashier/balances", "Balances", ForClient(),
          cashier.get_client_balances, replies.BalanceList),
    Route("GET", "/v1/cashier/deposits", "Deposits", ForClient(),
          cashier.list_client_deposits, replies.DepositList, query=bodies.PageQuery,
          codes=("invalid_cursor",)),
    Route("GET", "/v1/cashier/withdrawals", "Withdrawals", ForClient(),
          cashier.list_client_withdrawals, replies.WithdrawalList, query=bodies.PageQuery,
          codes=("invalid_cursor",)),
    Route("POST", "/v1/cashier/withdrawals", "Withdraw", ForClient(Action.WITHDRAW),
          cashier.create_client_withdrawal, replies.WithdrawalReply, 201, bodies.CashierWithdrawalBody,
          is_idempotent=True, codes=(*_OPENING, "currency_not_allowed")),
    Route("POST", "/v1/cashier/withdrawals/{id}/cancel", "Cancel a withdrawal", ForClient(Action.WITHDRAW),
          cashier.cancel_client_withdrawal, replies.WithdrawalReply, is_idempotent=True,
          codes=("not_found", "not_cancellable")),
    Route("GET", "/v1/cashier/events/stream", "The client's events as server-sent events", ForClient(),
          feed.stream_client_events, query=bodies.StreamQuery, codes=("too_many_streams",), is_stream=True),
)  # fmt: skip

ADMIN_ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/admin/login", "Log in as an operator", Public(),
          login.login, replies.TokenReply, body=bodies.LoginBody, codes=("login_failed", "login_locked")),
    Route("POST", "/v1/admin/logout", "Log out", ForOperator(Permission.OWN),
          login.logout, status=204, is_idempotent=True),
    Route("GET", "/v1/admin/me", "Who is logged in", ForOperator(Permission.OWN),
          login.get_operator_session, replies.OperatorSessionReply),
    Route("PATCH", "/v1/admin/me", "Change one's password", ForOperator(Permission.OWN),
          login.change_password, replies.OperatorSessionReply, body=bodies.PasswordBody,
          codes=("login_failed", "login_locked")),
    Route("GET", "/v1/admin/tree", "The supervision tree", ForOperator(Permission.TREE),
          admin.get_tree, replies.TreeReply),
    Route("POST", "/v1/admin/currencies/{currency}/pause", "Hold payouts and take nothing new", HOLD,
          admin.pause_currency, replies.CurrencyReply, body=bodies.ReasonBody, is_idempotent=True,
          codes=("unknown_currency",)),
    Route("POST", "/v1/admin/currencies/{currency}/drain", "Take nothing new, pay what is open", HOLD,
          admin.drain_currency, replies.CurrencyReply, body=bodies.ReasonBody, is_idempotent=True,
          codes=("unknown_currency",)),
    Route("POST", "/v1/admin/currencies/{currency}/resume", "End a pause or drain", HOLD,
          admin.resume_currency, replies.CurrencyReply, body=bodies.OptionalReasonBody, is_idempotent=True,
          codes=("unknown_currency",)),
    Route("POST", "/v1/admin/withdrawals/{id}/approve", "Let a held withdrawal leave",
          ForOperator(Permission.WITHDRAWALS), admin.approve_withdrawal, replies.WithdrawalReply,
          body=bodies.OptionalReasonBody, is_idempotent=True, codes=("not_found", "not_held")),
    Route("POST", "/v1/admin/withdrawals/{id}/reject", "Refuse a held withdrawal",
          ForOperator(Permission.WITHDRAWALS), admin.reject_withdrawal, replies.WithdrawalReply,
          body=bodies.ReasonBody, is_idempotent=True, codes=("not_found", "not_held")),
    Route("GET", "/v1/admin/audit", "Who did what", ForOperator(Permission.AUDIT),
          admin.list_audit, replies.AuditList, query=bodies.AuditQuery, codes=("invalid_cursor",)),
    Route("GET", "/v1/admin/keys", "Website keys", ForOperator(Permission.KEYS),
          admin.list_keys, replies.KeyList),
    Route("DELETE", "/v1/admin/keys/{id}", "Revoke a website key", ForOperator(Permission.KEYS),
          admin.revoke_key, status=204, codes=("not_found",)),
    Route("GET", "/v1/admin/operators", "Operators", ForOperator(Permission.OPERATORS),
          operators.list_operators, replies.OperatorList),
    Route("POST", "/v1/admin/operators", "Make an operator", ForOperator(Permission.OPERATORS),
          operators.create_operator, replies.NewOperatorReply, 201, bodies.NewOperatorBody,
          is_idempotent=True, codes=("already_exists",)),
    Route("PATCH", "/v1/admin/operators/{id}", "Change an operator", ForOperator(Permission.OPERATORS),
          operators.change_operator, replies.OperatorReply, body=bodies.OperatorBody,
          codes=("not_found", "last_admin")),
    Route("POST", "/v1/admin/operators/{id}/reset", "Give an operator a new password and secret",
          ForOperator(Permission.OPERATORS), operators.reset_operator, replies.NewOperatorReply,
          is_idempotent=True, codes=("not_found",)),
)  # fmt: skip

_SEEN, _DECIDED = ForOperator(Permission.CASES_SEEN), ForOperator(Permission.CASES)
_CASE = ("not_found", "case_decided", "action_not_allowed", "not_confirmed")

CASE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/admin/cases", "Money that credits nobody", _SEEN,
          case.list_cases, replies.CaseList, query=bodies.ListQuery, codes=("invalid_cursor",)),
    Route("GET", "/v1/admin/cases/{id}", "One case", _SEEN,
          case.get_case, replies.CaseReply, codes=("not_found",)),
    Route("POST", "/v1/admin/cases/release", "Release what one cause parked in a currency", _DECIDED,
          case.release_cases, replies.CasesReleasedReply, body=bodies.ReleaseBody, is_idempotent=True,
          codes=("unknown_currency",)),
    Route("POST", "/v1/admin/cases/{id}/assign", "Give the money of a case to a client or the house",
          _DECIDED, case.assign_case, replies.CaseReply, body=bodies.AssignBody, is_idempotent=True,
          codes=(*_CASE, "invalid_client_id", "currency_unavailable")),
    Route("POST", "/v1/admin/cases/{id}/release", "Let a parked deposit go on", _DECIDED,
          case.release_case, replies.CaseReply, body=bodies.ReasonBody, is_idempotent=True, codes=_CASE),
    Route("POST", "/v1/admin/cases/{id}/refund", "Send the money of a case back", _DECIDED,
          case.refund_case, replies.CaseReply, body=bodies.RefundBody, is_idempotent=True,
          codes=(*_CASE, "unknown_currency", "invalid_address", "wrong_network", "forbidden_address",
                 "below_minimum")),
    Route("POST", "/v1/admin/cases/{id}/write-off", "Keep the money of a case, or admit it as lost", _DECIDED,
          case.write_off_case, replies.CaseReply, body=bodies.ReasonBody, is_idempotent=True, codes=_CASE),
    Route("POST", "/v1/admin/clients/{client_id}/block-deposits", "Park what comes in for a client", _DECIDED,
          case.block_deposits, replies.ClientBlockReply, body=bodies.ReasonBody, is_idempotent=True,
          codes=("invalid_client_id",)),
    Route("POST", "/v1/admin/clients/{client_id}/unblock-deposits", "Credit a client's deposits again",
          _DECIDED, case.unblock_deposits, replies.CasesReleasedReply, body=bodies.ReasonBody,
          is_idempotent=True, codes=("invalid_client_id",)),
)  # fmt: skip
ADMIN_ROUTES += CASE_ROUTES

ROUTES: tuple[Route, ...] = WEBSITE_ROUTES + CASHIER_ROUTES + ADMIN_ROUTES
