"""The age v1 file format with a passphrase, at a work factor that costs tests nothing.

The product's own writer leaves the work factor to the age library (about a second); the reader is
the same for both. See the age specification: scrypt recipient, header MAC, one payload chunk.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from Crypto.Cipher import ChaCha20_Poly1305

LOG_N = 4


def encrypt(data: bytes, passphrase: str) -> bytes:
    """An age file of at most 64 KiB of content."""
    file_key, salt = secrets.token_bytes(16), secrets.token_bytes(16)
    wrap_key = hashlib.scrypt(
        passphrase.encode(), salt=b"age-encryption.org/v1/scrypt" + salt, n=2**LOG_N, r=8, p=1, dklen=32
    )
    head = f"age-encryption.org/v1\n-> scrypt {_base64(salt)} {LOG_N}\n".encode()
    head += _base64(_seal(wrap_key, bytes(12), file_key)).encode() + b"\n---"
    mac = hmac.digest(_hkdf(file_key, b"", b"header"), head, "sha256")
    nonce = secrets.token_bytes(16)
    last_chunk = bytes(11) + b"\x01"
    body = _seal(_hkdf(file_key, nonce, b"payload"), last_chunk, data)
    return head + b" " + _base64(mac).encode() + b"\n" + nonce + body


def _seal(key: bytes, nonce: bytes, data: bytes) -> bytes:
    sealed, tag = ChaCha20_Poly1305.new(key=key, nonce=nonce).encrypt_and_digest(data)
    return sealed + tag


def _hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
