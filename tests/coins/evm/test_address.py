"""EIP-55, and the table of addresses that must and must not be paid."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from coins.errors import InvalidAddressError
from coins.evm.address import parse_address, payment_uri, script_of_public_key, to_checksum

EIP_55 = [
    # all caps
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    # all lower
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    # normal
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
GOOD = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize("text", EIP_55)
def test_eip55_vectors(text: str) -> None:
    parsed = parse_address(text)
    assert parsed.address == text
    assert parsed.script == bytes.fromhex(text[2:])


@given(st.binary(min_size=20, max_size=20))
def test_checksum_equals_another_implementation(script: bytes) -> None:
    assert to_checksum(script) == to_checksum_address(script)


@pytest.mark.parametrize("text", [GOOD, "0x" + GOOD[2:].lower(), "0x" + GOOD[2:].upper()])
def test_e27_every_case_form_is_the_same_owner(text: str) -> None:
    parsed = parse_address(text)
    assert (parsed.address, parsed.script) == (GOOD, bytes.fromhex(GOOD[2:]))


@pytest.mark.parametrize("place", [i for i, letter in enumerate(GOOD) if i > 1 and letter.isalpha()])
def test_e27_one_letter_of_the_wrong_case_is_refused(place: int) -> None:
    text = GOOD[:place] + GOOD[place].swapcase() + GOOD[place + 1 :]
    with pytest.raises(InvalidAddressError, match="EIP-55") as refusal:
        parse_address(text)
    assert refusal.value.code == "invalid_address"


# Text, code of the refusal.
REFUSED = [
    ("", "invalid_address"),
    ("0x", "invalid_address"),
    (GOOD[2:], "invalid_address"),
    (GOOD[:-1], "invalid_address"),
    (GOOD + "0", "invalid_address"),
    (GOOD + "\n", "invalid_address"),
    (" " + GOOD, "invalid_address"),
    (GOOD.replace("0x", "0X"), "invalid_address"),
    (GOOD.replace("e", "е"), "invalid_address"),  # a Cyrillic letter
    (GOOD.replace("0", "０"), "invalid_address"),  # a full-width digit
    ("0x" + "g" * 40, "invalid_address"),
    ("0x" + "Z" * 40, "invalid_address"),
    ("-" + GOOD[1:], "invalid_address"),
    ("0x" + "1" * 10_000, "invalid_address"),
    ("<script>alert(1)</script>", "invalid_address"),
    ("ethereum:" + GOOD, "invalid_address"),
    ("vitalik.eth", "invalid_address"),
    ("0x" + "0" * 40, "invalid_address"),
    *((f"0x{number:040x}", "invalid_address") for number in [*range(1, 0x12), 0x100, 0xDEAD]),
    *((f"0x{byte * 20}", "forbidden_address") for byte in ("ff", "ee", "11", "01")),
    ("0xdEAD000000000000000042069420694206942069", "forbidden_address"),
    ("0x00000000000000000000000000000000DeaDBeef", "forbidden_address"),
    (GOOD + " ", "invalid_address"),
    (GOOD + "?value=1", "invalid_address"),
    (GOOD[:20] + "\x00" + GOOD[21:], "invalid_address"),
    ("0x" + GOOD, "invalid_address"),
    ("XE7338O073KYGTWWZN0F2WZ0R8PX5ZPPZS", "invalid_address"),  # the same kind of account as an IBAN
    ("0x8617E340B3D01FA5F11F306F4090FD50E238070d", "invalid_address"),  # a letter of the wrong case
    ("rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kw508d", "wrong_network"),
    ("LKKHMBjCU89fyFNgSRprDoD8Jb25N8uWvd", "wrong_network"),
    ("mfcHP2WMCVLsVZA8yrovmhMgxNFW9r98xw", "wrong_network"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "wrong_network"),
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "wrong_network"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "wrong_network"),
    ("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "wrong_network"),
    ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "wrong_network"),
    ("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", "wrong_network"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wrong_network"),
    ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "wrong_network"),
    ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "wrong_network"),
]


def test_w35_the_table_has_sixty_texts_and_more() -> None:
    assert len({text for text, _ in REFUSED}) >= 60


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_w35_what_must_not_be_paid(text: str, code: str) -> None:
    with pytest.raises(InvalidAddressError) as refusal:
        parse_address(text)
    assert refusal.value.code == code


def test_payment_link() -> None:
    assert payment_uri(GOOD, 31337) == f"ethereum:{GOOD}@31337"


def test_only_whole_keys_and_accounts() -> None:
    with pytest.raises(ValueError, match="65 bytes"):
        script_of_public_key(bytes(64))
    with pytest.raises(ValueError, match="20 bytes"):
        to_checksum(bytes(19))
