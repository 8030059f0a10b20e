"""What can go wrong between two actors.

    ActorError
    ├─ DeliveryError              an ask brought no answer
    │  ├─ NotDelivered            certainly not executed: may be sent again
    │  │  ├─ Unavailable          the receiver is down, gone, or too many already wait for it
    │  │  │  └─ ReceiverGone      it died with the message still unstarted in its inbox
    │  │  ├─ InboxFull            the receiver has too much to do
    │  │  └─ DeadlineBeforeStart  the deadline passed while the message waited
    │  └─ OutcomeUnknown          may have been executed: only again with the same idempotency key
    │     └─ DeadlineAfterStart   the deadline passed while the message was being executed
    ├─ WiringError                a fault of the program, never of its surroundings
    │  ├─ BlockingCallInLoop      a blocking wait on the thread that runs the loop
    │  ├─ AskCycleError           the ask would wait for itself
    │  ├─ LayerError              an ask that goes up the layers
    │  └─ ReplyError              a handler that broke the rules of deferred replies
    ├─ CancelledByOtherError      something the actor waited for was cancelled by another
    ├─ KilledError                ended from outside
    │  └─ HungError               … because it did not answer the watchdog
    ├─ StartTimeoutError          not ready within its bound
    └─ EscalateError              a supervisor gave up; its own supervisor decides

A refusal (``ledger.errors.DomainError``) is not in this tree: it is an answer.
"""

from __future__ import annotations

from pykka import ActorDeadError


class ActorError(Exception):
    """Base of everything the runtime raises."""


class DeliveryError(ActorError):
    """An ask that brought no answer; the two subclasses say whether it may have been executed."""


class NotDelivered(DeliveryError):  # noqa: N818 - an outcome, named as callers speak of it
    """The message was certainly not executed; sending it again is safe."""


class Unavailable(NotDelivered, ActorDeadError):  # noqa: N818 - an outcome, named as callers speak of it
    """The receiver is down, gone for good, shutting down, or too many callers wait for it already."""


class ReceiverGone(Unavailable):
    """The receiver died or stopped with the message still unstarted in its inbox."""


class InboxFull(NotDelivered):
    """The receiver's inbox is at its limit; come back later."""


class DeadlineBeforeStart(NotDelivered):
    """The deadline passed before the receiver began with the message; it never will."""


class OutcomeUnknown(DeliveryError):  # noqa: N818 - an outcome, named as callers speak of it
    """The receiver had begun with the message and no answer came; it may have been executed."""


class DeadlineAfterStart(OutcomeUnknown):
    """The deadline passed while the message was being executed; it runs to its end unheard."""


class WiringError(ActorError):
    """The program is put together wrongly; retrying cannot help."""


class BlockingCallInLoop(WiringError):  # noqa: N818 - named after what was tried
    """A blocking wait on the thread that runs an event loop would freeze every actor on it."""


class AskCycleError(WiringError):
    """The ask would close a ring of actors that wait for each other."""


class LayerError(WiringError):
    """Asks go down the layers only; upwards use ``tell``."""


class ReplyError(WiringError):
    """A handler returned ``NO_REPLY`` without ``defer()``, or deferred and answered as well."""


class ColdAddressError(ActorError):
    """The configured cold address is not one that money may be moved to."""


class CancelledByOtherError(ActorError):
    """Something an actor awaited was cancelled by somebody else than the one who ends the actor."""


class KilledError(ActorError):
    """The actor was ended from outside without being asked."""


class HungError(KilledError):
    """The actor did not answer its supervisor's ping within the bound and was killed."""


class StartTimeoutError(ActorError):
    """The actor was not ready within its start bound and was killed."""


class EscalateError(ActorError):
    """A supervisor gave up, or an actor met a fault that no restart can mend.

    ``is_final``: a broken invariant; every supervisor above gives up as well, up to the process or to a
    ``temporary`` child, which is then halted.
    """

    def __init__(self, detail: str, *, is_final: bool = False) -> None:
        """Say what was given up and why."""
        super().__init__(detail)
        self.is_final = is_final
