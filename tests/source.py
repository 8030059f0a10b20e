"""The project's own source as data: files, syntax trees, who imports whom. For the tests of its shape."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("actors", "gateway", "coins", "ledger", "monitoring", "config")


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the root, its dotted name, its syntax tree."""

    path: str
    name: str
    tree: ast.Module
    text: str

    @property
    def room(self) -> str:
        """The first part of the name: a room, `tests` or `run`."""
        return self.name.partition(".")[0]

    @property
    def is_pure(self) -> bool:
        """Whether the first paragraph of its docstring says so, with the word "Pure."."""
        return "Pure." in (ast.get_docstring(self.tree) or "").partition("\n\n")[0]


@cache
def files() -> tuple[str, ...]:
    """Return the paths under version control, and those that would be with the next `git add`."""
    # A checkout may belong to another user than the one who runs the tests, as in a container.
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (REPOSITORY / path).is_file()))


@cache
def modules() -> dict[str, Module]:
    """Return every Python file of the project by its dotted name."""
    found = {}
    for path in files():
        if path.endswith(".py"):
            text = (REPOSITORY / path).read_text("utf-8")
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            found[name] = Module(path, name, ast.parse(text, path), text)
    return found


def room_modules(*rooms: str) -> list[Module]:
    """Return the modules of some rooms, of all six when none is named."""
    return [module for module in modules().values() if module.room in (rooms or ROOMS)]


def imports(module: Module, at_run_time: bool = False) -> Iterator[tuple[str, int]]:
    """Yield what a module imports, wherever in it, with the line; submodules named as far as they are known.

    An import by name (`importlib.import_module("…")`) counts as well.
    `from coins import types` is `coins.types` when that is a module of ours. With `at_run_time`, what
    stands below `if TYPE_CHECKING:` does not count: it is read by the type checker alone.
    """
    unseen = _for_types_only(module.tree) if at_run_time else frozenset()
    for node in ast.walk(module.tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                is_package = module.path.endswith("/__init__.py")
                parts = module.name.split(".")
                kept = parts[: len(parts) - node.level + is_package]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                yield (deeper if deeper in modules() else base), node.lineno
        elif isinstance(node, ast.Call) and call_name(node) in ("importlib.import_module", "import_module"):
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value, node.lineno


def _for_types_only(tree: ast.Module) -> frozenset[ast.AST]:
    """Return the nodes below `if TYPE_CHECKING:`."""
    return frozenset(
        below
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for step in node.body
        for below in ast.walk(step)
    )


def listed(findings: list[str]) -> str:
    """Return findings one per line, for the text of a failed assertion."""
    return "\n".join(["", *findings])


def call_name(node: ast.Call) -> str:
    """Return the dotted name a call is written with, empty when it has none."""
    parts: list[str] = []
    target: ast.expr = node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    return ".".join([target.id, *reversed(parts)]) if isinstance(target, ast.Name) else ""
