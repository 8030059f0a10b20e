"""Questions about keys, sessions, currencies, addresses and balances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import accounts
from ledger.accounts import Part
from ledger.coin_row import COLUMNS, from_row, to_view
from ledger.key import KEY_COLUMNS, to_key
from ledger.maturity import MATURING
from ledger.queries import GetAddress, GetBalances, GetKey, GetSession, ListCurrencies, ListKeys
from ledger.script import ADDRESS_COLUMNS, to_address
from ledger.session import SESSION_COLUMNS, to_session
from ledger.snapshot import Snapshot
from ledger.views import AddressView, BalanceView, CurrencyView, KeyView, SessionView


def get_key(snapshot: Snapshot, query: GetKey) -> KeyView | None:
    """A key by the hash of its secret; a revoked one is answered too and says so."""
    row = snapshot.db.execute(
        f"SELECT {KEY_COLUMNS} FROM api_key WHERE key_hash = ?",  # nosec B608
        (query.key_hash,),
    ).fetchone()
    return to_key(row) if row else None


def list_keys(snapshot: Snapshot, query: ListKeys) -> tuple[KeyView, ...]:
    """All keys, newest first."""
    rows = snapshot.db.execute(f"SELECT {KEY_COLUMNS} FROM api_key ORDER BY rowid DESC")  # nosec B608
    return tuple(to_key(row) for row in rows)


def get_session(snapshot: Snapshot, query: GetSession) -> SessionView | None:
    """A session by the hash of its token, with its state now."""
    row = snapshot.db.execute(
        f"SELECT {SESSION_COLUMNS} FROM session WHERE token_hash = ?",  # nosec B608
        (query.token_hash,),
    ).fetchone()
    return to_session(row, snapshot.now_s) if row else None


def list_currencies(snapshot: Snapshot, query: ListCurrencies) -> tuple[CurrencyView, ...]:
    """Every configured currency with the height of its chain, by name."""
    rows = snapshot.db.execute(
        f"SELECT {COLUMNS} FROM coin WHERE is_configured = 1 ORDER BY currency"  # nosec B608
    )
    coins = [from_row(row) for row in rows.fetchall()]
    return tuple(to_view(coin, snapshot.height(coin.chain)) for coin in coins)


def get_address(snapshot: Snapshot, query: GetAddress) -> AddressView | None:
    """The newest address of a client in a currency."""
    row = snapshot.db.execute(
        f"SELECT {ADDRESS_COLUMNS} FROM own_script WHERE client_id = ? AND currency = ?"  # nosec B608
        " ORDER BY sequence DESC LIMIT 1",
        (query.client_id, query.currency),
    ).fetchone()
    return to_address(row) if row else None


def get_balances(snapshot: Snapshot, query: GetBalances) -> tuple[BalanceView, ...]:
    """A client's balances by currency. Nothing is withdrawable while a deficit is owed."""
    held = _immature(snapshot, query.client_id)
    parts: dict[str, dict[str, int]] = {}
    for name, balance in snapshot.db.execute(
        "SELECT name, balance FROM account WHERE client_id = ?", (query.client_id,)
    ):
        account = accounts.parse(name)
        if query.currencies is None or account.currency in query.currencies:
            parts.setdefault(account.currency, {})[account.part or account.kind] = int(balance)
    return tuple(
        _balance(query.client_id, currency, parts[currency], held.get(currency, 0))
        for currency in sorted(parts)
    )


def _immature(snapshot: Snapshot, client_id: str) -> dict[str, int]:
    """By currency, what of a client's credits is not deep enough to leave at the tip of its chain."""
    held: dict[str, int] = {}
    for currency, chain, amount, height in snapshot.db.execute(MATURING, (client_id,)).fetchall():
        if height > (snapshot.height(chain) or 0):
            held[currency] = held.get(currency, 0) + int(amount)
    return held


def _balance(client_id: str, currency: str, parts: dict[str, int], held: int) -> BalanceView:
    available = parts.get(Part.AVAILABLE, 0)
    deficit = parts.get("client_deficit", 0)
    return BalanceView(
        client_id=client_id,
        currency=currency,
        available=available,
        withdrawable=0 if deficit else max(0, available - held),
        reserved=parts.get(Part.RESERVED, 0),
        pending=parts.get(Part.PENDING, 0),
        deficit=deficit,
    )


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetKey: get_key,
    ListKeys: list_keys,
    GetSession: get_session,
    ListCurrencies: list_currencies,
    GetAddress: get_address,
    GetBalances: get_balances,
}
