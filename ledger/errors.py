"""Refusals: what the cashier answers when it understood a request and will not do it. Pure.

    DomainError            base; ``code`` is stable and may be relied on, ``detail`` is for people

A refusal is an answer, not a fault: the actor that gives it lives on, nothing was changed by the
refused message, and the asker gets exactly this exception.
"""

from __future__ import annotations


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
