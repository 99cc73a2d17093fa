"""This installation's key for receipts."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from migrations_app.receipts import seal
from migrations_app.receipts.seal import Signature


@cache
def _key(secret: str) -> Ed25519PrivateKey:
    return seal.private_key(secret)


def signed(receipt: dict[str, Any]) -> Signature:
    """The signature under a receipt that is just being stored."""
    return seal.sign(receipt, _key(settings.RECEIPT_SECRET))


def public_pem() -> str:
    """The public half, for whoever checks receipts elsewhere."""
    return seal.public_pem(_key(settings.RECEIPT_SECRET).public_key())


def key_id() -> str:
    """The name of the key."""
    return seal.key_id(_key(settings.RECEIPT_SECRET).public_key())
