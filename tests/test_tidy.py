"""The shape of the project, kept by looking at it: what lies where, how long it is, what it must not hold."""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import REPOSITORY, ROOMS, Module, call_name, files, imports, listed, modules, room_modules

ROOT_FOLDERS = {*ROOMS, "tests", ".ci"}
ROOT_FILES = {
    "run.py",
    "pyproject.toml",
    "requirements.lock",
    "Makefile",
    "Dockerfile",
    "compose.yaml",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    ".gitignore",
    ".pre-commit-config.yaml",
}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# Reading the clock or rolling dice where money moves would make a run impossible to repeat.
UNREPEATABLE = re.compile(
    r"(time\.(time|time_ns|localtime|gmtime)|(datetime|date|datetime\.datetime|datetime\.date)\.(now|utcnow|today)"
    r"|random\.\w+|secrets\.\w+|uuid\.uuid[14]|uuid[14]|os\.urandom|urandom|token_(hex|bytes|urlsafe))$"
)
CLOCKS = {"actors/clock.py"}
LOCKS = {"requirements.lock", "tests/requirements-dev.lock", "tests/nodes/package-lock.json"}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".sql", ".html", ".js", ".css", ".yaml", ".yml", ".sh", ".json", ""}
LEFTOVERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")


def test_the_root_holds_only_what_it_should() -> None:
    top = {path.partition("/")[0] for path in files()}
    foreign = sorted(top - ROOT_FOLDERS - ROOT_FILES)
    assert not foreign, listed(foreign)


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_a_room_explains_itself(room: str) -> None:
    readme = REPOSITORY / room / "README.md"
    assert readme.is_file(), f"{room}/README.md is missing"
    assert len(readme.read_text("utf-8").split()) > 50, f"{room}/README.md says next to nothing"


def test_no_file_is_too_long() -> None:
    lengths = {module.path: len(module.text.splitlines()) for module in modules().values()}
    long = [f"{path} has {lines} lines" for path, lines in lengths.items() if lines > FILE_LINES_MAX]
    assert not long, listed(long)


def test_no_function_is_too_long() -> None:
    long = [
        f"{module.path}:{node.lineno} {node.name} has {_lines(node)} lines"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines(node) > FUNCTION_LINES_MAX
    ]
    assert not long, listed(long)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_money(path: str) -> bool:
    """Say whether amounts are computed in a module."""
    return (
        path.startswith("ledger/")
        or path == "coins/amounts.py"
        or re.match(r"coins/\w+/\w*(select|plan|fee|gas)\w*\.py$", path) is not None
    )


def test_l10_money_is_never_a_float() -> None:
    wrong = [
        f"{module.path}:{line} {what}"
        for module in room_modules()
        if _is_money(module.path)
        for line, what in _floats(module.tree)
    ]
    assert not wrong, listed(wrong)


def _floats(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every place where a float could come into being; paths and durations are none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, f"float {node.value}"
        elif isinstance(node, ast.Call) and call_name(node) == "float":
            yield node.lineno, "float()"
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "true division"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            joins_a_path = isinstance(node.right, ast.JoinedStr) or (
                isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
            )
            is_duration = re.search(r"_(s|ms|us|ns)$", ast.unparse(node.left), re.IGNORECASE)
            if not joins_a_path and not is_duration:
                yield node.lineno, "true division"


@pytest.mark.parametrize("text", ["a = 1.0", "a = float(b)", "a = b / c", "a /= 2", "a = 1e8"])
def test_a_float_is_found(text: str) -> None:
    assert list(_floats(ast.parse(text)))


@pytest.mark.parametrize(
    "text", ["a = b // c", "a = folder / 'name'", "a = folder / f'{b}.sql'", "a = WAIT_MS / 1000"]
)
def test_whole_numbers_paths_and_durations_are_no_floats(text: str) -> None:
    assert not list(_floats(ast.parse(text)))


def test_time_and_chance_are_handed_in_where_money_moves() -> None:
    wrong = [
        f"{module.path}:{node.lineno} calls {call_name(node)}"
        for module in room_modules("ledger", "actors")
        if module.path not in CLOCKS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and UNREPEATABLE.match(call_name(node))
    ]
    assert not wrong, listed(wrong)


def test_nothing_names_the_folder_it_was_written_in() -> None:
    texts = [path for path in files() if Path(path).suffix in TEXT_SUFFIXES]
    own = f"{REPOSITORY}/".encode()
    assert [path for path in texts if own in (REPOSITORY / path).read_bytes()] == []


def test_nothing_is_left_for_later() -> None:
    wrong = []
    for path in files():
        if Path(path).suffix in TEXT_SUFFIXES and path not in LOCKS and path != "LICENSE":
            for number, line in enumerate((REPOSITORY / path).read_text("utf-8").splitlines(), 1):
                if LEFTOVERS.search(line):
                    wrong.append(f"{path}:{number}")
    assert not wrong, listed(wrong)


def test_no_error_is_swallowed() -> None:
    wrong = [
        f"{module.path}:{line}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if (line := _swallowing_line(node))
    ]
    assert not wrong, listed(wrong)


def _swallowing_line(node: ast.AST) -> int:
    """Return the line where an error disappears without a trace, 0 when none does."""
    if isinstance(node, ast.ExceptHandler) and (node.type is None or all(map(_does_nothing, node.body))):
        return node.lineno
    if isinstance(node, ast.Call) and call_name(node) in ("suppress", "contextlib.suppress"):
        broad = [kind for kind in node.args if ast.unparse(kind) in ("Exception", "BaseException")]
        return node.lineno if broad else 0
    return 0


def _does_nothing(step: ast.stmt) -> bool:
    is_ellipsis = (
        isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant) and step.value.value is ...
    )
    return isinstance(step, ast.Pass) or is_ellipsis


def test_no_test_is_skipped_or_sleeps() -> None:
    banned = re.compile(
        r"(pytest\.(skip|xfail|importorskip)|pytest\.mark\.(skip|skipif|xfail)|time\.sleep|unittest\.skip\w*)$"
    )
    wrong = []
    for module in room_modules("tests"):
        if not Path(module.path).name.startswith(("test_", "conftest")):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and banned.match(ast.unparse(node)):
                wrong.append(f"{module.path}:{node.lineno} {ast.unparse(node)}")
            if (
                isinstance(node, ast.Call)
                and call_name(node) == "asyncio.sleep"
                and _text(node.args) != ["0"]
            ):
                wrong.append(f"{module.path}:{node.lineno} {ast.unparse(node)}")
    assert not wrong, listed(wrong)


def _text(nodes: list[ast.expr]) -> list[str]:
    return [ast.unparse(node) for node in nodes]


def test_every_module_has_a_test_that_imports_it() -> None:
    """A module is met by its mirror (`tests/room/test_module.py`) or imported by some other test."""
    met = {name for module in room_modules("tests") for name, _ in imports(module)}
    bare = []
    for module in (*room_modules(), *room_modules("run")):
        parts = module.path.split("/")
        mirror = "/".join(["tests", *parts[:-1], f"test_{parts[-1]}"])
        if _has_code(module) and module.name not in met and mirror not in files():
            bare.append(module.path)
    assert not bare, listed(bare)


def _has_code(module: Module) -> bool:
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in module.tree.body
    )


def test_every_test_folder_is_a_package() -> None:
    folders = {
        str(Path(path).parent) for path in files() if path.startswith("tests/") and path.endswith(".py")
    }
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in files()] == []


def test_the_licence_is_the_whole_unchanged_text() -> None:
    """The checksum is that of the text as the Free Software Foundation publishes it."""
    digest = hashlib.sha256((REPOSITORY / "LICENSE").read_bytes()).hexdigest()
    assert digest == "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0"


@pytest.mark.parametrize("path", sorted(LOCKS))
def test_a_lock_pins_by_hash_and_names_no_host(path: str) -> None:
    text = (REPOSITORY / path).read_text("utf-8")
    assert "://" not in text
    if path.endswith(".json"):
        packages = text.count('"node_modules/')
        assert packages == text.count('"integrity": "sha512-')
    else:
        pinned = re.findall(r"^[a-z0-9._-]+==\S+", text, re.MULTILINE)
        hashed = re.findall(r"^[a-z0-9._-]+==[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
        assert len(pinned) == len(hashed) > 0


def test_the_locks_hold_what_the_project_asks_for() -> None:
    asked = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    run = asked["project"]["dependencies"]
    wanted = [
        ("requirements.lock", run),
        ("tests/requirements-dev.lock", [*run, *asked["dependency-groups"]["dev"]]),
    ]
    missing = []
    for path, requirements in wanted:
        pinned = set(re.findall(r"^([a-z0-9._-]+)==", (REPOSITORY / path).read_text("utf-8"), re.MULTILINE))
        names = {
            re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in requirements
        }
        missing += [f"{path}: {name} (make lock)" for name in sorted(names - pinned)]
    assert not missing, listed(missing)
