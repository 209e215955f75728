"""Envelopes and their signatures: DSSE's pre-authentication encoding and Ed25519."""

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from .messages import trust_pb2

ROOT = "application/vnd.holdfast.root.v1"
PLAN = "application/vnd.holdfast.plan.v1"
REJOIN = "application/vnd.holdfast.rejoin.v1"
FRESH = "application/vnd.holdfast.fresh.v1"
REPORT = "application/vnd.holdfast.report.v1"


def signed_bytes(payload_type: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type.encode(), len(payload), payload)


class SigningKey:
    """An Ed25519 key: a new one, or one from a PEM file."""

    def __init__(self, file: Path | None = None, passphrase: bytes | None = None):
        self._key = Ed25519PrivateKey.generate()
        if file is not None:
            self._key = load_pem_private_key(file.read_bytes(), passphrase)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(self.public).digest()

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        return self._key.sign(signed_bytes(payload_type, payload))


def sign(payload_type: str, payload: bytes, *keys: SigningKey) -> bytes:
    """The envelope of a payload, signed by each key."""
    envelope = trust_pb2.Envelope(payload_type=payload_type, payload=payload)
    for key in keys:
        envelope.signatures.add(key_id=key.id, signature=key.sign(payload_type, payload))
    return envelope.SerializeToString()


def open_envelope(payload_type: str, data: bytes, public_key: bytes) -> bytes:
    """The payload. Fails unless the envelope has this type and a valid signature by this key."""
    envelope = trust_pb2.Envelope.FromString(data)
    if envelope.payload_type != payload_type:
        raise AssertionError(f"an envelope of {envelope.payload_type}; expected {payload_type}")
    for one in envelope.signatures:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(
                one.signature, signed_bytes(payload_type, envelope.payload))
        except InvalidSignature:
            continue
        return envelope.payload
    raise AssertionError(f"no valid signature by key {public_key.hex()} on this {payload_type}")
