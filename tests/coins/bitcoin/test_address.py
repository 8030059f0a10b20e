"""Sixty texts in an address field, for BTC and LTC on their main networks and on regtest."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.bitcoin import address
from coins.bitcoin.address import Network, address_of, encode_bech32, parse_address
from coins.bitcoin.derive import network_of
from coins.errors import InvalidAddressError
from tests.coins.bitcoin.setup import coin_settings
from tests.nodes.regtest import BitcoinNode

NETWORKS = {
    "BTC": network_of(coin_settings("BTC", "mainnet")),
    "LTC": network_of(coin_settings("LTC", "mainnet")),
    "btc": network_of(coin_settings("BTC", "regtest")),
    "ltc": network_of(coin_settings("LTC", "regtest")),
}
HASH = "0102030405060708090a0b0c0d0e0f1011121314"
P2PKH, P2SH, P2WPKH = f"76a914{HASH}88ac", f"a914{HASH}87", f"0014{HASH}"
P2WSH = "0020" + bytes(range(32)).hex()
P2TR = "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

# Text, networks that accept it (upper case: main, lower case: regtest), its script there.
GOOD = [
    ("16L5yRNPTuciSgXGHqYwn9N6NeoKqopAu", "BTC", P2PKH),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "BTC", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"),
    # A P2SH address of the Bitcoin network is an old form on Litecoin's: refused there as ambiguous.
    ("31nM1WuowNDzocNxPPW9NQWJEtwWpjfcLj", "BTC", P2SH),
    ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "BTC", "a914b472a266d0bd89c13706a4132ccfb16f7c3b9fcb87"),
    ("bc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z3", "BTC", P2WPKH),
    ("BC1QQYPQXPQ9QCRSSZG2PVXQ6RS0ZQG3YYC5FCJ4Z3", "BTC", P2WPKH),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BTC", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    ("bc1qqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0szrtjt7", "BTC", P2WSH),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "BTC", P2TR),
    ("LKKHMBjCU89fyFNgSRprDoD8Jb25N8uWvd", "LTC", P2PKH),
    ("M7zVKQKmtV5Rc7erVGVVC3khZbXxsS5HEX", "LTC", P2SH),
    ("ltc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5dyg36p", "LTC", P2WPKH),
    ("LTC1QQYPQXPQ9QCRSSZG2PVXQ6RS0ZQG3YYC5DYG36P", "LTC", P2WPKH),
    ("ltc1qqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sp89z3m", "LTC", P2WSH),
    ("ltc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqpj6zg2", "LTC", P2TR),
    # The test networks of both chains share the version of P2PKH: the text cannot tell them apart.
    ("mfcHP2WMCVLsVZA8yrovmhMgxNFW9r98xw", "btc ltc", P2PKH),
    ("2MsLZ5FqqYpjM1Q1W4X81zMVZTF9gdbhVwd", "btc", P2SH),
    ("QLhKCGi5ZvnS9amYgdA353vzbdbWYBoxD8", "ltc", P2SH),
    ("bcrt1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5phstwt", "btc", P2WPKH),
    ("bcrt1qqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0scjhmyt", "btc", P2WSH),
    ("bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6", "btc", P2TR),
    ("rltc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5l62ze4", "ltc", P2WPKH),
    ("rltc1qqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ss3aytx", "ltc", P2WSH),
    ("rltc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqsyzyjh", "ltc", P2TR),
    # Good addresses of networks that none of the four is.
    ("tb1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5r7fxez", "", P2WPKH),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47zagq", "", P2TR),
    ("tltc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc56ktcft", "", P2WPKH),
    ("D5ERdEN1gsouFSs7zsq7VYJxyWP6dP28H1", "", P2PKH),
    ("9rXbkMyi1S6thykRoXAZcY8fwUKYsy6cXE", "", P2SH),
    ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "", P2PKH),
    ("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", "", ""),
]

# Text, part of the reason: refused everywhere.
BAD = [
    ("", "empty"),
    (" ", "spaces"),
    ("bc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z3 ", "spaces"),
    ("\tbc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z3", "spaces"),
    ("bcrt1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5phstwt\n", "spaces"),
    ("bitcoin:bc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z3", "no address"),
    ("bcrt1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5phstwt?amount=1", "no address"),
    ("<script>alert(1)</script>", "no address"),
    ("1" * 10_000, "too long"),
    ("bc1" + "q" * 190, "wrong length"),
    ("bс1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z3", "no address has"),  # a Cyrillic letter
    ("１A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "no address has"),  # a full-width digit
    ("bc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z4", "wrong checksum"),
    ("bcrt1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5phstwq", "wrong checksum"),
    ("ltc1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5dyg36q", "wrong checksum"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "wrong checksum"),
    ("mfcHP2WMCVLsVZA8yrovmhMgxNFW9r98xx", "wrong checksum"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7Div0Na", "no address"),  # zero is no letter of base58
    ("BC1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5fcj4z3", "mixes"),
    ("bcrt1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5phstwT", "mixes"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "bech32m"),  # version 0 with bech32m
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "bech32m"),  # 1 with bech32
    ("bc1pqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzs2jkusy", "not on the curve"),
    ("rltc1pqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzscqq2su", "not on the curve"),
    ("bc1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq2tdauy", "nobody can spend"),
    ("ltc1s0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzds9qc", "nobody can spend"),
    ("bcrt1pfeesnyr2tx", "nobody can spend"),  # pay to anchor: anybody can
    ("BC1SW50QGDZ25J", "nobody can spend"),
    ("bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqm0h9ue", "wrong length"),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "wrong length"),
    ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "does not exist"),
    ("bc1pw5dgrnzv", "wrong length"),
    ("bc1gmk9yu", "wrong length"),
    ("doge1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc52zauf5", "no address"),
    ("tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", "no address"),
    ("t71w8mGxZNktaVPXNa92XhiH2SNbZCTEGs", "unknown version"),
    ("12D2adLM3UKy4Z4giRbReR6gjWx1w6Dz", "20-byte"),
    ("1QXEx2ZQ9mEdvMSaVKHznFv6iZpz5jcRkb", "20-byte"),
    ("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d35", "no address"),
    (
        "ltcmweb1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvp"
        "sxqcrqvpsxqcrqvwgqlng",
        "MWEB",
    ),
    (
        "tmweb1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsx"
        "qcrqvpsxqcrqv0ppg0l",
        "MWEB",
    ),
]


def test_w35_the_table_has_sixty_texts_and_more() -> None:
    assert len({text for text, *_ in GOOD} | {text for text, _ in BAD}) >= 60


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("text", "accepted", "script"), GOOD)
def test_w35_only_addresses_of_the_right_network(text: str, accepted: str, script: str, name: str) -> None:
    if name in accepted.split():
        parsed = parse_address(text, NETWORKS[name])
        assert parsed.script.hex() == script
        assert parsed.address == (text.lower() if text.isupper() else text)
        assert address_of(parsed.script, NETWORKS[name]) == parsed.address
    else:
        with pytest.raises(InvalidAddressError, match="another") as caught:
            parse_address(text, NETWORKS[name])
        assert caught.value.code == "wrong_network"


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("text", "reason"), BAD)
def test_w35_texts_that_are_no_address(text: str, reason: str, name: str) -> None:
    with pytest.raises(InvalidAddressError, match=reason) as caught:
        parse_address(text, NETWORKS[name])
    assert caught.value.code == "invalid_address"
    assert len(str(caught.value)) < 120


# Text, the network it is of: well-formed, and nobody has its key.
SINKS = [
    ("1BitcoinEaterAddressDontSendf59kuE", "BTC"),
    ("1CounterpartyXXXXXXXXXXXXXXXUWLpVr", "BTC"),
    ("1111111111111111111114oLvT2", "BTC"),
    ("bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq9e75rs", "BTC"),
    ("bc1qlllllllllllllllllllllllllllllllllllllllllllllllllllsffrpzs", "BTC"),
    ("LKDxGDJq5fF4FohAB8zJH24mDDNHDNtqsE", "LTC"),
    ("ltc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqp9ysmq", "LTC"),
    ("n4rZHAPGXCu8bYchjzJhK3V7VVreascJxe", "btc"),
    ("bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202", "btc"),
    ("rltc1qlllllllllllllllllllllllllllllllllllllllllllllllllllsmm4hzg", "ltc"),
]


@pytest.mark.parametrize(("text", "name"), SINKS)
def test_w37_what_nobody_has_the_key_of_is_not_paid(text: str, name: str) -> None:
    with pytest.raises(InvalidAddressError, match="sink") as caught:
        parse_address(text, NETWORKS[name])
    assert caught.value.code == "forbidden_address"


def check_with_node(node: BitcoinNode, name: str) -> None:
    for text, accepted, script in GOOD:
        told = node.rpc("validateaddress", text)
        if name in accepted.split():
            assert (told["isvalid"], told.get("scriptPubKey")) == (True, script), text
        elif told["isvalid"]:  # the node is milder in one place only: Litecoin's old P2SH version
            assert (name, text[0]) == ("ltc", "2"), text
    stricter = ("not on the curve", "nobody can spend")
    for text, reason in BAD:
        is_valid = len(text) < 200 and "\n" not in text and node.rpc("validateaddress", text)["isvalid"]
        assert not is_valid or reason in stricter or reason == "MWEB", text


def test_w35_bitcoind_agrees(bitcoind: BitcoinNode) -> None:
    check_with_node(bitcoind, "btc")


def test_w35_litecoind_agrees(litecoind: BitcoinNode) -> None:
    check_with_node(litecoind, "ltc")


def test_an_accepted_old_p2sh_version_comes_back_in_the_networks_own() -> None:
    network = Network(0x30, (0x32, 0x05), "ltc")
    parsed = parse_address("31nM1WuowNDzocNxPPW9NQWJEtwWpjfcLj", network)
    assert (parsed.address, parsed.script.hex()) == ("M7zVKQKmtV5Rc7erVGVVC3khZbXxsS5HEX", P2SH)


def test_wrong_length_text_of_another_network_is_no_address() -> None:
    text = encode_bech32("tb", 0, bytes(16))
    with pytest.raises(InvalidAddressError, match="wrong length"):
        parse_address(text, NETWORKS["BTC"])


HASHES = st.binary(min_size=20, max_size=20).filter(lambda made: len(set(made)) > 1)


@given(HASHES, st.sampled_from(sorted(NETWORKS)))
def test_every_key_hash_comes_back(key_hash: bytes, name: str) -> None:
    network = NETWORKS[name]
    for script in (
        b"\x76\xa9\x14" + key_hash + b"\x88\xac",
        b"\xa9\x14" + key_hash + b"\x87",
        b"\x00\x14" + key_hash,
    ):
        address = address_of(script, network)
        assert parse_address(address, network).script == script


@given(st.text(max_size=100))
def test_any_text_is_an_address_that_comes_back_or_none_at_all(text: str) -> None:
    for network in NETWORKS.values():
        try:
            found = parse_address(text, network)
        except InvalidAddressError:
            continue
        assert address_of(found.script, network).lower() == text.lower()


def test_a_changed_letter_is_noticed() -> None:
    text = "bcrt1qqypqxpq9qcrsszg2pvxq6rs0zqg3yyc5phstwt"
    for place in range(5, len(text)):
        changed = text[:place] + ("q" if text[place] != "q" else "p") + text[place + 1 :]
        with pytest.raises(InvalidAddressError, match="checksum"):
            parse_address(changed, NETWORKS["btc"])


def test_a_script_without_address_is_refused() -> None:
    with pytest.raises(ValueError, match="no address"):
        address_of(b"\x6a\x01\x01", NETWORKS["btc"])


@given(st.lists(st.integers(0, 31), max_size=90), st.integers(0, 2**30 - 1))
def test_two_steps_of_the_checksum_at_once_are_two_steps(values: list[int], state: int) -> None:
    assert address._polymod(values, state) == reduce(address._step, values, state)
