"""Sets the stage: three chains, a configured cashier in a process of its own, a website key."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.demo.chains import FINAL_DEPTH, Chain, TokenChain, make_chains
from tests.nodes.regtest import free_port

ROOT = Path(__file__).resolve().parents[2]
SCOPES = ("read", "sessions", "deposits", "withdrawals", "transfers")
START_S = 60.0
CHAINS = ("BTC", "LTC", "ETH")


class StageError(Exception):
    """The stage could not be set; the text says what is missing."""


@dataclass(slots=True)
class Stage:
    """A folder with everything in it. The cashier may be killed and started again at will.

    ``extra`` is added to the cashier's environment, an empty text takes a variable away; ``only`` names
    the currencies, the three chains if empty. A token needs its chain.
    """

    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    chains: list[Chain] = field(init=False)
    port: int = field(init=False)
    monitoring_port: int = field(init=False)
    process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    key: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is started yet; the ports are free ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        names = self.only or CHAINS
        self.chains = [chain for chain in make_chains(self.folder) if chain.currency in names]
        self.port, self.monitoring_port = free_port(), free_port()

    @property
    def base_url(self) -> str:
        """Where the cashier answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "cashier.toml"

    @property
    def log_path(self) -> Path:
        """The cashier's log."""
        return self.folder / "cashier.log"

    def start_chains(self) -> None:
        """Start and fund the nodes side by side, then what lives on them."""
        tokens = [chain for chain in self.chains if isinstance(chain, TokenChain)]
        with ThreadPoolExecutor(len(self.chains)) as pool:
            for result in [pool.submit(chain.start) for chain in self.chains if chain not in tokens]:
                result.result()
        for token in tokens:
            token.start()

    def configure(self) -> None:
        """Write the configuration folder, the passphrase, the seed and a website key."""
        shutil.copytree(ROOT / "config" / "coins", self.folder / "coins", dirs_exist_ok=True)
        self.config.write_text(
            f"[gateway]\nport = {self.port}\nip_rate_per_s = 1000\nip_burst = 1000\n"
            "key_rate_per_s = 1000\nkey_burst = 1000\ncode_ttl_s = 600\n"
            f"[monitoring]\nport = {self.monitoring_port}\n"
            "[actors]\nreconcile_interval_s = 0\ntick_s = 0.3\n"
        )
        passphrase = self.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_hex(16))
        scopes = [part for scope in SCOPES for part in ("--scope", scope)]
        with ThreadPoolExecutor(2) as pool:
            seed = pool.submit(self.cli, "keys", "new-seed")
            key = pool.submit(self.cli, "keys", "create", "--website", "demo", *scopes, "--json")
        seed.result()
        self.key = json.loads(key.result())

    def write_coin(self, currency: str, **values: str) -> None:
        """Set values in a coin file, then say so by SIGHUP if a cashier runs."""
        path = self.folder / "coins" / f"{currency}.toml"
        lines = [line for line in path.read_text().splitlines() if line.split(" =")[0] not in values]
        path.write_text("\n".join([f"{key} = {value}" for key, value in values.items()] + lines))
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def environment(self) -> dict[str, str]:
        """The cashier's environment: nodes, depths, secrets."""
        values = dict(os.environ)
        values["CASHIER__SIGNER__PASSPHRASE_FILE"] = str(self.folder / "passphrase")
        for chain in self.chains:
            prefix = f"CASHIER__COINS__{chain.currency.replace('-', '_')}__"
            values |= chain.environment(prefix)
            if isinstance(chain, TokenChain):
                values |= {f"{prefix}ENABLED": "true"}
                continue
            values |= {
                f"{prefix}ENABLED": "true",
                f"{prefix}NETWORK": "regtest",
                f"{prefix}CONFIRMATIONS": "3",
                f"{prefix}FINAL_DEPTH": str(FINAL_DEPTH),
                f"{prefix}MAX_REORG": "5",
                f"{prefix}APPROVAL_ABOVE": "20",
                f"{prefix}NODE__POLL_INTERVAL_S": "0.3",
            }
        values |= self.extra
        return {name: text for name, text in values.items() if text or name not in self.extra}

    def write_shell(self) -> Path:
        """Write a file for a shell (bash, zsh): `run.py` is then the demo's, `$URL` and `$KEY` its API."""
        ours = {name: text for name, text in self.environment().items() if name.startswith("CASHIER__")}
        ours |= {"URL": self.base_url, "KEY": self.key["key"], "SECRET": self.key["signing_secret"]}
        lines = [f"export {name}={shlex.quote(text)}" for name, text in ours.items()]
        program = shlex.join([sys.executable, str(ROOT / "run.py"), "--config", str(self.config)])
        lines.append(f'run.py() {{ {program} "$@"; }}')
        path = self.folder / "shell"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")
        return path

    def cli(self, *arguments: str) -> str:
        """Output of one command of the command line. Raises StageError with its complaint."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "run.py"), *arguments, "--config", str(self.config)],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StageError(
                f"run.py {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout

    def spawn(self, extra: Mapping[str, str] | None = None) -> None:
        """Start the cashier's process; its log is appended to."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "run.py"), "serve", "--config", str(self.config)],
                env=self.environment() | dict(extra or {}),
                stdout=log,
                stderr=log,
            )

    async def until_ready(self) -> None:
        """Wait until every currency is open. Raises StageError when the cashier ends or takes too long."""
        deadline = asyncio.get_running_loop().time() + START_S
        while asyncio.get_running_loop().time() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise StageError(f"the cashier ended: {self.log_tail()}")
            state = await asyncio.to_thread(self.readiness)
            currencies = state.get("currencies", {})
            if len(currencies) == len(self.chains) and all(c["ready"] for c in currencies.values()):
                return
            await asyncio.sleep(0.1)
        raise StageError(f"the cashier was not ready within {START_S:.0f} s: {self.log_tail()}")

    def readiness(self) -> dict[str, Any]:
        """The body of /readyz; empty while nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.monitoring_port}/readyz", timeout=5
            ) as reply:
                found: dict[str, Any] = json.load(reply)
                return found
        except (OSError, ValueError):
            return {}

    async def gauges(self, currency: str) -> dict[str, float]:
        """The metrics of one currency that have no other label; empty while nobody answers."""
        text = await asyncio.to_thread(self._metrics)
        label = f'{{currency="{currency}"}} '
        found = [line.partition(label) for line in text.splitlines()]
        return {name: float(value) for name, sep, value in found if sep}

    def _metrics(self) -> str:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.monitoring_port}/metrics", timeout=5
            ) as reply:
                return str(reply.read().decode())
        except OSError:
            return ""

    def kill(self) -> None:
        """kill -9; its signer ends with it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End the cashier in good order, then the nodes."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for chain in self.chains:
            if not isinstance(chain, TokenChain):
                chain.node.stop()

    def log_tail(self) -> str:
        """The last lines of the cashier's log."""
        if not self.log_path.exists():
            return "no log"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-8:])
