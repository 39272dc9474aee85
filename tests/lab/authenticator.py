"""A device that holds passkeys, as a browser would ask it: real keys and signatures, without the browser."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _WITH_KEY = 0x01, 0x04, 0x40  # flags of WebAuthn's authenticator data


def base64url(data: bytes) -> str:
    """As WebAuthn writes bytes in JSON."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    """One passkey (WebAuthn level 2, ES256, no attestation). `count` is the counter of the last response."""

    def __init__(self, origin: str, host: str) -> None:
        self.origin = origin
        self.host = host
        self.credential_id = secrets.token_bytes(16)
        self.count = 0
        self._key = ec.generate_private_key(ec.SECP256R1())

    def made(self, challenge: bytes, *, verified: bool = True, transports: object = ("internal",)) -> str:
        """What the browser sends when the passkey is created."""
        numbers = self._key.public_key().public_numbers()
        public_key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        length = len(self.credential_id).to_bytes(2, "big")
        key = bytes(16) + length + self.credential_id + cbor2.dumps(public_key)
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(_WITH_KEY, verified=verified) + key}
        return self._said(
            clientDataJSON=base64url(self._client_data("webauthn.create", challenge)),
            attestationObject=base64url(cbor2.dumps(attestation)),
            transports=transports,
        )

    def used(self, challenge: bytes, *, verified: bool = True, handle: bytes | None = None) -> str:
        """What the browser sends when the passkey is used: the next response, its counter one higher."""
        self.count += 1
        data, client_data = self._data(0, verified=verified), self._client_data("webauthn.get", challenge)
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        more = {} if handle is None else {"userHandle": base64url(handle)}
        return self._said(
            clientDataJSON=base64url(client_data),
            authenticatorData=base64url(data),
            signature=base64url(signature),
            **more,
        )

    def _data(self, flags: int, *, verified: bool) -> bytes:
        flags |= _PRESENT | (_VERIFIED if verified else 0)
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, what: str, challenge: bytes) -> bytes:
        said = {"type": what, "challenge": base64url(challenge), "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _said(self, **response: Any) -> str:
        name = base64url(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
