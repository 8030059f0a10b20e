"""Handlers stay thin: one ask, no arithmetic, no decision on a state; kept by looking at them."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest

from gateway.api import Route
from gateway.routes import ROUTES

STATEMENTS_MAX = 10
PLAIN = [route for route in ROUTES if not route.is_stream and not route.formats]
"""Not what reads page by page, as long as its caller does: it asks as often as there are pages."""


def tree_of(route: Route) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(route.handler))).body[0]


@pytest.mark.parametrize("route", PLAIN, ids=lambda route: route.name)
def test_a_handler_is_thin(route: Route) -> None:
    tree = tree_of(route)
    assert isinstance(tree, ast.AsyncFunctionDef)
    assert sum(isinstance(node, ast.stmt) for node in ast.walk(tree)) - 2 <= STATEMENTS_MAX
    asks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "ask"
    ]
    assert len(asks) == (0 if route.name in ("get_client_session", "get_operator_session") else 1)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_handler_neither_counts_nor_decides(route: Route) -> None:
    tree = tree_of(route)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.BinOp | ast.AugAssign)]
    tested = [ast.unparse(node.test) for node in ast.walk(tree) if isinstance(node, ast.If | ast.IfExp)]
    assert not [text for text in tested if "status" in text or "state" in text or "amount" in text]
