"""Who can read what: a root under the app's key, a key for each user under the root, rows under their user's key.

All of it is AES-256-GCM (NIST SP 800-38D) with nonces of 96 random bits. What is sealed names, as authenticated data,
the store, the user and the place that it belongs to, so that it opens nowhere else. Erasing a user's key makes every
copy of their rows unreadable, also one that a file system still holds somewhere. A new key for the app seals the root
anew and no row.
"""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["KEY_BYTES", "Ring", "UserKey"]

KEY_BYTES = 32
_NONCE_BYTES = 12


class UserKey:
    """The key of one user's rows; `about` is what they all belong to."""

    __slots__ = ("_about", "_cipher")

    def __init__(self, key: bytes, about: bytes) -> None:
        self._cipher, self._about = AESGCM(key), about

    def seal(self, place: bytes, content: bytes) -> bytes:
        """`content` as only `open` with the same `place` can read it."""
        return _sealed(self._cipher, self._about + place, content)

    def open(self, place: bytes, sealed: bytes) -> bytes | None:
        """The content; None where it was altered or belongs elsewhere."""
        return _opened(self._cipher, self._about + place, sealed)


class Ring:
    """The keys of one store, whose `identity` is 16 bytes and whose `root` is 64."""

    def __init__(self, identity: bytes, root: bytes) -> None:
        self._identity, self._root = identity, root
        self._names, self._wrapping = root[:KEY_BYTES], AESGCM(root[KEY_BYTES:])

    @classmethod
    def new(cls, identity: bytes) -> "Ring":
        """Keys that nothing was sealed with yet."""
        return cls(identity, os.urandom(2 * KEY_BYTES))

    @classmethod
    def unlocked(cls, identity: bytes, key: bytes, sealed: bytes) -> "Ring | None":
        """The keys that `locked` sealed; None where it was with another key, or was altered."""
        root = _opened(_lock(identity, key), identity, sealed)
        return None if root is None else cls(identity, root)

    def locked(self, key: bytes) -> bytes:
        """The root, sealed under the app's key (RFC 5869 derives one for this store)."""
        return _sealed(_lock(self._identity, key), self._identity, self._root)

    def pseudonym(self, user: str) -> bytes:
        """What a user is called in the store: HMAC-SHA-256 (RFC 2104), 32 bytes that nobody else can work out."""
        return hmac.digest(self._names, user.encode("utf-8", "surrogatepass"), "sha256")

    def new_user(self, pseudonym: bytes) -> tuple[UserKey, bytes]:
        """A new key for a user, and the same sealed."""
        key = os.urandom(KEY_BYTES)
        return UserKey(key, self._identity + pseudonym), _sealed(self._wrapping, self._identity + pseudonym, key)

    def user(self, pseudonym: bytes, sealed: bytes) -> UserKey | None:
        """A user's key; None where it was altered or is another user's."""
        key = _opened(self._wrapping, self._identity + pseudonym, sealed)
        return None if key is None else UserKey(key, self._identity + pseudonym)


def _lock(identity: bytes, key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, identity, b"nearsight store root").derive(key))


def _sealed(cipher: AESGCM, about: bytes, content: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, about)


def _opened(cipher: AESGCM, about: bytes, sealed: bytes) -> bytes | None:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
    except (InvalidTag, TypeError, ValueError):  # the others where it is no bytes, or fewer than a nonce has
        return None
