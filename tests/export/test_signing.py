"""A developer's keys: made once, readable by nobody else, and the bundles that they sign are trusted."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

import made_up
from nearsight import BundleError, InputError
from nearsight.bundle import MANIFEST, read_bundle, write_bundle
from nearsight_export.signing import make_keys, private_key, sign


@pytest.fixture
def bundle(tmp_path):
    write_bundle(tmp_path / "shop.nsight", made_up.bundle())
    return tmp_path / "shop.nsight"


def test_what_a_key_signed_its_public_half_trusts_and_no_other(bundle, tmp_path):
    public, other = make_keys(tmp_path / "mine.pem"), make_keys(tmp_path / "other.pem")
    before = read_bundle(bundle).manifest
    for _ in range(2):  # signing again replaces the signature
        sign(bundle, tmp_path / "mine.pem", bundle)
        assert read_bundle(bundle, public).manifest == before
    with pytest.raises(BundleError, match="wasn't signed"):
        read_bundle(bundle, other)


def test_signing_keeps_every_other_byte(bundle, tmp_path):
    make_keys(tmp_path / "mine.pem")
    sign(bundle, tmp_path / "mine.pem", tmp_path / "signed.nsight")
    old, new = bundle.read_bytes(), (tmp_path / "signed.nsight").read_bytes()
    members = old[: old.index(b"PK\1\2")]
    assert new.startswith(members)
    assert MANIFEST.encode() in members


def test_a_private_key_is_its_owners_alone(tmp_path):
    public = make_keys(tmp_path / "keys" / "shop.pem")
    assert public == tmp_path / "keys" / "shop.pub.pem"
    assert stat.S_IMODE((tmp_path / "keys" / "shop.pem").stat().st_mode) == 0o600
    assert b"PRIVATE" not in public.read_bytes()


@pytest.mark.parametrize("there", ["shop.pem", "shop.pub.pem"])
def test_a_key_is_not_written_over(tmp_path, there):
    (tmp_path / there).write_bytes(b"precious")
    with pytest.raises(InputError, match="is there already"):
        make_keys(tmp_path / "shop.pem")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(there, b"precious")]


def test_what_is_no_private_key_is_refused_and_nothing_written(bundle, tmp_path):
    public = make_keys(tmp_path / "mine.pem")
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    before = bundle.read_bytes()
    for key in (public, tmp_path / "locked.pem", bundle):
        with pytest.raises(InputError, match="Ed25519 private key"):
            sign(bundle, key, bundle)
    with pytest.raises(InputError, match="can't be read"):
        private_key(tmp_path / "none.pem")
    assert bundle.read_bytes() == before


def test_no_message_shows_a_private_key(tmp_path):
    (tmp_path / "half.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEsecret")
    with pytest.raises(InputError) as caught:
        private_key(tmp_path / "half.pem")
    assert "secret" not in str(caught.value)
