import io
import zipfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight import BundleError
from nearsight.archive import contents, entries, packed
from nearsight.bundle import Bundle, read_bundle, write_atomically, write_bundle


def written(tmp_path, made=None):
    path = tmp_path / "shop.nsight"
    write_bundle(path, made or made_up.bundle())
    return path


def repacked(content, change):
    """The same members with `change(name, content)` applied; None leaves one out."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = {name: change(name, old.read(name)) for name in old.namelist()}
    return packed({name: member for name, member in members.items() if member is not None})


def zipped(content, compression=zipfile.ZIP_STORED):
    """The same members as an ordinary zip tool would pack them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return buffer.getvalue()


def edited(**fields):
    def change(name, content):
        if name != "manifest.json":
            return content
        return msgspec.json.encode(msgspec.json.decode(content) | fields)

    return change


def test_what_was_written_is_read(tmp_path):
    made = made_up.bundle()
    found = read_bundle(written(tmp_path, made))
    assert (found.manifest, dict(found.members)) == (made.manifest, made.members)


def test_equal_content_gives_equal_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert written(tmp_path / "a").read_bytes() == written(tmp_path / "b").read_bytes()


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
        read_bundle(repacked(written(tmp_path).read_bytes(), change))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_another_tools_zip_is_refused(tmp_path, compression):
    with pytest.raises(BundleError, match="unusual member"):
        read_bundle(zipped(written(tmp_path).read_bytes(), compression))


def test_a_member_that_appears_twice_is_refused(tmp_path):
    path = written(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("step.npz", b"")
    with pytest.raises(BundleError, match="isn't a readable bundle"):
        read_bundle(path)


def test_any_zip_tool_opens_a_bundle(tmp_path):
    made = made_up.bundle()
    with zipfile.ZipFile(written(tmp_path, made)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in made.members} == made.members


@given(st.dictionaries(st.text("abc.", min_size=1), st.binary(max_size=50), max_size=4))
def test_an_archive_holds_what_was_packed(members):
    content = packed(members)
    file = io.BytesIO(content)
    assert {name: contents(file, entry) for name, entry in entries(file).items()} == members
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == members


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
def test_no_damage_goes_unseen(tmp_path_factory, data):
    good = written(tmp_path_factory.mktemp("bundle")).read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), good[:position], good + b"x", good[position:]):
        if damaged != good:
            with pytest.raises(BundleError):
                read_bundle(damaged)


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
    path = written(tmp_path)
    found = read_bundle(path)
    path.write_bytes(repacked(path.read_bytes(), lambda n, c: c[:-1] + b"x" if n == "step.npz" else c))
    with pytest.raises(BundleError, match="damaged"):
        found.members["step.npz"]
