"""The account key of a cold wallet, as far as its text tells: every mistake is one line, no key is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Failer, Loader

PREFIX = "coins.BTC"
BODY = (
    "6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMr"
    "jPC7PW6V"
)
BAD: list[tuple[str, str]] = [
    ("", f'{PREFIX}: custody = "watch_only" needs deposit_xpub, the account key of the cold wallet'),
    (f'deposit_xpub = "xprv{BODY}"', f"{PREFIX}.deposit_xpub: is an extended private key and is not taken"),
    (f'deposit_xpub = "zprv{BODY}"', f"{PREFIX}.deposit_xpub: is an extended private key and is not taken"),
    (f'deposit_xpub = " XPRV{BODY}"', f"{PREFIX}.deposit_xpub: is an extended private key and is not taken"),
    (f'deposit_xpub = "ypub{BODY}"', "ypub is of a wallet with P2SH-P2WPKH addresses, ours are P2WPKH"),
    (f'deposit_xpub = "tpub{BODY}"', "deposit_xpub begins with xpub or zpub on mainnet, not with tpub"),
    (f'deposit_xpub = "vpub{BODY}"', "deposit_xpub begins with xpub or zpub on mainnet, not with vpub"),
    (f'deposit_xpub = "Zpub{BODY}"', "is not an extended public key"),
    (f'deposit_xpub = "xpub{BODY[:90]}"', "is not an extended public key"),
    (f'deposit_xpub = "xpub{BODY[:-1]}0"', "is not an extended public key"),
    ("deposit_xpub = 7", "expected a string, not an integer"),
    (
        f'deposit_xpub = "xpub{BODY}"\nhot_xpub = "xpub{BODY}"',
        f"{PREFIX}: deposit_xpub and hot_xpub must differ",
    ),
]


def write(folder: Path, lines: str) -> None:
    file = folder / "coins" / "BTC.toml"
    text = file.read_text()
    assert 'custody = "seed"' in text
    file.write_text(text.replace('custody = "seed"', f'custody = "watch_only"\n{lines}', 1))


@pytest.mark.parametrize(("lines", "expected"), BAD, ids=range(len(BAD)))
def test_a_cold_key_that_does_not_fit_is_one_line_without_the_key(
    lines: str, expected: str, errors_of: Failer, folder: Path
) -> None:
    write(folder, lines)
    (line,) = errors_of()
    assert line.startswith("coins/BTC.toml:")
    assert expected in line
    assert BODY[:20] not in line


@pytest.mark.parametrize("prefix", ["xpub", "zpub"])
def test_the_prefixes_of_p2wpkh_wallets_are_taken(prefix: str, settings_of: Loader, folder: Path) -> None:
    write(folder, f'deposit_xpub = "{prefix}{BODY}"')
    coin = settings_of().coins["BTC"]
    assert (coin.custody, coin.deposit_xpub) == ("watch_only", prefix + BODY)


def test_an_account_chain_writes_xpub(errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "ETH.toml"
    text = file.read_text()
    file.write_text(
        text.replace('custody = "seed"', f'custody = "watch_only"\ndeposit_xpub = "zpub{BODY}"', 1)
    )
    (line,) = errors_of()
    assert "deposit_xpub begins with xpub on this chain, not with zpub" in line
    file.write_text(text.replace('custody = "seed"', 'custody = "node"', 1))
    (line,) = errors_of()
    assert 'an evm currency has custody = "seed" or "watch_only"' in line
