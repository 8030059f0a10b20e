"""``python -m coins.signer --config FILE``: open the seed, serve until told to stop.

The passphrase comes from the configuration's own door for secrets (environment or file), never from
the command line. With ``--child`` the process answers its parent alone and ends when that does: at
the end of its standard input, or when it is handed to another parent. (The kernel's parent-death
signal is no help: it follows the thread that started the child, not the process.)

Exit codes: 0 told to stop, 2 wrong usage or configuration, 3 something it needs is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from coins.errors import SignerError
from coins.signer.begin import passphrase_of
from coins.signer.errors import SignerStartError
from coins.signer.hardening import harden
from coins.signer.limits import RequestRate
from coins.signer.process import READY
from coins.signer.record import SignedRecord, record_path
from coins.signer.seed import load_seed
from coins.signer.server import SignerServer, bind_socket
from coins.signer.service import Coins, SignerService
from config.errors import ConfigError
from config.loader import load
from config.schema import Settings

_PARENT_LOOK_S = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the signer; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m coins.signer", description="The only holder of seeds.")
    parser.add_argument("--config", type=Path, default=None, help="the cashier's configuration file")
    parser.add_argument("--child", action="store_true", help="end together with the parent process")
    arguments = parser.parse_args(argv)
    parent = os.getppid()
    try:
        harden()
        settings = load(arguments.config, os.environ)
        service = open_service(settings, lambda: read_coins(arguments.config))
        listener = bind_socket(settings.signer.socket)
    except (ConfigError, SignerError) as error:
        return _fail(str(error), 2)
    except SignerStartError as error:
        return _fail(str(error), error.exit_code)
    try:
        only = parent if arguments.child else None
        server = SignerServer(service, settings.signer.request_limit_bytes, os.geteuid(), only)
        asyncio.run(_run(server, listener, only))
    finally:
        settings.signer.socket.unlink(missing_ok=True)
    return 0


def coins_of(settings: Settings) -> Coins:
    """The enabled currencies whose keys the seed holds."""
    return {name: coin for name, coin in settings.enabled_coins.items() if coin.has_seed}


def read_coins(config: Path | None) -> Coins:
    """The currencies as the configuration has them now. Raises SignerError for an error in it."""
    try:
        return coins_of(load(config, os.environ))
    except ConfigError as error:
        raise SignerError(f"the configuration has an error: {error}") from None


def open_service(settings: Settings, read: Callable[[], Coins]) -> SignerService:
    """The service with seed and record opened; about a second of scrypt. Raises SignerStartError."""
    seed = load_seed(settings.signer.seed_file, passphrase_of(settings.signer))
    record = SignedRecord(record_path(settings.signer.seed_file), seed, time.time)
    rate = RequestRate(settings.signer.requests_per_minute_max, time.monotonic)
    return SignerService(seed, read, settings.signer, rate, record)


async def _run(server: SignerServer, listener: socket.socket, parent: int | None) -> None:
    """Serve until SIGTERM, SIGINT or, for a child, the end of the parent."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready = asyncio.Event()
    serving = asyncio.create_task(server.serve(listener, ready))
    await ready.wait()
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    if parent is not None:
        loop.add_reader(sys.stdin.fileno(), _on_stdin, loop, stop)
    while not stop.is_set() and (parent is None or os.getppid() == parent):
        try:
            async with asyncio.timeout(None if parent is None else _PARENT_LOOK_S):
                await stop.wait()
        except TimeoutError:
            continue
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def _on_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Throw away what the parent writes; the end of it is the end of us."""
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


def _fail(reason: str, exit_code: int) -> int:
    """One clear line (a configuration may have several) and the exit code."""
    sys.stderr.write("".join(f"signer: {line}\n" for line in reason.splitlines()))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
