"""Refusals and faults of the books. Pure.

    DomainError                     a refusal: ``code`` is stable, ``detail`` is for people
    ├─ InsufficientFundsError       insufficient_funds
    ├─ BelowMinimumError            below_minimum
    ├─ AboveMaximumError            above_maximum
    ├─ LimitExceededError           limit_exceeded
    ├─ ForbiddenAddressError        forbidden_address
    ├─ AddressRefusedError          invalid_address, or wrong_network where the code says so
    ├─ ExternalIdUsedError          external_id_used; carries ``existing_id``
    ├─ IdempotencyKeyReusedError    idempotency_key_reused
    ├─ NonceUsedError               nonce_used
    ├─ NotCancellableError          not_cancellable
    ├─ NotHeldError                 not_held
    ├─ NotFoundError                not_found
    ├─ CurrencyClosedError          currency_closed
    ├─ UnknownCurrencyError         unknown_currency
    ├─ CurrencyUnavailableError     currency_unavailable
    ├─ SessionInvalidError          session_invalid
    ├─ LoginLockedError             login_locked; carries ``wait_s``
    ├─ LastAdminError               last_admin
    ├─ TooManyAddressesError        too_many_addresses
    ├─ SameAccountError             same_account
    ├─ InvalidClientError           invalid_client_id
    ├─ AlreadyExistsError           already_exists
    ├─ InvalidCursorError           invalid_cursor
    ├─ ReconciliationBusyError      reconciliation_busy
    ├─ CaseDecidedError             case_decided
    ├─ ActionNotAllowedError        action_not_allowed
    ├─ NotConfirmedError            not_confirmed
    ├─ NotReversibleError           not_reversible
    ├─ ImportRefusedError           import_refused; carries ``rows``
    ├─ InvalidMonthError            invalid_month
    ├─ PeriodNotClosableError       period_not_closable
    └─ ActorRefusalError            meant for an actor, never for a caller outside
       ├─ ParentMismatchError       parent_mismatch: the delta does not continue our tip
       ├─ StaleAddressesError       stale_addresses: scan again with the newer scripts
       ├─ BlockRefusedError         block_refused: impossible numbers or movements, halt the coin
       ├─ ReorgTooDeepError         reorg_too_deep: would undo what is final, halt the coin
       ├─ InputsTakenError          inputs_taken: plan again
       ├─ IllegalTransitionError    illegal_transition: the state table forbids it
       ├─ PayoutsHeldError          payouts_held: approved, but nothing may leave now
       └─ IdentityChangedError      identity_changed: a currency is not what it was registered as

    LedgerError                     a fault: nobody's wish, somebody must look
    ├─ LedgerCorruptError           an invariant of the books is broken: never restarted over
    └─ StoreError                   the database as a file
       ├─ StoreUnavailableError     disk full or failing: nothing was changed, try again later
       ├─ StoreLockedError          another server has this database open
       ├─ StoreOpenError            the file cannot be opened or is no database of ours
       └─ MigrationError            the schema is not one this program can take over

A refusal is an answer, not a fault: the actor that gives it lives on, nothing was changed by the
refused message, and the asker gets exactly this exception.
"""

from __future__ import annotations

from dataclasses import dataclass


class DomainError(Exception):
    """A refusal with a stable ``code`` in lower snake case and a ``detail`` that names what is wrong.

    A subclass fixes its code as a class attribute; the base takes it as an argument. ``detail`` may be
    shown to a client: it holds no secret and no internals.
    """

    code: str = "refused"

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        """Refuse with ``detail``; ``code`` overrides the class's own."""
        if code is not None:
            self.code = code
        self.detail = detail
        super().__init__(f"{self.code}: {detail}" if detail else self.code)


class InsufficientFundsError(DomainError):
    """The client's available balance does not cover it, or not what of it may leave already."""

    code = "insufficient_funds"


class BelowMinimumError(DomainError):
    """Less than the currency's minimum."""

    code = "below_minimum"


class AboveMaximumError(DomainError):
    """More than the currency's maximum."""

    code = "above_maximum"


class LimitExceededError(DomainError):
    """A cap of the session or a rolling limit would be passed."""

    code = "limit_exceeded"


class ForbiddenAddressError(DomainError):
    """An address of our own must not be paid."""

    code = "forbidden_address"


class AddressRefusedError(DomainError):
    """A text that is no address to pay; ``code="wrong_network"`` when it is one of another network."""

    code = "invalid_address"


class ExternalIdUsedError(DomainError):
    """The website used this ``external_id`` before; ``existing_id`` is the object it made then."""

    code = "external_id_used"

    def __init__(self, detail: str = "", *, existing_id: str) -> None:
        """Refuse and name the object that holds the id."""
        super().__init__(detail)
        self.existing_id = existing_id


class IdempotencyKeyReusedError(DomainError):
    """The idempotency key came before with another request."""

    code = "idempotency_key_reused"


class NonceUsedError(DomainError):
    """The signature nonce was spent before."""

    code = "nonce_used"


class NotCancellableError(DomainError):
    """The withdrawal is signed or at its end."""

    code = "not_cancellable"


class NotHeldError(DomainError):
    """The withdrawal does not wait for an approval, or not any more."""

    code = "not_held"


class ApprovalRefusedError(DomainError):
    """An approval that does not count; ``code`` says why."""

    code = "payment_changed"


class NotStoppedError(DomainError):
    """Payouts are not stopped, so they cannot be started."""

    code = "not_stopped"


class NotFoundError(DomainError):
    """There is no such object, or it is somebody else's."""

    code = "not_found"


class CurrencyClosedError(DomainError):
    """Deposits or withdrawals of the currency are closed by configuration or state."""

    code = "currency_closed"


class UnknownCurrencyError(DomainError):
    """No such currency is registered."""

    code = "unknown_currency"


class CurrencyUnavailableError(DomainError):
    """The currency's node is down, behind or disagrees; try again later."""

    code = "currency_unavailable"


class SessionInvalidError(DomainError):
    """The code or token is unknown, used, expired or ended."""

    code = "session_invalid"


class LoginLockedError(DomainError):
    """Too many failed logins of this name or from this address; ``wait_s`` seconds are left."""

    code = "login_locked"

    def __init__(self, detail: str, *, wait_s: int) -> None:
        """Refuse and say for how long."""
        super().__init__(detail)
        self.wait_s = wait_s


class LastAdminError(DomainError):
    """Nobody who may make operators would be left."""

    code = "last_admin"


class TooManyAddressesError(DomainError):
    """The client has as many addresses of the currency as are allowed."""

    code = "too_many_addresses"


class SameAccountError(DomainError):
    """A transfer from an account to itself."""

    code = "same_account"


class InvalidClientError(DomainError):
    """A text that no client may be called: of other signs, too long, or the reserved ``house``."""

    code = "invalid_client_id"


class AlreadyExistsError(DomainError):
    """An object with this id exists and is another one."""

    code = "already_exists"


class InvalidCursorError(DomainError):
    """The cursor of a list is not one we gave."""

    code = "invalid_cursor"


class CaseDecidedError(DomainError):
    """The case is not open: somebody decided it, or its payment is no longer in the chain."""

    code = "case_decided"


class ActionNotAllowedError(DomainError):
    """This cannot be done with money of this kind, or not with what it is now."""

    code = "action_not_allowed"


class NotConfirmedError(DomainError):
    """The payment is not deep enough in the chain for this decision."""

    code = "not_confirmed"


class NotReversibleError(DomainError):
    """The adjustment is not posted, was reversed already, or is a reversal itself."""

    code = "not_reversible"


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row of a sheet, whose header is row 1; an empty ``column``: with all of it."""

    number: int
    column: str
    message: str


class ImportRefusedError(DomainError):
    """Rows of an import are wrong; ``rows`` names each with its column."""

    code = "import_refused"

    def __init__(self, rows: tuple[RowError, ...]) -> None:
        """Refuse with every error at once."""
        super().__init__("nothing was booked")
        self.rows = rows


class ReconciliationBusyError(DomainError):
    """The chain moved on during each try to compare it with the books, or others are being compared."""

    code = "reconciliation_busy"


class InvalidMonthError(DomainError):
    """Not a month as ``YYYY-MM``."""

    code = "invalid_month"


class PeriodNotClosableError(DomainError):
    """The month is not over, not the next one or not deep enough, or the chain was not asked or differs by
    more than cases explain."""

    code = "period_not_closable"


class ActorRefusalError(DomainError):
    """A refusal that tells an actor to look again; a caller outside never sees it."""


class ParentMismatchError(ActorRefusalError):
    """The delta does not continue the ledger's tip, or undoes what is not on it."""

    code = "parent_mismatch"


class StaleAddressesError(ActorRefusalError):
    """A script of the chain was issued that the scan did not know."""

    code = "stale_addresses"


class BlockRefusedError(ActorRefusalError):
    """A block says something impossible; nothing of the delta was booked. The coin must halt."""

    code = "block_refused"


class ReorgTooDeepError(ActorRefusalError):
    """The delta would undo the anchor or something final. The coin must halt and a human decide."""

    code = "reorg_too_deep"


class InputsTakenError(ActorRefusalError):
    """An input or the nonce of the plan is reserved or spent by now."""

    code = "inputs_taken"


class PayoutsHeldError(ActorRefusalError):
    """There are approved withdrawals, but nothing may leave the house now.

    ``waiting_for`` is what they wait for, in the words of the contract: ``node`` or ``funds``.
    """

    code = "payouts_held"

    def __init__(self, detail: str, *, waiting_for: str) -> None:
        """Refuse and say what is waited for."""
        super().__init__(detail)
        self.waiting_for = waiting_for


class IllegalTransitionError(ActorRefusalError):
    """The object's state does not allow the step."""

    code = "illegal_transition"


class IdentityChangedError(ActorRefusalError):
    """The currency's network, keys or decimals are not those it was registered with."""

    code = "identity_changed"


class LedgerError(Exception):
    """Base of the faults of the books; the text names what is wrong."""


class LedgerCorruptError(LedgerError):
    """An invariant of the books does not hold; work on them must stop."""


class StoreError(LedgerError):
    """Base of the faults of the database as a file."""


class StoreUnavailableError(StoreError):
    """The disk is full or fails. The batch was rolled back whole; later ones may succeed."""


class StoreLockedError(StoreError):
    """Another process holds the lock file of this database."""


class StoreOpenError(StoreError):
    """The database cannot be opened; one line says why."""


class MigrationError(StoreError):
    """The schema in the database is newer than, or differs from, what this program knows."""
