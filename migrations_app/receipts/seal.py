"""Pure: a receipt's signature, Ed25519 over its canonical JSON, and what a check of an exported one says."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

KIND = "drover-receipt/1"
ALGORITHM = "ed25519"
#: Never changed: another text would be another key from the same secret.
_PURPOSE = b"drover receipt signing key 1"


class BadReceipt(ValueError):
    """The file is no exported receipt, or the key no public key; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Which key signed, and what came out, as base64."""

    key_id: str
    value: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the receipt is what was signed, in words."""

    genuine: bool
    words: str


def private_key(secret: str) -> Ed25519PrivateKey:
    """The installation's key, made from its secret (RFC 5869)."""
    seed = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_pem(key: Ed25519PublicKey) -> str:
    """The public key as a PEM file."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_pem(text: str) -> Ed25519PublicKey:
    """The key in a PEM file; raises BadReceipt for anything else."""
    try:
        key = load_pem_public_key(text.encode())
    except ValueError as error:
        raise BadReceipt(f"This is no public key in PEM form: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadReceipt("This public key is not of the kind Ed25519.")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """A short name of a key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def canonical(receipt: Mapping[str, Any]) -> bytes:
    """What is signed: JSON with sorted keys, no blanks, nothing escaped that UTF-8 can hold."""
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign(receipt: Mapping[str, Any], key: Ed25519PrivateKey) -> Signature:
    """The signature of this receipt."""
    value = base64.b64encode(key.sign(canonical(receipt))).decode()
    return Signature(key_id=key_id(key.public_key()), value=value)


def exported(receipt: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """The file that is handed out."""
    return {
        "kind": KIND,
        "receipt": receipt,
        "signature": {"algorithm": ALGORITHM, "key_id": signature.key_id, "value": signature.value},
    }


def check(document: Any, key: Ed25519PublicKey) -> Verdict:
    """Whether an exported file is what the owner of `key` signed; raises BadReceipt for a file of another kind."""
    receipt, signature = _parts(document)
    if signature.key_id != key_id(key):
        text = f"It was signed with the key {signature.key_id}, and you check with {key_id(key)}"
        return Verdict(False, f"{text}: nothing is proven.")
    try:
        key.verify(base64.b64decode(signature.value, validate=True), canonical(receipt))
    except (InvalidSignature, ValueError):
        return Verdict(False, "The signature does not fit: the receipt was changed, or never signed like this.")
    return Verdict(True, f"Genuine, signed with the key {signature.key_id}.")


def _parts(document: Any) -> tuple[Mapping[str, Any], Signature]:
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        raise BadReceipt(f"This is no exported receipt: its kind is not '{KIND}'.")
    receipt, signature = document.get("receipt"), document.get("signature")
    if not isinstance(receipt, Mapping) or not isinstance(signature, Mapping):
        raise BadReceipt("This is no exported receipt: it lacks its receipt or its signature.")
    if signature.get("algorithm") != ALGORITHM:
        raise BadReceipt(f"Its signature is not of the kind {ALGORITHM}.")
    return receipt, Signature(key_id=str(signature.get("key_id")), value=str(signature.get("value")))
