"""What can go wrong with the real nodes.

NodesError
├── FetchError          a node's program could not be brought here
├── NodeStartError      a node did not become ready in time, or ended
└── RpcError            a node answered a call with an error
"""

from __future__ import annotations


class NodesError(Exception):
    """Base of all errors of this package; its text is one line for a person."""


class FetchError(NodesError):
    """A node's program is not here and could not be fetched; the text names what helps."""


class NodeStartError(NodesError):
    """A node ended or did not answer within the bound; the text carries the end of its log."""


class RpcError(NodesError):
    """A JSON-RPC error answer.

    Attributes:
        code: the node's number, e.g. -26 for a transaction refused by the mempool.
        message: the node's own words.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
