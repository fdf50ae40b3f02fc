from pathlib import Path

import pytest

import made_up
from cli.conftest import examples_of, nearsight
from nearsight.bundle import write_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    write_bundle(folder / "shop.nsight", made_up.bundle())
    return folder


def test_the_examples_run_one_after_the_other(folder: Path) -> None:
    for command in ("keys", "sign", "verify"):
        for example in examples_of(command):
            done = nearsight(*example, folder=folder)
            assert (done.code, done.err) == (0, "")
    assert done.out.startswith("shop.nsight (made-up) is whole")
    for name in ("web.pem", "next.pem"):
        assert nearsight("keys", name, folder=folder).code == 0
    for version, example in enumerate(examples_of("publish"), 1):
        done = nearsight(*example, folder=folder)
        assert (done.code, done.err) == (0, "")
        assert f"at version {version}," in done.out
    roots = {path.name for path in (folder / "site" / "metadata").glob("*.root.json")}
    assert roots == {"1.root.json", "2.root.json", "3.root.json"}
    assert "3.root.json is what your app must bring with it" in done.out


@pytest.mark.parametrize("more", [[], ["shop.nsight", "--online-key", "web.pem"], ["--new-key", "next.pem"]])
def test_without_the_developers_key_nothing_is_offered(folder: Path, more: list[str]) -> None:
    done = nearsight("publish", "nowhere", *more, folder=folder)
    assert (done.code, done.out) == (2, "")
    assert "pass --key" in done.err
    assert not (folder / "nowhere").exists()


def test_a_bundle_without_a_signature_is_refused(folder: Path) -> None:
    write_bundle(folder / "plain.nsight", made_up.bundle())
    nearsight("keys", "plain.pem", folder=folder)
    done = nearsight("verify", "plain.nsight", "--public-key", "plain.pub.pem", folder=folder)
    assert (done.code, done.out) == (2, "")
    assert "isn't signed" in done.err


def test_a_key_that_is_there_stays(folder: Path) -> None:
    (folder / "kept.pem").write_text("precious")
    done = nearsight("keys", "kept.pem", folder=folder)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert (folder / "kept.pem").read_text() == "precious"
