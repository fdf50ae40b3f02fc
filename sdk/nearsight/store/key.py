"""A store's key where the app gives none: in the operating system's keyring, or else in a file beside the store."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nearsight.errors import StoreError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["KEY_BYTES", "Place", "checked_key", "forget_key", "kept_key"]

Place = Literal["app", "keyring", "file"]
KEY_BYTES = 32
_SERVICE = "nearsight"


def checked_key(key: object) -> bytes:
    """A key that an app gave. Raises `StoreError` where it isn't 32 bytes."""
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        came = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
        raise StoreError(f"a store's key must be {KEY_BYTES} random bytes, received {came}: make one by os.urandom(32)")
    return key


def kept_key(path: Path, identity: bytes, *, is_new: bool) -> tuple[bytes, Place]:
    """The key of the store at `path` and where it is kept; a new store gets a new one.

    A file is taken where there is one, then the keyring. Raises `StoreError` where neither has it, the keyring refuses,
    or others may read the file.
    """
    file = _file(path)
    if file.exists():
        return _read(file), "file"
    name = identity.hex()
    found = _from_keyring(name)
    if found is None and is_new:
        found = os.urandom(KEY_BYTES).hex()
        if not _to_keyring(name, found):
            return _written(file, bytes.fromhex(found)), "file"
    if found is None:
        raise StoreError(f"{path} has its key neither beside it nor in this user's keyring: pass key=")
    return checked_key(bytes.fromhex(found)), "keyring"


def forget_key(path: Path, identity: bytes) -> None:
    """Remove a kept key, wherever it is."""
    _file(path).unlink(missing_ok=True)
    name = identity.hex()
    if _from_keyring(name) is not None:
        import keyring

        keyring.delete_password(_SERVICE, name)


def _file(path: Path) -> Path:
    return path.with_name(f"{path.name}.key")


def _read(file: Path) -> bytes:
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise StoreError(f"{file} must be readable by its owner alone: chmod 600 it")
    return checked_key(file.read_bytes())


def _written(file: Path, key: bytes) -> bytes:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(key)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)
    return key


def _module() -> "ModuleType | None":
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    return keyring


def _from_keyring(name: str) -> str | None:
    keyring = _module()
    if keyring is None:
        return None
    try:
        found: str | None = keyring.get_password(_SERVICE, name)
    except keyring.errors.NoKeyringError:
        return None
    except keyring.errors.KeyringError as error:
        raise _refused(error) from error
    return found


def _to_keyring(name: str, text: str) -> bool:
    """Whether a keyring kept it: a machine without a desktop has none, and one may be switched off."""
    keyring = _module()
    if keyring is None:
        return False
    try:
        keyring.set_password(_SERVICE, name, text)
    except keyring.errors.NoKeyringError:
        return False
    except keyring.errors.KeyringError as error:
        raise _refused(error) from error
    return _from_keyring(name) == text


def _refused(error: Exception) -> StoreError:
    return StoreError(f"the keyring refused ({type(error).__name__}): unlock it, or pass key=")
