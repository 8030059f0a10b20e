"""The signer as a real child process: start, sign, die, come back."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coins.errors import SignerError
from coins.evm import open_coin
from coins.signer.client import SignerClient
from coins.signer.process import SignerProcess
from coins.signer.seed import seed_of
from coins.types import AttemptPlan, BroadcastOutcome, FeeQuote
from config.loader import load
from config.schema import EvmCoinSettings
from tests.coins.evm.world import ETHER, hot_of, payout_of
from tests.coins.signer.world import MNEMONIC, PASSPHRASE, House, house_with_seed
from tests.nodes.regtest import AnvilNode

PAYEE = "0x00000000219ab540356cBB839Cbe05303d7705Fa"
QUOTE = FeeQuote(max_fee_wei=3 * 10**9, priority_fee_wei=10**9, base_fee_wei=10**9)


async def payout_plan(house: House, client: SignerClient, amount: int = ETHER) -> AttemptPlan:
    settings = house.settings.coins["ETH"]
    assert isinstance(settings, EvmCoinSettings)
    coin = await open_coin(settings, client)
    try:
        return coin.spender.plan(payout_of(await hot_of(coin), PAYEE, amount, 0, 30 * ETHER), QUOTE)
    finally:
        await coin.reader.close()


async def test_killed_and_restarted_it_gives_the_same_bytes_and_tells_no_secret(tmp_path: Path) -> None:
    house, lines = house_with_seed(tmp_path), list[str]()
    client = SignerClient(house.settings.signer)
    said: list[str] = []
    first = house.process(lines)
    await first.start()
    try:
        socket_path = house.settings.signer.socket
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
        await client.ping()
        said += [await client.account_xpub("ETH", account) for account in (0, 1)]
        plan = await payout_plan(house, client)
        signed = await client.sign(plan)
        outputs = (replace(plan.outputs[0], amount=ETHER + 1),)
        with pytest.raises(SignerError, match="differ in: amount") as refusal:
            await client.sign(replace(plan, intent_id="another", outputs=outputs))
        said += [signed.raw, signed.txid, str(refusal.value)]
        assert first.pid is not None
        assert resource.prlimit(first.pid, resource.RLIMIT_CORE) == (0, 0)
        os.kill(first.pid, signal.SIGKILL)
        assert await first.wait() == -signal.SIGKILL
        with pytest.raises(SignerError, match="not reachable"):
            await client.sign(plan)
    finally:
        await first.stop()
    second = house.process(lines)
    await second.start()
    try:
        assert await client.sign(plan) == signed
    finally:
        await second.stop()
    assert not second.is_alive
    assert not house.settings.signer.socket.exists()
    seed = seed_of(MNEMONIC)
    told = "\n".join([*said, *lines])
    for canary in (MNEMONIC, seed.hex(), seed[:32].hex(), PASSPHRASE, "sausage"):
        assert canary not in told


def shown_by(pid: int, folder: Path, secret: Path) -> bytes:
    """A process's arguments and environment, and every file in a folder but one."""
    files = [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]
    files += [path for path in folder.rglob("*") if path.is_file() and path != secret]
    return b"".join(path.read_bytes() for path in files)


async def test_s36_no_argument_no_environment_and_no_file_shows_the_seed(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_text(house.environ.pop("CASHIER__SIGNER__PASSPHRASE"))
    secret.chmod(0o600)
    house.environ["CASHIER__SIGNER__PASSPHRASE_FILE"] = str(secret)
    process = house.process()
    await process.start()
    try:
        client = SignerClient(house.settings.signer)
        await client.sign(await payout_plan(house, client))
        seen = await asyncio.to_thread(shown_by, process.pid or 0, tmp_path, secret)
        seed = seed_of(MNEMONIC)
        assert b"coins.signer" in seen
        for canary in (PASSPHRASE.encode(), MNEMONIC.encode(), seed, seed.hex().encode()):
            assert canary not in seen
    finally:
        await process.stop()


async def test_wrong_passphrase_is_one_clear_line(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    house.environ["CASHIER__SIGNER__PASSPHRASE"] = "wrong horse battery staple"
    lines: list[str] = []
    process = house.process(lines)
    with pytest.raises(SignerError, match="wrong passphrase") as failure:
        await process.start()
    assert "exit code 2" in str(failure.value)
    (line,) = lines
    assert line.startswith("signer: cannot open the seed file")
    assert "wrong horse" not in str(failure.value)
    assert not process.is_alive


async def test_missing_seed_file_and_missing_passphrase(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(SignerError, match=r"exit code 3.*there is no seed file"):
        await house.process().start()
    del house.environ["CASHIER__SIGNER__PASSPHRASE"]
    with pytest.raises(SignerError, match=r"exit code 2.*no passphrase"):
        await house.process().start()


async def test_wrong_configuration_is_told(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    house.config.write_text('[signer]\nsoket = "x"\n')
    with pytest.raises(SignerError, match=r"exit code 2.*soket"):
        await house.process().start()


async def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from coins.signer.process import SignerProcess\n"
        "async def run():\n"
        "    child = SignerProcess(Path(sys.argv[1]))\n"
        "    await child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(run())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(house.config), env=house.environ, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    handle = os.pidfd_open(pid)
    try:
        parent.kill()
        await parent.wait()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(handle, ended.set)
        await asyncio.wait_for(ended.wait(), 10)
        asyncio.get_running_loop().remove_reader(handle)
    finally:
        os.close(handle)


async def test_a_second_signer_on_the_same_socket_is_refused(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    first = house.process()
    await first.start()
    try:
        with pytest.raises(SignerError, match="another signer writes"):
            await house.process().start()
        await SignerClient(house.settings.signer).ping()
    finally:
        await first.stop()


async def test_never_started() -> None:
    process = SignerProcess(None)
    assert not process.is_alive
    assert process.pid is None
    await process.stop()
    with pytest.raises(SignerError, match="never started"):
        await process.wait()


async def test_a_payout_signed_in_the_child_is_mined(tmp_path: Path, fresh_anvil: AnvilNode) -> None:
    house = house_with_seed(tmp_path)
    house.environ["CASHIER__COINS__ETH__NODE__URL"] = fresh_anvil.rpc_url
    settings = load(house.config, house.environ)
    process = house.process()
    await process.start()
    try:
        coin = await open_coin(settings.coins["ETH"], SignerClient(settings.signer))
        hot = await hot_of(coin)
        await asyncio.to_thread(fresh_anvil.set_balance, hot.address, 2 * ETHER)
        plan = coin.spender.plan(payout_of(hot, PAYEE, ETHER, 0, 2 * ETHER), await coin.spender.quote())
        result = await coin.spender.broadcast(await coin.spender.sign(plan))
        assert result.outcome is BroadcastOutcome.ACCEPTED
        await asyncio.to_thread(fresh_anvil.mine)
        assert fresh_anvil.balance(PAYEE) == ETHER
        await coin.reader.close()
    finally:
        await process.stop()
