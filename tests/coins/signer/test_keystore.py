"""Keystore files of version 3: the published ones open, hostile ones are refused before any work."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from pydantic import SecretStr

from coins.errors import SignerError
from coins.eth_library import Account
from coins.evm.derive import EvmDeriver
from coins.evm.sign import account_xpub, sign_plan
from coins.signer.errors import KeystoreError
from coins.signer.keystore import open_keystore
from coins.types import Branch, TxOutput
from config.schema import EvmCoinSettings
from tests.coins.evm.test_sign import DEPOSIT, HOT, plan_of
from tests.coins.evm.world import ETHER, SEED, eth_settings
from tests.coins.signer.test_service import Open, ask, sign

# The test vectors of Web3 Secret Storage, version 3.
PASSPHRASE = "testpassword"
SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
ADDRESS = Account.from_key(SECRET).address
SCRYPT: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "r": 1,
            "p": 8,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
PBKDF2: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


def put(path: Path, tree: object, mode: int = 0o600) -> Path:
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def quick() -> dict[str, Any]:
    """A keystore of little work with the same key."""
    made: dict[str, Any] = Account.encrypt(bytes.fromhex(SECRET), PASSPHRASE, kdf="pbkdf2", iterations=10)
    return made


@pytest.mark.parametrize("tree", [SCRYPT, PBKDF2], ids=["scrypt", "pbkdf2"])
def test_the_published_files_open(tmp_path: Path, tree: dict[str, Any]) -> None:
    path = put(tmp_path / "hot.json", tree)
    assert open_keystore(path, PASSPHRASE, ADDRESS).hex() == SECRET


def test_names_may_be_written_large_and_hex_with_its_prefix(tmp_path: Path, quick: dict[str, Any]) -> None:
    tree = copy.deepcopy(quick)
    tree["Crypto"] = tree.pop("crypto")
    tree["Crypto"]["MAC"] = "0x" + tree["Crypto"].pop("mac")
    assert open_keystore(put(tmp_path / "hot.json", tree), PASSPHRASE, ADDRESS.lower()).hex() == SECRET


def changed(*path: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(tree: dict[str, Any]) -> object:
        part = tree
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value
        return tree

    return change


KDF = ("crypto", "kdfparams")
HOSTILE: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda tree: "", "is no JSON"),
    (lambda tree: "[" * 10_000, "is no JSON"),
    (lambda tree: [tree], "it is no object"),
    (lambda tree: {}, "version is not 3"),
    (changed("version", value=4), "version is not 3"),
    (changed("version", value="3"), "version is not 3"),
    (changed("version", value=3.0), "version is not 3"),
    (changed("crypto", value=None), "crypto is no object"),
    (changed("CRYPTO", value={}), "it has a name twice"),
    (changed("crypto", "cipher", value="aes-256-ctr"), "crypto.cipher is not"),
    (changed("crypto", "cipherparams", value="iv"), "crypto.cipherparams is no object"),
    (changed("crypto", "cipherparams", value={"iv": "00"}), "cipherparams.iv is no hex text of 16 bytes"),
    (changed("crypto", "ciphertext", value="ab" * 31), "crypto.ciphertext is no hex text of 32 bytes"),
    (changed("crypto", "ciphertext", value="zz" * 32), "crypto.ciphertext is no hex text"),
    (changed("crypto", "mac", value=7), "crypto.mac is no hex text of 32 bytes"),
    (changed("crypto", "kdf", value="md5"), "neither scrypt nor pbkdf2"),
    (changed("crypto", "kdf", value=["scrypt"]), "neither scrypt nor pbkdf2"),
    (changed("crypto", "kdf", value="scrypt"), "kdfparams.n is no whole number"),
    (changed("crypto", "kdfparams", value=[]), "crypto.kdfparams is no object"),
    (changed(*KDF, "c", value=10**12), "kdfparams.c is no whole number from 1 to"),
    (changed(*KDF, "c", value=4_000_001), "kdfparams.c is no whole number from 1 to"),
    (changed(*KDF, "c", value=True), "kdfparams.c is no whole number"),
    (changed(*KDF, "c", value=-1), "kdfparams.c is no whole number"),
    (changed(*KDF, "prf", value="hmac-sha1"), "kdfparams.prf is not hmac-sha256"),
    (changed(*KDF, "dklen", value=2**31), "kdfparams.dklen is no whole number from 32 to 32"),
    (changed(*KDF, "salt", value=""), "kdfparams.salt is no hex text"),
    (changed(*KDF, "salt", value="ab" * 65), "kdfparams.salt is no hex text"),
    (changed(*KDF, "salt", value="abc"), "kdfparams.salt is no hex text"),
]
SCRYPT_PARAMS: list[tuple[dict[str, Any], str]] = [
    ({"n": 2**40}, "kdfparams.n is no whole number"),
    ({"n": 1000}, "kdfparams.n is no power of two"),
    ({"r": 2**20}, "kdfparams.r is no whole number"),
    ({"n": 2**20, "r": 8}, "more memory or work"),
    ({"n": 2**18, "r": 8, "p": 64}, "more memory or work"),
    ({"n": 2**18, "r": 8, "p": 5}, "more memory or work"),
    ({"p": 0}, "kdfparams.p is no whole number"),
]


@pytest.mark.parametrize(("change", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_wrong_form_is_refused_by_the_name_of_its_field(
    tmp_path: Path, quick: dict[str, Any], change: Callable[[dict[str, Any]], object], words: str
) -> None:
    path = put(tmp_path / "hot.json", change(copy.deepcopy(quick)))
    with pytest.raises(KeystoreError, match=words) as caught:
        open_keystore(path, PASSPHRASE, ADDRESS)
    assert PASSPHRASE not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("params", "words"), SCRYPT_PARAMS)
def test_scrypt_that_would_take_the_machine_down_is_not_begun(
    tmp_path: Path, params: dict[str, Any], words: str
) -> None:
    tree = copy.deepcopy(SCRYPT)
    tree["crypto"]["kdfparams"] |= params
    with pytest.raises(KeystoreError, match=words):
        open_keystore(put(tmp_path / "hot.json", tree), PASSPHRASE, ADDRESS)


def test_a_wrong_passphrase_a_damaged_file_and_another_key(tmp_path: Path, quick: dict[str, Any]) -> None:
    path = put(tmp_path / "hot.json", quick)
    with pytest.raises(KeystoreError, match="wrong passphrase, or the file is damaged"):
        open_keystore(path, "another", ADDRESS)
    with pytest.raises(KeystoreError, match=f"holds the key of {ADDRESS}, hot_address is 0x00"):
        open_keystore(path, PASSPHRASE, "0x" + "00" * 20)
    damaged = changed("crypto", "ciphertext", value="00" * 32)(copy.deepcopy(quick))
    with pytest.raises(KeystoreError, match="wrong passphrase, or the file is damaged"):
        open_keystore(put(path, damaged), PASSPHRASE, ADDRESS)


@pytest.mark.parametrize("number", [0, 2**256 - 1])
def test_a_file_that_holds_no_key_of_the_curve(tmp_path: Path, quick: dict[str, Any], number: int) -> None:
    # A stream cipher: other bytes of ours come out when the same bits are turned round.
    stream = int(quick["crypto"]["ciphertext"], 16) ^ int(SECRET, 16)
    tree = copy.deepcopy(quick)
    text = f"{stream ^ number:064x}"
    params = tree["crypto"]["kdfparams"]
    salt = bytes.fromhex(params["salt"])
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, params["c"], 32)
    tree["crypto"] |= {"ciphertext": text, "mac": keccak(key[16:] + bytes.fromhex(text)).hex()}
    with pytest.raises(KeystoreError, match="cannot open the keystore"):
        open_keystore(put(tmp_path / "hot.json", tree), PASSPHRASE, ADDRESS)


def test_the_file_is_its_owners_alone(tmp_path: Path, quick: dict[str, Any]) -> None:
    for mode in (0o640, 0o604, 0o660):
        with pytest.raises(KeystoreError, match="may be read by others: chmod 600 it"):
            open_keystore(put(tmp_path / "hot.json", quick, mode), PASSPHRASE, ADDRESS)
    with pytest.raises(KeystoreError, match="there is no keystore") as caught:
        open_keystore(tmp_path / "none.json", PASSPHRASE, ADDRESS)
    assert caught.value.exit_code == 3
    with pytest.raises(KeystoreError, match="too large"):
        open_keystore(put(tmp_path / "big.json", " " * 20_000), PASSPHRASE, ADDRESS)
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(KeystoreError, match="no regular file"):
        open_keystore(tmp_path / "fifo", PASSPHRASE, ADDRESS)


# -- the signer with it ------------------------------------------------------------------------------------


def settings_with(path: Path, **changes: Any) -> EvmCoinSettings:
    values = {
        "hot_keystore": path,
        "hot_keystore_passphrase": SecretStr(PASSPHRASE),
        "hot_address": ADDRESS,
    }
    return eth_settings().model_copy(update=values | changes)


def test_the_signer_pays_from_the_keystores_account_and_from_no_other(
    tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = settings_with(put(tmp_path / "hot.json", quick))
    service = Open(tmp_path)(lambda: {"ETH": settings})
    hot = EvmDeriver(settings, account_xpub(SEED, settings, 0), None).own(Branch.HOT, 0)
    assert hot.address == ADDRESS
    reply = sign(service, plan_of(hot))
    assert Account.recover_transaction(reply["raw"]) == ADDRESS
    assert SECRET not in json.dumps(reply)
    assert sign(service, replace(plan_of(HOT), intent_id="w2"))["code"] == "refused"  # the seed's hot account
    second = replace(plan_of(replace(hot, index=1)), intent_id="w3")
    assert "the only hot account" in sign(service, second)["reason"]
    home = TxOutput(hot.script, hot.address, ETHER)
    swept = sign(service, replace(plan_of(DEPOSIT, "sweep", home), intent_id="s1"))
    assert Account.recover_transaction(swept["raw"]) == DEPOSIT.address
    away = TxOutput(HOT.script, HOT.address, ETHER)
    assert "nowhere else" in sign(service, replace(plan_of(DEPOSIT, "sweep", away), intent_id="s2"))["reason"]


def test_without_its_key_the_seeds_is_never_used_in_its_place(tmp_path: Path) -> None:
    settings = settings_with(tmp_path / "none.json")
    with pytest.raises(SignerError, match="not open"):
        sign_plan(SEED, settings, plan_of(HOT))


def test_a_keystore_that_does_not_open_keeps_the_signer_from_starting_and_a_reload_from_counting(
    tmp_path: Path, quick: dict[str, Any]
) -> None:
    good = settings_with(put(tmp_path / "hot.json", quick))
    bad = settings_with(put(tmp_path / "bad.json", {}))
    now = [bad]
    opened = Open(tmp_path)
    with pytest.raises(KeystoreError, match="version is not 3"):
        opened(lambda: {"ETH": now[0]})
    now[0] = good
    service = opened(lambda: {"ETH": now[0]})
    now[0] = bad
    reply = ask(service, op="reload")
    assert (reply["code"], "version is not 3" in reply["reason"]) == ("refused", True)
    hot = EvmDeriver(good, account_xpub(SEED, good, 0), None).own(Branch.HOT, 0)
    assert "raw" in sign(service, plan_of(hot))
