"""`run.py reconcile`: what it says of a result, and of a wrong question."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gateway.reconcile_commands import reconcile
from gateway.secret import command_token, load_or_create
from tests.actors.desk import COIN_FILES
from tests.test_run import run


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("BTC",), 2, "BTC is not enabled: one of none"),
        (("--height", "x"), 2, "integer"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    assert "Exit code 1" in (reconcile.__doc__ or "")
    config = tmp_path / "cashier.toml"
    config.write_text("[monitoring]\nport = 9\n")
    done = run("reconcile", *arguments, "--config", config)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert words in done.stderr


def test_nothing_enabled_is_nothing_compared(tmp_path: Path) -> None:
    config = tmp_path / "cashier.toml"
    config.write_text("[monitoring]\nport = 9\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cashier.sqlite").touch()
    done = run("reconcile", "--json", "--config", config)
    assert (done.returncode, done.stdout) == (1, "[]\n")
    assert done.stderr == "no currency is enabled: there is nothing to compare\n"


def test_without_a_server_and_a_database_it_says_so(tmp_path: Path) -> None:
    config = tmp_path / "cashier.toml"
    config.write_text("[monitoring]\nport = 9\n")
    shutil.copytree(COIN_FILES, tmp_path / "coins")
    extra = {"CASHIER__COINS__BTC__ENABLED": "true"}
    done = run("reconcile", "BTC", "--config", config, **extra)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert "there is no database" in done.stderr
    both = {**extra, "CASHIER__COINS__LTC__ENABLED": "true"}
    done = run("reconcile", "--height", "5", "--config", config, **both)
    assert (done.returncode, done.stderr) == (
        2, "--height needs a currency: each chain has its own heights\n",
    )  # fmt: skip


@contextmanager
def cashier(
    token: str, shown: list[str | None], answers: Mapping[str, dict[str, Any]] = MappingProxyType({})
) -> Iterator[int]:
    """Something at the monitoring port that knows a token; notes what it is shown."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            shown.append(self.headers["Authorization"])
            self.send_response(200 if shown[-1] == f"Bearer {token}" else 401)
            self.end_headers()
            empty: dict[str, Any] = {"comparisons": [], "explained": [], "standing": []}
            self.wfile.write(json.dumps(answers.get(asked["chain"], empty)).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_server_is_shown_the_token_of_the_secret_file_and_no_proxy_is(tmp_path: Path) -> None:
    secret_file = tmp_path / "gateway.secret"
    token = command_token(load_or_create(secret_file, lambda size: b"\x07" * size))
    shutil.copytree(COIN_FILES, tmp_path / "coins")
    shown: list[str | None] = []
    extra = {"CASHIER__COINS__BTC__ENABLED": "true", "http_proxy": "http://127.0.0.1:9"}
    with cashier(token, shown) as port:
        config = tmp_path / "cashier.toml"
        config.write_text(f"[monitoring]\nport = {port}\n[gateway]\nsecret_file = '{secret_file}'\n")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "cashier.sqlite").touch()
        done = run("reconcile", "BTC", "--json", "--config", config, **extra)
        assert (done.returncode, json.loads(done.stdout)[0]["comparisons"]) == (0, []), done.stderr
        for other in (tmp_path / "none.secret", tmp_path / "other.secret"):
            if other.name.startswith("other"):
                load_or_create(other, lambda size: b"\x08" * size)
            config.write_text(f"[monitoring]\nport = {port}\n[gateway]\nsecret_file = '{other}'\n")
            done = run("reconcile", "BTC", "--config", config, **extra)
            assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
            assert "does not know us" in done.stderr
            assert token not in done.stderr
        secret_file.chmod(0o644)
        config.write_text(f"[monitoring]\nport = {port}\n[gateway]\nsecret_file = '{secret_file}'\n")
        done = run("reconcile", "BTC", "--config", config, **extra)
        assert (done.returncode, "open to other users" in done.stderr) == (2, True)
    assert not (tmp_path / "none.secret").exists(), "a question makes no secret"
    assert (shown[0], len(shown)) == (f"Bearer {token}", 3)


def compared(currency: str, hot: int, owed: int, earned: int, spent: int) -> dict[str, Any]:
    """What a cashier answers where chain and books are the same."""
    line = {"location": "hot", "chain": hot, "books": hot, "difference": 0}
    view = {
        "currency": currency,
        "height": 119,
        "block_hash": "ab" * 32,
        "status": "ok",
        "lines": [line, {"location": "cold", "chain": 0, "books": 0, "difference": 0}],
        "totals": {
            "onchain": hot, "deficit": 0, "unexplained": 0, "expenses": spent,
            "liabilities": owed, "revenue": earned, "equity": 0,
        },
    }  # fmt: skip
    return {"comparisons": [view], "explained": [], "standing": []}


def test_totals_fit_a_narrow_terminal_and_one_silent_node_hides_no_other(tmp_path: Path) -> None:
    secret_file = tmp_path / "gateway.secret"
    token = command_token(load_or_create(secret_file, lambda size: b"\x07" * size))
    shutil.copytree(COIN_FILES, tmp_path / "coins")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cashier.sqlite").touch()
    whole = 10**18
    answers = {
        "BTC": {"refused": "the node of BTC cannot answer"},
        "ETH": compared("ETH", 125 * whole - 7, 124 * whole, whole, 7),
    }
    extra = {f"CASHIER__COINS__{name}__ENABLED": "true" for name in answers} | {"COLUMNS": "80"}
    with cashier(token, [], answers) as port:
        config = tmp_path / "cashier.toml"
        config.write_text(f"[monitoring]\nport = {port}\n[gateway]\nsecret_file = '{secret_file}'\n")
        done = run("reconcile", "--config", config, **extra)
    assert (done.returncode, done.stderr) == (3, "BTC: the node of BTC cannot answer\n")
    shown = [line.rstrip() for line in done.stdout.splitlines()]
    assert shown == [
        f"ETH: ok at block 119 {'ab' * 32}",
        "location                  chain                  books           difference",
        "hot      124.999999999999999993 124.999999999999999993 0.000000000000000000",
        "cold       0.000000000000000000   0.000000000000000000 0.000000000000000000",
        "all      124.999999999999999993 124.999999999999999993 0.000000000000000000",
        "onchain 124.999999999999999993   + expenses 0.000000000000000007",
        "= liabilities 124.000000000000000000   + revenue 1.000000000000000000",
    ]
    assert max(map(len, shown[1:])) <= 80
