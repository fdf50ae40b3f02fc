"""Who made a bundle: an Ed25519 signature (RFC 8032) over its manifest, which holds the hash of every other member."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nearsight.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["SIZE", "Key", "public_key", "signed_by"]

SIZE = 64  # bytes
Key = str | os.PathLike[str] | bytes


def public_key(source: Key) -> "Ed25519PublicKey":
    """The public key in a PEM file, given by its path or as its bytes.

    Raises `InputError` where it is missing or of another kind, and where cryptography isn't installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise InputError(
            "checking a signature needs cryptography, which isn't installed: pip install 'nearsight[trust]'"
        ) from None
    where = "this public key" if isinstance(source, bytes) else os.fspath(source)
    try:
        key = load_pem_public_key(source if isinstance(source, bytes) else Path(source).read_bytes())
    except OSError as error:
        raise InputError(f"{where} can't be read ({error.strerror}): pass the path of a public key") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{where} must be an Ed25519 public key in PEM: pass the .pub.pem that nearsight keys made")
    return key


def signed_by(key: "Ed25519PublicKey", signature: bytes, content: bytes) -> bool:
    """Whether `signature` is that of the key's owner over `content`."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
