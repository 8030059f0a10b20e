"""Views of the ledger as replies: base units become decimal strings, unix seconds RFC 3339 UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.messages import (
    AuditView,
    BalanceView,
    CaseView,
    ChildView,
    CurrencyView,
    DepositView,
    EventView,
    IssuedAddress,
    KeyView,
    OperatorSessionView,
    OperatorView,
    SessionView,
    TransferView,
)
from coins.amounts import format_amount
from gateway.coins import Coins
from gateway.moment import moment as moment
from gateway.moment import moment_or_none as moment_or_none
from gateway.replies import (
    AddressReply,
    AuditReply,
    BalanceReply,
    CaseEntryReply,
    CaseReply,
    ClientSessionReply,
    ClientWithdrawalReply,
    CurrencyReply,
    DepositReply,
    EventReply,
    KeyReply,
    Model,
    OperatorReply,
    OperatorSessionReply,
    SessionReply,
    TransferReply,
    TreeReply,
)
from gateway.role import permissions_of
from gateway.withdrawal_render import client_withdrawal as client_withdrawal
from gateway.withdrawal_render import withdrawal as withdrawal
from gateway.withdrawal_render import withdrawal_event

_AMOUNTS = frozenset({"amount", "fee", "chain", "books", "difference"})
"""Members of objects without a reply of their own that are amounts where they are numbers."""


def session(view: SessionView, code: str, base_url: str) -> SessionReply:
    """The handshake's answer; the code stands in the fragment of the link, which no server logs."""
    return SessionReply(
        id=view.id,
        code=code,
        url=f"{base_url}/cashier#{code}",
        code_expires_at=moment(view.code_expires_at),
        expires_at=moment(view.expires_at),
    )


def client_session(view: SessionView) -> ClientSessionReply:
    """What the session in hand may do."""
    return ClientSessionReply(
        id=view.id,
        client_id=view.client_id,
        actions=list(view.actions),
        currencies=None if view.currencies is None else list(view.currencies),
        locale=view.locale,
        return_url=view.return_url,
        expires_at=moment(view.expires_at),
    )


def operator_session(view: OperatorSessionView) -> OperatorSessionReply:
    """An operator's login."""
    return OperatorSessionReply(
        id=view.id,
        operator_id=view.operator_id,
        name=view.name,
        roles=list(view.roles),
        permissions=sorted(permissions_of(view.roles)),
        created_at=moment(view.created_at),
        expires_at=moment(view.expires_at),
        idle_expires_at=moment(view.idle_expires_at),
    )


def operator(view: OperatorView) -> OperatorReply:
    """An operator, without what he logs in with."""
    return OperatorReply(
        id=view.id,
        name=view.name,
        roles=list(view.roles),
        created_at=moment(view.created_at),
        created_by=view.created_by,
        last_login_at=moment_or_none(view.last_login_at),
        disabled_at=moment_or_none(view.disabled_at),
    )


def audit(view: AuditView) -> AuditReply:
    """One line of the audit."""
    return AuditReply(
        id=view.id,
        at=moment(view.at),
        by=view.by,
        by_name=view.by_name,
        action=view.action,
        object_type=view.object_type,
        object_id=view.object_id,
        data=view.data,
    )


def key(view: KeyView) -> KeyReply:
    """A website key."""
    return KeyReply(
        id=view.id,
        website=view.website,
        scopes=list(view.scopes),
        created_at=moment(view.created_at),
        revoked_at=moment_or_none(view.revoked_at),
    )


def tree(view: ChildView) -> TreeReply:
    """An actor and all below it."""
    return TreeReply(
        name=view.name,
        state=view.state,
        restarts=view.restarts,
        inbox_depth=view.inbox_depth,
        last_error=view.last_error,
        children=[tree(child) for child in view.children],
    )


def currency(view: CurrencyView) -> CurrencyReply:
    """A currency; it brings its own decimals."""
    return CurrencyReply(
        currency=view.currency,
        name=view.name,
        family=view.family,
        network=view.network,
        decimals=view.decimals,
        confirmations_required=view.confirmations_required,
        minimum_deposit=format_amount(view.minimum_deposit, view.decimals),
        minimum_withdrawal=format_amount(view.minimum_withdrawal, view.decimals),
        maximum_withdrawal=format_amount(view.maximum_withdrawal, view.decimals),
        withdrawal_fee=format_amount(view.withdrawal_fee, view.decimals),
        deposits=view.deposits,
        withdrawals=view.withdrawals,
        state=view.state,
        height=view.height,
        destination_cooling_s=view.destination_cooling_s,
    )


def address(issued: IssuedAddress, coins: Coins) -> AddressReply:
    """An address to pay to, with what the configuration says of the currency."""
    view, info = issued.view, coins.info(issued.view.currency)
    return AddressReply(
        currency=view.currency,
        address=view.address,
        uri=issued.uri,
        network=info.network,
        confirmations_required=info.confirmations_required,
        minimum_deposit=coins.display(view.currency, info.minimum_deposit),
        created_at=moment(view.created_at),
    )


def balance(view: BalanceView, coins: Coins) -> BalanceReply:
    """One client's balance in one currency."""
    name = view.currency
    return BalanceReply(
        currency=name,
        available=coins.display(name, view.available),
        withdrawable=coins.display(name, view.withdrawable),
        reserved=coins.display(name, view.reserved),
        pending=coins.display(name, view.pending),
        deficit=coins.display(name, view.deficit),
    )


def deposit(view: DepositView, coins: Coins) -> DepositReply:
    """One payment to a client's address."""
    return DepositReply(
        id=view.id,
        client_id=view.client_id,
        currency=view.currency,
        address=view.address,
        amount=coins.display(view.currency, view.amount),
        txid=view.txid,
        explorer_url=coins.explorer_url(view.currency, view.txid),
        output_index=view.output_index,
        block_height=view.block_height,
        block_hash=view.block_hash,
        confirmations=view.confirmations,
        confirmations_required=view.confirmations_required,
        status=view.status,
        reason=view.reason,
        seen_at=moment(view.seen_at),
        credited_at=moment_or_none(view.credited_at),
    )


def case(view: CaseView, coins: Coins) -> CaseReply:
    """Money that credits nobody, with its evidence and history."""
    return CaseReply(
        id=view.id,
        kind=view.kind,
        currency=view.currency,
        amount=coins.display(view.currency, view.amount),
        txid=view.txid,
        position=view.position,
        deposit_id=view.deposit_id,
        client_id=view.client_id,
        address=view.address,
        status=view.status,
        reason=view.reason,
        block_height=view.block_height,
        block_hash=view.block_hash,
        confirmations=view.confirmations,
        actions=list(view.actions),
        withdrawal_id=view.withdrawal_id,
        created_at=moment(view.created_at),
        history=[
            CaseEntryReply(action=h.action, status=h.status, at=moment(h.at), by=h.by, reason=h.reason)
            for h in view.history
        ],
    )


def transfer(view: TransferView, coins: Coins) -> TransferReply:
    """Money moved inside the books."""
    return TransferReply(
        id=view.id,
        external_id=view.external_id,
        source=view.source,
        target=view.target,
        currency=view.currency,
        amount=coins.display(view.currency, view.amount),
        reason=view.reason,
        created_at=moment(view.created_at),
    )


def event(view: EventView, coins: Coins) -> EventReply:
    """One line of the feed, its object as GET returns it."""
    return EventReply(
        id=view.id,
        sequence=view.sequence,
        type=view.type,
        occurred_at=moment(view.occurred_at),
        data=event_data(view, coins),
    )


def client_event(view: EventView, coins: Coins) -> EventReply:
    """The same for the client it is about: a withdrawal as its own GET returns it."""
    shown = event(view, coins)
    if not view.type.startswith("withdrawal."):
        return shown
    data = {name: shown.data[name] for name in ClientWithdrawalReply.model_fields}
    return shown.model_copy(update={"data": data})


def event_data(view: EventView, coins: Coins) -> dict[str, Any]:
    """The object an event tells of; kinds that no GET returns are rendered by the names of their members."""
    kind = view.type.partition(".")[0]
    if kind == "address":
        return _address_event(view.data, coins)
    renderer = _RENDERERS.get(kind)
    if renderer is None:
        return _plain(view.data, coins)
    return renderer(view.data, coins).model_dump(by_alias=True)


def _deposit_event(data: Mapping[str, Any], coins: Coins) -> Model:
    return deposit(DepositView(**data), coins)


def _transfer_event(data: Mapping[str, Any], coins: Coins) -> Model:
    return transfer(TransferView(**data), coins)


def _currency_event(data: Mapping[str, Any], coins: Coins) -> Model:
    return currency(CurrencyView(**data))


_RENDERERS: Mapping[str, Callable[[Mapping[str, Any], Coins], Model]] = {
    "deposit": _deposit_event,
    "withdrawal": withdrawal_event,
    "transfer": _transfer_event,
    "currency": _currency_event,
}


def _plain(data: Mapping[str, Any], coins: Coins) -> dict[str, Any]:
    """Amounts and times are known by the names of their members; everything else is given as it is."""
    name = data.get("currency")
    return {key: _value(key, value, name, coins) for key, value in data.items()}


def _value(key: str, value: Any, name: Any, coins: Coins) -> Any:
    """One member of an object in the currency ``name``; the lines of an object are in its currency."""
    if key in _AMOUNTS and isinstance(value, int) and isinstance(name, str):
        return coins.display(name, value)
    if (key == "at" or key.endswith("_at")) and isinstance(value, int):
        return moment(value)
    if isinstance(value, list):
        return [
            {k: _value(k, v, name, coins) for k, v in item.items()} if isinstance(item, dict) else item
            for item in value
        ]
    return value


def _address_event(data: Mapping[str, Any], coins: Coins) -> dict[str, Any]:
    """An address with its client; its URI is made where the address is asked for."""
    info = coins.info(data["currency"])
    return {
        "client_id": data["client_id"],
        "currency": data["currency"],
        "address": data["address"],
        "network": info.network,
        "confirmations_required": info.confirmations_required,
        "minimum_deposit": coins.display(data["currency"], info.minimum_deposit),
        "created_at": moment(data["created_at"]),
    }
