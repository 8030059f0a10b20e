"""A start that cannot be: one clear line on stderr for each trouble, the right exit code, no traceback."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.demo.stage import ROOT, Stage
from tests.flows.conftest import OpenShop
from tests.flows.process import children_of, is_alive
from tests.nodes.regtest import BitcoinNode, free_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

USAGE, UNREACHABLE = 2, 3
BODY = b'{"client_id": "last", "actions": ["deposit"]}'
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A configured cashier whose node is not started."""
    stage = Stage(tmp_path_factory.mktemp("start"), only=("BTC",))
    stage.chains[0].node = BitcoinNode("bitcoind", stage.folder / "bitcoind", port=free_port())
    stage.configure()
    yield stage
    stage.stop()


def serve(
    stage: Stage, *, config: Path | None = None, before: Callable[[], None] | None = None, **extra: str
) -> tuple[int, list[str]]:
    """Exit code and lines on stderr of a start that has to end by itself; the log does not count."""
    environment = {name: text for name, text in (stage.environment() | extra).items() if text}
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "serve", "--config", str(config or stage.config)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=before,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("{")]


def test_wrong_config_names_every_problem_on_a_line(stage: Stage, tmp_path: Path) -> None:
    config = tmp_path / "cashier.toml"
    config.write_text('[gateway]\nprot = 8080\nkey_burst = "many"\n[leger]\npath = "x"\n')
    coins = tmp_path / "coins"
    coins.mkdir()
    text = (ROOT / "config" / "coins" / "BTC.toml").read_text()
    (coins / "BTC.toml").write_text(text.replace('minimum_deposit = "0.0001"', "minimum_deposit = 0.0001"))
    code, lines = serve(stage, config=config)
    assert code == USAGE
    wrong = {"gateway.prot": '"port"', "gateway.key_burst": "", "leger": "ledger"}
    for key, hint in (wrong | {"minimum_deposit": ""}).items():
        (line,) = [line for line in lines if key in line]
        assert hint in line
        assert ("BTC.toml" if key == "minimum_deposit" else "cashier.toml") in line
    assert len(lines) == 4


def test_environment_is_checked_the_same_way(stage: Stage) -> None:
    code, lines = serve(stage, CASHIER__COINS__BTC__CONFIRMATION="3")
    assert code == USAGE
    (line,) = lines
    assert "CASHIER__COINS__BTC__CONFIRMATION" in line
    assert "CASHIER__COINS__BTC__CONFIRMATIONS" in line


@pytest.mark.parametrize("section", ["gateway", "monitoring"])
def test_port_in_use(stage: Stage, section: str) -> None:
    port = stage.port if section == "gateway" else stage.monitoring_port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        code, lines = serve(stage)
    assert code == UNREACHABLE
    (line,) = lines
    assert line == f"{section} cannot listen on 127.0.0.1:{port}: Address already in use"


def test_data_folder_that_cannot_be_written(stage: Stage, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    for path in (locked / "cashier.sqlite", locked / "below" / "cashier.sqlite"):
        code, lines = serve(stage, before=obey_modes, CASHIER__LEDGER__PATH=str(path))
        assert code == UNREACHABLE
        (line,) = lines
        assert str(locked) in line


def obey_modes() -> None:
    """Root, too, obeys the modes of files from now on."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_data_folder_that_is_a_file(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    code, lines = serve(stage, CASHIER__LEDGER__PATH=str(tmp_path / "data" / "cashier.sqlite"))
    assert code == UNREACHABLE
    (line,) = lines
    assert str(tmp_path / "data") in line


def test_file_that_is_no_database(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "cashier.sqlite"
    path.write_bytes(b"not a database" * 1000)
    code, lines = serve(stage, CASHIER__LEDGER__PATH=str(path))
    assert code == UNREACHABLE
    (line,) = lines
    assert str(path) in line
    assert path.read_bytes() == b"not a database" * 1000


def test_missing_seed_and_missing_passphrase(stage: Stage, tmp_path: Path) -> None:
    code, lines = serve(stage, CASHIER__SIGNER__SEED_FILE=str(tmp_path / "seed.age"))
    assert code == USAGE
    (line,) = lines
    assert str(tmp_path / "seed.age") in line
    assert "keys new-seed" in line
    code, lines = serve(stage, CASHIER__SIGNER__PASSPHRASE_FILE="")
    assert code == USAGE
    (line,) = lines
    assert "CASHIER__SIGNER__PASSPHRASE_FILE" in line


def test_wrong_passphrase(stage: Stage, tmp_path: Path) -> None:
    wrong = tmp_path / "passphrase"
    wrong.touch(mode=0o600)
    wrong.write_text("correct horse battery staple")
    code, lines = serve(stage, CASHIER__SIGNER__PASSPHRASE_FILE=str(wrong))
    assert code == USAGE
    (line,) = lines
    assert "passphrase" in line
    assert "correct horse" not in line


async def test_second_server_on_one_database_and_a_node_that_comes_later(
    stage: Stage, open_shop: OpenShop
) -> None:
    stage.spawn()
    shop = await open_shop(stage)
    await shop.until_state("down")
    assert await shop.address("early"), "an address needs no node"
    assert (await asyncio.to_thread(stage.readiness))["ready"], "the books and the website are served"

    code, lines = await asyncio.to_thread(
        lambda: serve(stage, CASHIER__GATEWAY__PORT="0", CASHIER__MONITORING__PORT="0")
    )
    assert code == UNREACHABLE
    (line,) = lines
    assert str(stage.folder / "data" / "cashier.sqlite") in line

    await asyncio.to_thread(stage.start_chains)
    await shop.until_state("open")
    await shop.fund("early", "0.10000000", blocks=3)
    shop.check_books()


async def test_sigterm_answers_what_is_in_progress_and_leaves_no_process(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    assert stage.process is not None
    children = children_of(stage.process.pid)
    assert children, "the signer is a process of its own"
    path = stage.folder / "data" / "cashier.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        # Somebody else writes: the request has to wait in the middle of its step.
        other.execute("BEGIN IMMEDIATE")
        reader, writer = await begin_session(stage)
        # Answered after the body above was read, for it came later.
        await shop.currency_row()
        stage.process.terminate()
        read_log = partial(asyncio.to_thread, stage.log_path.read_text)
        await shop.until(read_log, lambda text: '"event": "stopping"' in text)
        other.execute("ROLLBACK")
    reply = (await reader.read()).decode()
    writer.close()
    assert "HTTP/1.1 201 Created" in reply
    assert await asyncio.to_thread(stage.process.wait, 30) == 0
    assert [pid for pid in children if is_alive(pid)] == []
    assert not (stage.folder / "data" / "signer.sock").exists()
    shop.check_books()

    # What was answered is there after the next start: the same key gives the same session.
    shop = await open_shop(stage)
    again = await shop.send("POST", "/v1/sessions", raw=BODY, key="last-words")
    assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.body["id"] in reply


async def begin_session(stage: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A handshake that the server has begun to serve and that is sent whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    head = (
        "POST /v1/sessions HTTP/1.1\r\nHost: cashier\r\nContent-Type: application/json\r\n"
        "Idempotency-Key: last-words\r\nExpect: 100-continue\r\nConnection: close\r\n"
        f"Authorization: Bearer {stage.key['key']}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    await writer.drain()
    return reader, writer
