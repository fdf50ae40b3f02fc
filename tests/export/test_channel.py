"""A channel on loopback: what a developer publishes arrives, and what somebody on the way makes of it doesn't."""

import functools
import hashlib
import http.server
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

import made_up
import nearsight
import nearsight.channel
from nearsight import BundleError, InputError, UpdateError
from nearsight.bundle import read_bundle, write_bundle
from nearsight_export.publishing import newest_root, publish, refresh
from nearsight_export.signing import make_keys, private_key, sign

VERSIONS = (1, 2, 3)
MONTH = 30 * 86_400.0


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@dataclass
class Site:
    """A channel's folder and its address; `then` are copies of it as it was at each version."""

    folder: Path
    url: str
    then: dict[int, Path]
    bundles: dict[int, Path]
    key: Path

    def show(self, version: int) -> None:
        """Serve the channel as it was at that version."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.then[version], self.folder)

    @property
    def root(self) -> Path:
        return self.then[1] / "metadata" / "1.root.json"

    @property
    def metadata(self) -> Path:
        return self.folder / "metadata"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    work = tmp_path_factory.mktemp("channel")
    make_keys(work / "key.pem")
    then, bundles = {}, {}
    for version in VERSIONS:
        bundles[version] = work / f"{version}.nsight"
        write_bundle(bundles[version], made_up.bundle(seed=version))
        assert publish(work / "site", bundles[version], work / "key.pem", MONTH) == version
        then[version] = shutil.copytree(work / "site", work / f"then{version}")
    handler = functools.partial(Quiet, directory=work / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(work / "site", f"http://127.0.0.1:{server.server_port}", then, bundles, work / "key.pem")
        server.shutdown()


@pytest.fixture
def site(published: Site) -> Site:
    published.show(1)
    return published


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app"


def held(app: Path) -> bytes:
    return nearsight.current(app).read_bytes()


def at_version(site: Site, app: Path, version: int) -> Path:
    """Let the app fetch that version."""
    site.show(version)
    return nearsight.update(site.url, app, root=site.root)


def refused(site: Site, app: Path) -> str:
    """The sentence with which an update fails; what the app holds must stay."""
    before = held(app)
    with pytest.raises(UpdateError) as caught:
        nearsight.update(site.url, app, root=site.root)
    assert held(app) == before
    assert not [path for path in (app / "bundles").iterdir() if path.name.startswith(".")]
    return str(caught.value)


def test_what_is_published_arrives_and_answers(site: Site, app: Path) -> None:
    for version in VERSIONS:
        path = at_version(site, app, version)
        assert path == nearsight.current(app)
        assert held(app) == site.bundles[version].read_bytes()
        assert nearsight.load(path, runtime="numpy").session().observe("view", 1.7e9)["purchase"]


def test_nothing_new_is_no_second_download(site: Site, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = at_version(site, app, 1)
    monkeypatch.setattr(nearsight.channel, "_fetch", lambda *_: pytest.fail("fetched again"))
    assert nearsight.update(site.url, app, root=site.root.read_bytes()) == first


def test_only_two_bundles_are_kept(site: Site, app: Path) -> None:
    for version in VERSIONS:
        at_version(site, app, version)
    kept = {path.read_bytes() for path in (app / "bundles").iterdir()}
    assert kept == {site.bundles[version].read_bytes() for version in (2, 3)}


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "2.targets.json", "target"])
@pytest.mark.parametrize("change", ["a byte", "more", "cut", "gone"])
def test_what_was_tampered_with_is_refused(name: str, change: str, site: Site, app: Path) -> None:
    at_version(site, app, 1)
    site.show(2)
    new = read_bundle(site.bundles[2]).manifest.model
    path = site.metadata / name
    if name == "target":
        (path,) = [each for each in (site.folder / "targets").iterdir() if read_bundle(each).manifest.model == new]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"a byte": bytes(content), "more": path.read_bytes() + bytes(9), "cut": path.read_bytes()[:-9]}
    path.unlink() if change == "gone" else path.write_bytes(changed[change])
    assert "stays" in refused(site, app)
    site.show(2)
    assert nearsight.update(site.url, app, root=site.root).read_bytes() == site.bundles[2].read_bytes()


def test_another_keys_channel_is_refused(site: Site, app: Path, tmp_path: Path) -> None:
    at_version(site, app, 1)
    make_keys(tmp_path / "other.pem")
    for _ in range(2):
        publish(tmp_path / "site", site.bundles[2], tmp_path / "other.pem", MONTH)
    shutil.rmtree(site.folder)
    shutil.copytree(tmp_path / "site", site.folder)
    assert "can't be trusted" in refused(site, app)


@pytest.mark.parametrize("role", ["timestamp", "2.snapshot", "2.targets"])
def test_metadata_signed_with_another_key_is_refused(role: str, site: Site, app: Path) -> None:
    at_version(site, app, 1)
    site.show(2)
    path = site.metadata / f"{role}.json"
    forged = Metadata.from_bytes(path.read_bytes())
    forged.sign(CryptoSigner(Ed25519PrivateKey.generate()))
    forged.to_file(str(path))
    assert "can't be trusted" in refused(site, app)


def test_a_rollback_is_refused(site: Site, app: Path) -> None:
    at_version(site, app, 3)
    for version in (2, 1):
        site.show(version)
        assert "can't be trusted" in refused(site, app)


def test_a_rollback_of_the_bundle_alone_is_refused(site: Site, app: Path) -> None:
    """The old bundle under the new one's name: right signature elsewhere, wrong hash here."""
    at_version(site, app, 1)
    site.show(2)
    for path in (site.folder / "targets").iterdir():
        path.write_bytes(site.bundles[1].read_bytes())
    assert "can't be fetched whole" in refused(site, app)


def test_a_freeze_is_noticed_once_the_date_is_over(site: Site, app: Path) -> None:
    at_version(site, app, 1)
    long_ago = datetime.now(UTC) - timedelta(days=60)
    publish(site.folder, site.bundles[2], site.key, MONTH, now=long_ago)
    assert "expired" in refused(site, app)
    publish(site.folder, None, site.key, MONTH)  # the developer signs anew what is offered
    assert nearsight.update(site.url, app, root=site.root).read_bytes() == site.bundles[2].read_bytes()


@pytest.mark.parametrize("swapped", [("snapshot", 1), ("targets", 1), ("snapshot", 2), ("targets", 2)])
def test_genuine_parts_of_different_versions_dont_mix(swapped: tuple[str, int], site: Site, app: Path) -> None:
    at_version(site, app, 1)
    site.show(3)
    role, version = swapped
    shutil.copy(site.metadata / f"{version}.{role}.json", site.metadata / f"3.{role}.json")
    assert "can't be trusted" in refused(site, app)


def test_an_old_timestamp_before_new_files_doesnt_mix(site: Site, app: Path) -> None:
    at_version(site, app, 2)
    site.show(3)
    shutil.copy(site.then[1] / "metadata" / "timestamp.json", site.metadata)
    assert "can't be trusted" in refused(site, app)


def test_a_genuine_bundle_that_cant_be_read_is_not_switched_to(
    site: Site, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_version(site, app, 1)
    (tmp_path / "bad.nsight").write_bytes(b"PK, but no bundle")
    with monkeypatch.context() as patch:
        patch.setattr("nearsight_export.publishing.read_bundle", lambda path: None)
        publish(site.folder, tmp_path / "bad.nsight", site.key, MONTH)
    assert "can't be used" in refused(site, app)


def test_a_key_for_bundles_is_asked_for_too(site: Site, app: Path, tmp_path: Path) -> None:
    public = make_keys(tmp_path / "mine.pem")
    with pytest.raises(UpdateError, match="isn't signed"):
        nearsight.update(site.url, app, root=site.root, public_key=public)
    sign(site.bundles[1], tmp_path / "mine.pem", tmp_path / "signed.nsight")
    publish(site.folder, tmp_path / "signed.nsight", site.key, MONTH)
    path = nearsight.update(site.url, app, root=site.root, public_key=public)
    assert read_bundle(path, public).manifest == read_bundle(site.bundles[1]).manifest


def test_a_switch_that_is_interrupted_leaves_the_bundle_before(
    site: Site, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_version(site, app, 1)
    site.show(2)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("power cut")))
        with pytest.raises(OSError, match="power cut"):
            nearsight.update(site.url, app, root=site.root)
    assert held(app) == site.bundles[1].read_bytes()
    nearsight.update(site.url, app, root=site.root)
    assert held(app) == site.bundles[2].read_bytes()


def test_a_bundle_that_is_damaged_later_falls_back_and_is_fetched_anew(site: Site, app: Path) -> None:
    at_version(site, app, 1)
    newest = at_version(site, app, 2)
    newest.write_bytes(newest.read_bytes()[:-1])
    assert held(app) == site.bundles[1].read_bytes()
    nearsight.update(site.url, app, root=site.root)
    assert held(app) == site.bundles[2].read_bytes()


@pytest.mark.parametrize("pointer", [b"", b"{}", b'["../../etc/passwd"]', b"[1]", b"\xff"])
def test_a_damaged_pointer_leads_nowhere_else(pointer: bytes, site: Site, app: Path) -> None:
    at_version(site, app, 1)
    (app / "current.json").write_bytes(pointer)
    with pytest.raises(BundleError, match="holds no whole bundle"):
        nearsight.current(app)
    assert at_version(site, app, 1).read_bytes() == site.bundles[1].read_bytes()


def test_a_channel_that_isnt_there_is_an_error_of_ours(site: Site, app: Path) -> None:
    at_version(site, app, 1)
    with pytest.raises(UpdateError, match="can't be fetched"):
        nearsight.update("http://127.0.0.1:9", app, root=site.root)
    assert held(app) == site.bundles[1].read_bytes()


@pytest.mark.parametrize("root", [b"", b"{}", b"PK"])
def test_what_is_no_root_is_refused(root: bytes, site: Site, app: Path) -> None:
    with pytest.raises(InputError, match="root"):
        nearsight.update(site.url, app, root=root)


def test_without_tuf_it_says_what_to_install(site: Site, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tuf.api.exceptions", None)
    with pytest.raises(InputError, match=r"nearsight\[update\]"):
        nearsight.update(site.url, app, root=site.root)


def test_nothing_is_held_at_first(app: Path) -> None:
    with pytest.raises(BundleError, match=r"nearsight\.update"):
        nearsight.current(app)


def test_another_key_cant_publish_and_changes_nothing(site: Site, tmp_path: Path) -> None:
    make_keys(tmp_path / "other.pem")
    before = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="another key"):
        publish(site.folder, site.bundles[2], tmp_path / "other.pem", MONTH)
    assert {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()} == before


def test_nothing_can_be_published_without_a_bundle_at_first(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="offers no bundle yet"):
        publish(tmp_path / "new", None, site.key, MONTH)
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_left_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="isn't a channel"):
        publish(tmp_path, site.bundles[1], site.key, MONTH)


def test_a_root_near_its_end_is_replaced_and_old_apps_follow(site: Site, app: Path) -> None:
    at_version(site, app, 1)
    publish(site.folder, site.bundles[2], site.key, 12 * MONTH, now=datetime.now(UTC) + timedelta(days=3300))
    assert (site.metadata / "2.root.json").exists()
    assert nearsight.update(site.url, app, root=site.root).read_bytes() == site.bundles[2].read_bytes()


def test_no_private_key_is_in_the_folder(site: Site) -> None:
    secret = private_key(site.key).private_bytes_raw()
    for path in site.folder.rglob("*"):
        if path.is_file():
            assert b"PRIVATE" not in path.read_bytes()
            assert secret.hex().encode() not in path.read_bytes()
    assert json.loads(site.root.read_text())["signed"]["consistent_snapshot"]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Private keys by what they are for."""
    found = {name: tmp_path / "keys" / f"{name}.pem" for name in ("online", "next", "other")}
    for path in found.values():
        make_keys(path)
    return found


def updated(site: Site, app: Path) -> bytes:
    """What an app holds that began with the channel's first root."""
    return nearsight.update(site.url, app, root=site.root).read_bytes()


def sign_anew(path: Path, *keys: Path) -> None:
    """Forge: the file's content under other signatures."""
    forged = Metadata.from_bytes(path.read_bytes())
    forged.signatures.clear()
    for key in keys:
        forged.sign(CryptoSigner(private_key(key)), append=True)
    forged.to_file(str(path))


def test_an_online_key_keeps_fresh_what_is_offered(site: Site, app: Path, keys: dict[str, Path]) -> None:
    at_version(site, app, 1)
    long_ago = datetime.now(UTC) - timedelta(days=60)
    publish(site.folder, site.bundles[2], site.key, MONTH, online_key=keys["online"], now=long_ago)
    assert "expired" in refused(site, app)
    offer = (site.metadata / "2.targets.json").read_bytes()
    assert refresh(site.folder, keys["online"], MONTH) == 3
    assert refresh(site.folder, keys["online"], MONTH) == 4
    assert (site.metadata / "2.targets.json").read_bytes() == offer
    assert updated(site, app) == site.bundles[2].read_bytes()
    assert publish(site.folder, site.bundles[3], site.key, MONTH, online_key=keys["online"]) == 5
    assert updated(site, app) == site.bundles[3].read_bytes()
    assert newest_root(site.folder) == site.metadata / "2.root.json"


def test_a_refreshed_channel_rolls_back_no_more_than_another(site: Site, app: Path, keys: dict[str, Path]) -> None:
    publish(site.folder, site.bundles[2], site.key, MONTH, online_key=keys["online"])
    before = (site.metadata / "timestamp.json").read_bytes()
    refresh(site.folder, keys["online"], MONTH)
    updated(site, app)
    (site.metadata / "timestamp.json").write_bytes(before)
    assert "can't be trusted" in refused(site, app)


def test_an_online_key_can_offer_nothing(site: Site, app: Path, keys: dict[str, Path]) -> None:
    """Whoever has it names another bundle, in targets and snapshot and timestamp of their own."""
    publish(site.folder, site.bundles[1], site.key, MONTH, online_key=keys["online"])
    updated(site, app)
    publish(site.folder, site.bundles[2], site.key, MONTH, online_key=keys["online"])
    newest = max(site.metadata.glob("*.targets.json"), key=lambda path: int(path.name.split(".")[0]))
    sign_anew(newest, keys["online"])
    version = newest.name.split(".")[0]
    snapshot = site.metadata / f"{version}.snapshot.json"
    for path, named, name in (
        (snapshot, newest, "targets.json"),
        (site.metadata / "timestamp.json", snapshot, "snapshot.json"),
    ):
        whole = json.loads(path.read_text())
        content = named.read_bytes()
        whole["signed"]["meta"][name] |= {
            "length": len(content), "hashes": {"sha256": hashlib.sha256(content).hexdigest()}
        }  # fmt: skip
        path.write_text(json.dumps(whole))
        sign_anew(path, keys["online"])
    assert "can't be trusted" in refused(site, app)
    with pytest.raises(InputError, match="another key"):
        publish(site.folder, site.bundles[3], keys["online"], MONTH)


def test_only_the_channels_own_online_key_refreshes_it(site: Site, app: Path, keys: dict[str, Path]) -> None:
    publish(site.folder, site.bundles[2], site.key, MONTH, online_key=keys["online"])
    for act in (
        lambda: refresh(site.folder, keys["other"], MONTH),
        lambda: refresh(site.folder, site.key, MONTH),
        lambda: publish(site.folder, site.bundles[3], site.key, MONTH),
    ):
        with pytest.raises(InputError, match="kept fresh by another key"):
            act()
    publish(site.folder, None, site.key, MONTH, online_key=keys["other"])  # the developer exchanges it
    with pytest.raises(InputError, match="kept fresh by another key"):
        refresh(site.folder, keys["online"], MONTH)
    refresh(site.folder, keys["other"], MONTH)
    assert updated(site, app) == site.bundles[2].read_bytes()


def test_a_freeze_behind_a_stolen_online_key_ends_with_the_offer(site: Site, keys: dict[str, Path]) -> None:
    publish(site.folder, site.bundles[2], site.key, MONTH, online_key=keys["online"])
    later = datetime.now(UTC) + timedelta(days=350)
    with pytest.raises(InputError, match=r"lasts until \d{4}-\d\d-\d\d: publish it with --key"):
        refresh(site.folder, keys["online"], MONTH, now=later)


def test_there_must_be_a_channel_to_keep_fresh_or_to_replace_a_key_of(
    site: Site, tmp_path: Path, keys: dict[str, Path]
) -> None:
    with pytest.raises(InputError, match="isn't a channel yet"):
        refresh(tmp_path / "new", keys["online"], MONTH)
    with pytest.raises(InputError, match="no key can be replaced"):
        publish(tmp_path / "new", site.bundles[1], site.key, MONTH, new_key=keys["next"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("online", [False, True])
def test_apps_follow_to_a_new_key_and_the_old_one_is_good_for_nothing(
    site: Site, app: Path, tmp_path: Path, keys: dict[str, Path], online: bool
) -> None:
    more = {"online_key": keys["online"]} if online else {}
    publish(site.folder, site.bundles[1], site.key, MONTH, **more)
    updated(site, app)
    for _ in range(2):  # what was interrupted can be done again
        publish(site.folder, site.bundles[2], site.key, MONTH, new_key=keys["next"], **more)
    assert updated(site, app) == site.bundles[2].read_bytes()
    publish(site.folder, site.bundles[3], keys["next"], MONTH, **more)  # which keeps both signatures of the root
    assert updated(site, tmp_path / "who comes late") == site.bundles[3].read_bytes()
    with pytest.raises(InputError, match="another key"):
        publish(site.folder, site.bundles[1], site.key, MONTH, **more)
    updated(site, app)
    for path in site.metadata.glob("*.json"):
        if "root" not in path.name:
            sign_anew(path, site.key)
    assert "can't be trusted" in refused(site, app)


def test_a_root_by_a_stolen_old_key_alone_is_refused_after_the_rotation(
    site: Site, app: Path, keys: dict[str, Path]
) -> None:
    publish(site.folder, site.bundles[2], site.key, MONTH, new_key=keys["next"])
    updated(site, app)
    newest = newest_root(site.folder)
    forged = Metadata.from_bytes(newest.read_bytes())
    forged.signed.version += 1
    forged.to_file(str(site.metadata / f"{forged.signed.version}.root.json"))
    sign_anew(site.metadata / f"{forged.signed.version}.root.json", site.key)
    assert "can't be trusted" in refused(site, app)
