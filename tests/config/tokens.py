"""Token files for the tests of this room."""

from pathlib import Path

ON = {"CASHIER__COINS__ETH__ENABLED": "true", "CASHIER__COINS__BTC__ENABLED": "true"}

TOKEN = """\
name = "A token"
minimum_deposit = "5"
minimum_withdrawal = "10"
maximum_withdrawal = "1000"
session_withdrawal_cap = "500"
signer_tx_cap = "1000"
signer_day_cap = "5000"
sweep_threshold = "50"
"""


def add_token(
    folder: Path,
    currency: str,
    *,
    parent: str = "ETH",
    contract: str = "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    decimals: int = 6,
    enabled: bool = True,
    more: str = "",
) -> None:
    """Write the file of a token; ``more`` stands at its end."""
    head = f'family = "evm"\nparent = "{parent}"\ncontract = "{contract}"\ndecimals = {decimals}\n'
    text = f"{head}enabled = {str(enabled).lower()}\n{TOKEN}{more}\n"
    (folder / "coins" / f"{currency}.toml").write_text(text)
