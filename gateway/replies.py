"""What the gateway answers, member by member. Amounts are decimal strings, times RFC 3339 UTC."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gateway.model import Model as Model
from gateway.withdrawal_replies import ClientWithdrawalList as ClientWithdrawalList
from gateway.withdrawal_replies import ClientWithdrawalReply as ClientWithdrawalReply
from gateway.withdrawal_replies import WithdrawalList as WithdrawalList
from gateway.withdrawal_replies import WithdrawalReply as WithdrawalReply


class SessionReply(Model):
    """The handshake's answer: send the client to ``url`` before ``code_expires_at``."""

    id: str
    code: str
    url: str
    code_expires_at: str
    expires_at: str


class TokenReply(Model):
    """The client session's bearer token; shown once."""

    token: str
    expires_at: str


class ClientSessionReply(Model):
    """What the session in hand may do."""

    id: str
    client_id: str
    actions: list[str]
    currencies: list[str] | None
    locale: str | None
    return_url: str | None
    expires_at: str


class OperatorSessionReply(Model):
    """Who is logged in; ``permissions`` follow from ``roles``."""

    id: str
    operator_id: str
    name: str
    roles: list[str]
    permissions: list[str]
    created_at: str
    expires_at: str
    idle_expires_at: str


class OperatorReply(Model):
    """A person who works at the cashier."""

    id: str
    name: str
    roles: list[str]
    created_at: str
    created_by: str
    last_login_at: str | None
    disabled_at: str | None


class OperatorList(Model):
    """All operators, on one page."""

    data: list[OperatorReply]
    next_cursor: str | None = None


class NewOperatorReply(OperatorReply):
    """What a new operator logs in with, shown this once; ``otpauth_uri`` goes into his authenticator app."""

    password: str
    otpauth_uri: str


class KeyReply(Model):
    """A website key, without its secrets."""

    id: str
    website: str
    scopes: list[str]
    created_at: str
    revoked_at: str | None


class KeyList(Model):
    """All website keys, newest first, on one page."""

    data: list[KeyReply]
    next_cursor: str | None = None


class TreeReply(Model):
    """One actor or supervisor, and all below it."""

    name: str
    state: str
    restarts: int
    inbox_depth: int
    last_error: str | None
    children: list[TreeReply]


class AuditReply(Model):
    """Who did what to which object."""

    id: int
    at: str
    by: str
    by_name: str | None
    action: str
    object_type: str
    object_id: str
    data: dict[str, Any]


class AuditList(Model):
    """The audit, newest first."""

    data: list[AuditReply]
    next_cursor: str | None


class CurrencyReply(Model):
    """A currency as it is offered now."""

    currency: str
    name: str
    family: str
    network: str
    decimals: int
    confirmations_required: int
    minimum_deposit: str
    minimum_withdrawal: str
    maximum_withdrawal: str
    withdrawal_fee: str
    deposits: str
    withdrawals: str
    state: str
    height: int | None
    destination_cooling_s: int


class CurrencyList(Model):
    """All currencies, on one page."""

    data: list[CurrencyReply]
    next_cursor: str | None = None


class AddressReply(Model):
    """Where a client pays to; ``uri`` is what a wallet opens (BIP 21, EIP-681)."""

    currency: str
    address: str
    uri: str
    network: str
    confirmations_required: int
    minimum_deposit: str
    created_at: str


class CashierAddressReply(AddressReply):
    """The same with ``uri`` drawn as a QR code (SVG)."""

    qr_svg: str


class BalanceReply(Model):
    """``withdrawable`` is ``available`` less credits that are not deep enough to leave."""

    currency: str
    available: str
    withdrawable: str
    reserved: str
    pending: str
    deficit: str


class BalanceList(Model):
    """A client's balances, on one page; currencies without a movement are left out."""

    data: list[BalanceReply]
    next_cursor: str | None = None


class DepositReply(Model):
    """One payment to an address of a client."""

    id: str
    client_id: str
    currency: str
    address: str
    amount: str
    txid: str
    explorer_url: str | None
    output_index: int | None
    block_height: int | None
    block_hash: str | None
    confirmations: int
    confirmations_required: int
    status: str
    reason: str | None
    seen_at: str
    credited_at: str | None


class DepositList(Model):
    """Deposits, newest first."""

    data: list[DepositReply]
    next_cursor: str | None


class CaseEntryReply(Model):
    """What happened to a case, the state it led to, when, by whom and why."""

    action: str
    status: str
    at: str
    by: str
    reason: str


class CaseReply(Model):
    """Money that credits nobody, or is gone; ``actions`` are what may be decided about it now."""

    id: str
    kind: str
    currency: str
    amount: str
    txid: str
    position: str
    deposit_id: str | None
    client_id: str | None
    address: str | None
    status: str
    reason: str
    block_height: int | None
    block_hash: str | None
    confirmations: int
    actions: list[str]
    withdrawal_id: str | None
    created_at: str
    history: list[CaseEntryReply]


class CaseList(Model):
    """Cases, newest first."""

    data: list[CaseReply]
    next_cursor: str | None


class CasesReleasedReply(Model):
    """How many parked deposits go on now, and how many more of the same cause could go on."""

    released: int
    left: int


class ClientBlockReply(Model):
    """A client whose deposits are parked."""

    client_id: str
    at: str
    by: str
    reason: str


class TransferReply(Model):
    """Money moved inside the books."""

    id: str
    external_id: str
    source: str = Field(serialization_alias="from")
    target: str = Field(serialization_alias="to")
    currency: str
    amount: str
    reason: str
    created_at: str


class EventReply(Model):
    """One event; ``data`` is the object as its GET returns it."""

    id: str
    sequence: int
    type: str
    occurred_at: str
    data: dict[str, Any]


class EventList(Model):
    """Events in order; ask again with ``after`` = ``next_after``."""

    data: list[EventReply]
    next_after: int


class FieldErrorReply(Model):
    """What is wrong with one member of the request."""

    path: str
    message: str


class ProblemReply(Model):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldErrorReply]
    request_id: str
