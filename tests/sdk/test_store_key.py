"""Where a key is kept that the app doesn't give: the keyring, or a file where there is none."""

import os
import sys
import types

import pytest

from nearsight import StoreError
from shop import KEY, START, opened


class KeyringError(Exception):
    pass


class NoKeyringError(KeyringError):
    pass


def keyring(monkeypatch, passwords=None, error=None):
    """A keyring in the place of the system's: one that holds `passwords`, or raises `error`."""
    held = {} if passwords is None else passwords
    fake, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")

    def get(service, name):
        if error:
            raise error
        return held.get((service, name))

    def put(service, name, password):
        if error:
            raise error
        held[service, name] = password

    fake.get_password, fake.set_password, fake.errors = get, put, errors
    fake.delete_password = lambda service, name: held.pop((service, name))
    errors.KeyringError, errors.NoKeyringError = KeyringError, NoKeyringError
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return held


def observed(path, key=None):
    with opened(path, key=key) as store:
        store.consent("ada", "insight")
        store.observe("ada", "view", time=START)
        return store.key_place, store.export_user("ada")["history"]["events"]


def test_a_keyring_keeps_the_key_and_no_file_does(tmp_path, monkeypatch):
    held = keyring(monkeypatch)
    assert observed(tmp_path) == ("keyring", 1)
    ((service, name), key) = next(iter(held.items()))
    assert (service, len(held), len(bytes.fromhex(key))) == ("nearsight", 1, 32)
    assert not (tmp_path / "state.db.key").exists()
    assert observed(tmp_path) == ("keyring", 2)
    assert bytes.fromhex(key) not in (tmp_path / "state.db").read_bytes()
    held.clear()
    with pytest.raises(StoreError, match="neither beside it nor in this user's keyring"):
        opened(tmp_path, key=None)
    held[service, name] = key
    assert observed(tmp_path) == ("keyring", 3)


@pytest.mark.parametrize("kind", ["none", "absent", "forgetful"])
def test_a_file_keeps_the_key_where_there_is_no_keyring(tmp_path, monkeypatch, kind):
    if kind == "absent":
        monkeypatch.setitem(sys.modules, "keyring", None)
    elif kind == "none":
        keyring(monkeypatch, error=NoKeyringError("planted"))
    else:
        keyring(monkeypatch)
        sys.modules["keyring"].set_password = lambda *_: None
    assert observed(tmp_path) == ("file", 1)
    file = tmp_path / "state.db.key"
    assert len(file.read_bytes()) == 32
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600
    assert observed(tmp_path) == ("file", 2)


def test_a_locked_keyring_is_said_and_no_second_key_made(tmp_path, monkeypatch):
    held = keyring(monkeypatch)
    observed(tmp_path)
    keyring(monkeypatch, error=KeyringError("planted"))
    with pytest.raises(StoreError, match=r"the keyring refused \(KeyringError\): unlock it"):
        opened(tmp_path, key=None)
    keyring(monkeypatch, held)
    assert observed(tmp_path) == ("keyring", 2)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")
def test_a_key_file_that_others_may_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    observed(tmp_path)
    (tmp_path / "state.db.key").chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        opened(tmp_path, key=None)


@pytest.mark.parametrize("is_headless", [True, False])
def test_a_new_key_takes_the_place_of_the_kept_one(tmp_path, monkeypatch, is_headless):
    held = keyring(monkeypatch, error=NoKeyringError("planted") if is_headless else None)
    observed(tmp_path)
    with opened(tmp_path, key=None) as store:
        store.rekey(KEY)
        assert store.key_place == "app"
    assert not held
    assert not (tmp_path / "state.db.key").exists()
    assert observed(tmp_path, KEY) == ("app", 2)
    with pytest.raises(StoreError, match="pass key="):
        opened(tmp_path, key=None)
