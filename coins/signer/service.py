"""What the signer answers to one request. No sockets here; keys stay inside.

A request is one JSON object on one line, ``{"id", "op", …}``; the reply is ``{"id", "ok": true, …}``
or ``{"id", "ok": false, "code", "reason"}``. Codes: ``bad_request``, ``unknown_currency``,
``refused`` (not as planned, or above a cap), ``internal``. No reply holds a secret.

| op | fields | reply |
|---|---|---|
| ping | | |
| reload | | |
| account_xpub | currency, account | xpub |
| sign | plan (text of ``coins.codec``) | txid, raw |
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from coins.codec import decode_plan
from coins.errors import SignerError
from coins.failpoint import failpoint
from coins.signer.entry import STAYS, entry_of
from coins.signer.errors import KeystoreError
from coins.signer.keystore import open_keystore
from coins.signer.limits import Caps, RequestRate, check_fee
from coins.signer.record import SignedRecord
from coins.types import CONSOLIDATE, CPFP, AttemptPlan, SignedTx
from config.schema import BitcoinCoinSettings, CoinSettings, EvmCoinSettings, SignerSettings, TokenSettings

Coins = Mapping[str, BitcoinCoinSettings | EvmCoinSettings]
"""The currencies whose keys the seed holds, by name."""

STAYS_OF = {"evm": frozenset({"sweep", "cancel"}), "bitcoin": frozenset({CPFP, CONSOLIDATE})}
"""Kinds by family whose ``sign_plan`` proves that they stay in the house: a sweep goes to the hot account, a
cancel pays nobody, a child pays change back to the script it lies on, small outputs become one change."""
ACCOUNT_MAX = 1
"""Accounts whose public key is given: 0 deposits, 1 hot."""


class FamilySigner(Protocol):
    """What a family's ``sign`` module gives."""

    def account_xpub(self, seed: bytes, settings: CoinSettings, account: int) -> str:
        """Extended public key of a hardened account."""

    def sign_plan(
        self, seed: bytes, settings: CoinSettings, plan: AttemptPlan, hot_secret: bytes = b""
    ) -> SignedTx:
        """Sign exactly this plan or raise SignerError. ``hot_secret`` is the key of its keystore, if any."""


class _RefusalError(Exception):
    """A named code and a reason fit for the asker."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def family_signer(family: str) -> FamilySigner:
    """The ``sign`` module of a family, imported on demand."""
    return cast(FamilySigner, importlib.import_module(f"coins.{family}.sign"))


class SignerService:
    """Holds the seed and answers requests, one at a time.

    ``read_coins`` reads the currencies from the configuration; it is called at once, for ``reload``,
    and for a currency that is not known yet, since one may be enabled while the signer runs. It
    raises SignerError for a configuration with an error, which then changes nothing.
    """

    def __init__(
        self,
        seed: bytes,
        read_coins: Callable[[], Coins],
        settings: SignerSettings,
        rate: RequestRate,
        record: SignedRecord,
    ) -> None:
        self._seed = seed
        self._read_coins = read_coins
        self._opened: dict[tuple[Path, str, str], bytes] = {}
        self._coins: Coins = {}
        self._reload()
        self._settings = settings
        self._rate = rate
        self._record = record

    def answer(self, line: bytes) -> bytes:
        """Reply line (with its newline) to a request line. Never raises."""
        number: int | None = None
        try:
            request = _parse(line)
            number = request.get("id") if type(request.get("id")) is int else None
            reply: dict[str, Any] = {"id": number, "ok": True, **self._dispatch(request)}
        except _RefusalError as refusal:
            reply = {"id": number, "ok": False, "code": refusal.code, "reason": str(refusal)}
        except (SignerError, KeystoreError) as error:
            reply = {"id": number, "ok": False, "code": "refused", "reason": str(error)}
        except Exception as error:  # noqa: BLE001 - a text of unknown origin might hold a key: only its type is told
            reply = {"id": number, "ok": False, "code": "internal", "reason": type(error).__name__}
        return json.dumps(reply, separators=(",", ":")).encode() + b"\n"

    def _dispatch(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run one operation."""
        match request.get("op"):
            case "ping":
                return {}
            case "reload":
                self._reload()
                return {}
            case "account_xpub":
                return self._account_xpub(request)
            case "sign":
                return self._sign(request)
            case _:
                raise _RefusalError("bad_request", "unknown operation")

    def _account_xpub(self, request: dict[str, Any]) -> dict[str, Any]:
        """Public key of an account."""
        settings = self._coin(request.get("currency"))
        account = request.get("account")
        if type(account) is not int or not 0 <= account <= ACCOUNT_MAX:
            raise _RefusalError("bad_request", "account is 0 or 1")
        return {"xpub": family_signer(settings.family).account_xpub(self._seed, settings, account)}

    def _sign(self, request: dict[str, Any]) -> dict[str, Any]:
        """Check the plan against the record and the caps, have the family sign it, remember it.

        A plan that was signed before gives the same bytes again and counts once.
        """
        plan = _plan(request.get("plan"))
        failpoint("signer.asked")
        settings = self._coin(plan.currency)
        if plan.kind in STAYS and plan.kind not in STAYS_OF[settings.family]:
            raise SignerError(f"{settings.currency} has no {plan.kind}")
        if len(plan.inputs) > self._settings.inputs_max:
            raise SignerError(f"more than {self._settings.inputs_max} inputs")
        least = 0 if plan.kind == "cancel" else 1
        if any(output.amount < least for output in plan.outputs) or plan.fee < 0:
            raise SignerError("the plan has an amount that is not positive")
        self._rate.count()
        entry = entry_of(plan, settings.currency, self._record.now_s())
        is_new = not self._record.memory.knows(entry)
        if is_new:
            self._record.memory.check(entry, plan.currency, _caps_of(settings, plan.currency))
            if plan.currency == settings.currency:
                check_fee(plan, settings.signer_fee_percent_max, settings.plain_fee_max)
        signed = self._signed(settings, plan)
        failpoint("signer.signed")
        if is_new:
            self._record.append(entry)
        failpoint("signer.recorded")
        return {"txid": signed.txid, "raw": signed.raw}

    def _coin(self, currency: object) -> BitcoinCoinSettings | EvmCoinSettings:
        """Settings of an enabled chain whose keys the seed holds, by its own currency or a token's."""
        if not isinstance(currency, str):
            raise _RefusalError("unknown_currency", "a currency is a text")
        settings = self._chain_of(currency)
        if settings is None:
            self._reload()
            settings = self._chain_of(currency)
        if settings is None:
            raise _RefusalError("unknown_currency", "no such currency is enabled")
        return settings

    def _chain_of(self, currency: str) -> BitcoinCoinSettings | EvmCoinSettings | None:
        """The chain a currency is on, None for one that is not known."""
        if currency in self._coins:
            return self._coins[currency]
        found = (coin for coin in self._coins.values() if _token_of(coin, currency) is not None)
        return next(found, None)

    def _signed(self, settings: BitcoinCoinSettings | EvmCoinSettings, plan: AttemptPlan) -> SignedTx:
        """The family's signature, with the key of a keystore where the hot account is not the seed's."""
        sign_plan = family_signer(settings.family).sign_plan
        place = _keystore_of(settings)
        if place is None:
            return sign_plan(self._seed, settings, plan)
        return sign_plan(self._seed, settings, plan, self._opened[place])

    def _reload(self) -> None:
        """Read the currencies anew, and open keystores that are new. Raises SignerError, SignerStartError."""
        coins = self._read_coins()
        for place in filter(None, map(_keystore_of, coins.values())):
            if place not in self._opened:
                self._opened[place] = open_keystore(*place)
        self._coins = coins


def _keystore_of(settings: BitcoinCoinSettings | EvmCoinSettings) -> tuple[Path, str, str] | None:
    """File, passphrase and address of the hot account's keystore, None where the seed has its key."""
    if not isinstance(settings, EvmCoinSettings) or settings.hot_keystore is None:
        return None
    if settings.hot_keystore_passphrase is None or settings.hot_address is None:
        raise SignerError(f"{settings.currency}: a keystore needs its passphrase and its address")
    return (
        settings.hot_keystore,
        settings.hot_keystore_passphrase.get_secret_value(),
        settings.hot_address,
    )


def _token_of(settings: BitcoinCoinSettings | EvmCoinSettings, currency: str) -> TokenSettings | None:
    """The token of that name on a chain; it has caps of its own."""
    return settings.token_of(currency) if isinstance(settings, EvmCoinSettings) else None


def _caps_of(settings: BitcoinCoinSettings | EvmCoinSettings, currency: str) -> Caps:
    """The caps of a currency, and of its chain's fees: in a day no more than one payout may be."""
    own = _token_of(settings, currency) or settings
    hour, fees = own.signer_hour_cap, settings.signer_fee_day_cap
    return Caps(
        tx=own.signer_tx_cap,
        hour=own.signer_day_cap if hour is None else hour,
        day=own.signer_day_cap,
        fees=settings.signer_tx_cap if fees is None else fees,
    )


def _parse(line: bytes) -> dict[str, Any]:
    """The JSON object of a line."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise _RefusalError("bad_request", "no JSON") from None
    if not isinstance(request, dict):
        raise _RefusalError("bad_request", "no JSON object")
    return request


def _plan(text: object) -> AttemptPlan:
    """The plan of a sign request."""
    if not isinstance(text, str):
        raise _RefusalError("bad_request", "plan is a text")
    try:
        return decode_plan(text)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise _RefusalError("bad_request", "plan has not the form of a plan") from None
