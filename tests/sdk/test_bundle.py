import io
import zipfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight import BundleError
from nearsight.bundle import Bundle, read_bundle, write_atomically, write_bundle


def packed(tmp_path, made=None):
    path = tmp_path / "shop.nsight"
    write_bundle(path, made or made_up.bundle())
    return path


def rezipped(content, change, compression=zipfile.ZIP_STORED):
    """The same members with `change(name, content)` applied; None leaves one out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            changed = change(name, old.read(name))
            if changed is not None:
                new.writestr(name, changed)
    return buffer.getvalue()


def edited(**fields):
    def change(name, content):
        if name != "manifest.json":
            return content
        return msgspec.json.encode(msgspec.json.decode(content) | fields)

    return change


def test_what_was_written_is_read(tmp_path):
    made = made_up.bundle()
    found = read_bundle(packed(tmp_path, made))
    assert (found.manifest, dict(found.members)) == (made.manifest, made.members)


def test_equal_content_gives_equal_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert packed(tmp_path / "a").read_bytes() == packed(tmp_path / "b").read_bytes()


FAULTS = {
    "newer format": (edited(format=99), "format 99"),
    "member altered": (lambda n, c: c[:-1] + b"x" if n == "step.npz" else c, "altered"),
    "member shortened": (lambda n, c: c[:-1] if n == "step.npz" else c, "manifest says"),
    "member missing": (lambda n, c: None if n == "step.npz" else c, "doesn't hold"),
    "no manifest": (lambda n, c: None if n == "manifest.json" else c, r"no manifest\.json"),
    "manifest not JSON": (lambda n, c: b"{" if n == "manifest.json" else c, "unreadable manifest"),
    "manifest lacks a part": (lambda n, c: b'{"format": 1}' if n == "manifest.json" else c, "unreadable manifest"),
    "heads out of place": (edited(heads=[]), "unreadable manifest"),
    "strange member": (edited(members={"../../etc/passwd": {"sha256": "", "bytes": 0}}), "no bundle has"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(tmp_path, fault):
    change, words = FAULTS[fault]
    with pytest.raises(BundleError, match=words):
        read_bundle(rezipped(packed(tmp_path).read_bytes(), change))


def test_a_compressed_member_is_refused(tmp_path):
    bomb = rezipped(packed(tmp_path).read_bytes(), lambda n, c: c, zipfile.ZIP_DEFLATED)
    with pytest.raises(BundleError, match="compressed"):
        read_bundle(bomb)


def test_a_member_that_appears_twice_is_refused(tmp_path):
    path = packed(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("step.npz", b"")
    with pytest.raises(BundleError, match="twice"):
        read_bundle(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"])
def test_what_is_no_zip_is_refused(content):
    with pytest.raises(BundleError, match="isn't a readable bundle"):
        read_bundle(content)


def test_a_path_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="there is no file"):
        read_bundle(tmp_path / "shop.nsight")
    with pytest.raises(BundleError, match="can't be read"):
        read_bundle(tmp_path)


@given(st.data())
def test_no_damage_goes_unseen_or_crashes(tmp_path_factory, data):
    made = made_up.bundle()
    good = packed(tmp_path_factory.mktemp("bundle"), made).read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), good[:position]):
        try:
            found = read_bundle(damaged)
        except BundleError as error:
            assert str(error)
        else:  # a byte that no reader of a zip looks at
            assert dict(found.members) == made.members
            assert found.manifest == made.manifest


def test_a_manifest_that_disagrees_is_not_written(tmp_path):
    made = made_up.bundle()
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "shop.nsight", Bundle(made.manifest, {"step.npz": b"other"}))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_member_that_changes_after_the_check_is_caught(tmp_path):
    path = packed(tmp_path)
    found = read_bundle(path)
    path.write_bytes(rezipped(path.read_bytes(), lambda n, c: c[:-1] + b"x" if n == "step.npz" else c))
    with pytest.raises(BundleError, match="altered"):
        found.members["step.npz"]
