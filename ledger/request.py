"""The base of everything one actor may ask another, with the type of its reply. Pure."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

R = TypeVar("R", covariant=True)


class Request(Generic[R]):
    """A frozen message whose reply has the type ``R``.

    ``receiver`` is the directory name that answers it (``ledger``, ``watcher`` …); where one
    actor runs per currency the name is completed with ``:{currency}`` by the caller.
    """

    receiver: ClassVar[str]
