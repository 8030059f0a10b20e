"""BIP32 against its published test vectors, and refusal of everything else."""

from __future__ import annotations

import pytest

from coins.bip32 import (
    HARDENED,
    TPUB_VERSION,
    Bip32Error,
    account_node,
    child_public,
    derive_private,
    derive_public,
    master,
    neuter,
    parse_xpub,
    serialize,
)

SEED_1 = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
VECTOR_1 = [
    (
        (),
        "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
    ),
    (
        (HARDENED,),
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
    ),
    (
        (HARDENED, 1),
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        (HARDENED, 1, 2 + HARDENED),
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
    ),
    (
        (HARDENED, 1, 2 + HARDENED, 2),
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    ),
    (
        (HARDENED, 1, 2 + HARDENED, 2, 1_000_000_000),
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
    ),
]
SEED_2 = bytes.fromhex(
    "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2"
    "9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542"
)
VECTOR_2 = [
    (
        (),
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
    ),
    (
        (0,),
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
    (
        (0, 2147483647 + HARDENED),
        "xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNRts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a",
    ),
]


@pytest.mark.parametrize(
    ("seed", "path", "xpub"),
    [(SEED_1, path, xpub) for path, xpub in VECTOR_1] + [(SEED_2, path, xpub) for path, xpub in VECTOR_2],
)
def test_published_vectors(seed: bytes, path: tuple[int, ...], xpub: str) -> None:
    node = neuter(derive_private(master(seed), path))
    assert serialize(node) == xpub
    assert parse_xpub(xpub) == node


def test_public_derivation_equals_private() -> None:
    account = account_node(SEED_1, 84, 0, 0)
    for path in ((0, 0), (0, 1), (1, 7), (0, HARDENED - 1)):
        assert derive_public(neuter(account), path) == neuter(derive_private(account, path))


def test_other_prefixes_give_the_same_node() -> None:
    node = neuter(account_node(SEED_1, 84, 1, 0))
    text = serialize(node, TPUB_VERSION)
    assert text.startswith("tpub")
    assert parse_xpub(text) == node


@pytest.mark.parametrize("index", [-1, HARDENED, 2**32])
def test_hardened_or_wild_index_is_refused_for_public_keys(index: int) -> None:
    with pytest.raises(Bip32Error):
        child_public(parse_xpub(VECTOR_1[0][1]), index)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xpub",
        VECTOR_1[0][1][:-1] + "9",
        VECTOR_1[0][1] + "\n",
        # a private key is not taken for a public one
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        "x" * 10_000,
        # depth 0 with a parent, wrong version, point not on the curve: from the published invalid keys
        "xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXGENhYRCf7hyEbWrR3FewATdCEebj6znwMfQkhRYHRLpJ",
        "xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6LBpB85b3D2yc8sfvZU521AAwdZafEz7mnzBBsz4wKY5fTtTQBm",
    ],
)
def test_broken_keys_are_refused(text: str) -> None:
    with pytest.raises(Bip32Error):
        parse_xpub(text)


def test_no_secret_in_repr() -> None:
    node = master(SEED_1)
    assert node.secret.hex() not in repr(node)
    assert repr(node.secret) not in repr(node)


@pytest.mark.parametrize("size", [0, 15, 65])
def test_seed_size(size: int) -> None:
    with pytest.raises(Bip32Error):
        master(bytes(size))
