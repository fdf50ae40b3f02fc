import pytest

from benchmarks import invented
from nearsight.errors import InputError
from nearsight_benchmarks.results import read_results, write_results


def test_results_survive_the_file(tmp_path):
    results = invented.results()
    write_results(tmp_path / "results.json", results)
    assert read_results(tmp_path / "results.json") == results


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b"\xff"])
def test_something_else_is_refused_in_words(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="nearsight bench"):
        read_results(path)


def test_a_missing_file_is_refused_in_words(tmp_path):
    with pytest.raises(InputError, match=r"can't be read"):
        read_results(tmp_path / "none.json")


def test_entries_are_found_by_name():
    assert invented.results().entry("LightGBM").runtime == "LightGBM"
    with pytest.raises(KeyError):
        invented.results().entry("nobody")
