"""The seed file: made once, never overwritten, opened by any age tool."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from coins.eth_library import Language, Mnemonic
from coins.signer import seed
from coins.signer.errors import SeedFileError
from coins.signer.seed import generate_seed_file, load_seed, seed_of, write_seed_file
from tests.coins.signer.quick_age import encrypt
from tests.coins.signer.world import MNEMONIC, PASSPHRASE, put_seed_file

ABANDON = "abandon " * 11 + "about"


def test_published_seed_of_a_mnemonic() -> None:
    assert seed_of(ABANDON).hex() == (
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
        "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    )
    assert seed_of("  abandon" + "\nabandon" * 10 + "\tabout ") == seed_of(ABANDON)


def test_a_new_seed_has_24_words_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "seed.age"
    generate_seed_file(path, PASSPHRASE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    words = pyrage.passphrase.decrypt(path.read_bytes(), PASSPHRASE).decode()
    assert len(words.split()) == 24
    assert Mnemonic(Language.ENGLISH).is_mnemonic_valid(words)
    before = path.read_bytes()
    with pytest.raises(SeedFileError, match="never overwritten"):
        generate_seed_file(path, PASSPHRASE)
    assert path.read_bytes() == before


def test_a_written_seed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "seed.age"
    put_seed_file(path)
    assert load_seed(path, PASSPHRASE) == seed_of(MNEMONIC)


@pytest.mark.parametrize(
    ("mnemonic", "passphrase", "words"),
    [
        ("abandon " * 12, PASSPHRASE, "no BIP39 mnemonic"),
        ("not words of any list at all", PASSPHRASE, "no BIP39 mnemonic"),
        ("", PASSPHRASE, "no BIP39 mnemonic"),
        (MNEMONIC, "short", "less than 8"),
    ],
)
def test_nothing_is_written_for_bad_words_or_a_short_passphrase(
    tmp_path: Path, mnemonic: str, passphrase: str, words: str
) -> None:
    path = tmp_path / "seed.age"
    with pytest.raises(SeedFileError, match=words):
        write_seed_file(path, mnemonic, passphrase)
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"age-encryption.org/v1\n",
        encrypt(MNEMONIC.encode(), "another passphrase"),
        encrypt(b"\xff\xfe", PASSPHRASE),
        encrypt(b"these are no words", PASSPHRASE),
        b"x" * 100_000,
    ],
)
def test_a_bad_file_is_one_clear_line_without_a_secret(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seed.age"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SeedFileError) as failure:
        load_seed(path, PASSPHRASE)
    text = str(failure.value)
    assert "\n" not in text
    assert str(path) in text
    assert "legal" not in text
    assert PASSPHRASE not in text
    assert failure.value.exit_code == 2


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "seed.age"
    put_seed_file(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SeedFileError, match="damaged"):
        load_seed(path, PASSPHRASE)


def too_dear(data: bytes) -> bytes:
    """The same file, asking for 2^50 rounds of scrypt."""
    return re.sub(rb"(-> scrypt \S+) \d+", rb"\1 50", data, count=1)


def test_a_busy_machine_measures_its_speed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "seed.age"
    put_seed_file(path)
    opens, refused = pyrage.passphrase.decrypt, [too_dear(path.read_bytes())] * 3

    def sometimes(data: bytes, passphrase: str) -> bytes:
        opened: bytes = opens(refused.pop() if refused else data, passphrase)
        return opened

    monkeypatch.setattr(seed, "_TRY_AGAIN_S", 0.0)
    monkeypatch.setattr(pyrage.passphrase, "decrypt", sometimes)
    assert load_seed(path, PASSPHRASE) == seed_of(MNEMONIC)
    assert not refused


def test_a_seed_that_takes_years_to_open_is_refused_by_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed.age"
    put_seed_file(path)
    path.write_bytes(too_dear(path.read_bytes()))
    monkeypatch.setattr(seed, "_TRY_AGAIN_S", 0.0)
    with pytest.raises(SeedFileError, match="work factor is too high for this machine") as caught:
        load_seed(path, PASSPHRASE)
    assert PASSPHRASE not in str(caught.value)


def test_a_file_others_may_read_and_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "seed.age"
    with pytest.raises(SeedFileError, match="there is no seed file") as missing:
        load_seed(path, PASSPHRASE)
    assert missing.value.exit_code == 3
    put_seed_file(path)
    path.chmod(0o640)
    with pytest.raises(SeedFileError, match="chmod 600"):
        load_seed(path, PASSPHRASE)
    with pytest.raises(SeedFileError, match="Is a directory"):
        load_seed(tmp_path, PASSPHRASE)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SeedFileError, match="no regular file"):
        load_seed(tmp_path / "pipe", PASSPHRASE)
