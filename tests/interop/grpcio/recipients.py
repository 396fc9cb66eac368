"""Keys of a control plane, and what others than ourselves read with them: jwcrypto a JWE, pyrage an age file."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from interop.processes import Failure
from jwcrypto import jwe, jwk


@dataclass
class Recipient:
    """A key, as an encryption configuration names it, and the way to read what was encrypted for it."""

    config: Any
    provider: str
    key_id: str | None
    read: Callable[[bytes], bytes]


def recipients() -> list[Recipient]:
    """One of each kind, with fresh keys."""
    ed25519_key = ed25519.Ed25519PrivateKey.generate()
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return [_age(), _elliptic("P-256"), _elliptic("P-384"), _ssh(ed25519_key), _ssh(rsa_key)]


def read_all(keys: list[Recipient], encrypted: list[Any]) -> list[str]:
    """What each key reads of the data that is meant for it; the data are in the order of the keys."""
    if len(keys) != len(encrypted):
        raise Failure(f"{len(encrypted)} ciphertexts for {len(keys)} keys")
    found = []
    for key, data in zip(keys, encrypted, strict=True):
        if data.provider != key.provider:
            raise Failure(f"provider {data.provider!r}, expected {key.provider!r}")
        if key.key_id is not None and (data.key_id, list(data.key_ids)) != (key.key_id, [key.key_id]):
            raise Failure(f"key ids {data.key_id!r}, {data.key_ids}, expected {key.key_id!r}")
        found.append(key.read(data.encrypted_bytes).decode())
    return found


def _age() -> Recipient:
    from c1.connector.v2.encryption_pb2 import EncryptionConfig

    identity = pyrage.x25519.Identity.generate()
    config = EncryptionConfig()
    config.age_recipient_config.recipient = str(identity.to_public())
    return Recipient(config, "baton/age/v1", None, lambda data: pyrage.decrypt(data, [identity]))


def _elliptic(curve: str) -> Recipient:
    key = jwk.JWK.generate(kty="EC", crv=curve)

    def read(data: bytes) -> bytes:
        token = jwe.JWE(algs=["ECDH-ES", "A256GCM"])
        token.deserialize(base64.b64decode(data).decode(), key=key)
        return token.payload

    return _of_jwk(key, read)


def _ssh(private: Any) -> Recipient:
    key = jwk.JWK.from_pyca(private)
    encoded = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    identity = pyrage.ssh.Identity.from_buffer(encoded)
    return _of_jwk(key, lambda data: pyrage.decrypt(base64.b64decode(data), [identity]))


def _of_jwk(key: Any, read: Callable[[bytes], bytes]) -> Recipient:
    from c1.connector.v2.encryption_pb2 import EncryptionConfig

    members = json.loads(key.export_public())
    config = EncryptionConfig()
    config.jwk_public_key_config.pub_key = json.dumps(members).encode()
    thumbprint = base64.urlsafe_b64decode(key.thumbprint() + "=").hex()
    return Recipient(config, "baton/jwk/v1", thumbprint, read)
