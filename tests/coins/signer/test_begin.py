"""A new cashier's seed and record, and a record begun anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from coins.signer.begin import begin_record, begin_seed
from coins.signer.errors import SignerStartError
from coins.signer.record import SignedRecord, record_path
from coins.signer.seed import load_seed
from config.schema import SignerSettings
from tests.coins.signer.test_limits import account_plan, entry

PASSPHRASE = "correct horse battery staple"


def test_s36_a_record_that_is_lost_is_begun_anew_on_purpose_only(tmp_path: Path) -> None:
    settings = SignerSettings(seed_file=tmp_path / "seed.age", passphrase=SecretStr(PASSPHRASE))
    assert begin_seed(settings) == tmp_path / "seed.age"
    seed = load_seed(settings.seed_file, PASSPHRASE)
    path = record_path(settings.seed_file)
    record = SignedRecord(path, seed, lambda: 0.0)
    record.append(entry(account_plan(1, 1)))
    record.close()
    with pytest.raises(SignerStartError, match="never overwritten"):
        begin_record(settings)
    path.unlink()
    with pytest.raises(SignerStartError, match="new-record"):
        SignedRecord(path, seed, lambda: 0.0)
    assert begin_record(settings) == path
    record = SignedRecord(path, seed, lambda: 0.0)
    assert not record.memory.knows(entry(account_plan(1, 1)))
    record.close()


def test_the_record_of_another_seed_is_not_taken_over(tmp_path: Path) -> None:
    settings = SignerSettings(seed_file=tmp_path / "seed.age", passphrase=SecretStr(PASSPHRASE))
    begin_seed(settings)
    settings.seed_file.unlink()
    with pytest.raises(SignerStartError, match="another seed"):
        begin_seed(settings)


def test_without_a_passphrase_nothing_is_made(tmp_path: Path) -> None:
    settings = SignerSettings(seed_file=tmp_path / "seed.age")
    for begin in (begin_seed, begin_record):
        with pytest.raises(SignerStartError, match="CASHIER__SIGNER__PASSPHRASE_FILE"):
            begin(settings)
    assert not list(tmp_path.iterdir())
