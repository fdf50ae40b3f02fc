"""With a public key, only its owner's bundles are opened, and the manifest isn't parsed before that is known."""

import subprocess
import sys

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

import made_up
import nearsight
from nearsight import BundleError, InputError
from nearsight.archive import packed
from nearsight.bundle import MANIFEST, SIGNATURE, read_bundle, signed, write_bundle
from nearsight.signature import public_key, signed_by

# RFC 8032, section 7.1, test 2: secret, public key, message, signature
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
MESSAGE = bytes.fromhex("72")
SIGNATURE_OF_IT = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
OWNER, OTHER = Ed25519PrivateKey.from_private_bytes(SECRET), Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def pem(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "shop.nsight"
    write_bundle(path, made_up.bundle())
    return path.read_bytes()


@pytest.fixture(scope="module")
def owned(unsigned):
    return signed(unsigned, OWNER.sign)


def with_members(content, **changes):
    """The same archive with members replaced, added or, by None, left out."""
    found = read_bundle(content)
    members = {MANIFEST: msgspec.json.encode(found.manifest), **found.members, **changes}
    return packed({name: member for name, member in members.items() if member is not None})


def test_the_signature_is_that_of_the_standard():
    key = public_key(pem(OWNER))
    assert key.public_bytes_raw() == PUBLIC
    assert OWNER.sign(MESSAGE) == SIGNATURE_OF_IT
    assert signed_by(key, SIGNATURE_OF_IT, MESSAGE)
    assert not signed_by(key, SIGNATURE_OF_IT, MESSAGE + b"x")


def test_the_owners_bundle_is_loaded_and_says_what_it_said(unsigned, owned, tmp_path):
    (tmp_path / "key.pub.pem").write_bytes(pem(OWNER))
    for key in (pem(OWNER), tmp_path / "key.pub.pem", str(tmp_path / "key.pub.pem")):
        insight = nearsight.load(owned, runtime="numpy", public_key=key)
        plain = nearsight.load(unsigned, runtime="numpy")
        assert dict(insight.session().observe("view", 0.0)) == dict(plain.session().observe("view", 0.0))


def test_without_a_key_a_signed_bundle_is_like_any_other(unsigned, owned):
    assert read_bundle(owned).manifest == read_bundle(unsigned).manifest
    assert dict(read_bundle(owned).members) == dict(read_bundle(unsigned).members)


def test_an_unsigned_bundle_is_refused(unsigned):
    with pytest.raises(BundleError, match="isn't signed"):
        nearsight.load(unsigned, public_key=pem(OWNER))


def test_somebody_elses_bundle_is_refused(unsigned, owned):
    for content in (signed(unsigned, OTHER.sign), signed(owned, OTHER.sign)):
        with pytest.raises(BundleError, match="wasn't signed"):
            nearsight.load(content, public_key=pem(OWNER))


def test_a_signature_doesnt_speak_for_another_manifest(owned, tmp_path):
    write_bundle(tmp_path / "other.nsight", made_up.bundle(seed=1))
    taken = signed((tmp_path / "other.nsight").read_bytes(), OWNER.sign)
    signature = taken[taken.index(b"signature") + len(b"signature") :][:64]
    mixed = with_members(owned, **{SIGNATURE: signature})
    with pytest.raises(BundleError, match="wasn't signed"):
        read_bundle(mixed, pem(OWNER))


def test_a_member_cant_be_swapped_under_the_signature(owned):
    signature = owned[owned.index(b"signature") + len(b"signature") :][:64]
    swapped = with_members(owned, **{"step.npz": b"other", SIGNATURE: signature})
    with pytest.raises(BundleError, match=r"step\.npz"):
        read_bundle(swapped, pem(OWNER))


def test_a_manifest_isnt_parsed_before_its_signature_is_checked(owned, monkeypatch):
    monkeypatch.setattr(msgspec.json, "decode", lambda *given, **more: pytest.fail("parsed"))
    with pytest.raises(BundleError, match="wasn't signed"):
        read_bundle(owned, pem(OTHER))


@pytest.mark.parametrize("size", [0, 63, 65, 5000])
def test_a_signature_of_another_size_is_refused_even_without_a_key(unsigned, size):
    with pytest.raises(BundleError, match=f"signature of {size} bytes"):
        read_bundle(signed(unsigned, lambda manifest: bytes(size)))


@given(st.data())
def test_no_change_to_a_signed_bundle_goes_unseen(owned, data):
    position = data.draw(st.integers(0, len(owned) - 1))
    flipped = bytearray(owned)
    flipped[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), owned[:position], owned + b"x", owned[position + 1 :]):
        with pytest.raises(BundleError):
            read_bundle(damaged, pem(OWNER))


OF_ANOTHER_KIND = generate_private_key(SECP256R1()).public_key()


@pytest.mark.parametrize(
    "key",
    [b"", b"-----BEGIN PUBLIC KEY-----", OF_ANOTHER_KIND.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)],
)
def test_what_is_no_public_key_is_refused(owned, key):
    with pytest.raises(InputError, match="Ed25519 public key"):
        nearsight.load(owned, public_key=key)


def test_a_missing_key_file_is_refused(owned, tmp_path):
    with pytest.raises(InputError, match=r"key\.pem can't be read"):
        nearsight.load(owned, public_key=tmp_path / "key.pem")


def test_without_cryptography_it_says_what_to_install(owned, tmp_path):
    (tmp_path / "shop.nsight").write_bytes(owned)
    code = (
        "import sys; sys.modules['cryptography'] = None\nimport nearsight\n"
        "print(len(nearsight.load(sys.argv[1], runtime='numpy').session().observe('view', 0.0)))\n"
        "try: nearsight.load(sys.argv[1], public_key=b'')\n"
        "except nearsight.InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "shop.nsight"], capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "2", done.stderr
    assert "nearsight[trust]" in done.stdout.splitlines()[1]
