"""Who may know whom: seven rooms, arrows downward only, outside packages each in their place."""

from __future__ import annotations

import re
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
        "coins.failpoint",
        "coins.family",
        "coins.registry",
        "coins.turns",
        "config.schema",
        "monitoring",
    ),
    "ledger": ("coins.types", "coins.amounts", "coins.failpoint"),
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
# Where more is allowed, and only there: a pattern of the module's whole name, what else it may import.
PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"actors\.(notifier|webhook|rate_source)", ("aiohttp", "yarl")),  # the outgoing HTTP of the actors
    (
        r"actors\.(service|rescan)",
        ("coins.signer",),
    ),  # start the signer
    (
        r"ledger\.(backup|connection|store|migrate|context|reader\w*|\w+_row)",
        ("sqlite3", "aiosqlite"),
    ),  # the store files
    (
        r"ledger\.attempt_row",
        ("coins.codec",),
    ),  # a plan is stored as the very text the signer is shown
    (r"gateway\.password", ("argon2",)),  # the slow hash of what people remember
    (r"gateway\.totp", ("pyotp",)),
    (r"gateway\.(terminal|\w+_commands)", ("typer", "rich")),  # commands that `run.py` takes in
    (r"monitoring\.exporter", ("aiohttp",)),  # its port answers on the same event loop
    (r"coins\.bitcoin(\..*)?", ("bitcoinlib",)),
    (r"coins\.bitcoin\.hint", ("zmq",)),
    (r"coins\.evm(\..*)?", ("hexbytes",)),
    (r"config\.token", ("eth_hash",)),  # the checksum of a contract's address
    (
        r"coins\.signer\.__main__",
        ("config.loader", "config.errors"),
    ),  # a process of its own reads its own settings
)
GUARDED_STDLIB = frozenset({"sqlite3"})
PURE = (
    "coins.place",
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
    return tuple(name for place, names in PLACES if re.fullmatch(place, module.name) for name in names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_below_it(room: str) -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in room_modules(room)
        for name, line in imports(module)
        if _top(name) in (*ROOMS, "run", "tests")
        and _top(name) != room
        and not _allows((*OURS[room], *_extra(module)), name)
    ]
    assert not wrong, listed(wrong)


def test_s36_the_gateway_and_the_actors_know_no_seed_and_no_socket() -> None:
    """Only what starts the signer knows of it, and only the signer itself opens a seed or its record."""
    asks = {"coins.signer.client", "coins.signer.process", "coins.signer.errors"}
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in room_modules()
        if not module.name.startswith("coins.signer")
        for name, line in imports(module)
        if name.startswith("coins.signer")
        and (
            module.name not in ("actors.service", "actors.rescan")
            or not any(name == each or name.startswith(f"{each}.") for each in asks)
        )
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


def test_an_exception_to_the_rules_is_still_used() -> None:
    used = {
        (place, allowed)
        for place, names in PLACES
        for module in room_modules()
        if re.fullmatch(place, module.name)
        for allowed in names
        if any(_allows((allowed,), name) for name, _ in imports(module))
    }
    unused = [
        f"{place} may import {name}" for place, names in PLACES for name in names if (place, name) not in used
    ]
    assert not unused, listed(unused)


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
