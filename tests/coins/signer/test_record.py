"""The signer's record on the disk: kept across restarts, and no line of it can be altered unseen."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from coins.signer.limits import DAY_S
from coins.signer.record import RecordFileError, SignedRecord, create_record
from tests.coins.signer.test_limits import account_plan, entry

SEED = b"\x01" * 64


def opened(path: Path, now_s: float = 5_000.0, kept: int = 50, seed: bytes = SEED) -> SignedRecord:
    return SignedRecord(path, seed, lambda: now_s, kept)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record with three entries."""
    path = tmp_path / "keys" / "seed.age.signed"
    create_record(path, SEED)
    record = opened(path)
    for nonce in range(3):
        record.append(entry(account_plan(10, nonce), 5_000))
    record.close()
    return path


def test_it_is_private_and_never_overwritten(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(RecordFileError, match="never overwritten"):
        create_record(path, SEED)


def test_s36_what_was_signed_is_known_after_a_restart(path: Path) -> None:
    memory = opened(path).memory
    assert all(memory.knows(entry(account_plan(10, nonce), 9)) for nonce in range(3))
    assert not memory.knows(entry(account_plan(10, 3), 9))


def test_s36_a_missing_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordFileError, match="keys new-record") as failure:
        opened(tmp_path / "none")
    assert failure.value.exit_code == 3


def swap(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], lines[3]]


def drop_first(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[2:]]


def smaller(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"10"', b'"01"'), lines[3]]


def headless(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def empty(lines: list[bytes]) -> list[bytes]:
    return []


def noise(lines: list[bytes]) -> list[bytes]:
    return [*lines, b"\xff\xfe {}\n"]


@pytest.mark.parametrize("alter", [swap, drop_first, smaller, headless, empty, noise])
def test_s36_an_altered_record_is_refused(path: Path, alter: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(alter(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(RecordFileError, match=r"not right at line|is empty"):
        opened(path)


def test_a_record_of_another_seed_is_refused(path: Path) -> None:
    with pytest.raises(RecordFileError, match="another seed"):
        opened(path, seed=b"\x02" * 64)


def test_half_a_line_of_a_crash_is_dropped_at_every_length(path: Path) -> None:
    whole = path.read_bytes()
    start = len(whole) - len(whole.splitlines(keepends=True)[-1])
    for length in (start + 1, start + 40, start + 90, len(whole) - 1):
        path.write_bytes(whole[:length])
        record = opened(path)
        assert record.memory.knows(entry(account_plan(10, 1), 0))
        assert not record.memory.knows(entry(account_plan(10, 2), 0))
        record.append(entry(account_plan(10, 7), 5_000))
        record.close()
        again = opened(path)
        assert again.memory.knows(entry(account_plan(10, 7), 0))
        again.close()


def test_a_file_open_to_others_or_no_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(RecordFileError, match="chmod 600"):
        opened(path)
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(RecordFileError, match="cannot read"):
        opened(link)


def test_two_signers_do_not_write_one_record(path: Path) -> None:
    first = opened(path)
    with pytest.raises(RecordFileError, match="another signer"):
        opened(path)
    first.close()
    opened(path).close()


def test_time_that_goes_back_stands_still(path: Path) -> None:
    assert opened(path, now_s=10.0).now_s() == 5_000


def test_it_is_bounded_and_keeps_the_newest_and_the_last_day(path: Path) -> None:
    record = opened(path, kept=4)
    for nonce in range(3, 8):
        record.append(entry(account_plan(10, nonce), 5_000 + DAY_S * (nonce > 6)))
    record.append(entry(account_plan(10, 8), 5_001 + DAY_S))
    record.close()
    assert len(path.read_bytes().splitlines()) == 1 + 4 + 1
    again = opened(path, kept=4)
    known = [nonce for nonce in range(9) if again.memory.knows(entry(account_plan(10, nonce), 0))]
    assert known == [4, 5, 6, 7, 8]
    for nonce in range(9, 30):
        again.append(entry(account_plan(10, nonce), 5_001 + DAY_S))
    again.close()
    last = opened(path, kept=4).memory
    assert all(last.knows(entry(account_plan(10, nonce), 0)) for nonce in range(8, 30))
