"""A start that cannot be: one clear line on stderr for each trouble, the right exit code, no traceback."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo.stage import ROOT, Stage
from tests.flows.conftest import OpenShop
from tests.flows.process import children_of, is_alive
from tests.nodes.regtest import BitcoinNode, free_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

USAGE, UNREACHABLE = 2, 3
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


async def test_sigterm_ends_in_order_and_leaves_no_process(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    assert stage.process is not None
    children = children_of(stage.process.pid)
    assert children, "the signer is a process of its own"
    # A request in progress when the signal comes is answered.
    asking = [asyncio.create_task(shop.send("GET", "/v1/deposits?limit=500")) for _ in range(20)]
    asking += [asyncio.create_task(shop.send("PUT", f"/v1/clients/last{n}/addresses/BTC")) for n in range(20)]
    await asyncio.sleep(0)
    await asking[0]
    stage.process.terminate()
    replies = await asyncio.gather(*asking, return_exceptions=True)
    code = await asyncio.to_thread(stage.process.wait, 30)
    assert code == 0
    for reply in replies:
        # What was taken is answered; a connection that came too late is refused as a whole.
        assert isinstance(reply, OSError) or (
            not isinstance(reply, BaseException) and reply.status in (200, 201, 503)
        ), reply
    assert [pid for pid in children if is_alive(pid)] == []
    assert not (stage.folder / "data" / "signer.sock").exists()
    shop.check_books()
