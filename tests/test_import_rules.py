"""Who may know whom: seven rooms, arrows downward only, outside packages each in their place."""

from __future__ import annotations

import sys

import pytest

from tests.source import ROOMS, Module, imports, listed, modules, room_modules

# A name allows itself and everything below it. A room may always import itself.
OURS: dict[str, tuple[str, ...]] = {
    "gateway": (
        "actors.messages",
        "actors.directory",
        "actors.errors",
        "coins.types",
        "coins.amounts",
        "config.schema",
        "monitoring",
    ),
    "actors": (
        "ledger",
        "coins.types",
        "coins.amounts",
        "coins.chain",
        "coins.errors",
        "coins.family",
        "coins.registry",
        "config.schema",
        "monitoring",
    ),
    "ledger": ("coins.types", "coins.amounts"),
    "coins": ("config.schema",),
    "monitoring": (),
    "config": (),
}
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "gateway": ("aiohttp", "pydantic", "jinja2", "markupsafe", "segno", "multidict"),
    "actors": ("pykka",),
    "ledger": (),
    "coins": (
        "aiohttp",
        "coincurve",
        "eth_account",
        "eth_hash",
        "eth_keys",
        "eth_utils",
        "msgspec",
        "pyrage",
    ),
    "monitoring": ("prometheus_client", "structlog"),
    "config": ("pydantic", "pydantic_core"),
}
# Where more is allowed, and only there: the start of a module's name, what it may import beside its room's.
PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("actors.notifier", ("aiohttp",)),
    ("actors.webhook", ("aiohttp",)),
    ("ledger.connection", ("sqlite3",)),
    ("ledger.store", ("sqlite3",)),
    ("ledger.migrate", ("sqlite3",)),
    ("ledger.context", ("sqlite3",)),  # the one SQL transaction that is handed to each handler
    ("ledger.coin_row", ("sqlite3",)),
    ("ledger.read", ("sqlite3", "aiosqlite")),
    ("monitoring.exporter", ("aiohttp",)),  # its port answers on the same event loop
    ("coins.bitcoin", ("bitcoinlib",)),
    ("coins.evm", ("web3", "hexbytes", "eth_abi", "eth_typing")),
)
GUARDED_STDLIB = frozenset({"sqlite3"})
PURE = (
    "coins.types",
    "coins.amounts",
    "coins.chain",
    "ledger.commands",
    "ledger.queries",
    "ledger.views",
    "ledger.errors",
)


def _allows(allowed: tuple[str, ...], name: str) -> bool:
    return any(name == entry or name.startswith(entry + ".") for entry in allowed)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _extra(module: Module) -> tuple[str, ...]:
    return tuple(
        package for start, packages in PLACES if module.name.startswith(start) for package in packages
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_below_it(room: str) -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in room_modules(room)
        for name, line in imports(module)
        if _top(name) in (*ROOMS, "run", "tests") and _top(name) != room and not _allows(OURS[room], name)
    ]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_an_outside_package_is_used_only_in_its_place(room: str) -> None:
    wrong = []
    for module in room_modules(room):
        allowed = (*THIRD_PARTY[room], *_extra(module))
        for name, line in imports(module):
            ours_or_stdlib = _top(name) in (*ROOMS, "run", "tests") or _top(name) in sys.stdlib_module_names
            if (not ours_or_stdlib or _top(name) in GUARDED_STDLIB) and not _allows(allowed, name):
                wrong.append(f"{module.path}:{line} imports {name}")
    assert not wrong, listed(wrong)


def test_a_pure_module_imports_the_standard_library_and_pure_modules_only() -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in room_modules()
        if module.is_pure
        for name, line in imports(module)
        if not (
            (_top(name) in sys.stdlib_module_names and _top(name) not in GUARDED_STDLIB)
            or (name in modules() and modules()[name].is_pure)
        )
    ]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("name", PURE)
def test_the_core_says_that_it_is_pure(name: str) -> None:
    assert modules()[name].is_pure, f"the docstring of {modules()[name].path} does not say 'Pure.'"


def test_no_module_imports_itself_round_a_ring() -> None:
    known = {module.name for module in (*room_modules(), *room_modules("tests"))}
    graph = {
        name: sorted({target for target, _ in imports(modules()[name], at_run_time=True) if target in known})
        for name in known
    }
    ring = _ring(graph)
    assert not ring, " → ".join(ring)


def _ring(graph: dict[str, list[str]]) -> list[str]:
    """Return one ring of the graph as a list of names, empty when there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        path: list[str] = []
        stack = [(start, iter(graph[start]))]
        while stack:
            name, targets = stack[-1]
            if name not in path:
                path.append(name)
            following = next((target for target in targets if target not in done), None)
            if following is None:
                done.add(path.pop())
                stack.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            else:
                stack.append((following, iter(graph[following])))
    return []


def test_a_ring_is_found() -> None:
    assert _ring({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert _ring({"a": ["b", "c"], "b": ["c"], "c": []}) == []
