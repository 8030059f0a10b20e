"""A folder with a configuration and a seed file, for tests of the signer's process."""

from __future__ import annotations

import os
from pathlib import Path

from coins.signer.process import SignerProcess
from coins.signer.record import create_record, record_path
from coins.signer.seed import seed_of
from config.loader import load
from config.schema import Settings
from tests.coins.signer.quick_age import encrypt

MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow"
PASSPHRASE = "correct horse battery staple"
ETH_TOML = """
family = "evm"
name = "Ether"
enabled = true
network = "regtest"
chain_id = 31337
decimals = 18
bip44_coin = 60
confirmations = 3
final_depth = 6
max_reorg = 5
minimum_withdrawal = "0.005"
maximum_withdrawal = "20"
session_withdrawal_cap = "10"
signer_tx_cap = "20"
signer_day_cap = "50"
sweep_threshold = "0.01"
[networks.regtest]
chain_id = 31337
[node]
url = "http://127.0.0.1:1"
"""


class House:
    """Paths, environment and settings of one test's signer."""

    def __init__(self, folder: Path, passphrase: str = PASSPHRASE) -> None:
        self.config = folder / "cashier.toml"
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CASHIER__")},
            "CASHIER__SIGNER__PASSPHRASE": passphrase,
        }
        self.config.write_text('[signer]\nsocket = "run/s.sock"\nseed_file = "seed.age"\ntimeout_s = 5.0\n')
        (folder / "coins").mkdir()
        (folder / "coins" / "ETH.toml").write_text(ETH_TOML)
        self.settings: Settings = load(self.config, self.environ)

    def process(self, lines: list[str] | None = None) -> SignerProcess:
        """A child that is not started yet; its lines go to ``lines``."""
        taken = [] if lines is None else lines
        return SignerProcess(self.config, 30.0, 5.0, self.environ, taken.append)


def house_with_seed(folder: Path) -> House:
    """A house whose seed file opens with :data:`PASSPHRASE`."""
    house = House(folder)
    put_seed_file(house.settings.signer.seed_file)
    return house


def put_seed_file(path: Path, content: bytes = MNEMONIC.encode()) -> None:
    """A seed file and an empty record as the product writes them, but quick to open."""
    path.write_bytes(encrypt(content, PASSPHRASE))
    path.chmod(0o600)
    create_record(record_path(path), seed_of(MNEMONIC))
