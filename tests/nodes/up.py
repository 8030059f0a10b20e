"""The three nodes kept running beside a shell, to try the cashier by hand.

python -m tests.nodes.up up                       start them (again), print where they answer
python -m tests.nodes.up down                     stop them; their chains stay for the next start
python -m tests.nodes.up mine btc 3               mine
python -m tests.nodes.up pay eth 0xAddress 0.5    pay from the faucet, unmined
python -m tests.nodes.up month                    let the month end on all of them
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ledger.month import end_of, month_of
from tests.nodes.fetch import NODES_FOLDER, program
from tests.nodes.regtest import AnvilNode, BitcoinKind, BitcoinNode, NodesError, end_pid

RUN_FOLDER = NODES_FOLDER / "run"
STATE_PATH = RUN_FOLDER / "nodes.json"
ENVIRONMENT_NAME = "cashier.env"
BITCOIN: dict[str, BitcoinKind] = {"btc": "bitcoind", "ltc": "litecoind"}
CURRENCIES = (*BITCOIN, "eth")
USAGE = (
    "usage: make nodes-up | nodes-down | nodes-mine COIN=<btc|ltc|eth> N=<blocks>"
    " | nodes-pay COIN=<btc|ltc|eth> TO=<address> AMOUNT=<decimal> | nodes-month"
)
WEI = 10**18
FAUCET_BLOCKS = 50
BLOCKS_AFTER = 110
"""So many blocks follow a month's end: what is in it is final on every chain."""


def _load(path: Path) -> dict[str, dict[str, str]]:
    """Return what is known per currency: port, password, pid; nothing when never started."""
    try:
        held: dict[str, dict[str, str]] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise NodesError(f"{path} is damaged ({error}): remove it") from error
    return held


def _save(path: Path, state: dict[str, dict[str, str]]) -> None:
    """Write what is known, for this user only: it holds the nodes' passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    with open(
        os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(state, file, indent=1)
    unfinished.replace(path)


def _running_pid(entry: dict[str, str], folder: Path) -> int | None:
    """Return the pid of a node started earlier, if that very node is alive: pids are used again."""
    pid = int(entry.get("pid") or 0)
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return pid if pid and os.fsencode(str(folder)) in command else None


def _node(currency: str, entry: dict[str, str], run_folder: Path) -> BitcoinNode | AnvilNode:
    """Return the node of a currency, on its known port with its known password."""
    folder, port = run_folder / currency, int(entry.get("port") or 0) or None
    if currency == "eth":
        return AnvilNode(folder, port=port, keep_state=True, detached=True)
    # Without it a node refuses to start on a chain from the future.
    extra = [f"-mocktime={entry['clock']}"] if "clock" in entry else []
    password = entry.get("password")
    return BitcoinNode(BITCOIN[currency], folder, port=port, password=password, extra=extra, detached=True)


def up(run_folder: Path = RUN_FOLDER) -> None:
    """Start what does not run yet; on a new chain fill the faucet; print where each node answers.

    `cashier.env` in the same folder then holds the environment of a cashier that uses them.
    """
    state_path = run_folder / STATE_PATH.name
    state = _load(state_path)
    settings: dict[str, str] = {}
    for currency in CURRENCIES:
        entry = state.setdefault(currency, {})
        node = _node(currency, entry, run_folder)
        if _running_pid(entry, run_folder / currency) is None:
            node.start()
            entry.update(port=str(node.port), pid=str(node.pid))
            if isinstance(node, BitcoinNode):
                entry["password"] = node.rpc_password
            _save(state_path, state)
            if isinstance(node, AnvilNode) and "clock" in entry:
                node.set_clock(node.tip_time + 1)
            if isinstance(node, BitcoinNode) and node.height == 0:
                node.fund_faucet(FAUCET_BLOCKS)
                node.pass_mweb_activation()
        settings |= _settings(currency.upper(), node)
        line = f"{currency.upper()}  {node.rpc_url}"
        if isinstance(node, BitcoinNode):
            line += f"  rpc_user={node.rpc_user}  rpc_password={node.rpc_password}  height={node.height}"
        else:
            line += f"  chain_id={node.chain_id}  height={node.height}"
        print(line, flush=True)
        node.let_go()
    _save_settings(run_folder / ENVIRONMENT_NAME, settings)


def _settings(currency: str, node: BitcoinNode | AnvilNode) -> dict[str, str]:
    """Return the environment with which a cashier uses this node."""
    values = {"ENABLED": "true", "NETWORK": "regtest", "NODE__URL": node.rpc_url}
    if isinstance(node, BitcoinNode):
        values |= {"NODE__USER": node.rpc_user, "NODE__PASSWORD": node.rpc_password}
    return {f"CASHIER__COINS__{currency}__{key}": value for key, value in values.items()}


def _save_settings(path: Path, settings: dict[str, str]) -> None:
    """Write a file to be sourced by a shell, for this user only."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())


def down(run_folder: Path = RUN_FOLDER) -> None:
    """Stop what runs; the chains stay."""
    state_path = run_folder / STATE_PATH.name
    state = _load(state_path)
    for currency, entry in state.items():
        pid = _running_pid(entry, run_folder / currency)
        if pid is not None:
            node = _node(currency, entry, run_folder)
            node.flush()
            end_pid(pid)
        entry.pop("pid", None)
        print(f"{currency.upper()}  {'stopped' if pid else 'did not run'}", flush=True)
    if state:
        _save(state_path, state)


def _known_node(currency: str, run_folder: Path) -> BitcoinNode | AnvilNode:
    """Return a running node.

    Raises:
        NodesError: unknown currency, or it does not run.
    """
    if currency not in CURRENCIES:
        raise NodesError(f"unknown currency {currency!r}; known are {', '.join(CURRENCIES)}")
    entry = _load(run_folder / STATE_PATH.name).get(currency, {})
    if _running_pid(entry, run_folder / currency) is None:
        raise NodesError(f"{currency.upper()} does not run: make nodes-up")
    return _node(currency, entry, run_folder)


def mine(currency: str, blocks: int, run_folder: Path = RUN_FOLDER) -> None:
    """Mine blocks on a running node; print the height."""
    node = _known_node(currency, run_folder)
    node.mine(blocks)
    print(f"{currency.upper()}  height={node.height}")


def end_month(run_folder: Path = RUN_FOLDER) -> None:
    """Let the month of each chain's tip end, for trying out a closing; the nodes live in the future then."""
    state_path = run_folder / STATE_PATH.name
    for currency in CURRENCIES:
        node = _known_node(currency, run_folder)
        month = pass_month(node, BLOCKS_AFTER)
        state = _load(state_path)
        state[currency]["clock"] = str(node.tip_time + 1)
        _save(state_path, state)
        print(f"{currency.upper()}  {month} is over  height={node.height}")


def pass_month(node: BitcoinNode | AnvilNode, blocks: int) -> str:
    """Mine ``blocks`` in the month after that of the tip; the month that is over by that."""
    month = month_of(node.tip_time)
    node.set_clock(end_of(month) + 1)
    node.mine(blocks)
    return month


def pay(currency: str, address: str, amount_display: str, run_folder: Path = RUN_FOLDER) -> None:
    """Pay from the faucet; print the transaction's id. It is not mined by that.

    Raises:
        NodesError: the amount is no positive decimal.
    """
    node = _known_node(currency, run_folder)
    try:
        amount = Decimal(amount_display)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise NodesError(f"{amount_display!r} is no amount")
    if isinstance(node, BitcoinNode):
        txid = node.send(address, f"{amount:f}")
    else:
        txid = node.send(address, int(amount * WEI), sender=str(node.rpc("eth_accounts")[0]))
    print(txid)


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    try:
        match list(arguments):
            case ["up"]:
                for currency in CURRENCIES:  # a missing program is said before anything is started
                    program("anvil" if currency == "eth" else BITCOIN[currency])
                up()
            case ["down"]:
                down()
            case ["mine", currency]:
                mine(currency.lower(), 1)
            case ["mine", currency, blocks] if blocks.isdecimal():
                mine(currency.lower(), int(blocks))
            case ["month"]:
                end_month()
            case ["pay", currency, address, amount_display]:
                pay(currency.lower(), address, amount_display)
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except (NodesError, OSError) as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
