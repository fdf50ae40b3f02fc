"""The developer's key pair, and bundles signed with it. The private key never leaves its file."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from nearsight.bundle import signed, write_atomically
from nearsight.errors import InputError

__all__ = ["make_keys", "private_key", "public_path", "sign"]


def make_keys(path: Path) -> Path:
    """Write a new Ed25519 private key that its owner alone can read (mode 0600), and beside it the public key.

    Both are PEM, the private one without a password. Returns the public key's path. Raises `InputError` where either
    file is there already.
    """
    key, public = Ed25519PrivateKey.generate(), public_path(path)
    for each in (path, public):
        if each.exists():
            raise InputError(f"{each} is there already, and a key isn't written over: pass another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_atomically(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def public_path(path: Path) -> Path:
    """Where the public key of the private key at `path` lies: `shop.pub.pem` beside `shop.pem`."""
    return path.with_name(f"{path.stem}.pub.pem")


def private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file. Raises `InputError` where it is missing, locked or of another kind."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass the private key's file") from None
    except (ValueError, TypeError):  # TypeError: it has a password
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"{path} must be an Ed25519 private key in PEM without a password: pass the one that nearsight keys made"
        )
    return key


def sign(bundle: Path, key: Path, out: Path) -> None:
    """Sign a bundle, instead of an earlier signature, and write it to `out`; only its signature changes.

    Raises `InputError` as `private_key` does, and `BundleError` for a file that isn't a whole bundle.
    """
    write_atomically(out, signed(bundle, private_key(key).sign))
